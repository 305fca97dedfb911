//! `lua/clear_begin.lua`. The whole command is tested in `clear.rs`.

use seckill::store::script::CLEAR_BEGIN;

use super::{Words, assert_broken_data_raises, assert_raises};
use crate::support::redis::World;

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&["feed"][..], &["reset a", "1", "0"][..]),
        (&["feed", "sale"], &["reset a", "1", "0"]),
        (&["feed", "sale"], &["reset a", "1", "0", "a", "b"]),
    ] {
        assert_raises(&mut world, &CLEAR_BEGIN, keys, args, "clear_begin takes").await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let seeds: [Words; 1] = [&["HSET", "sale", "kind", "list"]];
    let cases: [(Words, &str); 3] = [
        (&["HSET", "sale", "used", "x"], "is not a whole number"),
        (&["SET", "sale", "x"], "WRONGTYPE"),
        (&["SET", "feed", "x"], "WRONGTYPE"),
    ];
    let (keys, args) = (["feed", "sale"], ["reset a", "0", "0", "a"]);
    assert_broken_data_raises(&CLEAR_BEGIN, &keys, &args, &seeds, cases).await;
}
