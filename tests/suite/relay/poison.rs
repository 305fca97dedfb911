//! Entries that the receiver always refuses, and entries that cannot be delivered.

use std::time::{Duration, Instant};

use super::{Running, assert_complete, violations};
use crate::support::PATIENCE;
use crate::support::receiver::Receiver;
use crate::support::redis::{World, relay_feed};

/// Waits until the event has so many dead letters; gives back their entries and reasons.
pub async fn until_dead(world: &World, event: &str, count: usize) -> Vec<(String, String)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let dead = world.store.feed_dead(event).await.expect("read");
        if dead.len() >= count {
            let dead = dead.into_iter().map(|dead| (dead.entry, dead.reason));
            return dead.collect();
        }
        assert!(Instant::now() < deadline, "{} dead letters", dead.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_entry_that_is_never_wanted_does_not_block_the_rest() {
    let world = World::new().await;
    let receiver = Receiver::start();
    receiver.set_mood(|seqs| if seqs.contains(&42) { 422 } else { 200 });
    world.sell("spring", 0, 500).await;
    let relay = Running::start(&world, &receiver.settings());
    receiver.until("spring", 499).await;
    world.sell("spring", 500, 100).await;
    receiver.until("spring", 599).await;
    let dead = until_dead(&world, "spring", 1).await;
    let metrics = relay.stop().await;
    assert_eq!(
        dead,
        [("0-42".to_owned(), "HTTP 422: as it pleases".to_owned())]
    );
    assert_eq!(violations(&receiver.seqs("spring"), 600), ["42 is missing"]);
    let text = metrics.text().expect("text");
    assert!(text.contains("seckill_feed_dead_total 1"), "{text}");
    let lag = world
        .store
        .feed_lag(&relay_feed("spring"))
        .await
        .expect("read")
        .expect("a group");
    assert_eq!((lag.undelivered, lag.dead), (0, 1));
}

#[tokio::test]
async fn an_entry_that_brings_the_receiver_down_does_not_block_the_rest() {
    let world = World::new().await;
    let receiver = Receiver::start();
    receiver.set_mood(|seqs| if seqs.contains(&1) { 500 } else { 200 });
    let mut settings = receiver.settings();
    settings.attempts_max = 2;
    world.sell("spring", 0, 20).await;
    let relay = Running::start(&world, &settings);
    receiver.until("spring", 19).await;
    world.sell("spring", 20, 20).await;
    receiver.until("spring", 39).await;
    let dead = world.store.feed_dead("spring").await.expect("read");
    assert!(
        dead.is_empty(),
        "a failure is never the entry's fault: {dead:?}"
    );
    receiver.set_mood(|_| 200);
    receiver.until("spring", 40).await;
    relay.stop().await;
    assert_complete(&receiver, "spring", 40);
}

/// A wrong secret or address must not turn the whole feed into dead letters.
#[tokio::test]
async fn a_receiver_that_refuses_everything_gets_everything_later() {
    let world = World::new().await;
    let receiver = Receiver::start();
    receiver.set_mood(|_| 302);
    let mut settings = receiver.settings();
    settings.attempts_max = 2;
    world.sell("spring", 0, 10).await;
    let relay = Running::start(&world, &settings);
    receiver.until_calls(25).await;
    let dead = world.store.feed_dead("spring").await.expect("read");
    assert!(dead.is_empty(), "{dead:?}");
    receiver.set_mood(|_| 200);
    receiver.until("spring", 10).await;
    relay.stop().await;
    assert_complete(&receiver, "spring", 10);
}

#[tokio::test]
async fn what_nobody_can_deliver_becomes_a_dead_letter_at_once() {
    let mut world = World::new().await;
    let receiver = Receiver::start();
    world.sell("spring", 0, 10).await;
    let key = |name: &str| format!("{}{{spring}}:{name}", world.prefix);
    let (feed, orders) = (key("feed"), key("orders"));
    let stream: Vec<(String, Vec<String>)> = world.run(&["XRANGE", &feed, "-", "+"]).await;
    let order_of = |seq: usize| stream[seq - 1].1[3].clone();
    let _: i64 = world.run(&["HDEL", &orders, &order_of(3)]).await;
    let _: i64 = world
        .run(&["HSET", &orders, &order_of(5), "nonsense"])
        .await;
    let other = "autumn-abcdfabcdfabcdfabcdf";
    for fields in [
        ["what", "held", "order", other, "at", "1"],
        ["what", "gone", "order", &order_of(1), "at", "1"],
    ] {
        let _: String = world
            .run(&[&["XADD", &feed, "0-*"], &fields[..]].concat())
            .await;
    }
    let relay = Running::start(&world, &receiver.settings());
    receiver.until("spring", 8).await;
    let dead = until_dead(&world, "spring", 4).await;
    relay.stop().await;
    for ((entry, reason), (expected, words)) in dead.iter().zip([
        ("0-11", "no valid order"),
        ("0-12", "no valid what"),
        ("0-3", "no record of the order"),
        ("0-5", "nonsense"),
    ]) {
        assert_eq!(entry, expected);
        assert!(reason.contains(words), "{reason}");
    }
    let wrong = violations(&receiver.seqs("spring"), 10);
    assert_eq!(wrong, ["3 is missing", "5 is missing"]);
}
