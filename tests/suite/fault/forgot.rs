//! Redis loses data: everything, one sale, or the last orders. A server that knew more stops the
//! sale, logs it, and sells again when an operator resumes the sale after the loss.

use std::time::{Duration, Instant};

use seckill::config::OnForgot;
use seckill::domain::clear::{ClearOutcome, Force};
use seckill::domain::ids::OrderId;
use seckill::domain::order::OrderState;
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::sale::{ResumeOutcome, StockKind};
use seckill::private_redis::{EmbeddedRedis, Options};
use seckill::store::sales::clear::Clear;
use serde_json::Value;

use super::failover::Pair;
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::orders::username;
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{PrivateRedis, World, sale_id};

/// Two servers at one Redis, which may be led elsewhere.
struct Shop {
    world: World,
    servers: [TestApp; 2],
    front: Proxy,
    redis: PrivateRedis,
}

impl Shop {
    async fn open() -> Self {
        Self::with(OnForgot::Stop).await
    }

    async fn with(on_forgot: OnForgot) -> Self {
        let redis = PrivateRedis::durable();
        let front = Proxy::start(redis.socket()).await;
        let world = World::at(redis.url()).await;
        let server = async || {
            TestApp::with(&world, |config| {
                config.redis.url = Some(front.url());
                config.redis.on_forgot = on_forgot;
            })
            .await
        };
        let servers = [server().await, server().await];
        Self {
            world,
            servers,
            front,
            redis,
        }
    }

    /// Asks for a unit of `goods` at a server; the code, and the reason if there is one.
    async fn asks(&self, server: usize, goods: &str, user: &str) -> (String, Option<String>) {
        let fields = [("goods", goods), ("username", user), ("purchase", "1")];
        let reply = self.servers[server].buyer.form("/incr", &fields).await;
        let reason = reply.json()["reason"].as_str().map(str::to_owned);
        (reply.result, reason)
    }

    async fn code(&self, server: usize, goods: &str, user: &str) -> String {
        self.asks(server, goods, user).await.0
    }

    /// Buys a unit. A closed gate may say what was for as long as one probe takes.
    async fn sold(&self, server: usize, goods: &str, user: &str) {
        let since = Instant::now();
        let mut code = self.code(server, goods, user).await;
        while code == "paused" && since.elapsed() < PATIENCE {
            code = self.code(server, goods, user).await;
        }
        assert_eq!(code, "grabbed", "{user}");
    }

    /// Waits while servers say again what Redis denied: for 100 ms.
    async fn until_asked_again(&self, goods: &str) {
        for server in 0..self.servers.len() {
            let since = Instant::now();
            while self.code(server, goods, "again").await == "no_such_sale" {
                assert!(
                    since.elapsed() < Duration::from_secs(1),
                    "{goods} is not sold"
                );
            }
        }
    }

    /// Both servers sell, so both know the orders.
    async fn sells(&self, goods: &str, users: [&str; 2]) {
        for (server, user) in users.into_iter().enumerate() {
            self.sold(server, goods, user).await;
        }
        // The first server learns of the order that the second one granted.
        assert_eq!(self.code(0, goods, users[0]).await, "already_grabbed");
    }

    /// Redis loses everything.
    async fn forgets(&mut self) {
        let () = self.world.run(&["FLUSHALL"]).await;
    }

    async fn resume(&self, goods: &str) {
        let (store, sale) = (&self.world.store, sale_id(goods));
        let resumed = store.sale_resume(&sale).await;
        assert_eq!(resumed.expect("answered"), ResumeOutcome::Resumed);
    }

    /// Times that a server found a loss of `goods`.
    async fn losses(&self, server: usize, goods: &str) -> u64 {
        let metrics = self.servers[server].buyer.metrics().await;
        let head = format!("seckill_redis_forgot_total{{sale=\"{goods}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&head));
        line.map_or(0, |count| count.parse().expect("a number"))
    }

    async fn close(self) {
        for server in self.servers {
            server.stop().await;
        }
    }
}

fn stopped() -> (String, Option<String>) {
    ("paused".to_owned(), Some("forgot".to_owned()))
}

#[tokio::test]
async fn a_redis_that_forgot_everything_sells_nothing_until_it_is_resumed() {
    let mut shop = Shop::open().await;
    shop.world.sale("a", StockKind::Counter, 50).await;
    shop.sells("a", ["x", "y"]).await;
    shop.forgets().await;
    // The sale is gone: each server stops it by itself, once in its metrics.
    for server in [0, 1] {
        for user in ["x", "z"] {
            assert_eq!(shop.asks(server, "a", user).await, stopped());
        }
        assert_eq!(shop.losses(server, "a").await, 1);
    }
    // The operator puts it again: it starts stopped.
    shop.world.sale("a", StockKind::Counter, 50).await;
    assert_eq!(shop.asks(0, "a", "x").await, stopped());
    let operator = shop.servers[0].operator();
    for (method, path, body) in [
        ("POST", "/admin/sales/a/pause", ""),
        ("POST", "/admin/sales/a/resume", ""),
        ("PUT", "/admin/sales/a", r#"{"title":"t"}"#),
    ] {
        let refused = operator.json(method, path, body).await;
        assert_eq!((refused.status, refused.result.as_str()), (409, "forgot"));
        assert!(refused.body.contains("--after-loss"), "{}", refused.body);
    }
    let audit = operator.get("/admin/sales/a/audit").await;
    assert_eq!(audit.result, "violated");
    let audit = audit.json();
    let named = audit["violations"][0].as_str().expect("a sentence");
    assert!(named.contains("Redis lost orders"), "{named}");
    shop.resume("a").await;
    shop.sells("a", ["x", "y"]).await;
    shop.world.assert_holds(&sale_id("a")).await;
    shop.close().await;
}

#[tokio::test]
async fn a_sale_that_was_put_again_before_anybody_asked_is_stopped() {
    let mut shop = Shop::open().await;
    shop.world.sale("a", StockKind::Counter, 50).await;
    shop.sells("a", ["x", "y"]).await;
    shop.forgets().await;
    shop.world.sale("a", StockKind::Counter, 50).await;
    assert_eq!(shop.asks(1, "a", "x").await, stopped());
    assert_eq!(shop.asks(0, "a", "z").await, stopped());
    // The second loss is found by a server that was idle after the first.
    shop.resume("a").await;
    shop.sold(0, "a", "x").await;
    shop.resume("a").await;
    shop.sells("a", ["w", "v"]).await;
    assert_eq!(
        (shop.losses(0, "a").await, shop.losses(1, "a").await),
        (1, 1)
    );
    shop.close().await;
}

/// Server 1 knows a later history than server 0 and than Redis: two resumes end it.
#[tokio::test]
async fn an_idle_server_that_knows_more_stops_the_sale_once_more() {
    let mut shop = Shop::open().await;
    shop.world.sale("a", StockKind::Counter, 50).await;
    shop.sold(0, "a", "x").await;
    for _ in 0..3 {
        shop.resume("a").await;
    }
    shop.sold(1, "a", "y").await;
    shop.forgets().await;
    shop.world.sale("a", StockKind::Counter, 50).await;
    assert_eq!(shop.asks(0, "a", "x").await, stopped());
    shop.resume("a").await;
    shop.sold(0, "a", "x").await;
    assert_eq!(shop.asks(1, "a", "y").await, stopped());
    assert_eq!(shop.asks(0, "a", "z").await, stopped());
    shop.resume("a").await;
    shop.sells("a", ["u", "v"]).await;
    shop.close().await;
}

#[tokio::test]
async fn a_replica_that_lacks_acknowledged_orders_is_found_out_when_it_is_promoted() {
    let pair = Pair::start().await;
    let world = World::at(pair.master.url()).await;
    world.sale("a", StockKind::Counter, 50).await;
    let front = &pair.front;
    let app = TestApp::with(&world, |config| config.redis.url = Some(front.url())).await;
    let code = async |user: &str| app.buyer.code("/incr", "a", user, "1").await;
    assert_eq!(code("kept").await, "grabbed");
    let buyer = username("kept");
    let order = world.store.order_of_buyer(&sale_id("a"), &buyer).await;
    let order = order.expect("read").expect("an order").id;
    pair.until_replicated(&world, &order).await;
    pair.link.set(Fault::Stall);
    assert_eq!(code("lost").await, "grabbed");
    let _second = pair.fail_over().await;
    let since = Instant::now();
    let told = loop {
        let fields = [("goods", "a"), ("username", "lost"), ("purchase", "1")];
        let reply = app.buyer.form("/incr", &fields).await;
        if reply.status == 200 {
            break reply;
        }
        assert!(since.elapsed() < PATIENCE, "{}", reply.body);
    };
    assert_eq!(told.json()["reason"], "forgot", "{}", told.body);
    assert_eq!(code("kept").await, "already_grabbed");
    assert_eq!(code("new").await, "paused");
    app.stop().await;
}

#[tokio::test]
async fn an_append_only_file_without_its_end_is_found_out() {
    let shop = Shop::open().await;
    shop.world.sale("a", StockKind::Counter, 50).await;
    shop.sells("a", ["x", "y"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    shop.redis.copy_to(folder.path());
    cut_append_only_file(folder.path());
    let restored = EmbeddedRedis::start(folder.path(), Options::default()).expect("it starts");
    let socket = restored.url().expose().trim_start_matches("unix://").into();
    shop.front.lead_next_to(socket);
    shop.front.close_all().await;
    let since = Instant::now();
    while shop.asks(0, "a", "z").await.0 == "busy" {
        assert!(since.elapsed() < PATIENCE, "busy for ever");
    }
    assert_eq!(shop.asks(0, "a", "z").await, stopped());
    assert_eq!(shop.asks(1, "a", "y").await, stopped());
    assert_eq!(shop.code(1, "a", "x").await, "already_grabbed");
    shop.close().await;
}

/// Takes away the last command of the newest part of the append-only file.
fn cut_append_only_file(folder: &std::path::Path) {
    let parts = std::fs::read_dir(folder.join("appendonlydir")).expect("a folder");
    let parts = parts.map(|part| part.expect("an entry").path());
    let newest = parts.filter(|part| part.to_string_lossy().ends_with(".incr.aof"));
    let newest = newest.max().expect("a part");
    let bytes = std::fs::read(&newest).expect("readable");
    let words = b"HINCRBY";
    let last = bytes
        .windows(words.len())
        .rposition(|window| window == words);
    std::fs::write(&newest, &bytes[..last.expect("a grant")]).expect("writable");
}

/// Gives a held order a deadline that has passed.
async fn make_overdue(world: &mut World, order: &OrderId) {
    let deadline = world.order(order).await.deadline.expect("a held order");
    let orders = world.store.keys().orders(order.event());
    let record: String = world.run(&["HGET", &orders, order.as_str()]).await;
    let record = record.replace(&format!("\t{deadline}"), "\t1");
    world.write_record(order, &record).await;
    let holds = world.store.keys().holds(order.event());
    let _: u64 = world.run(&["ZADD", &holds, "1", order.as_str()]).await;
}

async fn until_state(world: &World, order: &OrderId, state: OrderState) {
    let since = Instant::now();
    while world.order(order).await.state != state {
        assert!(since.elapsed() < PATIENCE, "{order} is never {state}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the expirer has put the order off.
async fn until_postponed(world: &mut World, order: &OrderId) {
    let since = Instant::now();
    while world.holds(order.event()).await == [(order.to_string(), 1)] {
        assert!(since.elapsed() < PATIENCE, "{order} is not put off");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn orders_that_are_left_live_on_and_none_expires() {
    let mut shop = Shop::open().await;
    let sale = shop.world.held_sale("a", StockKind::Counter, 50).await;
    let other = shop.world.held_sale("b", StockKind::Counter, 50).await;
    let held = shop.world.granted(&sale, "x", 1).await;
    let confirmed = shop.world.granted(&sale, "y", 1).await;
    assert_eq!(shop.code(0, "a", "x").await, "already_grabbed");
    let key = shop.world.store.keys().sale(&sale);
    let () = shop.world.run(&["HSET", &key, "granted_at", "1"]).await;
    assert_eq!(shop.asks(0, "a", "z").await, stopped());
    assert_eq!(shop.code(0, "a", "x").await, "already_grabbed");
    let outcome = shop.world.store.order_confirm(&confirmed).await;
    assert!(
        matches!(outcome, Ok(ChangeOutcome::Changed(_))),
        "{outcome:?}"
    );
    // Both are overdue, and one of them is of a sale that goes on.
    let due = shop.world.granted(&other, "x", 1).await;
    for order in [&held, &due] {
        make_overdue(&mut shop.world, order).await;
    }
    until_state(&shop.world, &due, OrderState::Expired).await;
    until_postponed(&mut shop.world, &held).await;
    assert_eq!(shop.world.order(&held).await.state, OrderState::Held);
    shop.resume("a").await;
    shop.world.assert_holds(&sale).await;
    make_overdue(&mut shop.world, &held).await;
    until_state(&shop.world, &held, OrderState::Expired).await;
    shop.world.assert_holds(&sale).await;
    shop.close().await;
}

#[tokio::test]
async fn baskets_and_bids_are_stopped_like_the_doors() {
    let mut shop = Shop::open().await;
    shop.world.sale("e.a", StockKind::Counter, 50).await;
    shop.world.sale("e.b", StockKind::Counter, 50).await;
    shop.world.target("e.loan", 1_000, &terms(1, 0)).await;
    let places = async |shop: &Shop, user: &str| {
        let lines = [("e.a", 1), ("e.b", 1)];
        shop.servers[0].buyer.place(user, user, &lines).await
    };
    let bids = async |shop: &Shop, user: &str| {
        let buyer = &shop.servers[0].buyer;
        let reply = buyer.bid(user, "a bid", "e.loan", 10).await;
        (reply.result.clone(), reply.json()["reason"].clone())
    };
    assert_eq!(places(&shop, "x").await.status, 201);
    assert_eq!(bids(&shop, "x").await.0, "bid_accepted");
    let is_stopped = async |shop: &Shop| {
        let placed = places(shop, "y").await;
        assert_eq!((placed.status, placed.result.as_str()), (409, "paused"));
        assert_eq!(placed.json()["reason"], "forgot");
        let forgot = ("paused".to_owned(), Value::from("forgot"));
        assert_eq!(bids(shop, "y").await, forgot);
    };
    shop.forgets().await;
    is_stopped(&shop).await;
    shop.world.sale("e.a", StockKind::Counter, 50).await;
    shop.world.sale("e.b", StockKind::Counter, 50).await;
    shop.world.target("e.loan", 1_000, &terms(1, 0)).await;
    is_stopped(&shop).await;
    for goods in ["e.a", "e.b", "e.loan"] {
        shop.resume(goods).await;
    }
    assert_eq!(places(&shop, "y").await.status, 201);
    assert_eq!(bids(&shop, "y").await.0, "bid_accepted");
    for goods in ["e.a", "e.b", "e.loan"] {
        shop.world.assert_holds(&sale_id(goods)).await;
    }
    shop.close().await;
}

#[tokio::test]
async fn a_server_that_is_told_to_warn_sells_on_and_counts() {
    let mut shop = Shop::with(OnForgot::Warn).await;
    shop.world.sale("a", StockKind::Counter, 50).await;
    shop.sells("a", ["x", "y"]).await;
    shop.forgets().await;
    assert_eq!(shop.code(0, "a", "x").await, "no_such_sale");
    shop.world.sale("a", StockKind::Counter, 50).await;
    shop.until_asked_again("a").await;
    shop.sells("a", ["x", "y"]).await;
    assert_eq!(
        (shop.losses(0, "a").await, shop.losses(1, "a").await),
        (1, 1)
    );
    shop.close().await;
}

/// A closed gate answers without Redis, and its probes find the loss.
#[tokio::test]
async fn a_loss_behind_a_closed_gate_is_found_within_a_second() {
    let mut shop = Shop::open().await;
    let sale = shop.world.sale("a", StockKind::Counter, 2).await;
    shop.sells("a", ["x", "y"]).await;
    let buyer = shop.servers[0].buyer.clone();
    let closed = "seckill_gate_buyers{refusal=\"sold_out\",sale=\"a\"} 2";
    let since = Instant::now();
    while !buyer.metrics().await.contains(closed) {
        assert!(since.elapsed() < PATIENCE, "the gate stays open");
        assert_eq!(shop.code(0, "a", "z").await, "sold_out");
    }
    let key = shop.world.store.keys().sale(&sale);
    let () = shop.world.run(&["HSET", &key, "grants", "1"]).await;
    let since = Instant::now();
    while shop.asks(0, "a", "z").await != stopped() {
        assert!(
            since.elapsed() < Duration::from_secs(1),
            "it is not stopped"
        );
    }
    assert_eq!(shop.code(0, "a", "x").await, "already_grabbed");
    shop.resume("a").await;
    let since = Instant::now();
    while shop.asks(0, "a", "z").await == stopped() {
        assert!(since.elapsed() < PATIENCE, "the gate says what was");
    }
    shop.close().await;
}

/// What operators do on purpose is no loss, at either server.
#[tokio::test]
async fn a_sale_that_is_deleted_or_reset_on_purpose_sells_on() {
    let shop = Shop::open().await;
    let sale = shop.world.sale("a", StockKind::Counter, 50).await;
    let all = Force {
        with_orders: true,
        feed_too: true,
    };
    let store = &shop.world.store;
    for clear in [Clear::Reset, Clear::Delete, Clear::Reset] {
        shop.sells("a", ["x", "y"]).await;
        let cleared = store.sales_clear(&[&sale], clear, all, &|_| {}).await;
        let done = matches!(cleared, Ok(ClearOutcome::Done(_)));
        assert!(done, "{cleared:?}");
        if clear == Clear::Delete {
            assert_eq!(shop.code(0, "a", "x").await, "no_such_sale");
            shop.world.sale("a", StockKind::Counter, 50).await;
            shop.until_asked_again("a").await;
        }
    }
    shop.sells("a", ["x", "y"]).await;
    let deleted = store.event_delete("a", all).await;
    assert!(matches!(deleted, Ok(ClearOutcome::Done(_))), "{deleted:?}");
    assert_eq!(shop.code(1, "a", "x").await, "no_such_sale");
    shop.world.sale("a", StockKind::Counter, 50).await;
    shop.until_asked_again("a").await;
    shop.sells("a", ["x", "y"]).await;
    shop.world.assert_holds(&sale).await;
    assert_eq!(
        (shop.losses(0, "a").await, shop.losses(1, "a").await),
        (0, 0)
    );
    shop.close().await;
}
