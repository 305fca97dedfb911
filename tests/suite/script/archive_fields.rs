//! `lua/archive_fields.lua`. The whole archive command is tested in `archive.rs`.

use redis::Value;
use seckill::store::script::ARCHIVE_FIELDS;

use super::{Words, assert_broken_data_raises, assert_raises, call};
use crate::support::redis::World;

const KEYS: [&str; 2] = ["archived", "requests"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let takes = "archive_fields takes archived";
    let many = ["x"; 2002];
    for (keys, args) in [
        (&KEYS[..1], &["f", "v"][..]),
        (&KEYS, &[]),
        (&KEYS, &["f"]),
        (&KEYS, &many),
    ] {
        assert_raises(&mut world, &ARCHIVE_FIELDS, keys, args, takes).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let seeds: [Words; 1] = [&["SET", "archived", "1"]];
    let cases: [(Words, &str); 1] = [(&["SET", "requests", "x"], "WRONGTYPE")];
    assert_broken_data_raises(&ARCHIVE_FIELDS, &KEYS, &["f", "v"], &seeds, cases).await;
}

#[tokio::test]
async fn only_what_was_exported_is_dropped() {
    let mut world = World::new().await;
    let [archived, requests] = KEYS.map(|key| format!("{}{key}", world.prefix));
    let fields = ["HSET", &requests, "a", "1", "b", "2", "c", "3"];
    let _: u64 = world.run(&fields).await;
    let args = ["a", "1", "b", "other", "d", "4"];
    let told = call(&mut world, &ARCHIVE_FIELDS, &KEYS, &args).await;
    let words = |words: &[Value]| Value::Array(words.to_vec());
    let word = |word: &str| Value::BulkString(word.as_bytes().to_vec());
    assert_eq!(told.expect("answered"), words(&[word("not_archived")]));
    let _: Value = world.run(&["SET", &archived, "1"]).await;
    for dropped in [1, 0] {
        let told = call(&mut world, &ARCHIVE_FIELDS, &KEYS, &args).await;
        let expected = words(&[word("dropped"), Value::Int(dropped)]);
        assert_eq!(told.expect("answered"), expected);
    }
    let left: Vec<String> = world.run(&["HKEYS", &requests]).await;
    assert_eq!(left, ["b", "c"]);
}
