//! What the relay delivered stays true after a failover, at `replicated:1`.

use std::time::{Duration, Instant};

use redis::Value;
use seckill::domain::durability::Durability;
use seckill::domain::ids::OrderId;

use super::failover::{Pair, until_linked};
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::proxy::Fault;
use crate::support::receiver::Receiver;
use crate::support::redis::World;

const TIMEOUT: Duration = Duration::from_millis(300);

/// Waits until the relay was given this many entries that it did not acknowledge.
async fn until_taken(world: &mut World, entries: u64) {
    let feed = format!("{}{{spring}}:feed", world.prefix);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let summary: Vec<Value> = world.run(&["XPENDING", &feed, "relay"]).await;
        let pending: u64 = redis::from_redis_value_ref(&summary[0]).expect("a number");
        if pending >= entries {
            return;
        }
        assert!(Instant::now() < deadline, "the relay took {pending}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sells while no replica gets the orders. The relay takes the entries and does not deliver them.
async fn sell_unheard(pair: &Pair, world: &mut World, receiver: &Receiver, first: usize) {
    let before = receiver.entries("spring").len();
    pair.link.set(Fault::Stall);
    world.sell("spring", first, 5).await;
    until_taken(world, 5).await;
    let until = Instant::now() + TIMEOUT * 3;
    while Instant::now() < until {
        assert_eq!(
            receiver.entries("spring").len(),
            before,
            "no replica has it"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_delivered_that_a_failover_can_undo() {
    let pair = Pair::start().await;
    let mut world = World::at(pair.master.url()).await;
    let receiver = Receiver::start();
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(pair.front.url());
        config.redis.timeout = TIMEOUT;
        config.durability = Some(Durability::Replicated(1));
        config.relay = receiver.settings();
    });
    let app = app.await;
    world.sell("spring", 0, 5).await;
    receiver.until("spring", 5).await;

    sell_unheard(&pair, &mut world, &receiver, 5).await;
    pair.link.set(Fault::None);
    pair.link.close_all().await;
    until_linked(&pair.master).await;
    receiver.until("spring", 10).await;

    sell_unheard(&pair, &mut world, &receiver, 10).await;
    let _second = pair.fail_over().await;
    let prefix = world.prefix.clone();
    world = World::at(pair.replica.url()).await;
    world.use_prefix(&prefix);
    // Others get the same numbers in the feed.
    world.sell("spring", 100, 5).await;
    receiver.until("spring", 15).await;
    app.stop().await;
    // Each number told of one order, and that order is there.
    for (seq, entry) in receiver.entries("spring") {
        let id = OrderId::parse(entry["order"].as_str().expect("an id")).expect("an id");
        let order = world.store.order(&id).await.expect("read");
        assert!(order.is_some(), "{seq} names an order that does not exist");
    }
}
