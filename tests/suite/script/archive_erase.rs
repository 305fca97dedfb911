//! `lua/archive_erase.lua`. The whole archive command is tested in `archive.rs`.

use redis::Value;
use seckill::store::script::ARCHIVE_ERASE;

use super::{Words, assert_broken_data_raises, assert_raises, call};
use crate::support::redis::World;

const KEYS: [&str; 6] = [
    "archived", "orders", "accounts", "paid_in", "changes", "buyers",
];
const SEEDS: [Words; 5] = [
    &["SET", "archived", "1"],
    &[
        "HSET",
        "orders",
        "a-1",
        "used\t1\tx\t9\na\t1",
        "a-2",
        "confirmed\t1\tx\na\t1",
    ],
    &["HSET", "buyers", "x", "a-1", "y", "a-3"],
    &["HSET", "accounts", "x", "5"],
    &["HSET", "paid_in", "x", "7"],
];
const ARGS: [&str; 6] = ["a", "x", "word", "2", "a-1", "a-2"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let takes = "archive_erase takes 5 keys";
    for (keys, args) in [(&KEYS[..5], &ARGS[..]), (&KEYS, &ARGS[..3])] {
        assert_raises(&mut world, &ARCHIVE_ERASE, keys, args, takes).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let cases: [(Words, &str); 5] = [
        (&["SET", "orders", "x"], "WRONGTYPE"),
        (&["SET", "accounts", "x"], "WRONGTYPE"),
        (&["SET", "paid_in", "x"], "WRONGTYPE"),
        (&["SET", "buyers", "x"], "WRONGTYPE"),
        (&["SET", "changes", "x"], "is not a whole number"),
    ];
    assert_broken_data_raises(&ARCHIVE_ERASE, &KEYS, &ARGS, &SEEDS, cases).await;
}

async fn seed(world: &mut World, words: &[&str]) -> Value {
    let key = format!("{}{}", world.prefix, words[1]);
    world.run(&[&[words[0], &key], &words[2..]].concat()).await
}

/// Asserts that the call says this and changes nothing.
async fn assert_keeps(world: &mut World, words: &[&str], said: &str) {
    let before = world.dump().await;
    let told = call(world, &ARCHIVE_ERASE, &KEYS, &ARGS).await;
    let told = format!("{:?}", told.expect("answered"));
    assert!(told.contains(said), "{words:?}: {told}");
    assert_eq!(world.dump().await, before, "{words:?}");
}

#[tokio::test]
async fn a_person_is_renamed_wholly_or_not_at_all() {
    let mut world = World::new().await;
    for words in &SEEDS[1..] {
        seed(&mut world, words).await;
    }
    assert_keeps(&mut world, &[], "not_archived").await;
    seed(&mut world, SEEDS[0]).await;
    for record in [
        "held\t1\tx\t9\na\t1",
        "confirmed\t1\tother\na\t1",
        "confirmed",
    ] {
        let words = ["HSET", "orders", "a-2", record];
        seed(&mut world, &words).await;
        assert_keeps(&mut world, &words, "int(0), int(1)").await;
    }
    seed(&mut world, SEEDS[1]).await;
    let told = call(&mut world, &ARCHIVE_ERASE, &KEYS, &ARGS).await;
    let told = format!("{:?}", told.expect("answered"));
    assert!(told.contains("int(1), int(0)"), "{told}");
    for (key, expected) in [
        (
            "orders",
            &[
                "a-1",
                "a-2",
                "confirmed\t1\tword\na\t1",
                "used\t1\tword\t9\na\t1",
            ][..],
        ),
        ("buyers", &["a-1", "a-3", "word", "y"]),
        ("accounts", &["5", "word"]),
        ("paid_in", &["7", "word"]),
    ] {
        let key = format!("{}{key}", world.prefix);
        let mut pairs: Vec<String> = world.run(&["HGETALL", &key]).await;
        pairs.sort();
        assert_eq!(pairs, expected, "{key}");
    }
    let changes = format!("{}changes", world.prefix);
    assert_eq!(world.run::<u64>(&["GET", &changes]).await, 1);
}
