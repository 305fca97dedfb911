//! The expirer as a part of the server: unconfirmed units are sold again, even next to broken
//! orders, and the expirer ends with the server.

use std::time::Duration;

use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::OrderState;
use seckill::domain::sale::StockKind;
use tokio::time::Instant;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::orders::{LONG_HOLD_MS, held_for};
use crate::support::redis::{PrivateRedis, World, signal};

const SHORT_HOLD_MS: u64 = 200;

/// Waits until the order is in this state.
async fn until(world: &World, id: &OrderId, state: OrderState) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // While Redis is away there is nothing to see.
        if let Ok(Some(order)) = world.store.order(id).await
            && order.state == state
        {
            return;
        }
        assert!(Instant::now() < deadline, "{id} does not become {state}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn short_sale(world: &World, id: &str, stock: u64) -> SaleId {
    let sale = world.sale(id, StockKind::List, stock).await;
    world.hold_for(&sale, SHORT_HOLD_MS).await;
    sale
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_confirms_is_sold_again_at_once() {
    let mut world = World::new().await;
    let sale = short_sale(&world, "a", 1).await;
    let app = TestApp::start(&world).await;
    let grab = |user| app.buyer.code("/seckill", "a", user, "1");
    let asked_at = Instant::now();
    assert_eq!(grab("x").await, "grabbed");
    // The next buyer of the unit keeps it.
    world.put(&sale, &held_for(LONG_HOLD_MS)).await;
    while grab("y").await != "grabbed" {
        assert!(asked_at.elapsed() < PATIENCE, "never returned");
    }
    assert!(
        asked_at.elapsed() >= Duration::from_millis(SHORT_HOLD_MS - 50),
        "too early"
    );
    let counted = "seckill_expired_orders_total 1\n";
    app.buyer.metrics_that(|told| told.contains(counted)).await;
    // The buyer who was too slow may try again, and waits for another unit.
    assert_eq!(grab("x").await, "sold_out");
    app.stop().await;
    let told: Vec<String> = world
        .feed("a")
        .await
        .into_iter()
        .map(|(what, _)| what)
        .collect();
    assert_eq!(told[..3], ["held", "expired", "held"]);
    world.assert_holds(&sale).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_orders_are_in_nobodys_way() {
    let mut world = World::new().await;
    let sale = short_sale(&world, "a", 300).await;
    let good_event = short_sale(&world, "b", 2).await;
    let line = [(&sale, StockKind::List, 1)];
    // More of them than a batch takes, all overdue longer than the good one.
    for number in 0..150 {
        let user = format!("u{number}");
        let id = world.write_order(&user, OrderState::Held, 5, &line).await;
        world.write_record(&id, "held\t5").await;
    }
    let good = world.granted(&sale, "x", 1).await;
    // An event whose feed refuses everything.
    let stuck = short_sale(&world, "c", 2).await;
    let waits = world.granted(&stuck, "x", 1).await;
    let feed = world.store.keys().feed("c");
    let _: String = world.run(&["XADD", &feed, "7-7", "what", "by hand"]).await;
    // And one whose orders key has another type, which comes first of all.
    let lost = short_sale(&world, "0", 2).await;
    world.granted(&lost, "x", 1).await;
    let orders = world.store.keys().orders("0");
    let _: i64 = world.run(&["DEL", &orders]).await;
    let _: () = world.run(&["SET", &orders, "x"]).await;
    let other = world.granted(&good_event, "x", 1).await;
    let app = TestApp::start(&world).await;
    until(&world, &good, OrderState::Expired).await;
    until(&world, &other, OrderState::Expired).await;
    let counted = "seckill_broken_orders_total 150\n";
    app.buyer.metrics_that(|told| told.contains(counted)).await;
    assert_eq!(
        world.left(&sale).await,
        150,
        "nothing of a broken order is lost or returned"
    );
    assert_eq!(world.order(&waits).await.state, OrderState::Held);
    // Once the data are repaired, it goes on by itself.
    let _: i64 = world.run(&["DEL", &feed]).await;
    until(&world, &waits, OrderState::Expired).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_when_redis_is_back() {
    let redis = PrivateRedis::durable();
    let world = World::at(redis.url()).await;
    let sale = short_sale(&world, "a", 5).await;
    let app = TestApp::start(&world).await;
    let first = world.granted(&sale, "x", 1).await;
    until(&world, &first, OrderState::Expired).await;
    let second = world.granted(&sale, "y", 1).await;
    redis.kill_and_wait().await;
    until(&world, &second, OrderState::Expired).await;
    signal("-STOP", redis.server_id());
    tokio::time::sleep(Duration::from_millis(500)).await;
    signal("-CONT", redis.server_id());
    let third = world.granted(&sale, "z", 1).await;
    until(&world, &third, OrderState::Expired).await;
    app.stop().await;
    world.assert_holds(&sale).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_expires_when_no_server_runs() {
    let world = World::new().await;
    let sale = short_sale(&world, "a", 5).await;
    let app = TestApp::start(&world).await;
    let first = world.granted(&sale, "x", 1).await;
    until(&world, &first, OrderState::Expired).await;
    app.stop().await;
    let second = world.granted(&sale, "y", 1).await;
    tokio::time::sleep(Duration::from_millis(SHORT_HOLD_MS + 500)).await;
    assert_eq!(world.order(&second).await.state, OrderState::Held);
}
