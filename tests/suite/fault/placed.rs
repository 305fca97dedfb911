//! Orders over several sales, while the server or Redis is killed with `-9`. Afterwards each
//! request that got an order gets the same order again, with all its lines, and all other units are
//! in stock. The control: the test finds the losses of a Redis that keeps nothing on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seckill::config::RedisUrl;
use seckill::config::{Config, OnForgot};
use seckill::domain::sale::StockKind;
use tokio::task::JoinHandle;

use super::rounds;
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::{Buyer, Reply};
use crate::support::orders::{LONG_HOLD_MS, held_for};
use crate::support::process::{ServerProcess, free_address};
use crate::support::redis::{PrivateRedis, World, sale_id};

/// Scarce enough that some get nothing; orders with tea or pots are held, others confirmed.
const SALES: [(&str, StockKind, u64); 3] = [
    ("rush.tea", StockKind::List, 200),
    ("rush.cup", StockKind::Counter, 150),
    ("rush.pot", StockKind::List, 150),
];
const BASKETS: [&[(&str, u32)]; 4] = [
    &[("rush.tea", 2), ("rush.cup", 1)],
    &[("rush.cup", 2)],
    &[("rush.pot", 1), ("rush.tea", 1), ("rush.cup", 1)],
    &[("rush.pot", 2), ("rush.tea", 1)],
];
const SHOPPERS: usize = 32;
const REQUESTS_EACH: usize = 12;
/// Each request is sent so often, whatever came back: a retry may meet the kill, too.
const SENT: usize = 3;

/// One request, and all that came back: nothing when the connection broke.
struct Asked {
    user: String,
    lines: &'static [(&'static str, u32)],
    replies: Vec<Option<Reply>>,
}

impl Asked {
    fn new(number: usize) -> Self {
        Self {
            user: format!("user-{number}"),
            lines: BASKETS[number % BASKETS.len()],
            replies: Vec::new(),
        }
    }

    /// Sends the request until its outcome is known.
    async fn settle(&mut self, buyer: &Buyer) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let reply = buyer.try_place(&self.user, "the request", self.lines).await;
            self.replies.push(reply.ok());
            if !self.is_open() || Instant::now() > give_up {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// True while the last answer says nothing.
    fn is_open(&self) -> bool {
        let last = self.replies.last().and_then(Option::as_ref);
        last.is_none_or(|reply| reply.status == 503)
    }

    /// The answers that showed an order.
    fn shown(&self) -> impl Iterator<Item = &Reply> {
        let replies = self.replies.iter().flatten();
        replies.filter(|reply| matches!(reply.status, 200 | 201))
    }

    fn order(&self) -> Option<String> {
        self.shown().next().and_then(Reply::order)
    }

    /// What no correct server could have answered.
    fn lies(&self) -> Vec<String> {
        let mut lies = Vec::new();
        let orders: BTreeSet<_> = self.shown().map(Reply::order).collect();
        if orders.len() > 1 {
            lies.push(format!("one request got {orders:?}"));
        }
        if self.shown().filter(|reply| reply.status == 201).count() > 1 {
            lies.push("one request was granted twice".to_owned());
        }
        let wanted: BTreeMap<_, _> = self.lines.iter().map(|&(goods, n)| (goods, n)).collect();
        for reply in self.shown() {
            if units_of(reply) != wanted {
                lies.push(format!("{wanted:?} were asked for: {}", reply.body));
            }
        }
        let definite = self.replies.iter().flatten();
        let known = definite
            .filter(|reply| reply.status != 503)
            .skip_while(|reply| !matches!(reply.status, 200 | 201));
        for reply in known.filter(|reply| !matches!(reply.status, 200 | 201)) {
            lies.push(format!("an order is forgotten: {}", reply.body));
        }
        let about = |lie| format!("{}: {lie}", self.user);
        lies.into_iter().map(about).collect()
    }
}

/// What an order has of each sale; list stock by the units that it names.
fn units_of(reply: &Reply) -> BTreeMap<&'static str, u32> {
    let body = reply.json();
    let lines = body["lines"].as_array().expect("lines").iter().map(|line| {
        let sale = SALES.iter().find(|(goods, ..)| line["goods"] == *goods);
        let &(goods, kind, _) = sale.expect("a sale of this test");
        let named = line["units"].as_array().map(Vec::len);
        let units = match kind {
            StockKind::List => named.map(|named| named as u64),
            StockKind::Counter | StockKind::Target => line["purchase"].as_u64(),
        };
        (goods, units.unwrap_or(0) as u32)
    });
    lines.collect()
}

async fn stock_up(world: &World) {
    for (goods, kind, stock) in SALES {
        let sale = world.sale(goods, kind, stock).await;
        if kind == StockKind::List {
            world.put(&sale, &held_for(LONG_HOLD_MS)).await;
        }
    }
}

/// Lets the shoppers loose, and waits until a quarter of them have an order.
async fn storm(buyer: &Buyer) -> JoinHandle<Vec<Asked>> {
    let granted = Arc::new(AtomicUsize::new(0));
    let shoppers = (0..SHOPPERS).map(|shopper| {
        let (buyer, granted) = (buyer.clone(), granted.clone());
        tokio::spawn(async move {
            let mut done = Vec::new();
            for number in 0..REQUESTS_EACH {
                let mut asked = Asked::new(number * SHOPPERS + shopper);
                for _ in 0..SENT {
                    asked.settle(&buyer).await;
                }
                granted.fetch_add(asked.order().iter().count(), Ordering::SeqCst);
                done.push(asked);
            }
            done
        })
    });
    let shoppers: Vec<_> = shoppers.collect();
    let deadline = Instant::now() + PATIENCE;
    while granted.load(Ordering::SeqCst) < SHOPPERS {
        assert!(Instant::now() < deadline, "no buyer gets an order");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::spawn(async move {
        let done = join_all(shoppers).await.into_iter();
        done.flat_map(|done| done.expect("a shopper")).collect()
    })
}

/// Every client asks once more: the answers must agree with the earlier ones.
async fn everybody_asks_again(asked: &mut [Asked], buyer: &Buyer) {
    for asked in asked {
        asked.settle(buyer).await;
    }
}

fn lies(asked: &[Asked]) -> Vec<String> {
    asked.iter().flat_map(Asked::lies).collect()
}

/// A request id that got an order is never good for something else.
async fn assert_bound(asked: &[Asked], buyer: &Buyer) {
    for asked in asked.iter().filter(|asked| asked.order().is_some()) {
        let other = &[("rush.cup", 1)];
        let reply = buyer.place(&asked.user, "the request", other).await;
        let answer = (reply.status, reply.result.as_str());
        assert_eq!(answer, (422, "request_id_reused"), "{}", reply.body);
    }
}

async fn assert_safe(world: &mut World, mut asked: Vec<Asked>, buyer: &Buyer) {
    let hit = asked.iter().flat_map(|asked| &asked.replies);
    let hit = hit.filter(|reply| reply.as_ref().is_none_or(|reply| reply.status == 503));
    assert!(hit.count() > 0, "the kill hit no client");
    everybody_asks_again(&mut asked, buyer).await;
    assert_eq!(lies(&asked), [""; 0]);
    assert!(!asked.iter().any(Asked::is_open), "outcomes are unknown");
    assert_bound(&asked, buyer).await;
    for (goods, _, stock) in SALES {
        let buyers = asked.iter().filter(|asked| asked.order().is_some());
        let lines = buyers.flat_map(|asked| asked.lines);
        let units = lines.filter(|line| line.0 == goods).map(|line| line.1);
        let promised = u64::from(units.sum::<u32>());
        let sale = sale_id(goods);
        let left = world.left(&sale).await;
        assert_eq!(
            promised + left,
            stock,
            "each unit of {goods} has a buyer who knows"
        );
        world.assert_holds(&sale).await;
    }
    let orders: BTreeSet<_> = asked.iter().filter_map(Asked::order).collect();
    let told: Vec<_> = world.feed("rush").await;
    let told_of: BTreeSet<_> = told.iter().map(|(_, order)| order.clone()).collect();
    assert_eq!(
        (told.len(), &told_of),
        (orders.len(), &orders),
        "the feed tells of each once"
    );
    let some_refused = asked.len() > orders.len();
    assert!(
        some_refused,
        "there was enough for all: no scarcity, no test"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_killed_among_placements() {
    for _ in 0..rounds() {
        let mut world = World::new().await;
        stock_up(&world).await;
        let prefix = format!("redis.prefix={}", world.prefix);
        let url = world.url.expose().to_owned();
        let arguments = ["--redis-url", &url, "--set", &prefix];
        let server = ServerProcess::start(free_address(), &arguments).await;
        let (address, buyer) = (server.address, server.buyer.clone());
        let shoppers = storm(&buyer).await;
        server.kill();
        let server = ServerProcess::start(address, &arguments).await;
        let asked = shoppers.await.expect("the storm ends");
        assert_safe(&mut world, asked, &buyer).await;
        drop(server);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_and_its_private_redis_are_killed_among_placements() {
    for _ in 0..rounds() {
        let folder = tempfile::tempdir().expect("folder");
        let data_dir = folder.path().to_str().expect("a plain path");
        let arguments = ["--data-dir", data_dir];
        let server = ServerProcess::start(free_address(), &arguments).await;
        let mut world = World::at(RedisUrl::new(format!("unix://{data_dir}/redis.sock"))).await;
        world.use_prefix("seckill:");
        stock_up(&world).await;
        let (address, buyer) = (server.address, server.buyer.clone());
        let shoppers = storm(&buyer).await;
        server.kill();
        let server = ServerProcess::start(address, &arguments).await;
        let asked = shoppers.await.expect("the storm ends");
        let mut world = World::at(world.url.clone()).await;
        world.use_prefix("seckill:");
        assert_safe(&mut world, asked, &buyer).await;
        drop(server);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_among_placements() {
    for _ in 0..rounds() {
        let redis = PrivateRedis::durable();
        let world = World::at(redis.url()).await;
        stock_up(&world).await;
        let app = TestApp::start(&world).await;
        let shoppers = storm(&app.buyer).await;
        redis.kill_and_wait().await;
        let asked = shoppers.await.expect("the storm ends");
        let mut after = World::at(redis.url()).await;
        after.use_prefix(&world.prefix);
        assert_safe(&mut after, asked, &app.buyer).await;
        app.stop().await;
    }
}

/// The negative control: after the loss the operator stocks the sales again, and the same requests
/// get other orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_forgets_requests_is_convicted() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    stock_up(&world).await;
    // By default the server would not obey such a Redis.
    let warn = |config: &mut Config| config.redis.on_forgot = OnForgot::Warn;
    let app = TestApp::with(&world, warn).await;
    let shoppers = storm(&app.buyer).await;
    redis.kill_and_wait().await;
    let mut asked = shoppers.await.expect("the storm ends");
    stock_up(&world).await;
    everybody_asks_again(&mut asked, &app.buyer).await;
    let lies = lies(&asked);
    let found = |words: &str| lies.iter().any(|lie| lie.contains(words));
    assert!(found("one request got"), "not seen: {lies:?}");
    assert!(found("granted twice"), "not seen: {lies:?}");
    app.stop().await;
}
