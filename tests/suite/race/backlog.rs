//! A backlog of overdue orders expires while the buying endpoints are busy: how fast, and how slow
//! buyers are meanwhile. `SECKILL_TEST_ROUNDS=500 cargo test --release --test suite backlog --
//! --nocapture` does it with a million orders and prints the figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use hdrhistogram::Histogram;
use seckill::domain::sale::{Door, StockKind};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::fault::rounds;
use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::redis::{PrivateRedis, World};

const ORDERS_A_ROUND: u64 = 2_000;
const BUYERS: u32 = 10;
/// Between two requests of a buyer, whether or not the last one was answered in time.
const PERIOD: Duration = Duration::from_millis(20);

/// Buyers at the endpoints until stopped: how long each waited, in µs, from when it wanted to ask.
async fn rush(buyer: &Buyer, wave: &'static str, stop: Arc<AtomicBool>) -> Histogram<u64> {
    let buyers = (0..BUYERS).map(|number| {
        let (buyer, stop) = (buyer.clone(), stop.clone());
        tokio::spawn(async move {
            let mut waited = Vec::new();
            let mut ticks = interval(PERIOD);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            while !stop.load(Ordering::Relaxed) {
                let wanted_at = ticks.tick().await;
                let name = format!("{wave}-{number}-{}", waited.len());
                let code = buyer.code("/incr", "busy.doors", &name, "1").await;
                assert_eq!(code, "grabbed");
                waited.push(u64::try_from(wanted_at.elapsed().as_micros()).expect("short"));
            }
            waited
        })
    });
    let mut histogram = Histogram::new(3).expect("a histogram");
    for waited in join_all(buyers).await {
        for wait in waited.expect("a buyer") {
            histogram.record(wait).expect("in range");
        }
    }
    histogram
}

fn print(what: &str, waits: &Histogram<u64>) {
    let ms = |quantile| waits.value_at_quantile(quantile) as f64 / 1000.0;
    println!(
        "{what}: {} requests, p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms",
        waits.len(),
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_worked_off_while_the_doors_are_busy() {
    let orders = ORDERS_A_ROUND * rounds() as u64;
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    let busy = world
        .sale("busy.doors", StockKind::Counter, 100_000_000)
        .await;

    let app = TestApp::start(&world).await;
    let stop = Arc::new(AtomicBool::new(false));
    let calm = tokio::spawn({
        let (buyer, stop) = (app.buyer.clone(), stop.clone());
        async move { rush(&buyer, "calm", stop).await }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::Relaxed);
    print("doors without a backlog", &calm.await.expect("calm"));
    app.stop().await;

    let sale = world.sale("old", StockKind::List, 0).await;
    for _ in 0..orders.div_ceil(5_000) {
        world
            .store
            .stock_add_count(&sale, 5_000.min(orders))
            .await
            .expect("added");
    }
    let stock = world.left(&sale).await;
    world.hold_for(&sale, 1).await;
    let users: Vec<String> = (0..orders).map(|user| format!("u{user}")).collect();
    for some in users.chunks(1_000) {
        let asks: Vec<_> = some.iter().map(|user| (user.as_str(), 1)).collect();
        world.grab_all(&sale, Door::Seckill, &asks).await;
    }
    drop(users);

    let started_at = Instant::now();
    let app = TestApp::start(&world).await;
    let stop = Arc::new(AtomicBool::new(false));
    let rushed = tokio::spawn({
        let (buyer, stop) = (app.buyer.clone(), stop.clone());
        async move { rush(&buyer, "rush", stop).await }
    });
    while world.left(&sale).await < stock {
        assert!(
            started_at.elapsed() < Duration::from_secs(600),
            "not worked off"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = started_at.elapsed();
    stop.store(true, Ordering::Relaxed);
    let waits = rushed.await.expect("the rush");
    print("doors with a backlog", &waits);
    let rate = orders as f64 / took.as_secs_f64();
    println!("{orders} orders expired in {took:.1?}: {rate:.0} a second");
    app.stop().await;
    world.assert_holds(&sale).await;
    world.assert_holds(&busy).await;
}
