//! The clock of Redis is set while orders are held, or the address leads to a Redis with another
//! clock: nothing expires for a minute, and everything else goes on.

use seckill::domain::ids::OrderId;
use seckill::domain::order::OrderState;
use seckill::domain::sale::StockKind;
use tokio::time::{Duration, Instant, sleep};

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::orders::held_for;
use crate::support::other_redis::ShiftedRedis;
use crate::support::proxy::Proxy;
use crate::support::redis::World;

const HOLD_MS: u64 = 600_000;
const STEP_SECONDS: i64 = 660;
const ORDERS: usize = 5;

/// A sale with a hold, and orders that are not confirmed.
async fn held(world: &World, app: &TestApp) -> Vec<String> {
    let sale = world.sale("a", StockKind::List, ORDERS as u64 + 1).await;
    world.put(&sale, &held_for(HOLD_MS)).await;
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        let user = format!("u{number}");
        let fields = [("username", user.as_str()), ("purchase", "1")];
        let reply = app.buyer.form("/seckill", &fields).await;
        orders.push(reply.order().expect("an order"));
    }
    orders
}

/// Waits until the expirer of the server has read the clock some more times.
async fn until_looked(world: &mut World) {
    let before = world.calls("time").await;
    let deadline = Instant::now() + PATIENCE;
    while world.calls("time").await < before + 5 {
        assert!(Instant::now() < deadline, "the expirer does not look");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn stepped(app: &TestApp, times: u32) {
    let counted = format!("seckill_redis_clock_steps_total {times}\n");
    let told = app.buyer.metrics_that(|told| told.contains(&counted)).await;
    assert!(told.contains("seckill_expiry_paused 1\n"), "{told}");
    assert!(told.contains("seckill_expired_orders_total 0\n"), "{told}");
}

/// Every order is as its buyer left it, and the sale goes on.
async fn assert_kept(world: &World, app: &TestApp, orders: &[String]) {
    for order in orders {
        let id = OrderId::parse(order.as_str()).expect("an order id");
        let order = world
            .store
            .order(&id)
            .await
            .expect("read")
            .expect("it exists");
        assert_eq!(order.state, OrderState::Held);
    }
    assert_eq!(
        app.buyer.code("/seckill", "a", "late", "1").await,
        "grabbed"
    );
    let confirmed = app
        .operator()
        .post(&format!("/orders/{}/confirm", orders[0]))
        .await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_expires_no_order() {
    for seconds in [STEP_SECONDS, -STEP_SECONDS] {
        let redis = ShiftedRedis::start().await;
        let mut world = World::at(redis.url()).await;
        let app = TestApp::start(&world).await;
        let orders = held(&world, &app).await;
        until_looked(&mut world).await;
        redis.shift(seconds);
        stepped(&app, 1).await;
        until_looked(&mut world).await;
        assert_kept(&world, &app, &orders).await;
        // Set right again, it is another step; nothing was lost by either.
        redis.shift(0);
        stepped(&app, 2).await;
        world
            .assert_holds(&crate::support::redis::sale_id("a"))
            .await;
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_next_redis_with_another_clock_expires_no_order() {
    let first = ShiftedRedis::start().await;
    let proxy = Proxy::start(first.socket()).await;
    let mut world = World::at(first.url()).await;
    let app = TestApp::with(&world, |config| config.redis.url = Some(proxy.url())).await;
    let orders = held(&world, &app).await;
    until_looked(&mut world).await;
    let copy = tempfile::tempdir().expect("folder");
    let data = copy.path().join("data");
    world.store.backup(&data).await.expect("copied");
    let next = ShiftedRedis::with_data(data, STEP_SECONDS).await;
    proxy.lead_next_to(next.socket());
    proxy.close_all().await;
    stepped(&app, 1).await;
    let mut moved = World::at(next.url()).await;
    moved.use_prefix(&world.prefix.clone());
    until_looked(&mut moved).await;
    assert_kept(&moved, &app, &orders).await;
    app.stop().await;
}

/// After the pause the clock decides again, whatever it shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for a minute; for make test-long"]
async fn after_a_minute_the_clock_of_redis_decides_again() {
    let redis = ShiftedRedis::start().await;
    let mut world = World::at(redis.url()).await;
    let app = TestApp::start(&world).await;
    held(&world, &app).await;
    until_looked(&mut world).await;
    redis.shift(STEP_SECONDS);
    stepped(&app, 1).await;
    let since = Instant::now();
    let expired = format!("seckill_expired_orders_total {ORDERS}\n");
    loop {
        let told = app.buyer.metrics().await;
        if told.contains(&expired) {
            assert!(told.contains("seckill_expiry_paused 0\n"), "{told}");
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(90), "never: {told}");
        sleep(Duration::from_millis(200)).await;
    }
    assert!(
        since.elapsed() > Duration::from_secs(58),
        "{:?}",
        since.elapsed()
    );
    app.stop().await;
}
