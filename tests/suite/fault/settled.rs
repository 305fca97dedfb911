//! Redis or the server is killed with `-9` while orders are confirmed and expire. An acknowledged
//! confirmation never expires, and units of unconfirmed orders come back exactly once. The control:
//! the test finds the losses of a Redis that keeps nothing on disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::OrderState;
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::purchase::outcome::Outcome;
use seckill::domain::sale::{Door, StockKind};
use seckill::store::Store;
use tokio::time::Instant;

use super::rounds;
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::orders::attempt;
use crate::support::process::{ServerProcess, free_address};
use crate::support::redis::{PrivateRedis, World};

const BUYERS: usize = 8;
const ORDERS_EACH: usize = 60;
const HOLD_MS: u64 = 150;

/// What a buyer knows of an order: the state that an answer named.
type Knowledge = HashMap<OrderId, OrderState>;

/// How far the buyers are.
#[derive(Default)]
struct Progress {
    orders: AtomicUsize,
    failures: AtomicUsize,
    stop: AtomicBool,
}

/// Grabs order after order, and confirms two of three, at once or about when they expire.
async fn buy(store: Store, sale: SaleId, buyer: usize, progress: Arc<Progress>) -> Knowledge {
    let (lane, mut known) = (store.lane(), Knowledge::new());
    for number in 0..ORDERS_EACH {
        let deadline = Instant::now() + PATIENCE;
        let id = loop {
            if progress.stop.load(Ordering::SeqCst) || Instant::now() > deadline {
                return known;
            }
            // A new id each time, as a server draws it: the order of the last time may be dead.
            let wanted = attempt(&sale, &format!("{buyer}-{number}"), 1);
            let asked = std::slice::from_ref(&wanted);
            let until = Instant::now() + Duration::from_secs(1);
            match lane
                .sale_grab(&sale, Door::Seckill, asked, None, until)
                .await
            {
                Ok(batch) => match batch.outcomes[0].as_ref().expect("read") {
                    Outcome::Grabbed(grant) | Outcome::AlreadyGrabbed(grant) => {
                        break grant.order.clone();
                    }
                    Outcome::Refused(_) => {}
                },
                Err(_) => {
                    progress.failures.fetch_add(1, Ordering::SeqCst);
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        progress.orders.fetch_add(1, Ordering::SeqCst);
        if number % 3 == 1 {
            // The expirer comes by within this time, or just after it.
            let later = HOLD_MS + number as u64 % 4 * 50;
            tokio::time::sleep(Duration::from_millis(later)).await;
        }
        if number % 3 < 2 {
            confirm(&store, id, &mut known, &progress).await;
        }
    }
    known
}

/// Asks until there is an answer: that is what "safe to repeat" promises.
async fn confirm(store: &Store, id: OrderId, known: &mut Knowledge, progress: &Progress) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && !progress.stop.load(Ordering::SeqCst) {
        match store.order_confirm(&id).await {
            Ok(
                ChangeOutcome::Changed(order)
                | ChangeOutcome::Repeated(order)
                | ChangeOutcome::Refused(_, order),
            ) => {
                known.insert(id, order.state);
                return;
            }
            // Forgotten, which the check will say.
            Ok(ChangeOutcome::NoSuchOrder) => return,
            Err(_) => {
                progress.failures.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// Lets the buyers loose on a sale that this makes.
async fn storm(world: &World) -> (SaleId, Arc<Progress>, tokio::task::JoinHandle<Knowledge>) {
    let sale = world.sale("rush", StockKind::List, 400).await;
    world.hold_for(&sale, HOLD_MS).await;
    let progress = Arc::new(Progress::default());
    let buyers = (0..BUYERS).map(|buyer| {
        let store = Store::new(&world.url, &world.prefix, Duration::from_secs(1));
        let store = store.expect("a store");
        tokio::spawn(buy(store, sale.clone(), buyer, progress.clone()))
    });
    let buyers: Vec<_> = buyers.collect();
    let all = tokio::spawn(async move {
        let known = join_all(buyers).await.into_iter();
        known.flat_map(|known| known.expect("a buyer")).collect()
    });
    (sale, progress, all)
}

async fn until_granted(progress: &Progress, orders: usize) {
    let deadline = Instant::now() + PATIENCE;
    while progress.orders.load(Ordering::SeqCst) < orders {
        assert!(
            Instant::now() < deadline,
            "the buyers never got {orders} orders"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Orders that are not in a state that a client was told.
async fn broken_promises(world: &World, known: &Knowledge) -> Vec<String> {
    let mut broken = Vec::new();
    for (id, told) in known {
        let state = world
            .store
            .order(id)
            .await
            .expect("read")
            .map(|order| order.state);
        if state != Some(*told) {
            broken.push(format!("{id} was said to be {told} and is {state:?}"));
        }
    }
    broken
}

async fn assert_settled(world: &mut World, sale: &SaleId, known: &Knowledge) {
    let deadline = Instant::now() + PATIENCE;
    while !world.holds("rush").await.is_empty() {
        assert!(Instant::now() < deadline, "held for ever");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(broken_promises(world, known).await, [""; 0]);
    world.assert_holds(sale).await;
    let feed = world.feed("rush").await;
    for state in ["held", "confirmed", "expired"] {
        assert!(
            feed.iter().any(|(what, _)| what == state),
            "no order became {state}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_while_orders_are_settled() {
    for _ in 0..rounds() {
        let redis = PrivateRedis::durable();
        let mut world = World::at(redis.url()).await;
        let app = TestApp::start(&world).await;
        let (sale, progress, buyers) = storm(&world).await;
        for orders in [BUYERS * ORDERS_EACH / 4, BUYERS * ORDERS_EACH / 2] {
            until_granted(&progress, orders).await;
            redis.kill_and_wait().await;
        }
        // The buyers sleep at the same times, and a kill in between hits none of them.
        while progress.failures.load(Ordering::SeqCst) == 0 {
            let orders = progress.orders.load(Ordering::SeqCst);
            assert!(orders < BUYERS * ORDERS_EACH, "no kill hit a client");
            redis.kill_and_wait().await;
        }
        let known = buyers.await.expect("the storm ends");
        let prefix = world.prefix.clone();
        world = World::at(redis.url()).await;
        world.use_prefix(&prefix);
        assert_settled(&mut world, &sale, &known).await;
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_killed_while_orders_expire() {
    for _ in 0..rounds() {
        let mut world = World::new().await;
        let prefix = format!("redis.prefix={}", world.prefix);
        let url = world.url.expose().to_owned();
        let arguments = ["--redis-url", &url, "--set", &prefix];
        let server = ServerProcess::start(free_address(), &arguments).await;
        let address = server.address;
        let (sale, progress, buyers) = storm(&world).await;
        until_granted(&progress, BUYERS * ORDERS_EACH / 3).await;
        server.kill();
        until_granted(&progress, BUYERS * ORDERS_EACH / 2).await;
        let server = ServerProcess::start(address, &arguments).await;
        let known = buyers.await.expect("the storm ends");
        assert_settled(&mut world, &sale, &known).await;
        drop(server);
    }
}

/// The negative control: the same storm on a Redis that keeps nothing must fail the check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_forgets_confirmations_is_convicted() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    let app = TestApp::start(&world).await;
    let (_, progress, buyers) = storm(&world).await;
    until_granted(&progress, BUYERS * ORDERS_EACH / 4).await;
    redis.kill_and_wait().await;
    progress.stop.store(true, Ordering::SeqCst);
    let known = buyers.await.expect("the storm ends");
    assert_ne!(
        broken_promises(&world, &known).await,
        [""; 0],
        "nothing was lost"
    );
    app.stop().await;
}
