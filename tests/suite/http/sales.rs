//! `GET /sales`: the public facts of sales, and what a crowd of readers costs.

use std::iter::repeat;
use std::time::{Duration, Instant};

use seckill::config::RedisUrl;
use seckill::domain::ids::SaleId;
use seckill::domain::sale::{SaleEdit, StockKind};
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::app::{TestApp, config_for};
use crate::support::bids::terms;
use crate::support::buyer::Buyer;
use crate::support::orders::{closing, opening, paused};
use crate::support::process::{Ended, seckill};
use crate::support::proxy::Proxy;
use crate::support::redis::{PrivateRedis, World};
use crate::support::terms::{term_number, term_text};

/// Asks until the answer is as wanted.
async fn until(buyer: &Buyer, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = buyer.get(path).await.json();
        if wanted(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{path}: {seen}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_bytes_of_a_sale_are_a_contract() {
    let world = World::new().await;
    let id = world.sale("spring.tea", StockKind::List, 3).await;
    world.sale("b", StockKind::Counter, 7).await;
    let edit = SaleEdit {
        title: Some(term_text("春茶")),
        opens_at: Some(Some(1)),
        closes_at: Some(Some(99_999_999_999_999)),
        purchase_max: Some(term_number(3)),
        hold: Some(term_number(900_000)),
        ..SaleEdit::default()
    };
    world.put(&id, &edit).await;
    let app = TestApp::start(&world).await;
    let reply = app.buyer.get("/sales").await;
    assert_eq!(
        (reply.status, reply.content_type.as_str()),
        (200, "application/json; charset=utf-8")
    );
    let all = reply.json();
    let now = all["server_time"].as_u64().expect("a time");
    let read: Vec<u64> = all["sales"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|sale| {
            let read = sale["remaining_at"].as_u64().expect("a time");
            assert!((now - PATIENCE.as_millis() as u64..=now).contains(&read));
            read
        })
        .collect();
    let counter = format!(
        r#"{{"goods":"b","title":"","kind":"counter","phase":"open","remaining":7,"remaining_at":{},"opens_at":null,"closes_at":null,"purchase_max":2,"hold":null,"server_time":{now}}}"#,
        read[0]
    );
    let list = format!(
        r#"{{"goods":"spring.tea","title":"春茶","kind":"list","phase":"open","remaining":3,"remaining_at":{},"opens_at":1,"closes_at":99999999999999,"purchase_max":3,"hold":900000,"server_time":{now}}}"#,
        read[1]
    );
    assert_eq!(
        reply.body,
        format!(r#"{{"server_time":{now},"sales":[{counter},{list}]}}"#)
    );

    let one = app.buyer.get("/sales/spring.tea").await;
    let (now, read) = (
        one.json()["server_time"].clone(),
        one.json()["remaining_at"].clone(),
    );
    let fields =
        r#""goods":"spring.tea","title":"春茶","kind":"list","phase":"open","remaining":3"#;
    let rest = r#""opens_at":1,"closes_at":99999999999999,"purchase_max":3,"hold":900000"#;
    assert_eq!(
        one.body,
        format!(r#"{{{fields},"remaining_at":{read},{rest},"server_time":{now}}}"#)
    );
    assert_eq!((one.status, one.content_type), (200, reply.content_type));
    app.stop().await;
}

#[tokio::test]
async fn an_activity_says_what_it_is() {
    let world = World::new().await;
    let id = world.sale("show.gala", StockKind::Counter, 3).await;
    let edit = SaleEdit {
        title: Some(term_text("晚会")),
        keyword: Some(term_text("gala")),
        place: Some(term_text("大礼堂")),
        starts_at: Some(Some(5)),
        description: Some(term_text("one\ntwo")),
        ..SaleEdit::default()
    };
    world.put(&id, &edit).await;
    let app = TestApp::start(&world).await;
    let reply = app.buyer.get("/sales/show.gala").await;
    let times = ["server_time", "remaining_at"].map(|name| reply.json()[name].clone());
    let [now, read] = times;
    let sale = format!(
        r#""goods":"show.gala","title":"晚会","kind":"counter","phase":"open","remaining":3,"remaining_at":{read},"opens_at":null,"closes_at":null,"purchase_max":1,"hold":null"#
    );
    let activity = r#""keyword":"gala","place":"大礼堂","starts_at":5,"ends_at":null,"picture":"","description":"one\ntwo""#;
    let expected = format!(r#"{{{sale},{activity},"server_time":{now}}}"#);
    assert_eq!(reply.body, expected);
    app.stop().await;
}

#[tokio::test]
async fn what_changed_is_seen_soon() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let buyer = &app.buyer;
    let nothing = buyer.get("/sales").await.json();
    assert_eq!(nothing, json!({"server_time": null, "sales": []}));
    assert_eq!(buyer.get("/sales/a").await.result, "no_such_sale");
    let id = world.sale("a", StockKind::List, 2).await;
    until(buyer, "/sales/a", |sale| sale["remaining"] == 2).await;
    assert_eq!(buyer.code("/seckill", "a", "x", "2").await, "grabbed");
    until(buyer, "/sales/a", |sale| sale["remaining"] == 0).await;
    let edit = paused(true);
    world.put(&id, &edit).await;
    until(buyer, "/sales/a", |sale| sale["phase"] == "paused").await;
    world.assert_holds(&id).await;
    app.stop().await;
}

/// What buyers, operators and the command line read, which is one word.
async fn phase(app: &TestApp, world: &World, id: &str) -> String {
    let operator = app.operator();
    let told = operator
        .get(&format!("/admin/sales/{id}/audit"))
        .await
        .json();
    let phase = told["phase"].as_str().expect("a phase").to_owned();
    let path = format!("/sales/{id}");
    until(&app.buyer, &path, |sale| sale["phase"] == *phase).await;
    for command in [&["sale", "show", id][..], &["sale", "list"]] {
        let mut arguments = world.arguments(&[]);
        arguments.extend(command.iter().map(|&word| word.to_owned()));
        let printed = Ended::from(seckill(&arguments)).printed;
        let line = |line: &str| match command.len() {
            3 => line.starts_with("phase "),
            _ => line.starts_with(&format!("{id} ")),
        };
        let line = printed.lines().find(|own| line(own)).expect("a line");
        let shown = line.split_whitespace().any(|word| word == phase);
        assert!(shown, "no {phase} in {printed}");
    }
    phase
}

#[tokio::test]
async fn a_target_to_which_nothing_is_left_is_full() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let loan = world.target("p.loan", 100, &terms(1, 0)).await;
    world.sale("p.tea", StockKind::Counter, 0).await;
    assert_eq!(phase(&app, &world, "p.tea").await, "open");
    world.accepted("x", "r", &loan, 99).await;
    assert_eq!(phase(&app, &world, "p.loan").await, "open");
    world.accepted("y", "r", &loan, 2).await;
    assert_eq!(phase(&app, &world, "p.loan").await, "full");
    let edit = SaleEdit::default;
    for (change, expected) in [
        (paused(true), "paused"),
        (
            SaleEdit {
                paused: Some(false),
                closes_at: Some(Some(1)),
                ..edit()
            },
            "ended",
        ),
        (closing(None), "full"),
    ] {
        world.put(&loan, &change).await;
        assert_eq!(phase(&app, &world, "p.loan").await, expected);
    }
    world.store.stock_add_count(&loan, 1).await.expect("added");
    assert_eq!(phase(&app, &world, "p.loan").await, "open");
    let later = opening(Some(99_999_999_999_999));
    let early = world.target("p.early", 0, &later).await;
    assert_eq!(phase(&app, &world, "p.early").await, "upcoming");
    for sale in [&loan, &early] {
        world.assert_holds(sale).await;
    }
    app.stop().await;
}

#[tokio::test]
async fn a_sale_that_is_not_there_is_a_problem() {
    let world = World::new().await;
    world.sale("a", StockKind::List, 1).await;
    let app = TestApp::start(&world).await;
    for path in [
        "/sales/b",
        "/sales/A",
        "/sales/%00",
        "/sales/a.b",
        "/sales/%ff",
    ] {
        let reply = app.buyer.get(path).await;
        assert_eq!(
            (
                reply.status,
                reply.result.as_str(),
                reply.content_type.as_str()
            ),
            (404, "no_such_sale", "application/problem+json"),
            "{path}"
        );
    }
    app.stop().await;
}

/// Lets the sale open when buyers have seen that it will: sooner on a faster machine.
async fn opens_soon(world: &World, id: &SaleId, buyer: &Buyer) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    for wait_ms in [700, 1_400, 2_800].into_iter().chain(repeat(5_600)) {
        let now = buyer.get("/sales/a").await.json();
        let opens_at = now["server_time"].as_u64().expect("a time") + wait_ms;
        let edit = opening(Some(opens_at));
        world.put(id, &edit).await;
        let seen = until(buyer, "/sales/a", |sale| sale["opens_at"] == opens_at).await;
        if seen["server_time"].as_u64() < Some(opens_at) {
            return opens_at;
        }
        assert!(
            Instant::now() < deadline,
            "{wait_ms} ms are too short: {seen}"
        );
    }
    unreachable!("the waits do not end")
}

#[tokio::test]
async fn the_clock_goes_on_between_two_readings() {
    let world = World::new().await;
    let id = world.sale("a", StockKind::List, 1).await;
    let app = TestApp::start(&world).await;
    let opens_at = opens_soon(&world, &id, &app.buyer).await;
    let (mut times, mut readings) = (Vec::new(), Vec::new());
    let seen = |sale: &Value| (sale["server_time"].as_u64(), sale["remaining_at"].as_u64());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sale = app.buyer.get("/sales/a").await.json();
        let (time, reading) = seen(&sale);
        let open = time >= Some(opens_at);
        assert_eq!(sale["phase"], if open { "open" } else { "upcoming" });
        times.push(time);
        readings.push(reading);
        readings.dedup();
        assert!(times.is_sorted(), "the clock went back: {times:?}");
        times.dedup();
        let (times, readings) = (times.len(), readings.len());
        if open && readings * 2 < times {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{readings} readings, {times} times"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app.stop().await;
}

#[tokio::test]
async fn a_crowd_of_lookers_costs_redis_next_to_nothing() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    for sale in ["a", "b", "c"] {
        world.sale(sale, StockKind::List, 1).await;
    }
    let app = TestApp::start(&world).await;
    let since = Instant::now();
    let before = world.calls("evalsha").await + world.calls("scan").await;
    let lookers: Vec<_> = (0..50)
        .map(|number| {
            let buyer = app.buyer.clone();
            tokio::spawn(async move {
                for turn in 0..40 {
                    // Some ask for sales that do not exist, some leave before the answer.
                    let path = match (number + turn) % 3 {
                        0 => "/sales".to_owned(),
                        1 => "/sales/a".to_owned(),
                        _ => format!("/sales/none-{number}-{turn}"),
                    };
                    if turn % 10 == 9 {
                        let _ = tokio::time::timeout(Duration::from_micros(300), buyer.get(&path))
                            .await;
                        continue;
                    }
                    let status = buyer.get(&path).await.status;
                    assert_eq!(status, if path.contains("none") { 404 } else { 200 });
                }
            })
        })
        .collect();
    for looker in lookers {
        looker.await.expect("answered");
    }
    let after = world.calls("evalsha").await + world.calls("scan").await;
    let took = since.elapsed();
    // One scan and three sales for each reading, and a quarter of a second between two. The expirer
    // scans once a second, and two scripts are asked each second whether Redis is ready. Of these,
    // some belong to what had begun before. Each new connection asks one script: ten are opened.
    let seconds = took.as_millis() / 1000;
    let most = 4 * (took.as_millis() / 250 + 2) + seconds + 2 + 2 * (seconds + 2) + 10;
    assert!(
        u128::from(after - before) <= most,
        "{} calls in {took:?}, at most {most}",
        after - before
    );
    app.stop().await;
}

#[tokio::test]
async fn without_redis_lookers_are_told_to_wait_and_are_served_when_it_is_back() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    world.sale("a", StockKind::List, 1).await;
    let proxy = Proxy::start(redis.socket()).await;
    let app = TestApp::with(&world, |config| config.redis.url = Some(proxy.url())).await;
    assert_eq!(app.buyer.get("/sales/a").await.status, 200);
    proxy.lead_next_to("/nowhere".into());
    proxy.close_all().await;
    let deadline = Instant::now() + PATIENCE;
    let busy = loop {
        let reply = app.buyer.get("/sales/a").await;
        if reply.status != 200 {
            break reply;
        }
        assert!(Instant::now() < deadline, "a reading without Redis");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(busy.told(), (503, "busy"));
    assert_eq!(busy.retry_after.as_deref(), Some("1"));
    proxy.lead_next_to(redis.socket());
    until(&app.buyer, "/sales/a", |sale| sale["remaining"] == 1).await;
    app.stop().await;

    let app = TestApp::with(&world, |config| {
        *config = config_for(&RedisUrl::new("redis://127.0.0.1:1"), "x:");
        config.redis.timeout = Duration::from_millis(300);
    })
    .await;
    for path in ["/sales", "/sales/a"] {
        let since = Instant::now();
        let reply = app.buyer.get(path).await;
        assert_eq!(reply.told(), (503, "busy"));
        assert!(!reply.body.contains("127.0.0.1"), "{}", reply.body);
        assert!(
            since.elapsed() < Duration::from_secs(25),
            "{:?}",
            since.elapsed()
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn a_broken_sale_hides_no_other() {
    let mut world = World::new().await;
    world.sale("a", StockKind::List, 1).await;
    world.sale("b", StockKind::Counter, 1).await;
    let stock = format!("{}{{b}}:stock:b", world.prefix);
    let _: redis::Value = world.run(&["SET", &stock, "few"]).await;
    let app = TestApp::start(&world).await;
    let sales = app.buyer.get("/sales").await.json();
    assert_eq!(sales["sales"].as_array().map(Vec::len), Some(1));
    let broken = app.buyer.get("/sales/b").await;
    assert_eq!(broken.told(), (500, "unreadable"));
    assert!(broken.body.contains('b'), "{}", broken.body);
    app.stop().await;
}
