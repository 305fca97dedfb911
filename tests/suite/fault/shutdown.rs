//! Ctrl-C and TERM: everything that was accepted is answered before the server ends.

use std::time::{Duration, Instant};

use seckill::domain::sale::StockKind;

use crate::support::app::TestApp;
use crate::support::process::{ServerProcess, free_address};
use crate::support::redis::{PrivateRedis, World, signal};

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

        // A Redis that stands still keeps requests open for as long as the timeout.
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
        tokio::time::sleep(Duration::from_millis(200)).await;
        signal(stop, server.id());
        for ask in asks {
            let reply = ask
                .await
                .expect("a task")
                .expect("an answer, not a closed connection");
            assert!(
                matches!(reply.result.as_str(), "unknown" | "busy"),
                "{stop}: {reply:?}"
            );
        }
        signal("-CONT", redis.server_id());
        let deadline = Instant::now() + Duration::from_secs(20);
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
    let app = TestApp::with(&world, |config| config.redis.timeout = timeout).await;
    let buyer = app.buyer.clone();
    assert_eq!(buyer.code("/seckill", "a", "warm", "1").await, "grabbed");
    signal("-STOP", redis.server_id());
    let since = Instant::now();
    let ask = tokio::spawn(async move {
        let fields = [("username", "x"), ("purchase", "1")];
        buyer.try_form("/seckill", &fields).await
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stopped = tokio::spawn(app.stop());
    let reply = ask.await.expect("a task").expect("an answer");
    assert_eq!(reply.result, "unknown", "{reply:?}");
    assert!(since.elapsed() >= timeout, "{:?}", since.elapsed());
    signal("-CONT", redis.server_id());
    stopped.await.expect("stopped");
}
