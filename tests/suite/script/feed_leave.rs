//! `lua/feed_leave.lua`

use seckill::store::script::FEED_LEAVE;

use super::{assert_raises, call};
use crate::support::redis::World;

async fn leave(world: &mut World, consumer: &str) -> String {
    let reply = call(world, &FEED_LEAVE, &["feed"], &["g", consumer]).await;
    redis::from_redis_value(reply.expect("decided")).expect("a word")
}

/// Consumers of the group, and how many entries wait for each.
async fn consumers(world: &mut World) -> Vec<(String, u64)> {
    let feed = format!("{}feed", world.prefix);
    let consumers: Vec<std::collections::HashMap<String, redis::Value>> =
        world.run(&["XINFO", "CONSUMERS", &feed, "g"]).await;
    let read = |value: &redis::Value| redis::from_redis_value_ref(value).expect("a number");
    let mut consumers: Vec<_> = consumers
        .iter()
        .map(|of| {
            let name = redis::from_redis_value_ref(&of["name"]).expect("a name");
            (name, read(&of["pending"]))
        })
        .collect();
    consumers.sort();
    consumers
}

/// A feed with one entry, which `busy` was given; `idle` was given nothing.
async fn feed(world: &mut World) {
    let feed = format!("{}feed", world.prefix);
    let _: String = world.run(&["XADD", &feed, "0-*", "order", "x"]).await;
    let _: () = world.run(&["XGROUP", "CREATE", &feed, "g", "0"]).await;
    for consumer in ["busy", "idle"] {
        let read = ["XREADGROUP", "GROUP", "g", consumer, "STREAMS", &feed, ">"];
        let _: redis::Value = world.run(&read).await;
    }
}

#[tokio::test]
async fn a_consumer_leaves_when_nothing_waits_for_it() {
    let mut world = World::new().await;
    assert_eq!(leave(&mut world, "idle").await, "no_such_group");
    feed(&mut world).await;
    let before = world.dump().await;
    assert_eq!(leave(&mut world, "busy").await, "pending");
    assert_eq!(world.dump().await, before, "a refusal writes nothing");
    assert_eq!(leave(&mut world, "idle").await, "left");
    assert_eq!(consumers(&mut world).await, [("busy".to_owned(), 1)]);
    let key = format!("{}feed", world.prefix);
    let _: u64 = world.run(&["XACK", &key, "g", "0-1"]).await;
    assert_eq!(leave(&mut world, "busy").await, "left");
    assert_eq!(consumers(&mut world).await, []);
    // A repeat, or an unknown consumer, does no harm.
    assert_eq!(leave(&mut world, "busy").await, "left");
    let _: u64 = world.run(&["XGROUP", "DESTROY", &key, "g"]).await;
    assert_eq!(leave(&mut world, "busy").await, "no_such_group");
}

#[tokio::test]
async fn wrong_calls_and_broken_data_raise() {
    let mut world = World::new().await;
    let takes = "takes 1 key, a group and a consumer";
    assert_raises(&mut world, &FEED_LEAVE, &[], &["g", "w"], takes).await;
    assert_raises(&mut world, &FEED_LEAVE, &["feed"], &["g"], takes).await;
    let more = ["g", "w", "x"];
    assert_raises(&mut world, &FEED_LEAVE, &["feed"], &more, takes).await;
    let feed = format!("{}feed", world.prefix);
    let _: () = world.run(&["SET", &feed, "x"]).await;
    assert_raises(&mut world, &FEED_LEAVE, &["feed"], &["g", "w"], "WRONGTYPE").await;
}
