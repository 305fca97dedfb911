//! `seckill:data_version` is set once. A program that does not know the version changes nothing.

use seckill::domain::sale::StockKind;

use super::{Doctor, seckill};
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::redis::{PrivateRedis, World};

const LATER: &str = "2 seckill 9.8.7";

#[tokio::test]
async fn it_is_set_once_under_the_prefix() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let key = format!("{}data_version", world.prefix);
    assert_eq!(world.run::<Option<String>>(&["GET", &key]).await, None);
    // Who only looks leaves nothing.
    Doctor::at(&world.url, &world.prefix, &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let backup = format!("backup {}", folder.path().join("backup").display());
    for line in ["sale list", "sale show a", &backup] {
        seckill(&world.url, &world.prefix, line);
        assert_eq!(world.run::<u64>(&["DBSIZE"]).await, 0, "{line}");
    }
    world.sale("a", StockKind::List, 1).await;
    let written: String = world.run(&["GET", &key]).await;
    assert_eq!(written, format!("1 seckill {}", env!("CARGO_PKG_VERSION")));
    let lifetime: i64 = world.run(&["TTL", &key]).await;
    assert_eq!(lifetime, -1, "it never expires");
    // Who comes later leaves it as it is.
    let () = world.run(&["SET", &key, "1 seckill 0.0.1"]).await;
    let app = TestApp::start(&world).await;
    assert_eq!(app.operator().get("/readyz").await.status, 200);
    assert_eq!(app.buyer.code("/seckill", "a", "x", "1").await, "grabbed");
    let kept: String = world.run(&["GET", &key]).await;
    assert_eq!(kept, "1 seckill 0.0.1");
    app.stop().await;
}

#[tokio::test]
async fn a_later_version_is_refused_in_one_sentence() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.sale("a", StockKind::List, 5).await;
    let app = TestApp::start(&world).await;
    assert_eq!(app.buyer.code("/seckill", "a", "x", "1").await, "grabbed");
    // The connection of this audit waits for the next one.
    let audit = app.operator().get("/admin/sales/a/audit?deep=true").await;
    assert_eq!(audit.status, 200, "{}", audit.body);
    let key = format!("{}data_version", world.prefix);
    let ours: String = world.run(&["GET", &key]).await;
    let () = world.run(&["SET", &key, LATER]).await;
    let before = world.dump().await;

    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains("version 2, written by seckill 9.8.7"),
        "{}",
        ready.body
    );
    assert_eq!(app.buyer.code("/seckill", "a", "y", "1").await, "busy");
    let audit = app.operator().get("/admin/sales/a/audit?deep=true").await;
    assert_eq!(audit.result, "busy", "{}", audit.body);
    for line in [
        "stock add a --count 1",
        "sale show a",
        "sale put b --kind list",
    ] {
        let output = seckill(&world.url, &world.prefix, line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{line}: {said}");
        assert!(said.contains("written by seckill 9.8.7"), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
    }
    let doctor = Doctor::at(&world.url, &world.prefix, &[]);
    assert_eq!(
        (doctor.finding("data version").0.as_str(), doctor.exit_code),
        ("WRONG", Some(1))
    );
    assert!(world.dump().await == before, "something changed");

    let () = world.run(&["SET", &key, &ours]).await;
    assert_eq!(app.operator().get("/readyz").await.status, 200);
    assert_eq!(app.buyer.code("/seckill", "a", "y", "1").await, "grabbed");
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// Without any request: the server reads it again each second.
#[tokio::test]
async fn a_running_server_notices_it() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    world.sale("b", StockKind::Counter, 1_000_000).await;
    let app = TestApp::start(&world).await;
    assert_eq!(app.buyer.code("/incr", "b", "x", "1").await, "grabbed");
    let () = world
        .run(&["SET", &format!("{}data_version", world.prefix), LATER])
        .await;
    let since = std::time::Instant::now();
    let mut number = 0;
    while app
        .buyer
        .code("/incr", "b", &format!("user-{number}"), "1")
        .await
        != "busy"
    {
        assert!(since.elapsed() < PATIENCE, "it sells on");
        number += 1;
    }
    app.stop().await;
}
