//! The memory of Redis is limited and watched, and what grows in it is named.

use std::path::Path;
use std::time::{Duration, Instant};

use seckill::domain::caller::Caller;
use seckill::domain::sale::StockKind;
use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::process::{Ended, Record, ServerProcess, free_address, seckill};
use crate::support::redis::{PrivateRedis, World};

/// A server with a private Redis in a folder, with so much memory.
async fn server(folder: &Path, max: &str) -> (ServerProcess, Record) {
    let max = format!("redis.maxmemory={max}");
    let folder = folder.to_str().expect("UTF-8");
    let arguments = ["--data-dir", folder, "--set", &max, "--demo"];
    ServerProcess::recorded(free_address(), &arguments).await
}

/// The same with less memory than its data take: it answers, and is never ready.
async fn full_server(folder: &Path) -> (ServerProcess, Record) {
    let folder = folder.to_str().expect("UTF-8");
    let arguments = ["--data-dir", folder, "--set", "redis.maxmemory=2mb"];
    ServerProcess::unready(free_address(), &arguments).await
}

/// Waits until the log has a line with these words, and counts such lines.
async fn logged(record: &Record, words: &str) -> usize {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = record.logged();
        let lines = log.lines().filter(|line| line.contains(words)).count();
        if lines > 0 {
            return lines;
        }
        assert!(Instant::now() < deadline, "{words:?} is not in {log}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Buys from the demo sale until Redis is full; how many orders that were.
async fn buy_until_full(buyer: &Buyer) -> u64 {
    for n in 0.. {
        // Long names fill a small memory soon.
        let user = format!("{n:0>128}");
        match buyer.code("/incr", "b", &user, "1").await.as_str() {
            "grabbed" => {}
            "busy" => return n,
            other => panic!("{other} after {n} orders"),
        }
    }
    unreachable!("a small memory is full one day")
}

#[tokio::test]
async fn a_private_redis_is_full_at_its_limit_and_goes_on() {
    let folder = tempfile::tempdir().expect("folder");
    let (server_1, record) = server(folder.path(), "3mb").await;
    assert_eq!(logged(&record, "may use 3.0 MiB of memory").await, 1);
    let data_dir = folder.path().to_str().expect("UTF-8").to_owned();
    let run = |line: &str| {
        let mut arguments: Vec<&str> = line.split(' ').collect();
        arguments.extend(["--data-dir", &data_dir]);
        let output = seckill(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    run("stock add b --count 1000000");
    let sold = buy_until_full(&server_1.buyer).await;
    assert!(sold > 100, "{sold} orders in 3 MiB");
    println!("a private Redis of 3 MiB was full after {sold} orders");
    // Who holds one is shown it, and what was sold is there.
    let mine = format!("{:0>128}", 7);
    let code = server_1.buyer.code("/incr", "b", &mine, "1").await;
    assert_eq!(code, "already_grabbed");
    assert_eq!(logged(&record, "Redis is full, or nearly so").await, 1);
    run("audit b --deep");
    server_1.kill();

    // More data than it may use: it starts, says so, and forgets nothing. It is not ready to sell.
    let (server_2, record) = full_server(folder.path()).await;
    assert_eq!(logged(&record, "Redis is full, or nearly so").await, 1);
    assert_eq!(server_2.buyer.get("/readyz").await.status, 503);
    let code = server_2.buyer.code("/incr", "b", "new", "1").await;
    assert_eq!(code, "busy");
    let code = server_2.buyer.code("/incr", "b", &mine, "1").await;
    assert_eq!(code, "already_grabbed");
    run("audit b --deep");
    server_2.kill();

    let (server_3, record) = server(folder.path(), "60%").await;
    assert_eq!(logged(&record, "the private Redis may use").await, 1);
    let code = server_3.buyer.code("/incr", "b", "new", "1").await;
    assert_eq!(code, "grabbed");
    let found: Value = serde_json::from_str(&run("doctor --json")).expect("JSON");
    let memory = finding(&found, "memory used");
    assert_eq!(memory["grade"], "ok", "{memory}");
    run("audit b --deep");
}

fn finding<'a>(found: &'a Value, what: &str) -> &'a Value {
    let findings = found.as_array().expect("a list").iter();
    let mut named = findings.filter(|finding| finding["what"] == what);
    named.next().expect("a finding of that name")
}

async fn doctor(world: &World) -> Value {
    let mut arguments = world.arguments(&[]);
    arguments.extend(["doctor", "--json"].map(str::to_owned));
    let run = move || Ended::from(seckill(&arguments));
    tokio::task::spawn_blocking(run).await.expect("run").json()
}

/// Limits Redis to what it uses now, as this share of the limit.
async fn limit_to(world: &mut World, percent: u64) {
    let used = world.store.memory().await.expect("read").used;
    let max = (used * 100 / percent).to_string();
    let _: () = world.run(&["CONFIG", "SET", "maxmemory", &max]).await;
}

#[tokio::test]
async fn a_memory_that_fills_up_is_said_once_for_each_level() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    // Large enough that what a server needs for itself changes no level. Made in Redis: a command
    // of this size would take memory twice for a while.
    let fill = "redis.call('SET', KEYS[1], string.rep('x', 20 * 1024 * 1024))";
    let key = format!("{}filling", world.prefix);
    let _: redis::Value = world.run(&["EVAL", fill, "1", &key]).await;
    let url = redis.url().expose().to_owned();
    let (server, record) = ServerProcess::recorded(free_address(), &["--redis-url", &url]).await;
    for (percent, words) in [
        (87, "the memory of Redis fills up"),
        (98, "Redis is full, or nearly so"),
        (50, "the memory of Redis has room again"),
    ] {
        limit_to(&mut world, percent).await;
        assert_eq!(logged(&record, words).await, 1, "at {percent} %");
    }
    let lines = record.logged();
    let told = ["fills up", "nearly so", "room again"];
    for words in told {
        assert_eq!(lines.matches(words).count(), 1, "{words}: {lines}");
    }
    drop(server);
}

#[tokio::test]
async fn the_doctor_names_what_grows() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let found = doctor(&world).await;
    let memory = finding(&found, "memory used");
    assert_eq!(memory["grade"], "warning", "{memory}");
    assert!(
        memory["mend"].as_str().expect("text").contains("60 %"),
        "{memory}"
    );
    for what in ["feeds", "dead orders"] {
        assert_eq!(finding(&found, what)["grade"], "ok");
    }

    let sale = world.sale("e.a", StockKind::Counter, 1).await;
    let running = world.sale("f.a", StockKind::Counter, 1).await;
    for sale in [&sale, &running] {
        let key = world.store.keys().sale(sale);
        let _: u64 = world.run(&["HSET", &key, "grants", "10001"]).await;
    }
    let key = world.store.keys().sale(&sale);
    let _: u64 = world
        .run(&["HSET", &key, "closes_at", "1", "paused", "1"])
        .await;
    let feed = world.store.keys().feed("e");
    let tell = "for n = 1, 100001 do redis.call('XADD', KEYS[1], '0-*', 'what', 'held') end";
    let _: redis::Value = world.run(&["EVAL", tell, "1", &feed]).await;
    limit_to(&mut world, 90).await;
    let found = doctor(&world).await;
    for (what, words, mend) in [
        ("memory used", "% of maxmemory", "seckill event archive"),
        (
            "feeds",
            "the feed of e (100001 entries)",
            "seckill event archive e",
        ),
        ("dead orders", "e (10001 orders)", "seckill event archive e"),
    ] {
        let finding = finding(&found, what);
        assert_eq!(finding["grade"], "warning", "{finding}");
        assert!(
            finding["found"].as_str().expect("text").contains(words),
            "{finding}"
        );
        assert!(
            finding["mend"].as_str().expect("text").contains(mend),
            "{finding}"
        );
    }
    let feeds = finding(&found, "feeds")["mend"]
        .as_str()
        .expect("text")
        .to_owned();
    assert!(feeds.contains("XTRIM") && feeds.contains(&feed), "{feeds}");

    // A feed that somebody reads, and dead orders that were archived, are in order.
    world.store.feed_open("e").await.expect("a group");
    let _: u64 = world.run(&["HSET", &key, "archived", "9000"]).await;
    let found = doctor(&world).await;
    for what in ["feeds", "dead orders"] {
        assert_eq!(finding(&found, what)["grade"], "ok", "{found}");
    }
}

#[tokio::test]
async fn metrics_say_what_grows() {
    let world = World::new().await;
    let sale = world.held_sale("e.a", StockKind::Counter, 9).await;
    let orders = [
        world.granted(&sale, "x", 1).await,
        world.granted(&sale, "y", 1).await,
    ];
    world
        .store
        .order_cancel(&orders[0], &Caller::Operator)
        .await
        .expect("cancelled");
    let app = TestApp::start(&world).await;
    for words in [
        "seckill_feed_entries{event=\"e\"} 3",
        "seckill_dead_orders{sale=\"e.a\"} 1",
        "seckill_redis_memory_bytes ",
        "seckill_redis_memory_max_bytes ",
    ] {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = app.buyer.get("/metrics").await.body;
            if text.contains(words) {
                break;
            }
            assert!(Instant::now() < deadline, "{words} is not in {text}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    app.stop().await;
}
