//! Ctrl-C and TERM: every accepted request is answered before the server ends.

use std::time::{Duration, Instant};

use seckill::domain::sale::StockKind;
use tokio::net::TcpStream;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::process::{Record, ServerProcess, free_address};
use crate::support::proxy::Proxy;
use crate::support::redis::{PrivateRedis, World, signal};

/// Waits until this many attempts have come into the queue of the server, including those that left
/// it.
async fn until_asked(buyer: &Buyer, attempts: u64) {
    let asked = |metrics: &str| {
        let count = |name: &str| -> u64 {
            let count = metrics.lines().find_map(|line| line.strip_prefix(name));
            count.expect(name).trim().parse().expect("a number")
        };
        count("seckill_queue_attempts ") + count("seckill_queue_seconds_count ")
    };
    buyer
        .metrics_that(|metrics| asked(metrics) >= attempts)
        .await;
}

/// Waits until the server takes no more connections.
async fn until_closed(buyer: &Buyer) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(buyer.address()).await.is_ok() {
        assert!(Instant::now() < deadline, "the server does not stop");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_requests_are_answered_before_the_server_ends() {
    for stop in ["-INT", "-TERM"] {
        let redis = PrivateRedis::forgetful();
        let world = World::at(redis.url()).await;
        world.sale("a", StockKind::List, 50).await;
        let prefix = format!("redis.prefix={}", world.prefix);
        let arguments = ["--redis-url", world.url.expose(), "--set", &prefix];
        let mut server = ServerProcess::start(free_address(), &arguments).await;
        assert_eq!(
            server.buyer.code("/seckill", "a", "warm", "1").await,
            "grabbed"
        );

        // A Redis that stands still keeps requests open.
        signal("-STOP", redis.server_id());
        let asks = (0..20).map(|number| {
            let buyer = server.buyer.clone();
            tokio::spawn(async move {
                let user = format!("user-{number}");
                buyer
                    .try_form("/seckill", &[("username", &user), ("purchase", "1")])
                    .await
            })
        });
        let asks: Vec<_> = asks.collect();
        until_asked(&server.buyer, 21).await;
        signal(stop, server.id());
        until_closed(&server.buyer).await;
        assert!(!server.has_ended(), "{stop}: it waits for open requests");
        signal("-CONT", redis.server_id());
        for ask in asks {
            let reply = ask
                .await
                .expect("a task")
                .expect("an answer, not a closed connection");
            assert_eq!(reply.result, "grabbed", "{stop}: {reply:?}");
        }
        let deadline = Instant::now() + PATIENCE;
        while !server.has_ended() {
            assert!(Instant::now() < deadline, "{stop}: the server goes on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// However long a buyer may wait for Redis, the server waits for the answer.
#[tokio::test]
async fn a_request_that_may_wait_for_long_is_answered_before_the_server_ends() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    world.sale("a", StockKind::List, 50).await;
    let timeout = Duration::from_secs(12);
    // The one worker has a connection to Redis from the first request on.
    let app = TestApp::with(&world, |config| {
        config.redis.timeout = timeout;
        config.http.workers = 1;
    });
    let app = app.await;
    let buyer = app.buyer.clone();
    assert_eq!(buyer.code("/seckill", "a", "warm", "1").await, "grabbed");
    signal("-STOP", redis.server_id());
    let since = Instant::now();
    let ask = tokio::spawn({
        let buyer = buyer.clone();
        async move {
            let fields = [("username", "x"), ("purchase", "1")];
            buyer.try_form("/seckill", &fields).await
        }
    });
    until_asked(&buyer, 2).await;
    let stopped = tokio::spawn(app.stop());
    let reply = ask.await.expect("a task").expect("an answer");
    // `busy` if the machine stood still long enough for the lane to need a sign of life.
    assert!(
        matches!(reply.result.as_str(), "unknown" | "busy"),
        "{reply:?}"
    );
    assert!(since.elapsed() >= timeout, "{:?}", since.elapsed());
    signal("-CONT", redis.server_id());
    stopped.await.expect("stopped");
}

/// Starts a server with these settings on a Redis of its own, where a sale is on.
async fn selling(settings: &[&str]) -> (PrivateRedis, ServerProcess, Record) {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    world.sale("a", StockKind::List, 50).await;
    let prefix = format!("redis.prefix={}", world.prefix);
    let arguments = ["--redis-url", world.url.expose(), "--set", &prefix];
    let arguments = [&arguments[..], settings].concat();
    let (server, record) = ServerProcess::recorded(free_address(), &arguments).await;
    (redis, server, record)
}

async fn until_ended(server: &mut ServerProcess) {
    let deadline = Instant::now() + PATIENCE;
    while !server.has_ended() {
        assert!(Instant::now() < deadline, "the server goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// After TERM, balancers see that a draining server is not ready, and it still serves new clients.
#[tokio::test]
async fn a_server_that_drains_is_not_ready_and_serves_on() {
    let (_redis, mut server, _record) = selling(&["--set", "http.drain=1h"]).await;
    signal("-TERM", server.id());
    let deadline = Instant::now() + PATIENCE;
    while server.buyer.get("/readyz").await.status == 200 {
        assert!(Instant::now() < deadline, "still ready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.buyer.get("/healthz").await.status, 200);
    assert_eq!(
        server.buyer.code("/seckill", "a", "x", "1").await,
        "grabbed"
    );
    // The second signal ends the drain.
    signal("-TERM", server.id());
    until_ended(&mut server).await;

    let (_redis, mut server, _record) = selling(&["--set", "http.drain=200ms"]).await;
    signal("-TERM", server.id());
    until_ended(&mut server).await;

    // A person at the keyboard does not wait for balancers.
    let (_redis, mut server, _record) = selling(&["--set", "http.drain=1h"]).await;
    signal("-INT", server.id());
    until_ended(&mut server).await;
}

#[tokio::test]
async fn a_hangup_stops_nothing() {
    let (_redis, mut server, record) = selling(&[]).await;
    signal("-HUP", server.id());
    let deadline = Instant::now() + PATIENCE;
    while !record.logged().contains("SIGHUP") {
        assert!(
            Instant::now() < deadline,
            "no word of it: {}",
            record.logged()
        );
        assert!(!server.has_ended(), "the hangup ended the server");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        server.buyer.code("/seckill", "a", "x", "1").await,
        "grabbed"
    );
    signal("-TERM", server.id());
    until_ended(&mut server).await;
}

/// However many lanes and buyers notice, the log tells once that Redis is lost, and once that it is
/// back.
#[tokio::test]
async fn the_log_tells_once_that_redis_is_lost_and_once_that_it_is_back() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    world.sale("a", StockKind::List, 50).await;
    let proxy = Proxy::start(redis.socket()).await;
    let (url, prefix) = (proxy.url(), format!("redis.prefix={}", world.prefix));
    let arguments = ["--redis-url", url.expose(), "--set", &prefix];
    let (server, record) = ServerProcess::recorded(free_address(), &arguments).await;
    let ask = async |user: &str| server.buyer.code("/seckill", "a", user, "1").await;
    assert_eq!(ask("x").await, "grabbed");
    let told = |words: &str| record.logged().matches(words).count();
    proxy.lead_next_to("/nowhere".into());
    proxy.close_all().await;
    let deadline = Instant::now() + PATIENCE;
    while told("Redis is lost") == 0 {
        assert!(Instant::now() < deadline, "{}", record.logged());
        assert!(matches!(ask("y").await.as_str(), "busy" | "unknown"));
    }
    for _ in 0..50 {
        assert!(matches!(ask("y").await.as_str(), "busy" | "unknown"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.lead_next_to(redis.socket());
    while ask("y").await == "busy" {
        assert!(Instant::now() < deadline, "{}", record.logged());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(told("Redis is lost"), 1, "{}", record.logged());
    assert_eq!(told("Redis is back"), 1, "{}", record.logged());
}
