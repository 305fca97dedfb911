//! `lua/clear_orders.lua`. The whole command is tested in `clear.rs`.

use seckill::store::script::CLEAR_ORDERS;

use super::{Words, assert_broken_data_raises, assert_raises};
use crate::support::redis::World;

const KEYS: [&str; 6] = ["orders", "holds", "requests", "sale", "stock", "buyers"];
const CLEARING: Words = &["HSET", "sale", "kind", "list", "clearing", "0 reset a"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let takes = "clear_orders takes 3 keys";
    for (keys, args) in [
        (&KEYS[..5], &["a", "a-1"][..]),
        (&KEYS, &["a"]),
        (&KEYS[..3], &["a-1"]),
    ] {
        assert_raises(&mut world, &CLEAR_ORDERS, keys, args, takes).await;
    }
    let mut args = vec!["a"];
    args.resize(1002, "a-1");
    let words = "at most 1000 orders";
    assert_raises(&mut world, &CLEAR_ORDERS, &KEYS, &args, words).await;
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let seeds: [Words; 3] = [
        CLEARING,
        &["HSET", "orders", "a-1", "held\t1\tx\t9\na\t2\tsn-1\tsn-2"],
        &["RPUSH", "stock", "sn-3"],
    ];
    let cases: [(Words, &str); 8] = [
        (&["SET", "orders", "x"], "WRONGTYPE"),
        (&["SET", "holds", "x"], "WRONGTYPE"),
        (&["SET", "requests", "x"], "WRONGTYPE"),
        (&["SET", "sale", "x"], "WRONGTYPE"),
        (&["SET", "buyers", "x"], "WRONGTYPE"),
        (&["SET", "stock", "x"], "WRONGTYPE"),
        (&["HDEL", "sale", "clearing"], "a is not being cleared"),
        (&["HSET", "sale", "held", "x"], "held is not a whole number"),
    ];
    let args = ["a", "a-1"];
    assert_broken_data_raises(&CLEAR_ORDERS, &KEYS, &args, &seeds, cases).await;
}
