//! Ctrl-C and TERM: everything that was accepted is answered before the server ends.

use std::time::{Duration, Instant};

use seckill::domain::sale::StockKind;
use tokio::net::TcpStream;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::process::{ServerProcess, free_address};
use crate::support::redis::{PrivateRedis, World, signal};

/// Waits until so many attempts have come into the queue of the server, those that left it
/// included.
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
    assert_eq!(reply.result, "unknown", "{reply:?}");
    assert!(since.elapsed() >= timeout, "{:?}", since.elapsed());
    signal("-CONT", redis.server_id());
    stopped.await.expect("stopped");
}
