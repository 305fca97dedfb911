//! `lua/feed_trim.lua`

use rand::{RngExt, SeedableRng, rngs::StdRng};
use redis::Value;
use seckill::store::script::FEED_TRIM;

use super::{assert_raises, call};
use crate::support::redis::World;

/// The id of an entry and its fields.
type Row = (String, Value);

async fn trim(world: &mut World) -> u64 {
    let reply = call(world, &FEED_TRIM, &["feed"], &[])
        .await
        .expect("decided");
    redis::from_redis_value(reply).expect("a number")
}

async fn add(world: &mut World, entries: usize) {
    let feed = format!("{}feed", world.prefix);
    let mut pipe = redis::pipe();
    for _ in 0..entries {
        pipe.cmd("XADD")
            .arg(&feed)
            .arg("0-*")
            .arg("what")
            .arg("held");
    }
    let _: Vec<String> = pipe.query_async(&mut world.raw).await.expect("added");
}

/// Gives a group this many entries, and acknowledges those that pass.
async fn read(world: &mut World, group: &str, entries: usize, pass: impl Fn(u64) -> bool) {
    let feed = format!("{}feed", world.prefix);
    let count = entries.to_string();
    let words = [
        "XREADGROUP",
        "GROUP",
        group,
        "w",
        "COUNT",
        &count,
        "STREAMS",
        &feed,
        ">",
    ];
    let given: Option<Vec<(String, Vec<Row>)>> = world.run(&words).await;
    for (id, _) in given.into_iter().flatten().flat_map(|(_, rows)| rows) {
        let seq = id
            .strip_prefix("0-")
            .and_then(|seq| seq.parse().ok())
            .expect("an id");
        if pass(seq) {
            let _: i64 = world.run(&["XACK", &feed, group, &id]).await;
        }
    }
}

async fn first(world: &mut World) -> String {
    let feed = format!("{}feed", world.prefix);
    let rows: Vec<Row> = world.run(&["XRANGE", &feed, "-", "+", "COUNT", "1"]).await;
    rows.first().map_or_else(String::new, |(id, _)| id.clone())
}

#[tokio::test]
async fn it_keeps_what_any_group_needs() {
    let mut world = World::new().await;
    let feed = format!("{}feed", world.prefix);
    assert_eq!(trim(&mut world).await, 0, "no feed");
    add(&mut world, 1000).await;
    assert_eq!(trim(&mut world).await, 0, "no group");
    for group in ["relay", "books"] {
        let _: () = world.run(&["XGROUP", "CREATE", &feed, group, "0"]).await;
    }
    read(&mut world, "relay", 1000, |_| true).await;
    assert_eq!(trim(&mut world).await, 0, "the books have read nothing");
    read(&mut world, "books", 500, |seq| seq != 250).await;
    let dropped = trim(&mut world).await;
    assert!(
        (150..250).contains(&dropped),
        "{dropped}: all below 250, but for a node"
    );
    let _: i64 = world.run(&["XACK", &feed, "books", "0-250"]).await;
    let dropped = trim(&mut world).await;
    assert!(
        (200..=350).contains(&dropped),
        "{dropped}: all up to 500, but for a node"
    );
    // A group that starts elsewhere, as if ids were times, needs nothing and keeps nothing.
    let words = ["XGROUP", "CREATE", &feed, "late", "1795322578668"];
    let _: () = world.run(&words).await;
    read(&mut world, "books", 500, |_| true).await;
    trim(&mut world).await;
    let left: usize = world.run(&["XLEN", &feed]).await;
    assert!(left <= 100, "{left}");
    // The count goes on.
    let id: String = world.run(&["XADD", &feed, "0-*", "what", "held"]).await;
    assert_eq!(id, "0-1001");
}

/// Whatever groups read and acknowledge, no entry that one of them needs is ever dropped.
#[tokio::test]
async fn random_groups_lose_nothing() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::new().await;
    let feed = format!("{}feed", world.prefix);
    let groups = ["a", "b", "c"];
    add(&mut world, 100).await;
    for group in groups {
        let _: () = world.run(&["XGROUP", "CREATE", &feed, group, "0"]).await;
    }
    let (mut added, mut dropped) = (100, 0);
    let mut given = [0u64; 3];
    let mut kept: Vec<u64> = Vec::new();
    for _ in 0..60 {
        let fresh = random.random_range(1..200);
        add(&mut world, fresh).await;
        added += fresh as u64;
        let turn = random.random_range(0..groups.len());
        let count = random.random_range(1..400);
        // A few stay open, and are acknowledged later.
        let bad = random.random_range(2..200);
        let until = added.min(given[turn] + count as u64);
        let open = |seq: &u64| seq.is_multiple_of(bad);
        read(&mut world, groups[turn], count, |seq| !open(&seq)).await;
        kept.extend((given[turn] + 1..=until).filter(open));
        given[turn] = until;
        dropped += trim(&mut world).await;
        let needed = given
            .iter()
            .map(|seq| seq + 1)
            .chain(kept.iter().copied())
            .min();
        let needed = needed.expect("three groups");
        assert!(
            dropped < needed,
            "{dropped} dropped, and {needed} is needed"
        );
        let gone = dropped + 1;
        assert!(dropped == added || first(&mut world).await == format!("0-{gone}"));
        if random.random_bool(0.3) {
            for seq in std::mem::take(&mut kept) {
                for group in groups {
                    let _: i64 = world
                        .run(&["XACK", &feed, group, &format!("0-{seq}")])
                        .await;
                }
            }
            // Acknowledging for a group that was not given it yet changes nothing.
        }
    }
    // When no entry is needed any more, only the last node stays.
    for group in groups {
        read(&mut world, group, added as usize, |_| true).await;
        for seq in &kept {
            let words = ["XACK", &feed, group, &format!("0-{seq}")];
            let _: i64 = world.run(&words).await;
        }
    }
    dropped += trim(&mut world).await;
    assert!(added - dropped <= 100, "{dropped} of {added} dropped");
}

#[tokio::test]
async fn wrong_calls_and_broken_data_raise() {
    let mut world = World::new().await;
    let takes = "takes 1 key and no arguments";
    assert_raises(&mut world, &FEED_TRIM, &[], &[], takes).await;
    assert_raises(&mut world, &FEED_TRIM, &["feed"], &["x"], takes).await;
    let feed = format!("{}feed", world.prefix);
    let _: () = world.run(&["SET", &feed, "x"]).await;
    assert_raises(&mut world, &FEED_TRIM, &["feed"], &[], "WRONGTYPE").await;
}
