//! `lua/feed_drop.lua`. Which entries a reset drops is tested in `clear.rs`.

use redis::Value;
use seckill::store::script::{FEED_DROP, FEED_LAG};

use super::{assert_raises, call};
use crate::support::redis::World;

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let many = vec!["0-1"; 1001];
    for (keys, args) in [
        (&["feed"][..], &[][..]),
        (&[], &["0-1"]),
        (&["feed"], &many),
    ] {
        assert_raises(
            &mut world,
            &FEED_DROP,
            keys,
            args,
            "feed_drop takes the feed",
        )
        .await;
    }
}

#[tokio::test]
async fn entries_go_also_when_a_group_was_given_them() {
    let mut world = World::new().await;
    let feed = format!("{}feed", world.prefix);
    let drop = async |world: &mut World, ids: &[&str]| {
        let dropped = call(world, &FEED_DROP, &["feed"], ids).await;
        dropped.expect("answered")
    };
    assert_eq!(drop(&mut world, &["0-1"]).await, Value::Int(0), "no feed");
    for id in ["0-1", "0-2", "0-3"] {
        let _: String = world.run(&["XADD", &feed, id, "what", "held"]).await;
    }
    let () = world.run(&["XGROUP", "CREATE", &feed, "relay", "0"]).await;
    let given = [
        "XREADGROUP",
        "GROUP",
        "relay",
        "w",
        "COUNT",
        "2",
        "STREAMS",
        &feed,
        ">",
    ];
    let _: Value = world.run(&given).await;
    assert_eq!(drop(&mut world, &["0-1", "0-3"]).await, Value::Int(2));
    assert_eq!(drop(&mut world, &["0-1", "0-3"]).await, Value::Int(0));
    let pending: (u64, Value, Value, Value) = world.run(&["XPENDING", &feed, "relay"]).await;
    assert_eq!(pending.0, 1, "0-2 alone");
    let left: u64 = world.run(&["XLEN", &feed]).await;
    assert_eq!(left, 1);
    // Nothing is left for the group that it has not read.
    let keys = ["feed", "dead"];
    let lag = call(&mut world, &FEED_LAG, &keys, &["relay"]).await;
    let lag: (u64, u64, u64) = redis::from_redis_value(lag.expect("answered")).expect("numbers");
    assert_eq!(lag.0, 1, "0-2 alone");
}
