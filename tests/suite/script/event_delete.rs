//! `lua/event_delete.lua`. The whole command is tested in `clear.rs`.

use seckill::store::script::EVENT_DELETE;

use super::{Words, assert_broken_data_raises, assert_raises};
use crate::support::redis::World;

const KEYS: [&str; 15] = [
    "deleted", "feed", "accounts", "orders", "holds", "requests", "dead", "paid_in", "changes",
    "payments", "archived", "sale", "stock", "buyers", "gone",
];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&KEYS[..9], &["1", "1"][..]),
        (&KEYS[..13], &["1", "1", "a"]),
        (&KEYS, &["1", "1"]),
    ] {
        let takes = "event_delete takes 11 keys";
        assert_raises(&mut world, &EVENT_DELETE, keys, args, takes).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let seeds: [Words; 1] = [&["HSET", "sale", "kind", "list"]];
    let cases: [(Words, &str); 6] = [
        (&["SET", "sale", "x"], "WRONGTYPE"),
        (&["HSET", "sale", "used", "x"], "is not a whole number"),
        (&["HSET", "sale", "history", "x"], "history is not N-word"),
        (
            &["HSET", "sale", "known", "x"],
            "known is not a whole number",
        ),
        (&["SET", "deleted", "x"], "WRONGTYPE"),
        (&["SET", "accounts", "x"], "WRONGTYPE"),
    ];
    let args = ["1", "1", "a"];
    assert_broken_data_raises(&EVENT_DELETE, &KEYS, &args, &seeds, cases).await;
}

/// Also of an event without sales, where no number of a history is looked up.
#[tokio::test]
async fn a_broken_key_raises_before_the_first_write_without_sales() {
    let seeds: [Words; 1] = [&["HSET", "orders", "a-1", "x"]];
    let cases: [(Words, &str); 1] = [(&["SET", "deleted", "x"], "WRONGTYPE")];
    let (keys, args) = (&KEYS[..11], ["1", "1"]);
    assert_broken_data_raises(&EVENT_DELETE, keys, &args, &seeds, cases).await;
}
