//! One of two replicas is promoted while the old master stays writable, as Sentinel or `REPLICAOF
//! NO ONE` may do it. At `replicated:all` nothing is acknowledged from then on that the promoted
//! one lacks. The control waits only for the replicas that are attached, and the test finds its
//! losses.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seckill::domain::durability::Durability;
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::OrderState;
use seckill::domain::purchase::outcome::Outcome;
use seckill::domain::sale::{Door, StockKind};
use seckill::store::Store;

use super::failover::{follower_of, online, until_linked_to, with_arguments};
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::orders::attempt;
use crate::support::process::seckill;
use crate::support::proxy::Proxy;
use crate::support::redis::{PrivateRedis, World, connect, run, sale_id};

/// More than all can buy.
pub(super) const STOCK: u64 = 10_000_000;
pub(super) const BUYERS: usize = 8;
/// How long the old master stays writable.
const STALE: Duration = Duration::from_secs(5);

/// A master and two replicas.
pub(super) struct Trio {
    pub master: PrivateRedis,
    pub replicas: [PrivateRedis; 2],
    _links: [Proxy; 2],
}

impl Trio {
    pub async fn start() -> Self {
        let master = with_arguments(&[]);
        let links = [(); 2].map(|()| Proxy::start(master.socket()));
        let links = join_all(links).await.try_into();
        let links: [Proxy; 2] = links.unwrap_or_else(|_| unreachable!("two"));
        let replicas = [&links[0], &links[1]].map(follower_of);
        until_linked_to(&master, 2).await;
        Self {
            master,
            replicas,
            _links: links,
        }
    }

    /// Makes one of the replicas a master. The old one is not told.
    pub async fn promote(&self) {
        let mut raw = connect(&self.replicas[0].url()).await;
        let () = run(&mut raw, &["REPLICAOF", "NO", "ONE"]).await;
    }
}

/// What a buyer was told: when it was asked, the code, and the order that was shown.
pub(super) struct Told {
    asked: Instant,
    code: String,
    order: Option<OrderId>,
}

/// The answers to many buyers until they are stopped.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    granted: Arc<AtomicUsize>,
    buyers: Vec<tokio::task::JoinHandle<Vec<Told>>>,
}

impl Load {
    pub fn start<A: Future<Output = (String, Option<OrderId>)> + Send>(
        buyers: usize,
        ask: impl Fn(String) -> A + Clone + Send + Sync + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let granted = Arc::new(AtomicUsize::new(0));
        let buyer = |number: usize| {
            let (ask, stop, granted) = (ask.clone(), stop.clone(), Arc::clone(&granted));
            async move {
                let mut all = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let asked = Instant::now();
                    let (code, order) = ask(format!("user-{number}-{}", all.len())).await;
                    granted.fetch_add(usize::from(order.is_some()), Ordering::SeqCst);
                    all.push(Told { asked, code, order });
                }
                all
            }
        };
        let buyers = (0..buyers).map(|number| tokio::spawn(buyer(number)));
        let buyers = buyers.collect();
        Self {
            stop,
            granted,
            buyers,
        }
    }

    pub async fn until_granted(&self, orders: usize) {
        let (deadline, granted) = (Instant::now() + PATIENCE, &self.granted);
        while granted.load(Ordering::SeqCst) < orders {
            assert!(Instant::now() < deadline, "only {granted:?} orders");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until this many orders were granted from now on.
    pub async fn until_granted_more(&self, orders: usize) {
        let before = self.granted.load(Ordering::SeqCst);
        self.until_granted(before + orders).await;
    }

    pub async fn end(self) -> Vec<Told> {
        self.stop.store(true, Ordering::SeqCst);
        let told = join_all(self.buyers).await.into_iter();
        told.flat_map(|told| told.expect("a buyer")).collect()
    }
}

/// Buys at the buying endpoint of a server.
pub(super) async fn buy(buyer: Buyer, user: String) -> (String, Option<OrderId>) {
    let fields = [("username", &*user), ("purchase", "1"), ("goods", "rush")];
    let reply = buyer.form("/incr", &fields).await;
    let order = reply.order().map(|id| OrderId::parse(&id).expect("an id"));
    (reply.result, order)
}

/// Buys as a client would that waits for the replicas that are attached.
async fn buy_from(store: Store, sale: SaleId, user: String) -> (String, Option<OrderId>) {
    let wanted = [attempt(&sale, &user, 1)];
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    let lane = store.lane();
    match lane
        .sale_grab(&sale, Door::Incr, &wanted, None, deadline)
        .await
    {
        Ok(mut batch) => match batch.outcomes.remove(0) {
            Ok(Outcome::Grabbed(grant)) => ("grabbed".to_owned(), Some(grant.order)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => (error.label().to_owned(), None),
        },
        Err(error) => (error.label().to_owned(), None),
    }
}

/// Orders that a client was shown and that this server does not have.
pub(super) async fn lost(server: &PrivateRedis, world: &World, told: &[Told]) -> usize {
    let store = Store::new(&server.url(), &world.prefix, PATIENCE).expect("a store");
    let shown = told.iter().filter_map(|told| told.order.as_ref());
    let found = join_all(shown.map(|order| store.order(order))).await;
    let found = found.into_iter().map(|found| found.expect("read"));
    found.filter(Option::is_none).count()
}

/// Whether a server says that Redis lost orders of a sale.
pub(super) async fn forgot(goods: &str, buyer: &Buyer) -> bool {
    let counted = format!("seckill_redis_forgot_total{{sale=\"{goods}\"}}");
    buyer.metrics().await.contains(&counted)
}

/// Waits until a server is ready.
pub(super) async fn until_ready(buyer: &Buyer) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ready = buyer.get("/readyz").await;
        if ready.status == 200 {
            return;
        }
        assert!(Instant::now() < deadline, "{}", ready.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A server at `replicated:all`.
pub(super) async fn app_at_all(world: &World) -> TestApp {
    let app = TestApp::with(world, |config| {
        config.durability = Some(Durability::ReplicatedAll);
        config.redis.timeout = Duration::from_secs(1);
    });
    app.await
}

/// `seckill order confirm` at `replicated:all`: its exit code and what it said.
pub(super) async fn confirm(world: &World, order: &OrderId) -> (Option<i32>, String) {
    let (url, prefix) = (world.url.expose().to_owned(), world.prefix.clone());
    let order = order.to_string();
    let confirmed = tokio::task::spawn_blocking(move || {
        let prefix = format!("redis.prefix={prefix}");
        let all = "durability=replicated:all";
        let (at, timeout) = (["--redis-url", &url], "redis.timeout=1s");
        let settings = ["--set", &prefix, "--set", all, "--set", timeout];
        seckill(&[&at[..], &settings, &["order", "confirm", &order]].concat())
    });
    let done = confirmed.await.expect("it runs");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    (done.status.code(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_replicas_have_what_is_acknowledged_whichever_is_promoted() {
    for _ in 0..super::rounds().min(5) {
        let trio = Trio::start().await;
        let world = World::at(trio.master.url()).await;
        world.sale("rush", StockKind::Counter, STOCK).await;
        let paid = world.held_sale("paid", StockKind::Counter, 10).await;
        let mut held = Vec::new();
        for number in 0..4 {
            held.push(world.granted(&paid, &format!("payer-{number}"), 1).await);
        }
        let old = app_at_all(&world).await;
        until_ready(&old.buyer).await;
        let (confirmed, said) = confirm(&world, &held[0]).await;
        assert_eq!(confirmed, Some(0), "{said}");
        let buyer = old.buyer.clone();
        let load = Load::start(BUYERS, move |user| buy(buyer.clone(), user));
        load.until_granted(50).await;

        trio.promote().await;
        let promoted_at = Instant::now();
        let new = app_at_all(&world).await;
        let buyer = new.buyer.clone();
        let late = Load::start(BUYERS, move |user| {
            buy(buyer.clone(), format!("late-{user}"))
        });
        for order in &held[1..] {
            let (confirmed, said) = confirm(&world, order).await;
            assert_eq!(confirmed, Some(4), "{said}");
            assert!(said.contains("unknown"), "{said}");
        }
        tokio::time::sleep_until((promoted_at + STALE).into()).await;
        let mut told = load.end().await;
        told.extend(late.end().await);
        for app in [old, new] {
            let ready = app.operator().get("/readyz").await;
            assert_eq!(ready.status, 503, "{}", ready.body);
            app.stop().await;
        }

        let after = told.iter().filter(|told| told.asked > promoted_at);
        let after: Vec<_> = after.map(|told| told.code.as_str()).collect();
        assert!(after.contains(&"unknown"), "no buyer asked: {after:?}");
        let closed = after
            .iter()
            .find(|code| !["unknown", "busy"].contains(code));
        assert_eq!(closed, None, "of {}", after.len());
        assert_eq!(lost(&trio.replicas[0], &world, &told).await, 0);
        let promoted = World::at(trio.replicas[0].url()).await;
        let store = Store::new(&promoted.url, &world.prefix, PATIENCE).expect("a store");
        let first = store.order(&held[0]).await.expect("read").expect("kept");
        assert_eq!(first.state, OrderState::Confirmed);
    }
}

/// The negative control: 50 ms after it lost one of two replicas, the old master counts one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_the_replicas_that_are_attached_loses_orders() {
    let trio = Trio::start().await;
    let world = World::at(trio.master.url()).await;
    world.sale("rush", StockKind::Counter, STOCK).await;
    let raw = connect(&trio.master.url()).await;
    let stores: HashMap<usize, Store> = (1..=2)
        .map(|replicas| {
            let store = Store::new(&world.url, &world.prefix, Duration::from_secs(1));
            let level = Durability::Replicated(u32::try_from(replicas).expect("small"));
            (
                replicas,
                store
                    .expect("a store")
                    .with_durability(Some(level))
                    .expect("a store"),
            )
        })
        .collect();
    let load = Load::start(BUYERS, move |user| {
        let (mut raw, stores) = (raw.clone(), stores.clone());
        async move {
            let attached = online(&mut raw).await.max(1);
            buy_from(stores[&attached].clone(), sale_id("rush"), user).await
        }
    });
    load.until_granted(50).await;
    trio.promote().await;
    load.until_granted_more(50).await;
    let told = load.end().await;
    assert_ne!(lost(&trio.replicas[0], &world, &told).await, 0);
}
