//! `lua/feed_bury.lua`

use seckill::store::script::FEED_BURY;

use super::{assert_raises, call};
use crate::support::redis::World;

async fn bury(world: &mut World, group: &str, id: &str) -> String {
    let arguments = [group, id, "not wanted"];
    let reply = call(world, &FEED_BURY, &["feed", "dead"], &arguments).await;
    redis::from_redis_value(reply.expect("decided")).expect("a word")
}

/// A feed with three entries, of which the group was given two.
async fn feed(world: &mut World, group: &str) {
    let feed = format!("{}feed", world.prefix);
    for order in ["x", "y", "z"] {
        let _: String = world.run(&["XADD", &feed, "0-*", "order", order]).await;
    }
    let _: () = world.run(&["XGROUP", "CREATE", &feed, group, "0"]).await;
    let read = [
        "XREADGROUP",
        "GROUP",
        group,
        "w",
        "COUNT",
        "2",
        "STREAMS",
        &feed,
        ">",
    ];
    let _: redis::Value = world.run(&read).await;
}

#[tokio::test]
async fn an_entry_moves_to_the_dead_letters_once() {
    let mut world = World::new().await;
    feed(&mut world, "relay").await;
    assert_eq!(bury(&mut world, "relay", "0-2").await, "buried");
    let before = world.dump().await;
    for settled in ["0-2", "0-3", "0-9"] {
        assert_eq!(bury(&mut world, "relay", settled).await, "not_pending");
    }
    assert_eq!(world.dump().await, before, "a refusal writes nothing");
    let dead = format!("{}dead", world.prefix);
    let letters: Vec<(String, Vec<String>)> = world.run(&["XRANGE", &dead, "-", "+"]).await;
    assert_eq!(
        letters[0].1,
        ["entry", "0-2", "reason", "not wanted", "order", "y"]
    );
    // An entry that was deleted by hand is known by its id.
    let feed = format!("{}feed", world.prefix);
    let _: i64 = world.run(&["XDEL", &feed, "0-1"]).await;
    assert_eq!(bury(&mut world, "relay", "0-1").await, "buried");
    let letters: Vec<(String, Vec<String>)> = world.run(&["XRANGE", &dead, "-", "+"]).await;
    assert_eq!(letters[1].1, ["entry", "0-1", "reason", "not wanted"]);
}

/// The dead letters of all groups are in one stream, and each must go back to its own.
#[tokio::test]
async fn a_letter_names_every_group_but_the_relay() {
    let mut world = World::new().await;
    feed(&mut world, "books").await;
    assert_eq!(bury(&mut world, "books", "0-2").await, "buried");
    let dead = format!("{}dead", world.prefix);
    let letters: Vec<(String, Vec<String>)> = world.run(&["XRANGE", &dead, "-", "+"]).await;
    let expected = ["entry", "0-2", "reason", "not wanted", "group", "books"];
    assert_eq!(letters[0].1[..6], expected);
    assert_eq!(letters[0].1[6..], ["order", "y"]);
}

#[tokio::test]
async fn wrong_calls_and_broken_data_raise() {
    let mut world = World::new().await;
    feed(&mut world, "g").await;
    let (keys, args) = (["feed", "dead"], ["g", "0-1", "why"]);
    let takes = "takes 2 keys, a group, an id and a reason";
    assert_raises(&mut world, &FEED_BURY, &keys[..1], &args, takes).await;
    assert_raises(&mut world, &FEED_BURY, &keys, &args[..2], takes).await;
    let strange = ["other", "0-1", "why"];
    assert_raises(&mut world, &FEED_BURY, &keys, &strange, "NOGROUP").await;
    let dead = format!("{}dead", world.prefix);
    let _: () = world.run(&["SET", &dead, "x"]).await;
    assert_raises(&mut world, &FEED_BURY, &keys, &args, "WRONGTYPE").await;
}
