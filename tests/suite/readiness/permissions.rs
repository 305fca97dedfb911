//! A user who may not run a command of the scripts: nothing is sold, nothing is executed in part,
//! and all clients get an error. As soon as the command is allowed, sales go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use seckill::domain::durability::Durability;
use seckill::domain::sale::StockKind;

use super::{Guarded, USER, commands};
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::crowd::{Crowd, HttpDoor};
use crate::support::orders::held_for;
use crate::support::redis::connect;

/// Sales of each kind, with an order that can be confirmed and cancelled.
async fn sales(guarded: &Guarded) -> String {
    let world = &guarded.world;
    let sale = world.sale("e.list", StockKind::List, 1_000).await;
    world.put(&sale, &held_for(3_600_000)).await;
    world.sale("e.count", StockKind::Counter, 1_000).await;
    world.target("e.target", 1_000_000, &terms(1, 0)).await;
    world.granted(&sale, "holder", 1).await.as_str().to_owned()
}

/// Everything that changes something is answered that it was not executed.
async fn assert_nothing_changes(app: &TestApp, order: &str, missing: &str) {
    let buyer = &app.buyer;
    let lines = [("e.list", 1), ("e.count", 1)];
    let operator = app.operator();
    let json = r#"{"title":"x"}"#;
    let answers = [
        ("list", buyer.code("/seckill", "e.list", "x", "1").await),
        ("counter", buyer.code("/incr", "e.count", "x", "1").await),
        ("place", buyer.place("x", "r", &lines).await.result),
        ("bid", buyer.bid("x", "r", "e.target", 5).await.result),
        (
            "confirm",
            operator
                .post(&format!("/orders/{order}/confirm"))
                .await
                .result,
        ),
        (
            "cancel",
            operator
                .post(&format!("/orders/{order}/cancel"))
                .await
                .result,
        ),
        (
            "put",
            operator
                .json("PUT", "/admin/sales/e.list", json)
                .await
                .result,
        ),
        (
            "stock",
            operator
                .lines("/admin/sales/e.list/stock", "u\n")
                .await
                .result,
        ),
        (
            "pause",
            operator.post("/admin/sales/e.count/pause").await.result,
        ),
    ];
    for (what, code) in answers {
        assert_eq!(code, "busy", "{what} without {missing}");
    }
}

#[tokio::test]
async fn without_any_command_of_the_scripts_nothing_is_sold_or_half_done() {
    let mut guarded = Guarded::start(&["+@all", "~*"]).await;
    let order = sales(&guarded).await;
    let app = guarded.app(|_| {}).await;
    for (number, command) in commands(true).enumerate() {
        let name = command.name();
        assert_eq!(
            app.operator().get("/readyz").await.status,
            200,
            "before {name}"
        );
        let user = format!("user-{number}");
        assert_eq!(
            app.buyer.code("/seckill", "e.list", &user, "1").await,
            "grabbed"
        );
        let before = guarded.world.dump().await;

        let rule = command.rule();
        guarded.set_user(&[&rule.replace('+', "-")]).await;
        let ready = app.operator().get("/readyz").await;
        assert_eq!(ready.status, 503, "{name}: {}", ready.body);
        let named = ready.body.to_uppercase().replace('|', " ").contains(name);
        assert!(named, "{name}: {}", ready.body);
        assert_nothing_changes(&app, &order, name).await;
        let doctor = guarded.doctor();
        let (grade, found) = doctor.finding("permissions");
        assert_eq!(
            (grade.as_str(), doctor.exit_code),
            ("WRONG", Some(1)),
            "{name}: {found}"
        );
        let found = found.to_uppercase().replace('|', " ");
        assert!(
            found.contains(name) && found.contains("SHOP"),
            "{name}: {found}"
        );
        let put = guarded.seckill("stock add e.list --count 1");
        assert_ne!(put.status.code(), Some(0), "{name}");
        assert!(
            guarded.world.dump().await == before,
            "{name}: something changed"
        );

        guarded.set_user(&[&rule]).await;
    }
    assert_eq!(app.operator().get("/readyz").await.status, 200);
    app.stop().await;
}

const CROWD: Crowd = Crowd {
    name: "user",
    users: 300,
    requests_each: 1,
    connections: 8,
    purchase_max: 1,
    patience: Duration::ZERO,
};

/// Without a request to `/readyz`: the server finds out by itself.
#[tokio::test]
async fn a_server_that_starts_without_a_command_loses_nothing_and_sells_when_it_gets_it() {
    let mut guarded = Guarded::start(&["+@all", "-hset", "-zadd", "~*"]).await;
    let sale = guarded.world.sale("e", StockKind::Counter, 5_000).await;
    let app = guarded.app(|_| {}).await;
    let door = Arc::new(HttpDoor {
        buyers: vec![app.buyer.clone()],
        path: "/incr",
        goods: "e".to_owned(),
    });
    let history = CROWD.storm(door.clone()).await;
    let busy = history
        .entries
        .iter()
        .filter(|entry| entry.answer.code == "busy")
        .count();
    assert_eq!(busy, CROWD.users, "all buyers get busy");
    assert_eq!(guarded.world.left(&sale).await, 5_000);
    guarded.set_user(&["+hset", "+zadd"]).await;
    let since = Instant::now();
    while app.buyer.code("/incr", "e", "first", "1").await != "grabbed" {
        assert!(since.elapsed() < PATIENCE, "it does not sell again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    guarded.world.assert_holds(&sale).await;
    app.stop().await;
}

/// Only what is in flight at that moment can be cut: after it, the connections ask again.
#[tokio::test]
async fn a_command_that_is_taken_away_in_mid_sale_stops_the_doors() {
    let mut guarded = Guarded::start(&["+@all", "~*"]).await;
    let sale = guarded.world.sale("e", StockKind::Counter, 100_000).await;
    let app = guarded.app(|config| config.http.workers = 1).await;
    assert_eq!(app.buyer.code("/incr", "e", "first", "1").await, "grabbed");
    guarded.set_user(&["-hset"]).await;
    let mut cut = 0;
    for number in 0..50 {
        let code = app
            .buyer
            .code("/incr", "e", &format!("late-{number}"), "1")
            .await;
        cut += u64::from(code == "unknown");
        assert!(["unknown", "busy"].contains(&code.as_str()), "{code}");
    }
    assert!(cut <= 1, "{cut} scripts were cut in half");
    assert!(guarded.world.left(&sale).await >= 99_999 - cut);
    app.stop().await;
}

/// A busy Redis answers no question about the user, so the last answer still counts.
#[tokio::test]
async fn questions_without_an_answer_give_no_permit() {
    let mut guarded = Guarded::start(&["+@all", "~*"]).await;
    let sale = guarded.world.sale("e", StockKind::Counter, 100_000).await;
    let app = guarded.app(|config| config.http.workers = 1).await;
    assert_eq!(app.buyer.code("/incr", "e", "first", "1").await, "grabbed");
    guarded.set_user(&["-hset"]).await;
    assert_eq!(app.operator().get("/readyz").await.status, 503);
    let left = guarded.world.left(&sale).await;

    let () = guarded
        .world
        .run(&["CONFIG", "SET", "busy-reply-threshold", "10"])
        .await;
    let mut runner = connect(&guarded.redis.url()).await;
    let running = tokio::spawn(async move {
        let mut endless = redis::cmd("EVAL");
        endless.arg("while true do end").arg(0);
        endless.query_async::<()>(&mut runner).await
    });
    let since = Instant::now();
    let get = redis::cmd("GET").arg("x").clone();
    while get
        .query_async::<Option<String>>(&mut guarded.world.raw)
        .await
        .is_ok()
    {
        assert!(since.elapsed() < PATIENCE, "Redis is not busy");
    }
    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(ready.body.contains("BUSY"), "{}", ready.body);
    let () = guarded.world.run(&["SCRIPT", "KILL"]).await;
    let killed = running.await.expect("it ends");
    assert!(killed.is_err());

    for number in 0..20 {
        let user = format!("late-{number}");
        assert_eq!(app.buyer.code("/incr", "e", &user, "1").await, "busy");
    }
    assert_eq!(guarded.world.left(&sale).await, left);
    app.stop().await;
}

#[tokio::test]
async fn a_user_of_other_keys_is_told_the_pattern() {
    let guarded = Guarded::start(&["+@all", "~other:*"]).await;
    let app = guarded.app(|_| {}).await;
    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains(USER) || ready.body.contains("key"),
        "{}",
        ready.body
    );
    assert_eq!(app.buyer.code("/incr", "b", "x", "1").await, "busy");
    let (grade, found) = guarded.doctor().finding("permissions");
    assert_eq!(grade, "WRONG", "{found}");
    app.stop().await;
}

/// What is not vital: the server sells, and the doctor says what does not work.
#[tokio::test]
async fn without_another_command_it_sells_and_says_what_does_not_work() {
    let mut guarded = Guarded::start(&["+@all", "~*"]).await;
    sales(&guarded).await;
    let app = guarded.app(|_| {}).await;
    for (number, command) in commands(false).enumerate() {
        let (name, rule) = (command.name(), command.rule());
        guarded.set_user(&[&rule.replace('+', "-")]).await;
        let ready = app.operator().get("/readyz").await;
        assert_eq!(ready.status, 200, "{name}: {}", ready.body);
        let user = format!("user-{number}");
        assert_eq!(
            app.buyer.code("/seckill", "e.list", &user, "1").await,
            "grabbed",
            "{name}"
        );
        let doctor = guarded.doctor();
        let (grade, found) = doctor.finding("permissions");
        let expected = match name {
            "WAIT" => "ok", // not used at this level
            "INFO" | "CONFIG GET" | "REPLCONF" | "SYNC" => "warning",
            _ => "WRONG",
        };
        assert_eq!(grade, expected, "{name}: {found}");
        let consequence = command.user.consequence();
        assert!(
            grade == "ok" || found.contains(name) && found.contains(consequence),
            "{found}"
        );
        guarded.set_user(&[&rule]).await;
    }
    app.stop().await;
}

#[tokio::test]
async fn answers_that_wait_for_replicas_need_wait() {
    let mut guarded = Guarded::start(&["+@all", "-wait", "~*"]).await;
    let order = sales(&guarded).await;
    let before = guarded.world.dump().await;
    let replicated = |config: &mut seckill::config::Config| {
        config.durability = Some(Durability::Replicated(1));
    };
    let app = guarded.app(replicated).await;
    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("WAIT"), "{}", ready.body);
    assert_nothing_changes(&app, &order, "WAIT").await;
    assert!(guarded.world.dump().await == before, "something changed");
    guarded.set_user(&["+wait"]).await;
    let ready = app.operator().get("/readyz").await;
    assert!(ready.body.contains("0 replicas online"), "{}", ready.body);
    app.stop().await;
}
