//! `lua/feed_lag.lua`

use redis::Value;
use seckill::store::script::FEED_LAG;

use super::{assert_raises, call, call_at};
use crate::support::redis::World;

/// What the script says at the time 1000.
async fn lag(world: &mut World) -> Value {
    let keys = ["feed", "dead"].map(|key| format!("{}{key}", world.prefix));
    call_at(world, &FEED_LAG, 1000, &keys, &["g"]).await
}

fn figures(undelivered: i64, oldest: i64, dead: i64) -> Value {
    Value::Array([undelivered, oldest, dead].map(Value::Int).to_vec())
}

#[tokio::test]
async fn what_is_not_acknowledged_is_not_delivered() {
    let mut world = World::new().await;
    let none = Value::BulkString(b"no_such_group".to_vec());
    assert_eq!(lag(&mut world).await, none);
    let (feed, dead) = (
        format!("{}feed", world.prefix),
        format!("{}dead", world.prefix),
    );
    for at in ["100", "200", "300", "2000"] {
        let _: String = world
            .run(&["XADD", &feed, "0-*", "what", "held", "at", at])
            .await;
    }
    assert_eq!(lag(&mut world).await, none);
    let _: () = world.run(&["XGROUP", "CREATE", &feed, "g", "0"]).await;
    assert_eq!(lag(&mut world).await, figures(4, 900, 0));
    let read = [
        "XREADGROUP",
        "GROUP",
        "g",
        "w",
        "COUNT",
        "2",
        "STREAMS",
        &feed,
        ">",
    ];
    let _: Value = world.run(&read).await;
    assert_eq!(lag(&mut world).await, figures(4, 900, 0));
    let _: i64 = world.run(&["XACK", &feed, "g", "0-1"]).await;
    assert_eq!(lag(&mut world).await, figures(3, 800, 0));
    let _: i64 = world.run(&["XACK", &feed, "g", "0-2"]).await;
    let _: String = world.run(&["XADD", &dead, "*", "entry", "0-1"]).await;
    let before = world.dump().await;
    assert_eq!(lag(&mut world).await, figures(2, 700, 1));
    assert_eq!(world.dump().await, before);
    // A clock that goes back makes nothing older than it is; neither does a trimmed feed. What was
    // dropped is not waited for.
    let _: i64 = world.run(&["XTRIM", &feed, "MINID", "=", "0-4"]).await;
    assert_eq!(lag(&mut world).await, figures(1, 0, 1));
    let _: Value = world.run(&read).await;
    let _: i64 = world.run(&["XACK", &feed, "g", "0-4"]).await;
    let _: i64 = world.run(&["XTRIM", &feed, "MAXLEN", "0"]).await;
    assert_eq!(lag(&mut world).await, figures(0, 0, 1));
}

#[tokio::test]
async fn wrong_calls_and_broken_data_raise() {
    let mut world = World::new().await;
    let keys = ["feed", "dead"];
    let takes = "takes 2 keys and a group";
    assert_raises(&mut world, &FEED_LAG, &keys[..1], &["g"], takes).await;
    assert_raises(&mut world, &FEED_LAG, &keys, &[], takes).await;
    let feed = format!("{}feed", world.prefix);
    let _: () = world.run(&["SET", &feed, "x"]).await;
    assert_raises(&mut world, &FEED_LAG, &keys, &["g"], "WRONGTYPE").await;
    let _: i64 = world.run(&["DEL", &feed]).await;
    assert!(call(&mut world, &FEED_LAG, &keys, &["g"]).await.is_ok());
}
