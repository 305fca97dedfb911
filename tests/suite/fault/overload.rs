//! More attempts than can be decided: who finds no room is `busy` at once, who waited too long is
//! `busy` before anything is sent, and of neither was anything executed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use seckill::admission::Admission;
use seckill::admission::memory::Memory;
use seckill::admission::names::Names;
use seckill::config::OnForgot;
use seckill::domain::ids::{SaleId, Username};
use seckill::domain::purchase::attempt::Purchase;
use seckill::domain::purchase::bid::BidOutcome;
use seckill::domain::purchase::outcome::Outcome;
use seckill::domain::sale::{Door, SaleEdit, StockKind};
use seckill::failure::{Failure, Result};
use seckill::metrics::Metrics;
use seckill::store::Store;

use crate::support::TIMEOUT;
use crate::support::bids::a_bid;
use crate::support::proxy::Proxy;
use crate::support::redis::World;

/// Attempts that a worker lets wait.
const QUEUE_MAX: usize = 4096;
/// Attempts for one sale that it lets wait.
const SHARE_MAX: usize = QUEUE_MAX / 2;
/// Bids that a worker lets wait.
const BIDS_MAX: usize = 1024;
const STOCK: u64 = 10_000;

/// One worker's admission, and what it counts.
struct Worker {
    admission: Admission,
    metrics: Arc<Metrics>,
}

impl Worker {
    fn new(store: &Store, timeout: Duration) -> Self {
        let metrics = Arc::new(Metrics::new().expect("registered"));
        let memory = Arc::new(Memory::new(OnForgot::Stop, metrics.clone()));
        let names = Arc::new(Names::new(|_| None, metrics.clone(), TIMEOUT));
        let admission = Admission::start(
            store,
            Arc::default(),
            memory,
            names,
            metrics.clone(),
            timeout,
        );
        Self { admission, metrics }
    }

    async fn grab(&self, sale: &SaleId, number: usize) -> Result<Outcome> {
        let user = Username::parse(format!("user-{number}")).expect("valid");
        let one = Purchase::parse("1").expect("valid");
        let door = Door::Incr;
        self.admission.grab(sale, door, user, one).await
    }

    async fn bid(&self, target: &SaleId, number: usize) -> Result<BidOutcome> {
        let bid = a_bid("x", &format!("r{number}"), target, 1);
        let admission = &self.admission;
        admission
            .bid(bid.username, bid.request, bid.goods, bid.amount)
            .await
    }

    fn assert_nobody_waits(&self) {
        let counted = self.metrics.text().expect("counted");
        assert!(counted.contains("seckill_queue_attempts 0"), "{counted}");
    }
}

fn is_grabbed(outcome: &Result<Outcome>) -> bool {
    outcome.as_ref().is_ok_and(Outcome::is_grabbed)
}

#[tokio::test]
async fn a_crowd_without_room_is_busy_at_once_and_leaves_room_for_other_sales() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::Counter, STOCK).await;
    let calm = world.sale("calm", StockKind::Counter, STOCK).await;
    let worker = Worker::new(&world.store, TIMEOUT);
    // The batcher does not run meanwhile: there is one thread, and it is here.
    let (mut waiting, mut refused) = (Vec::new(), 0);
    for number in 0..SHARE_MAX + 100 {
        let mut ask = Box::pin(worker.grab(&sale, number));
        if ask.as_mut().now_or_never().is_none() {
            waiting.push(ask);
        } else {
            refused += 1;
        }
    }
    assert_eq!((waiting.len(), refused), (SHARE_MAX, 100));
    let full = worker.grab(&sale, SHARE_MAX).await;
    assert!(matches!(full, Err(Failure::Busy(_))), "{full:?}");
    let mut others: Vec<_> = (0..SHARE_MAX / 2)
        .map(|number| Box::pin(worker.grab(&calm, number)))
        .collect();
    for ask in &mut others {
        assert!(ask.as_mut().now_or_never().is_none(), "no room");
    }

    assert!(join_all(waiting).await.iter().all(is_grabbed));
    assert!(join_all(others).await.iter().all(is_grabbed));
    assert_eq!(world.left(&sale).await, STOCK - SHARE_MAX as u64);
    worker.assert_nobody_waits();
    world.assert_holds(&sale).await;
    world.assert_holds(&calm).await;
}

#[tokio::test]
async fn one_bid_too_many_is_busy_at_once_and_who_waits_is_decided() {
    let world = World::new().await;
    let target = world.target("loan", 2_000, &SaleEdit::default()).await;
    let worker = Worker::new(&world.store, TIMEOUT);
    let (mut waiting, mut refused) = (Vec::new(), 0);
    for number in 0..BIDS_MAX + 100 {
        let mut ask = Box::pin(worker.bid(&target, number));
        match ask.as_mut().now_or_never() {
            None => waiting.push(ask),
            Some(Err(Failure::Busy(_))) => refused += 1,
            Some(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((waiting.len(), refused), (BIDS_MAX, 100));
    for outcome in join_all(waiting).await {
        assert!(
            matches!(outcome, Ok(BidOutcome::Accepted(_))),
            "{outcome:?}"
        );
    }
    let next = worker.bid(&target, BIDS_MAX).await;
    assert!(matches!(next, Ok(BidOutcome::Accepted(_))), "{next:?}");
    assert_eq!(world.left(&target).await, 2_000 - 1 - BIDS_MAX as u64);
    world.assert_holds(&target).await;
}

#[tokio::test]
async fn who_waited_too_long_is_busy_and_nothing_was_executed() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::Counter, STOCK).await;
    let proxy = Proxy::to_shared_redis().await;
    // A batch takes four seconds, and half of the timeout may be spent in the queue: who is sent
    // last has eight seconds more than that takes.
    let timeout = Duration::from_secs(24);
    let store = Store::new(&proxy.url(), &world.prefix, timeout).expect("a store");
    let worker = Worker::new(&store, timeout);
    assert!(is_grabbed(&worker.grab(&sale, 0).await), "a warm-up");
    proxy.set_latency(Duration::from_secs(4));
    let outcomes = join_all((1..2000).map(|number| worker.grab(&sale, number))).await;
    let granted = outcomes
        .iter()
        .filter(|outcome| is_grabbed(outcome))
        .count();
    let busy = |outcome: &&Result<Outcome>| matches!(outcome, Err(Failure::Busy(_)));
    let busy = outcomes.iter().filter(busy).count();
    assert_eq!(granted + busy, outcomes.len(), "nobody is left in doubt");
    assert!(granted > 0 && busy > 0, "{granted} granted, {busy} busy");
    let left = world.left(&sale).await;
    assert_eq!(
        left,
        STOCK - 1 - granted as u64,
        "what is busy took nothing"
    );
    worker.assert_nobody_waits();
    world.assert_holds(&sale).await;
}
