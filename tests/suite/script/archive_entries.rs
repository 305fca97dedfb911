//! `lua/archive_entries.lua`. The whole archive command is tested in `archive.rs`.

use redis::Value;
use seckill::store::script::ARCHIVE_ENTRIES;

use super::{Words, assert_broken_data_raises, assert_raises, call};
use crate::support::redis::World;

const KEYS: [&str; 3] = ["archived", "feed", "dead"];
const SEEDS: [Words; 3] = [
    &["SET", "archived", "1"],
    &["XADD", "feed", "0-*", "what", "held"],
    &["XADD", "dead", "7-1", "what", "held"],
];

async fn told(world: &mut World, keys: &[&str], ids: &[&str]) -> String {
    let told = call(world, &ARCHIVE_ENTRIES, keys, ids).await;
    format!("{:?}", told.expect("answered"))
}

async fn seed(world: &mut World, words: &[&str]) -> Value {
    let key = format!("{}{}", world.prefix, words[1]);
    world.run(&[&[words[0], &key], &words[2..]].concat()).await
}

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let takes = "archive_entries takes archived";
    let many = ["0-1"; 1001];
    for (keys, args) in [(&KEYS[..2], &["0-1"][..]), (&KEYS, &[]), (&KEYS, &many)] {
        assert_raises(&mut world, &ARCHIVE_ENTRIES, keys, args, takes).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let cases: [(Words, &str); 2] = [
        (&["SET", "feed", "x"], "WRONGTYPE"),
        (&["SET", "dead", "x"], "WRONGTYPE"),
    ];
    assert_broken_data_raises(&ARCHIVE_ENTRIES, &KEYS, &["7-1"], &SEEDS, cases).await;
}

#[tokio::test]
async fn only_an_archived_event_drops_and_only_what_every_group_has_settled() {
    let mut world = World::new().await;
    let feed = ["archived", "feed", "feed"];
    for words in &SEEDS[1..] {
        seed(&mut world, words).await;
    }
    let before = world.dump().await;
    let refused = told(&mut world, &feed, &["0-1"]).await;
    assert!(refused.contains("not_archived"), "{refused}");
    assert_eq!(world.dump().await, before);

    seed(&mut world, SEEDS[0]).await;
    let key = format!("{}feed", world.prefix);
    let _: Value = world.run(&["XGROUP", "CREATE", &key, "books", "0"]).await;
    let read = ["XREADGROUP", "GROUP", "books", "me", "STREAMS", &key, ">"];
    for step in ["unread", "read"] {
        if step == "read" {
            let _: Value = world.run(&read).await;
        }
        for keys in [&feed, &KEYS] {
            let refused = told(&mut world, keys, &["0-1", "7-1"]).await;
            assert!(refused.contains("feed_needed"), "{step}: {refused}");
            assert!(refused.contains("books"), "{step}: {refused}");
        }
    }
    let _: u64 = world.run(&["XACK", &key, "books", "0-1"]).await;
    for (keys, id) in [(&feed, "0-1"), (&KEYS, "7-1")] {
        for dropped in ["int(1)", "int(0)"] {
            let told = told(&mut world, keys, &[id]).await;
            assert!(told.contains(dropped), "{told}");
        }
    }
    // The feed counts on, and a group that begins now waits for nothing.
    let _: Value = world.run(&["XGROUP", "CREATE", &key, "late", "0"]).await;
    assert!(told(&mut world, &feed, &["0-9"]).await.contains("dropped"));
    let next: String = world.run(&["XADD", &key, "0-*", "what", "used"]).await;
    assert_eq!(next, "0-2");
    let refused = told(&mut world, &feed, &["0-2"]).await;
    assert!(refused.contains("feed_needed"), "{refused}");
}
