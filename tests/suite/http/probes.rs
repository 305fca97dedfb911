//! `/healthz`, `/readyz`, and paths that are not there.

use std::time::{Duration, Instant};

use seckill::config::RedisUrl;

use crate::support::app::{TestApp, config_for};
use crate::support::redis::{PrivateRedis, World, connect};

#[tokio::test]
async fn a_server_is_alive_and_ready() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let before = world.dump().await;
    let (alive, ready) = (
        app.buyer.get("/healthz").await,
        app.operator().get("/readyz").await,
    );
    assert_eq!(
        (alive.status, alive.body.as_str()),
        (200, r#"{"status":"alive"}"#)
    );
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (200, r#"{"status":"ready","durability":"memory"}"#)
    );
    assert_eq!(world.dump().await, before, "a probe leaves nothing behind");
    app.stop().await;
}

#[tokio::test]
async fn without_redis_it_is_alive_but_not_ready() {
    let world = World::new().await;
    let app = TestApp::with(&world, |config| {
        *config = config_for(&RedisUrl::new("redis://127.0.0.1:1"), "x:");
        config.redis.timeout = Duration::from_millis(300);
    });
    let app = app.await;
    assert_eq!(app.buyer.get("/healthz").await.status, 200);
    let since = Instant::now();
    let ready = app.operator().get("/readyz").await;
    assert!(
        since.elapsed() < Duration::from_secs(25),
        "{:?}",
        since.elapsed()
    );
    assert_eq!(ready.told(), (503, "not_ready"));
    assert_eq!(ready.content_type, "application/problem+json");
    assert!(
        ready.json()["detail"]
            .as_str()
            .is_some_and(|why| why.contains("cannot reach Redis"))
    );
    app.stop().await;
}

#[tokio::test]
async fn a_redis_that_refuses_to_sell_is_not_ready() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    let app = TestApp::start(&world).await;
    let mut raw = connect(&redis.url()).await;
    for (break_it, mend_it, code) in [
        (
            ["REPLICAOF", "127.0.0.1", "1"],
            ["REPLICAOF", "NO", "ONE"],
            "is a replica",
        ),
        (
            ["CONFIG SET", "maxmemory", "1"],
            ["CONFIG SET", "maxmemory", "0"],
            "OOM",
        ),
    ] {
        command(&mut raw, break_it).await;
        let ready = app.operator().get("/readyz").await;
        assert_eq!(ready.status, 503, "{code}: {}", ready.body);
        assert!(ready.body.contains(code), "{}", ready.body);
        let grab = [("username", "x"), ("purchase", "1")];
        assert_eq!(
            app.buyer.form("/seckill", &grab).await.result,
            "busy",
            "{code}"
        );
        command(&mut raw, mend_it).await;
        assert_eq!(app.operator().get("/readyz").await.status, 200);
    }
    app.stop().await;
}

async fn command(raw: &mut redis::aio::MultiplexedConnection, words: [&str; 3]) {
    let mut command = redis::Cmd::new();
    for word in words[0].split(' ').chain(words[1..].iter().copied()) {
        command.arg(word);
    }
    let _: () = command.query_async(raw).await.expect("done");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    for (method, path, status, code) in [
        ("GET", "/", 404, "not_found"),
        ("POST", "/seckill/", 404, "not_found"),
        ("GET", "/%F0%9F%A6%80%ff", 404, "not_found"),
        ("GET", "/seckill", 405, "method_not_allowed"),
        ("PUT", "/incr", 405, "method_not_allowed"),
        ("DELETE", "/seckill", 405, "method_not_allowed"),
        ("POST", "/readyz", 405, "method_not_allowed"),
        ("DELETE", "/sales", 405, "method_not_allowed"),
    ] {
        let reply = app.buyer.send(method, path, &[], Vec::new()).await;
        assert_eq!(reply.told(), (status, code), "{method} {path}");
        assert_eq!(reply.content_type, "application/problem+json");
        assert_eq!(
            (&reply.json()["status"], &reply.json()["code"]),
            (&status.into(), &code.into())
        );
    }
    app.stop().await;
}
