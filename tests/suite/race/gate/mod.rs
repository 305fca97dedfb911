//! Gates (`src/admission/gate/`) under changes: restocks of both kinds, removals, pauses,
//! restarts, in any order. A gate may lag, for a bounded time; it may never refuse a buyer whose
//! order it has seen, and never stay closed. The controls: a door that never opens again, and the
//! lies that the model must convict.

mod model;
mod walk;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seckill::config::{Config, OnForgot};
use seckill::domain::ids::SaleId;
use seckill::domain::sale::StockKind;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::crowd::{Door, HttpDoor, ask, at_once};
use crate::support::history::{Answer, Entry, History};
use crate::support::orders::{closing, opening};
use crate::support::redis::{PrivateRedis, World};
use crate::support::wechat::{office, on_show};

/// How old the news may be by which a gate refuses: its own 100 ms and a margin. News are aged
/// from when a request was sent, so a slow machine makes no gate look slower.
pub(super) const STALE_MAX: Duration = Duration::from_millis(150);

/// From then on after a restock, everybody who asks gets a unit.
const REOPEN_MAX: Duration = Duration::from_secs(1);

const LIST: StockKind = StockKind::List;

pub(super) fn door(buyer: &Buyer, sale: &SaleId) -> HttpDoor {
    HttpDoor {
        buyers: vec![buyer.clone()],
        path: "/seckill",
        goods: sale.as_str().to_owned(),
    }
}

/// Asks for one unit until it is granted. Fails when a request that was sent later than
/// [`REOPEN_MAX`] after `since`, when stock came back, still got nothing.
async fn keep_asking(door: &impl Door, user: &str, since: Instant) -> Result<Entry, String> {
    loop {
        let entry = ask(door, user, 1).await;
        if entry.answer.code == "grabbed" {
            return Ok(entry);
        }
        let waited = entry.sent.saturating_duration_since(since);
        if waited > REOPEN_MAX {
            let code = entry.answer.code;
            return Err(format!("{user} was told {code} {waited:?} after a restock"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Strangers ask until the server answers them without Redis that nothing is left.
pub(super) async fn until_closed(buyer: &Buyer, sale: &SaleId) {
    until_gate_says("sold_out", buyer, sale).await;
}

/// Strangers ask, and all hear this, until the server says it without Redis.
async fn until_gate_says(code: &str, buyer: &Buyer, sale: &SaleId) {
    let door = door(buyer, sale);
    let gauge = format!("seckill_gate_buyers{{refusal=\"{code}\",sale=\"{sale}\"}}");
    let deadline = Instant::now() + PATIENCE;
    while !buyer.get("/metrics").await.body.contains(&gauge) {
        assert!(Instant::now() < deadline, "the gate never closed");
        assert_eq!(ask(&door, "stranger", 1).await.answer.code, code);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Adds units behind the back of the store, as consumers of older systems do.
async fn push(world: &mut World, sale: &SaleId, units: impl Iterator<Item = u64>) {
    let key = world.store.keys().stock(sale);
    let mut push = redis::cmd("RPUSH");
    push.arg(key);
    for number in units {
        push.arg(format!("by-hand-{number}"));
    }
    let _: u64 = push.query_async(&mut world.raw).await.expect("pushed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_sell_out_every_server_returns_the_order() {
    let world = World::new().await;
    let sale = world.sale("rush", LIST, 2).await;
    let servers = TestApp::two(&world).await;
    let doors = servers.each_ref().map(|app| door(&app.buyer, &sale));
    let bought = ask(&doors[0], "buyer", 2).await.answer;
    assert_eq!(bought.code, "grabbed");
    for app in &servers {
        until_closed(&app.buyer, &sale).await;
    }
    for _ in 0..20 {
        for door in &doors {
            let again = ask(door, "buyer", 1).await.answer;
            assert_eq!(again.code, "already_grabbed");
            assert_eq!(again.order, bought.order);
            assert_eq!(ask(door, "stranger", 1).await.answer.code, "sold_out");
        }
    }
    world.assert_holds(&sale).await;
    TestApp::stop_all(servers).await;
}

/// A hundred new users buy the hundred units that came back at `since`.
async fn a_hundred_buy(door: &Arc<HttpDoor>, name: &str, since: Instant) -> Vec<Entry> {
    let tasks = (0..100).map(|number| {
        let (door, user) = (door.clone(), format!("{name}-{number}"));
        async move { keep_asking(&*door, &user, since).await }
    });
    let bought: Result<_, _> = at_once(tasks).await.into_iter().collect();
    bought.unwrap_or_else(|late| panic!("{late}"))
}

/// A sale that granted nothing can become an activity, which another door sells. There people keep
/// asking, so what the gate says stays fresh; it must not go on saying it at the old door.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_gives_way_when_its_sale_moves_to_another_door() {
    let world = World::new().await;
    let sale = world.sale("rush", LIST, 0).await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    until_closed(&app.buyer, &sale).await;
    let mut shown = on_show("key");
    shown.kind = None;
    world.put(&sale, &shown).await;
    // The chat books what the catalogue shows, which was read just now for the metrics.
    let since = Instant::now();
    while app.buyer.get("/sales/rush").await.json()["keyword"] != "key" {
        assert!(since.elapsed() < PATIENCE, "it is not shown");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let door = door(&app.buyer, &sale);
    let hear = async || {
        follower.clicks("BOOKING_ACTIVITY_rush").await;
        ask(&door, "stranger", 1).await.answer.code
    };
    let moved = Instant::now();
    loop {
        let asked = moved.elapsed();
        if hear().await == "wrong_door" {
            break;
        }
        assert!(asked < REOPEN_MAX, "the old door still answers");
    }
    for _ in 0..50 {
        assert_eq!(hear().await, "wrong_door");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_come_back_are_sold_within_a_second() {
    let mut world = World::new().await;
    let sale = world.sale("rush", LIST, 0).await;
    let app = TestApp::start(&world).await;
    let door = Arc::new(door(&app.buyer, &sale));
    let mut history = History::default();
    until_closed(&app.buyer, &sale).await;
    world
        .store
        .stock_add_count(&sale, 100)
        .await
        .expect("added");
    let added = a_hundred_buy(&door, "added", Instant::now()).await;
    history.entries.extend(added);
    until_closed(&app.buyer, &sale).await;
    push(&mut world, &sale, 0..100).await;
    let pushed = a_hundred_buy(&door, "pushed", Instant::now()).await;
    history.entries.extend(pushed);
    assert_eq!(history.violations(200), [""; 0]);
    assert_eq!((history.granted(), world.left(&sale).await), (200, 0));
    app.stop().await;
}

/// A sale whose only unit one buyer got here, where the gate has closed since.
async fn sold_out_by_one(world: &World) -> (SaleId, TestApp, HttpDoor) {
    let sale = world.sale("rush", LIST, 1).await;
    // By default a loss would stop the sale.
    let warn = |config: &mut Config| config.redis.on_forgot = OnForgot::Warn;
    let app = TestApp::with(world, warn).await;
    let door = door(&app.buyer, &sale);
    assert_eq!(ask(&door, "before", 1).await.answer.code, "grabbed");
    until_closed(&app.buyer, &sale).await;
    (sale, app, door)
}

/// Somebody empties Redis and sells the same again, to others, as load testers do: as many orders
/// are granted as before, and the gate must not take the old buyers for the new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_begins_anew_has_other_buyers() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let (sale, app, door) = sold_out_by_one(&world).await;
    let _: () = world.run(&["FLUSHALL"]).await;
    world.sale("rush", LIST, 1).await;
    let bought = keep_asking(&door, "after", Instant::now()).await;
    let bought = bought.unwrap_or_else(|late| panic!("{late}"));
    for _ in 0..20 {
        let again = ask(&door, "after", 1).await.answer;
        assert_eq!(again.code, "already_grabbed");
        assert_eq!(again.order, bought.answer.order);
    }
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// The same, sold out by others: this server heard nothing of the new buyer before the buyer asks
/// here. Redis forgets everything, or, as a replica may that takes over, the last orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_others_sold_again_has_other_buyers() {
    for all in [true, false] {
        let redis = PrivateRedis::forgetful();
        let mut world = World::at(redis.url()).await;
        let (sale, app, door) = sold_out_by_one(&world).await;
        if all {
            let _: () = world.run(&["FLUSHALL"]).await;
            world.sale("rush", LIST, 1).await;
        } else {
            forget_the_order(&mut world, &sale).await;
        }
        let bought = world.granted(&sale, "after", 1).await;
        tokio::time::sleep(STALE_MAX).await;
        for _ in 0..20 {
            let again = ask(&door, "after", 1).await.answer;
            assert_eq!(again.code, "already_grabbed", "all: {all}");
            let order = again.order.expect("an order").order;
            assert_eq!(order, bought.as_str());
        }
        world.assert_holds(&sale).await;
        app.stop().await;
    }
}

/// The sale as it was before its only order, of one unit.
async fn forget_the_order(world: &mut World, sale: &SaleId) {
    let (key, stock, buyers, orders) = {
        let keys = world.store.keys();
        let event = sale.event();
        (
            keys.sale(sale),
            keys.stock(sale),
            keys.buyers(sale),
            keys.orders(event),
        )
    };
    let _: i64 = world
        .run(&["HDEL", &key, "grants", "granted_at", "confirmed"])
        .await;
    let _: i64 = world.run(&["RPUSH", &stock, "sn-1"]).await;
    let _: i64 = world.run(&["DEL", &buyers, &orders]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_opens_with_its_sale_and_closes_when_that_ends() {
    let mut world = World::new().await;
    let sale = world.sale("rush", LIST, 5).await;
    let app = TestApp::start(&world).await;
    let door = door(&app.buyer, &sale);
    let tomorrow = world.now().await + 86_400_000;
    world.put(&sale, &opening(Some(tomorrow))).await;
    until_gate_says("not_started", &app.buyer, &sale).await;

    // Redis read its clock at some time between.
    let before = Instant::now();
    let soon = world.now().await + 400;
    let [before, opened] = [before, Instant::now()].map(|at| at + Duration::from_millis(400));
    world.put(&sale, &opening(Some(soon))).await;
    let bought = loop {
        let entry = ask(&door, "x", 1).await;
        if entry.answer.code == "grabbed" {
            break entry;
        }
        assert_eq!(entry.answer.code, "not_started");
        let late = entry.sent.saturating_duration_since(opened);
        assert!(late < STALE_MAX, "not_started {late:?} after the opening");
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    // Both clocks are read to the millisecond.
    let early = before.saturating_duration_since(bought.answered);
    assert!(early <= Duration::from_millis(2), "sold {early:?} early");

    // No sale ends before it opens, and it may have opened in this very millisecond.
    let mut now = world.now().await;
    while now <= soon {
        now = world.now().await;
    }
    world.put(&sale, &closing(Some(now - 1))).await;
    until_gate_says("ended", &app.buyer, &sale).await;
    let again = ask(&door, "x", 1).await.answer;
    assert_eq!(again.code, "already_grabbed");
    assert_eq!(again.order, bought.answer.order);
    app.stop().await;
}

/// The control: the same patience convicts a gate that never opens again.
#[tokio::test]
async fn a_gate_that_never_opens_is_convicted() {
    struct ClosedDoor;
    impl Door for ClosedDoor {
        async fn ask(&self, _: &str, _: u32) -> Answer {
            Answer::refusal("sold_out")
        }
    }
    let late = keep_asking(&ClosedDoor, "x", Instant::now()).await;
    assert!(late.is_err_and(|late| late.contains("x was told sold_out")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_after_the_sell_out_costs_redis_almost_nothing() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.sale("rush", LIST, 0).await;
    let app = TestApp::start(&world).await;
    let door = door(&app.buyer, &sale);
    until_closed(&app.buyer, &sale).await;
    let (before, started) = (world.calls("evalsha").await, Instant::now());
    for tick in 0..100 {
        let users: Vec<_> = (0..20).map(|n| format!("late-{tick}-{n}")).collect();
        for entry in join_all(users.iter().map(|user| ask(&door, user, 1))).await {
            assert_eq!(entry.answer.code, "sold_out");
        }
        let next = started + Duration::from_millis(10) * (tick + 1);
        tokio::time::sleep_until(next.into()).await;
    }
    // A slow machine takes longer than the second, and a gate probes as long as it is asked.
    let allowed = 200 * started.elapsed().as_millis() / 1000;
    let cost = world.calls("evalsha").await - before;
    assert!(cost > 0, "nobody looked whether stock came back");
    assert!(
        u128::from(cost) <= allowed.max(200),
        "2000 refusals cost {cost} calls, at most {allowed}"
    );
    app.stop().await;
}
