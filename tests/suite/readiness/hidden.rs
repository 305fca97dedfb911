//! A Redis that hides what it is: INFO, CONFIG and ROLE are in categories that are often forbidden.

use std::time::{Duration, Instant};

use seckill::domain::durability::Durability;
use seckill::domain::sale::StockKind;

use super::{Guarded, PASSWORD, USER};
use crate::fault::failover::Pair;
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::orders::held_for;
use crate::support::redis::{World, connect, run};

const NOT_DANGEROUS: [&str; 3] = ["+@all", "-@dangerous", "~*"];

#[tokio::test]
async fn it_is_ready_with_an_unknown_durability_and_no_more_than_that() {
    let guarded = Guarded::start(&NOT_DANGEROUS).await;
    guarded.world.sale("e", StockKind::Counter, 10).await;
    let app = guarded.app(|_| {}).await;
    let ready = app.operator().get("/readyz").await;
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (200, r#"{"status":"ready","durability":"unknown"}"#)
    );
    assert_eq!(app.buyer.code("/incr", "e", "x", "1").await, "grabbed");
    app.stop().await;

    let strict = guarded
        .app(|config| config.durability = Some(Durability::Fsync))
        .await;
    let ready = strict.operator().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("hides its settings"), "{}", ready.body);
    strict.stop().await;

    let doctor = guarded.doctor();
    assert_eq!(doctor.exit_code, Some(0), "{:?}", doctor.findings);
    for what in ["durability", "memory"] {
        let (grade, found) = doctor.finding(what);
        assert_eq!(grade, "warning", "{what}: {found}");
    }
}

/// Only INFO is hidden: what CONFIG says is enough for `fsync`.
#[tokio::test]
async fn a_level_is_verified_by_what_is_shown() {
    let guarded = Guarded::start(&["+@all", "-info", "~*"]).await;
    let app = guarded
        .app(|config| config.durability = Some(Durability::Fsync))
        .await;
    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert_eq!(guarded.doctor().finding("role").1, "master");
    app.stop().await;
}

/// ROLE is not needed to notice that a server is not a master any more: holds expire, operators
/// work, the server is ready.
#[tokio::test]
async fn after_a_failover_everything_goes_on_without_role() {
    let pair = Pair::start().await;
    for server in [pair.master.url(), pair.replica.url()] {
        let mut raw = connect(&server).await;
        let password = format!(">{PASSWORD}");
        let rules = [
            "on",
            &password,
            "+@all",
            "-@admin",
            "-@dangerous",
            "+info",
            "~*",
        ];
        let () = run(&mut raw, &[&["ACL", "SETUSER", USER], &rules[..]].concat()).await;
    }
    let world = World::at(pair.master.url()).await;
    let sale = world.sale("e", StockKind::Counter, 10).await;
    world.put(&sale, &held_for(1_000)).await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(pair.front.user_url(USER, PASSWORD));
        config.redis.timeout = Duration::from_secs(2);
    });
    let app = app.await;
    assert_eq!(app.buyer.code("/incr", "e", "x", "1").await, "grabbed");
    // Every connection of the pool leads to the old master.
    for _ in 0..4 {
        app.buyer.metrics().await;
    }
    pair.swap_roles().await;

    let after = World::at(pair.replica.url()).await;
    let store = seckill::store::Store::new(&after.url, &world.prefix, PATIENCE).expect("a store");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let snapshot = store
            .sale_snapshot(&sale)
            .await
            .expect("read")
            .expect("it exists");
        if snapshot.figures.held == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "the hold does not expire");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while app.operator().get("/readyz").await.status != 200 {
        assert!(Instant::now() < deadline, "it is not ready again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while app.operator().post("/admin/sales/e/pause").await.status != 200 {
        assert!(
            Instant::now() < deadline,
            "operators stay at the old master"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    app.stop().await;
}
