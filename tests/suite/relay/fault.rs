//! Whatever fails, every entry arrives, and what arrives twice is known by its seq.

use std::time::Duration;

use super::{Running, assert_complete, consumers, entries_of_a_run, repeated};
use crate::support::proxy::{Fault, Proxy};
use crate::support::receiver::Receiver;
use crate::support::redis::{PrivateRedis, World};
use seckill::store::Store;
use seckill::store::feed::Taken;

/// Fails one call in five.
fn fickle(_: &[u64]) -> u16 {
    if rand::random_bool(0.2) { 500 } else { 200 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_fails_and_is_killed_twice_gets_everything() {
    let entries = entries_of_a_run();
    let world = World::new().await;
    let mut receiver = Receiver::start();
    receiver.set_mood(fickle);
    let mut settings = receiver.settings();
    settings.batch_max = 20;
    world.sell("spring", 0, entries).await;
    let relay = Running::start(&world, &settings);
    for share in [3, 2] {
        receiver.until("spring", entries / share).await;
        receiver.kill().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        receiver.revive();
    }
    receiver.until("spring", entries).await;
    relay.stop().await;
    assert_complete(&receiver, "spring", entries);
    let dead = world.store.feed_dead("spring").await.expect("read");
    assert!(dead.is_empty(), "{dead:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_restarts_in_the_middle() {
    let entries = entries_of_a_run();
    let redis = PrivateRedis::durable();
    let world = World::at(redis.url()).await;
    let receiver = Receiver::start();
    world.sell("spring", 0, entries).await;
    let relay = Running::start(&world, &receiver.settings());
    for share in [3, 2] {
        receiver.until("spring", entries / share).await;
        redis.kill_and_wait().await;
    }
    receiver.until("spring", entries).await;
    relay.stop().await;
    assert_complete(&receiver, "spring", entries);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_of_redis_get_lost() {
    let redis = PrivateRedis::durable();
    let world = World::at(redis.url()).await;
    let proxy = Proxy::start(redis.socket()).await;
    let receiver = Receiver::start();
    world.sell("spring", 0, 2000).await;
    let timeout = Duration::from_millis(500);
    let store = Store::new(&proxy.url(), &world.prefix, timeout).expect("a store");
    let mut settings = receiver.settings();
    settings.batch_max = 5;
    proxy.set_latency(Duration::from_millis(1));
    let relay = Running::on(store, &settings);
    for _ in 0..150 {
        proxy.set(Fault::CutAfter);
        tokio::time::sleep(Duration::from_micros(rand::random_range(0..3000))).await;
        proxy.set(Fault::None);
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    receiver.until("spring", 2000).await;
    relay.stop().await;
    assert_complete(&receiver, "spring", 2000);
}

/// Numbers of the entries that a worker took.
fn seqs(taken: &Taken) -> Vec<u64> {
    let letters = taken.letters.iter();
    letters.map(|letter| letter.entry.seq).collect()
}

/// What was given to a worker and lost on the way is found by it; nobody else would ever look,
/// because the worker lives.
#[tokio::test]
async fn a_worker_finds_what_it_was_given_and_never_saw() {
    let world = World::new().await;
    world.sell("spring", 0, 5).await;
    let store = &world.store;
    assert!(store.feed_open("spring").await.expect("opened"));
    let lost = store.feed_take("spring", "w", 3).await.expect("taken");
    assert_eq!(lost.expect("a group").letters.len(), 3);
    let known = ["0-2".to_owned()].into();
    let kept = store
        .feed_keep("spring", "w", 100, &known)
        .await
        .expect("kept");
    assert_eq!((kept.ids.len(), seqs(&kept.found)), (3, vec![1, 3]));
    let none = store.feed_keep("spring", "other", 100, &known).await;
    assert!(none.expect("kept").ids.is_empty());
}

/// A feed that Redis lost, or that an operator deleted, is not made again; a new one is found.
#[tokio::test]
async fn a_feed_that_is_gone_stays_gone_until_it_begins_again() {
    let mut world = World::new().await;
    let receiver = Receiver::start();
    let relay = Running::start(&world, &receiver.settings());
    world.sell("spring", 0, 10).await;
    receiver.until("spring", 10).await;
    let feed = format!("{}{{spring}}:feed", world.prefix);
    let _: i64 = world.run(&["DEL", &feed]).await;
    assert!(!world.store.feed_open("spring").await.expect("no failure"));
    world.sell("spring", 10, 12).await;
    receiver.until("spring", 12).await;
    relay.stop().await;
    assert_eq!(repeated(&receiver, "autumn"), 0);
}

/// What a relay could not deliver when it ended does not wait for the time to take over.
#[tokio::test]
async fn a_relay_that_ends_leaves_the_rest_to_the_next_one() {
    let mut world = World::new().await;
    let receiver = Receiver::start();
    let settings = receiver.patient();
    receiver.set_mood(|_| 503);
    world.sell("spring", 0, 30).await;
    let relay = Running::start(&world, &settings);
    receiver.until_calls(1).await;
    relay.stop().await;
    assert_eq!(receiver.seqs("spring"), [0; 0]);
    let left = consumers(&mut world, "spring").await;
    assert_eq!(left, 1, "what waits for it would be forgotten with it");
    receiver.set_mood(|_| 200);
    let relay = Running::start(&world, &settings);
    receiver.until("spring", 30).await;
    relay.stop().await;
    assert_eq!(receiver.seqs("spring"), (1..=30).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_relay_that_hangs_gives_way_and_a_live_one_does_not() {
    let mut world = World::new().await;
    world.sell("spring", 0, 6).await;
    let store = world.store.clone();
    assert!(store.feed_open("spring").await.expect("opened"));
    for (worker, seqs) in [("hangs", 1..=3), ("lives", 4..=6)] {
        store.feed_take("spring", worker, 3).await.expect("taken");
        // As if it had been given them two hours ago.
        let feed = store.keys().feed("spring");
        for seq in seqs {
            let id = format!("0-{seq}");
            let age = [
                "XCLAIM", &feed, "relay", worker, "0", &id, "IDLE", "7200000",
            ];
            let _: redis::Value = world.run(&[&age[..], &["JUSTID"]].concat()).await;
        }
    }
    let hour = Duration::from_secs(3600);
    let kept = store
        .feed_keep("spring", "lives", 100, &Default::default())
        .await;
    assert_eq!(kept.expect("kept").ids.len(), 3);
    let taken = store
        .feed_take_over("spring", "heir", hour, 100)
        .await
        .expect("taken");
    assert_eq!(seqs(&taken), [1, 2, 3]);
    let kept = store
        .feed_keep("spring", "hangs", 100, &Default::default())
        .await;
    assert!(kept.expect("kept").ids.is_empty(), "it has lost them");
    // What a worker gives back goes to the next at once, the rest does not.
    store
        .feed_give_back("spring", "heir", &["0-2".to_owned()])
        .await
        .expect("given back");
    let taken = store
        .feed_take_over("spring", "next", hour, 100)
        .await
        .expect("taken");
    assert_eq!(seqs(&taken), [2]);
}
