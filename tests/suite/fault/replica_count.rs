//! How many replicas must have an order at `replicated:all`, from the first look at a master on,
//! and what is said of a `replicated:K` that is too small.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use seckill::domain::durability::Durability;
use seckill::domain::ids::OrderId;
use seckill::domain::sale::StockKind;
use seckill::failure::{Failure, Result};
use seckill::store::Store;
use seckill::store::replicas::Watch;

use super::failover::{Pair, follower_of, until_linked_to, until_online};
use super::promoted::{Trio, app_at_all, confirm, until_ready};
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::process::{ServerProcess, free_address, seckill};
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{World, connect, run};

/// What is recorded of masters, and the run id of this one.
async fn peaks(world: &World, raw: &mut MultiplexedConnection) -> (String, BTreeMap<String, u32>) {
    let info: String = run(raw, &["INFO", "server"]).await;
    let line = info.lines().find_map(|line| line.strip_prefix("run_id:"));
    let run_id = line.expect("a run id").trim().to_owned();
    (
        run_id,
        run(raw, &["HGETALL", &world.store.keys().peaks()]).await,
    )
}

/// Waits until this is all that is recorded.
async fn until_recorded(world: &World, number: u32) {
    let mut raw = connect(&world.url).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (run_id, peaks) = peaks(world, &mut raw).await;
        if peaks == BTreeMap::from([(run_id, number)]) {
            return;
        }
        assert!(Instant::now() < deadline, "{peaks:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_new_master_nothing_is_known_before_its_replicas_stood_still() {
    let pair = Pair::start().await;
    let world = World::at(pair.master.url()).await;
    let sale = world.sale("a", StockKind::Counter, 5).await;
    let mut raw = connect(&world.url).await;
    let of_old_masters = world.store.keys().peaks();
    let () = run(&mut raw, &["HSET", &of_old_masters, "older", "7"]).await;
    let app = app_at_all(&world).await;
    assert_eq!(app.buyer.code("/incr", "a", "x", "1").await, "unknown");
    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains("must be the same for 3 s"),
        "{}",
        ready.body
    );
    until_ready(&app.buyer).await;
    let ready = app.operator().get("/readyz").await;
    let expected = r#"{"status":"ready","durability":"replicated:all"}"#;
    assert_eq!(ready.body, expected);
    assert_eq!(
        app.buyer.code("/incr", "a", "x", "1").await,
        "already_grabbed"
    );
    assert_eq!(app.buyer.code("/incr", "a", "y", "1").await, "grabbed");
    until_recorded(&world, 1).await;
    app.stop().await;

    // Whoever comes later counts as those did who came before.
    let (run_id, _) = peaks(&world, &mut raw).await;
    let () = run(
        &mut raw,
        &["HSET", &world.store.keys().peaks(), &run_id, "3"],
    )
    .await;
    let app = app_at_all(&world).await;
    assert_eq!(app.buyer.code("/incr", "a", "z", "1").await, "unknown");
    let ready = app.operator().get("/readyz").await;
    assert!(
        ready.body.contains("an order must be on 3"),
        "{}",
        ready.body
    );
    app.stop().await;
    world.assert_holds(&sale).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_comes_counts_at_once_and_one_that_left_until_it_is_gone() {
    let pair = Pair::start().await;
    let world = World::at(pair.master.url()).await;
    let sale = world.sale("a", StockKind::Counter, 5).await;
    let app = TestApp::with(&world, |config| {
        config.durability = Some(Durability::ReplicatedAll);
        config.redis.timeout = Duration::from_secs(1);
        config.redis.replica_gone = Duration::from_secs(3);
    });
    let app = app.await;
    until_ready(&app.buyer).await;
    assert_eq!(app.buyer.code("/incr", "a", "one", "1").await, "grabbed");

    let link = Proxy::start(pair.master.socket()).await;
    let second = follower_of(&link);
    until_linked_to(&pair.master, 2).await;
    until_recorded(&world, 2).await;
    assert_eq!(app.buyer.code("/incr", "a", "two", "1").await, "grabbed");
    link.set(Fault::Stall);
    assert_eq!(app.buyer.code("/incr", "a", "three", "1").await, "unknown");

    drop(second);
    let mut raw = connect(&world.url).await;
    until_online(&mut raw, 1).await;
    assert_eq!(app.buyer.code("/incr", "a", "four", "1").await, "unknown");
    until_ready(&app.buyer).await;
    until_recorded(&world, 1).await;
    assert_eq!(app.buyer.code("/incr", "a", "five", "1").await, "grabbed");
    app.stop().await;
    world.assert_holds(&sale).await;
}

/// A store at `replicated:all` that nobody but this test uses.
fn store_at_all(world: &World, url: &seckill::config::RedisUrl) -> (Store, Option<Watch>) {
    let store = Store::new(url, &world.prefix, Duration::from_secs(1)).expect("a store");
    let store = store
        .with_durability(Some(Durability::ReplicatedAll))
        .expect("a store");
    let watch = Watch::start(&store, Duration::from_secs(60));
    (store, watch)
}

/// Confirms an order, again and again until a replica has it.
async fn until_confirmed(store: &Store, order: &OrderId) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = store.order_confirm(order).await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The address leads to another master, and nobody closes the connections to the old one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_counts_for_the_master_that_it_leads_to() {
    let trio = Trio::start().await;
    let world = World::at(trio.master.url()).await;
    let sale = world.held_sale("a", StockKind::Counter, 5).await;
    let orders = [
        world.granted(&sale, "x", 1).await,
        world.granted(&sale, "y", 1).await,
    ];
    let front = Proxy::start(trio.master.socket()).await;
    let (store, _watch) = store_at_all(&world, &front.url());
    until_confirmed(&store, &orders[0]).await;

    // The old master keeps one replica, and the new one gets one: 1 is enough there, and not here.
    trio.promote().await;
    let link = Proxy::start(trio.replicas[0].socket()).await;
    let _second = follower_of(&link);
    until_linked_to(&trio.replicas[0], 1).await;
    front.lead_next_to(trio.replicas[0].socket());
    let told: Result<_> = store.order_confirm(&orders[1]).await;
    assert!(matches!(told, Err(Failure::Unknown(_))), "{told:?}");
    // Somebody connects, and so it is known that the address has moved.
    let promoted = World::at(trio.replicas[0].url()).await;
    let other = store.clone().with_own_lanes();
    let told = other.order_confirm(&orders[1]).await;
    assert!(matches!(told, Err(Failure::Unknown(_))), "{told:?}");
    until_confirmed(&store, &orders[1]).await;
    let there = Store::new(&promoted.url, &world.prefix, PATIENCE).expect("a store");
    let order = there.order(&orders[1]).await.expect("read").expect("there");
    assert_eq!(order.state.as_str(), "confirmed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_counts_by_itself_where_no_server_did() {
    let pair = Pair::start().await;
    let world = World::at(pair.master.url()).await;
    let sale = world.held_sale("a", StockKind::Counter, 5).await;
    let order = world.granted(&sale, "x", 1).await;
    let (code, said) = confirm(&world, &order).await;
    assert_eq!(code, Some(0), "{said}");
    until_recorded(&world, 1).await;
    pair.link.set(Fault::Stall);
    let (code, said) = confirm(&world, &order).await;
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("only 0 of 1 replica confirmed it"), "{said}");
}

/// Without INFO nobody knows how many replicas there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_not_ask_hears_unknown_and_why() {
    let pair = Pair::start().await;
    let world = World::at(pair.master.url()).await;
    let sale = world.held_sale("a", StockKind::Counter, 5).await;
    let order = world.granted(&sale, "x", 1).await;
    let mut raw = connect(&world.url).await;
    let rights = [
        "ACL", "SETUSER", "shop", "on", ">pw", "~*", "&*", "+@all", "-info",
    ];
    let () = run(&mut raw, &rights).await;
    let front = Proxy::start(pair.master.socket()).await;
    let url = format!("redis://shop:pw@{}", front.address);
    let url = seckill::config::RedisUrl::new(url);
    let (store, _watch) = store_at_all(&world, &url);
    store.until_replicas_are_counted().await;
    let told = store.order_confirm(&order).await;
    let Err(Failure::Unknown(why)) = told else {
        panic!("{told:?}");
    };
    assert!(why.contains("may not use INFO"), "{why}");
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(url);
        config.durability = Some(Durability::ReplicatedAll);
    });
    let app = app.await;
    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.to_lowercase().contains("info"), "{}", ready.body);
    app.stop().await;
}

/// What keeps the numbers is no hash, or holds no number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_record_is_named() {
    let pair = Pair::start().await;
    for broken in ["no hash", "no number"] {
        let world = World::at(pair.master.url()).await;
        let sale = world.held_sale("a", StockKind::Counter, 5).await;
        let order = world.granted(&sale, "x", 1).await;
        let mut raw = connect(&world.url).await;
        let (run_id, _) = peaks(&world, &mut raw).await;
        let key = world.store.keys().peaks();
        let () = match broken {
            "no hash" => run(&mut raw, &["SET", &key, "x"]).await,
            _ => run(&mut raw, &["HSET", &key, &run_id, "many"]).await,
        };
        let (store, _watch) = store_at_all(&world, &world.url);
        store.until_replicas_are_counted().await;
        let told = store.order_confirm(&order).await;
        let Err(Failure::Unknown(why)) = told else {
            panic!("{broken}: {told:?}");
        };
        assert!(why.contains(&key), "{broken}: {why}");
    }
}

/// What a worker of the relay is given is on all replicas.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relay_waits_for_all_replicas() {
    let trio = Trio::start().await;
    let world = World::at(trio.master.url()).await;
    let sale = world.sale("a", StockKind::Counter, 5).await;
    world.granted(&sale, "x", 1).await;
    let (store, _watch) = store_at_all(&world, &world.url);
    store.until_replicas_are_counted().await;
    assert!(store.feed_open("a").await.expect("opened"));
    let taken = store.feed_take("a", "w", 10).await.expect("taken");
    assert_eq!(taken.expect("a feed").letters.len(), 1);
    world.granted(&sale, "y", 1).await;
    trio.promote().await;
    let taken = store.feed_take("a", "w", 10).await;
    assert!(matches!(taken, Err(Failure::Unknown(_))), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_small_a_number_is_at_risk() {
    let trio = Trio::start().await;
    let world = World::at(trio.master.url()).await;
    let prefix = format!("redis.prefix={}", world.prefix);
    let at = ["--redis-url", world.url.expose(), "--set", &prefix];
    for (level, at_risk) in [("replicated:1", true), ("replicated:2", false)] {
        let durability = format!("durability={level}");
        let arguments = [&at[..], &["--set", &durability]].concat();
        let (server, record) = ServerProcess::recorded(free_address(), &arguments).await;
        let ready = server.buyer.get("/readyz").await;
        let risk = if at_risk { r#","at_risk":true"# } else { "" };
        let expected = format!(r#"{{"status":"ready","durability":"{level}"{risk}}}"#);
        assert_eq!(ready.body, expected);
        let warnings = || {
            record
                .logged()
                .matches("fewer replicas than are attached")
                .count()
        };
        let deadline = Instant::now() + PATIENCE;
        while at_risk && warnings() == 0 {
            assert!(Instant::now() < deadline, "no warning");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Ten more looks say nothing new.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(warnings(), usize::from(at_risk), "{}", record.logged());
        server.kill();

        let done = seckill(&[&arguments[..], &["doctor"]].concat());
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let line = said.lines().find(|line| line.starts_with("durability"));
        let line = line.expect("a finding");
        assert_eq!(line.contains("WRONG"), at_risk, "{line}");
        assert_eq!(line.contains("replicated:all"), at_risk, "{line}");
    }
}
