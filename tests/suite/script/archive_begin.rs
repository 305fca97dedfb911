//! `lua/archive_begin.lua`. The whole archive command is tested in `archive.rs`.

use seckill::store::script::ARCHIVE_BEGIN;

use super::{Words, assert_broken_data_raises, assert_raises, call_at};
use crate::support::redis::World;

const KEYS: [&str; 4] = ["archived", "deleted", "feed", "sale"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let takes = "archive_begin takes archived";
    for (keys, args) in [(&KEYS[..2], &[][..]), (&KEYS, &[]), (&KEYS[..3], &["a"])] {
        assert_raises(&mut world, &ARCHIVE_BEGIN, keys, args, takes).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let seeds: [Words; 2] = [
        &["HSET", "sale", "kind", "list", "closes_at", "1"],
        &["XADD", "feed", "0-*", "what", "held"],
    ];
    let cases: [(Words, &str); 4] = [
        (&["SET", "sale", "x"], "WRONGTYPE"),
        (&["SET", "feed", "x"], "WRONGTYPE"),
        (&["SET", "deleted", "x"], "WRONGTYPE"),
        (
            &["HSET", "sale", "closes_at", "soon"],
            "closes_at of sale a is not a whole number",
        ),
    ];
    assert_broken_data_raises(&ARCHIVE_BEGIN, &KEYS, &["a"], &seeds, cases).await;
}

/// The last millisecond of the window belongs to the sale.
#[tokio::test]
async fn a_sale_has_ended_after_its_last_millisecond() {
    let mut world = World::new().await;
    let keys = KEYS.map(|key| format!("{}{key}", world.prefix));
    let _: u64 = world
        .run(&["HSET", &keys[3], "kind", "list", "closes_at", "700"])
        .await;
    for (now, words) in [(699, "not_ended"), (700, "not_ended"), (701, "begun")] {
        let told = call_at(&mut world, &ARCHIVE_BEGIN, now, &keys, &["a"]).await;
        assert!(format!("{told:?}").contains(words), "at {now}: {told:?}");
    }
    let _ = call_at(&mut world, &ARCHIVE_BEGIN, 900, &keys, &["a"]).await;
    let first: String = world.run(&["GET", &keys[0]]).await;
    assert_eq!(first, "701", "the first time stays");
}
