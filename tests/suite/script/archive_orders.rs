//! `archive_orders`: what it does with the other steps is in `archive.rs` of the suite.

use redis::Value;
use seckill::store::script::ARCHIVE_ORDERS;

use super::{Words, assert_broken_data_raises, assert_raises, call};
use crate::support::redis::World;

const KEYS: [&str; 7] = [
    "archived", "feed", "orders", "holds", "requests", "sale", "gone",
];
const SEEDS: [Words; 3] = [
    &["SET", "archived", "1"],
    &["HSET", "sale", "kind", "list", "gone", "1"],
    &[
        "HSET",
        "orders",
        "a-1",
        "expired\t1\tx\t9\tr\na\t2\tsn-1\tsn-2",
    ],
];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let takes = "archive_orders takes 5 keys";
    for (keys, args) in [
        (&KEYS[..6], &["a", "a-1"][..]),
        (&KEYS, &["a"]),
        (&KEYS[..5], &["a-1"]),
    ] {
        assert_raises(&mut world, &ARCHIVE_ORDERS, keys, args, takes).await;
    }
    let mut args = vec!["a"];
    args.resize(1002, "a-1");
    let words = "at most 1000 orders";
    assert_raises(&mut world, &ARCHIVE_ORDERS, &KEYS, &args, words).await;
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let cases: [(Words, &str); 7] = [
        (&["SET", "orders", "x"], "WRONGTYPE"),
        (&["SET", "holds", "x"], "WRONGTYPE"),
        (&["SET", "requests", "x"], "WRONGTYPE"),
        (&["SET", "sale", "x"], "WRONGTYPE"),
        (&["SET", "feed", "x"], "WRONGTYPE"),
        (
            &["HSET", "sale", "archived", "x"],
            "archived of sale a is not a whole number",
        ),
        (
            &["HSET", "orders", "a-1", "expired"],
            "a-1 has a malformed record",
        ),
    ];
    let args = ["a", "a-1"];
    assert_broken_data_raises(&ARCHIVE_ORDERS, &KEYS, &args, &SEEDS, cases).await;
}

async fn seed(world: &mut World, words: &[&str]) -> Value {
    let key = format!("{}{}", world.prefix, words[1]);
    world.run(&[&[words[0], &key], &words[2..]].concat()).await
}

async fn told(world: &mut World) -> String {
    let args = ["a", "a-1", "a-2", "a-3"];
    let told = call(world, &ARCHIVE_ORDERS, &KEYS, &args).await;
    format!("{:?}", told.expect("answered"))
}

#[tokio::test]
async fn only_dead_orders_go_and_only_when_the_feed_tells_of_none() {
    let mut world = World::new().await;
    let more: [Words; 7] = [
        &["HSET", "orders", "a-2", "confirmed\t1\ty\t9\tr\na\t1\tsn-3"],
        &["HSET", "requests", "x\tr", "a-1", "y\tr", "a-2"],
        &["ZADD", "holds", "9", "a-1"],
        &["HSET", "gone", "x", "1"],
        &["XADD", "feed", "0-*", "what", "expired"],
        &["HSET", "other", "kept", "1"],
        &["HSET", "sale", "archived", "4"],
    ];
    for words in SEEDS.iter().chain(&more).skip(1) {
        seed(&mut world, words).await;
    }
    for (words, refusal) in [
        (&["HGET", "sale", "kind"][..], "not_archived"),
        (SEEDS[0], "feed_left"),
    ] {
        seed(&mut world, words).await;
        let before = world.dump().await;
        let refused = told(&mut world).await;
        assert!(refused.contains(refusal), "{refused}");
        assert_eq!(world.dump().await, before);
    }
    seed(&mut world, &["XDEL", "feed", "0-1"]).await;
    for dropped in ["int(1)", "int(0)"] {
        let told = told(&mut world).await;
        assert!(told.contains(dropped), "{told}");
    }
    let hash = async |world: &mut World, name: &str| {
        let key = format!("{}{name}", world.prefix);
        let mut pairs: Vec<String> = world.run(&["HGETALL", &key]).await;
        pairs.sort();
        pairs
    };
    let record = "confirmed\t1\ty\t9\tr\na\t1\tsn-3";
    assert_eq!(hash(&mut world, "orders").await, ["a-2", record]);
    assert_eq!(hash(&mut world, "requests").await, ["a-2", "y\tr"]);
    assert_eq!(
        hash(&mut world, "sale").await,
        ["5", "archived", "kind", "list"]
    );
    for key in ["gone", "holds"] {
        let key = format!("{}{key}", world.prefix);
        assert!(!world.run::<bool>(&["EXISTS", &key]).await, "{key}");
    }
}
