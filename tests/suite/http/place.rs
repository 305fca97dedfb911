//! `POST /orders`: the whole table of answers, and every wrong request.

use std::time::Duration;

use seckill::config::RedisUrl;
use seckill::domain::durability::Durability;
use seckill::domain::sale::{SaleEdit, StockKind};

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::{Reply, placement};
use crate::support::orders::held_for;
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{World, sale_id};
use crate::support::wechat::on_show;

const ENGLISH: (&str, &str) = ("accept-language", "en");
const JSON: (&str, &str) = ("content-type", "application/json");

fn number(reply: &Reply, field: &str) -> u64 {
    reply.json()[field].as_u64().unwrap_or_default()
}

fn edit() -> SaleEdit {
    SaleEdit::default()
}

#[tokio::test]
async fn the_bytes_of_an_order_are_a_contract() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let (tea, cup) = (
        world.sale("e.tea", StockKind::List, 3).await,
        world.sale("e.cup", StockKind::Counter, 2).await,
    );
    let lines = [("e.tea", 1), ("e.cup", 1), ("e.tea", 1)];
    let placed = app.buyer.place("秒", "r 1", &lines).await;
    let (order, at) = (
        placed.order().expect("an order"),
        number(&placed, "created_at"),
    );
    let of_order = |state: &str, times: &str| {
        format!(
            r#""order":"{order}","state":"{state}","username":"秒","created_at":{at},{times}"request_id":"r 1","lines":[{{"goods":"e.tea","purchase":2,"units":["sn-1","sn-2"]}},{{"goods":"e.cup","purchase":1}}]}}"#
        )
    };
    let expected = |status, code: &str, message: &str, order: String| Reply {
        status,
        result: code.to_owned(),
        retry_after: None,
        content_type: "application/json; charset=utf-8".to_owned(),
        body: format!(r#"{{"code":"{code}","message":"{message}",{order}"#),
    };
    let confirmed = of_order("confirmed", "");
    let got = "恭喜您，您已抢到。";
    assert_eq!(placed, expected(201, "grabbed", got, confirmed.clone()));
    let again = app
        .buyer
        .place("秒", "r 1", &[("e.cup", 1), ("e.tea", 2)])
        .await;
    let had = "您已经抢到了，请勿重复请求。";
    let repeated = expected(200, "already_grabbed", had, confirmed);
    assert_eq!(again, repeated);

    let metrics = app.buyer.get("/metrics").await.body;
    for outcome in ["grabbed", "already_grabbed"] {
        let counted = format!("seckill_placements_total{{outcome=\"{outcome}\"}} 1\n");
        assert!(metrics.contains(&counted), "{metrics}");
    }

    // The buying endpoints know its lines, and the buyer is told when the order is dead.
    for (path, goods) in [("/seckill", "e.tea"), ("/incr", "e.cup")] {
        let code = app.buyer.code(path, goods, "秒", "1").await;
        assert_eq!(code, "already_grabbed", "{path}");
    }
    world.assert_holds(&tea).await;
    world.assert_holds(&cup).await;
    let mut raw = world.raw.clone();
    let dead = format!("expired\t{at}\t秒\t7\tr 1\ne.tea\t2\tsn-1\tsn-2\ne.cup\t1");
    let mut set = redis::cmd("HSET");
    set.arg(world.store.keys().orders("e"))
        .arg(&order)
        .arg(dead);
    let _: u64 = set.query_async(&mut raw).await.expect("set");
    let lines = [("e.tea", 2), ("e.cup", 1)];
    let late = app.buyer.place("秒", "r 1", &lines).await;
    let ended = "该请求的订单已取消或已过期。";
    let order = of_order("expired", r#""changed_at":7,"#);
    assert_eq!(late, expected(200, "already_grabbed", ended, order));
    app.stop().await;
}

#[tokio::test]
async fn a_held_order_says_until_when() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let sale = world.sale("e", StockKind::Counter, 2).await;
    world.put(&sale, &held_for(60_000)).await;
    let placed = app.buyer.send(
        "POST",
        "/orders",
        &[JSON, ENGLISH],
        placement("x", "r", &[("e", 1)]).into_bytes(),
    );
    let placed = placed.await;
    let at = number(&placed, "created_at");
    let shown = format!(
        r#""message":"Congratulations, you got it.","order":"{}","state":"held","username":"x","created_at":{at},"deadline":{},"#,
        placed.order().expect("an order"),
        at + 60_000
    );
    assert!(placed.body.contains(&shown), "{}", placed.body);
    app.stop().await;
}

#[tokio::test]
async fn every_refusal_is_a_problem_that_names_its_sale() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    for (goods, stock) in [("e.ok", 9), ("e.few", 1), ("e.none", 0), ("e.held", 1)] {
        world.sale(goods, StockKind::List, stock).await;
    }
    let later = Some(Some(99_999_999_999_999));
    for (goods, change) in [
        (
            "e.paused",
            SaleEdit {
                paused: Some(true),
                ..edit()
            },
        ),
        (
            "e.early",
            SaleEdit {
                opens_at: later,
                ..edit()
            },
        ),
        (
            "e.over",
            SaleEdit {
                closes_at: Some(Some(1)),
                ..edit()
            },
        ),
    ] {
        let sale = world.sale(goods, StockKind::Counter, 5).await;
        world.put(&sale, &change).await;
    }
    world.activity("e.show", 5, &on_show("show")).await;
    let own = app.buyer.place("x", "own", &[("e.held", 1)]).await;
    let own = own.order().expect("an order");
    let before = world.left(&sale_id("e.ok")).await;
    for (goods, purchase, status, code) in [
        ("e.nix", 1, 404, "no_such_sale"),
        ("e.show", 1, 409, "wrong_door"),
        ("e.few", 3, 400, "invalid_purchase"),
        ("e.held", 1, 409, "already_grabbed"),
        ("e.paused", 1, 409, "paused"),
        ("e.early", 1, 409, "not_started"),
        ("e.over", 1, 409, "ended"),
        ("e.none", 1, 409, "sold_out"),
        ("e.few", 2, 409, "insufficient_stock"),
    ] {
        let lines = [("e.ok", 2), (goods, purchase)];
        let reply = app.buyer.place("x", "r", &lines).await;
        assert_eq!((reply.status, reply.result.as_str()), (status, code));
        assert_eq!(reply.content_type, "application/problem+json");
        let problem = reply.json();
        assert_eq!(problem["code"], code);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["goods"], goods);
        let order = (code == "already_grabbed").then_some(own.as_str());
        assert_eq!(problem["order"].as_str(), order);
        let opens_at = (code == "not_started").then_some(99_999_999_999_999);
        assert_eq!(problem["opens_at"].as_u64(), opens_at, "{code}");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(!detail.is_ascii(), "{detail}");
        let request = placement("x", "r", &lines).into_bytes();
        let english = app
            .buyer
            .send("POST", "/orders", &[JSON, ENGLISH], request)
            .await;
        let detail = english.json()["detail"].to_string();
        assert!(detail.is_ascii(), "{detail}");
    }
    assert_eq!(world.left(&sale_id("e.ok")).await, before);
    // None of these was remembered under the request id, but an order is.
    let placed = app.buyer.place("x", "r", &[("e.ok", 1)]).await;
    assert_eq!((placed.status, placed.result.as_str()), (201, "grabbed"));
    let reused = app.buyer.place("x", "r", &[("e.few", 1)]).await;
    assert_eq!(
        (reused.status, reused.result.as_str()),
        (422, "request_id_reused")
    );
    for goods in ["e.ok", "e.few", "e.none", "e.held"] {
        world.assert_holds(&sale_id(goods)).await;
    }
    app.stop().await;
}

#[tokio::test]
async fn every_wrong_request_is_named() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let sale = world.sale("e", StockKind::List, 5).await;
    let good = placement("x", "r", &[("e", 1)]);
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
    ] {
        let headers = [("content-type", media_type)];
        let request = good.clone().into_bytes();
        let reply = app.buyer.send("POST", "/orders", &headers, request).await;
        assert_eq!(
            (reply.status, reply.result.as_str()),
            (415, "invalid_request"),
            "{media_type}"
        );
    }
    let large = placement("x", &"r".repeat(17_000), &[("e", 1)]);
    for large in [large, " ".repeat(1 << 20)] {
        let reply = app.buyer.json("/orders", &large).await;
        assert_eq!(
            (reply.status, reply.result.as_str()),
            (413, "invalid_request")
        );
    }
    let lines = |lines: &str| format!(r#"{{"username":"x","request_id":"r","lines":{lines}}}"#);
    let many = placement("x", "r", &[("e", 1); 21]);
    for (request, code, named) in [
        (String::new(), "invalid_request", "JSON"),
        ("[]".to_owned(), "invalid_request", "JSON"),
        ("{}".to_owned(), "invalid_request", "username"),
        (
            good.replace("request_id", "request"),
            "invalid_request",
            "`request`",
        ),
        (
            good.replacen('{', r#"{"username":"y","#, 1),
            "invalid_request",
            "`username`",
        ),
        (
            placement("", "r", &[("e", 1)]),
            "invalid_request",
            "username",
        ),
        (
            placement("x", "", &[("e", 1)]),
            "invalid_request",
            "request_id",
        ),
        (
            placement("x", "a\n", &[("e", 1)]),
            "invalid_request",
            "request_id",
        ),
        (lines("7"), "invalid_request", "JSON"),
        (lines("[]"), "invalid_request", "1–20"),
        (many, "invalid_request", "1–20"),
        (
            placement("x", "r", &[("e", 1), ("f", 1)]),
            "invalid_request",
            "同一活动",
        ),
        (
            lines(r#"[{"goods":"e","purchase":1,"price":7}]"#),
            "invalid_request",
            "`price`",
        ),
        (
            lines(r#"[{"goods":"e","goods":"f","purchase":1}]"#),
            "invalid_request",
            "`goods`",
        ),
        (lines(r#"[{"purchase":1}]"#), "invalid_request", "goods"),
        (placement("x", "r", &[("E", 1)]), "invalid_request", "goods"),
        (
            lines(r#"[{"goods":"e","purchase":1},{"goods":"e"}]"#),
            "invalid_request",
            "lines[1]",
        ),
        (
            lines(r#"[{"goods":"e","purchase":true}]"#),
            "invalid_request",
            "purchase",
        ),
        (
            placement("x", "r", &[("e", 0)]),
            "invalid_purchase",
            "lines[0]",
        ),
    ] {
        let reply = app.buyer.json("/orders", &request).await;
        assert_eq!(
            (reply.status, reply.result.as_str()),
            (400, code),
            "{request}"
        );
        assert_eq!(reply.content_type, "application/problem+json");
        let detail = reply.json()["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(detail.contains(named), "{request}: {detail}");
    }
    let reply = app.buyer.send("GET", "/orders", &[], Vec::new()).await;
    assert_eq!(reply.status, 405);
    assert_eq!(world.left(&sale).await, 5);
    let placed = app.buyer.json("/orders", &good).await;
    assert_eq!(placed.status, 201, "the endpoint still works");
    app.stop().await;
}

#[tokio::test]
async fn busy_and_unknown_are_told_apart_and_the_same_request_settles_it() {
    let world = World::new().await;
    let sale = world.sale("e", StockKind::List, 50).await;
    let proxy = Proxy::to_shared_redis().await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(proxy.url());
        config.redis.timeout = Duration::from_secs(3);
        config.http.workers = 1;
    });
    let app = app.await;
    let unavailable = |reply: Reply, code: &str| {
        assert_eq!((reply.status, reply.result.as_str()), (503, code));
        assert_eq!(reply.retry_after.as_deref(), Some("1"), "{code}");
        assert_eq!(reply.content_type, "application/problem+json");
    };
    let warm = app.buyer.place("warm", "r", &[("e", 1)]).await;
    assert_eq!(warm.status, 201);
    for fault in [Fault::CutBefore, Fault::CutAfter, Fault::SwallowReply] {
        let user = format!("{fault:?}");
        proxy.set(fault);
        unavailable(app.buyer.place(&user, "r", &[("e", 1)]).await, "unknown");
        proxy.set(Fault::None);
        proxy.close_all().await; // what is silent stays so
        let deadline = std::time::Instant::now() + PATIENCE;
        let settled = loop {
            let reply = app.buyer.place(&user, "r", &[("e", 1)]).await;
            if reply.status != 503 {
                break reply;
            }
            assert!(std::time::Instant::now() < deadline, "never settled");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let executed = matches!(fault, Fault::CutAfter | Fault::SwallowReply);
        let status = if executed { 200 } else { 201 };
        assert_eq!(settled.status, status, "{fault:?}: {settled:?}");
    }
    world.assert_holds(&sale).await;
    app.stop().await;

    let nowhere = TestApp::with(&world, |config| {
        config.redis.url = Some(RedisUrl::new("redis://127.0.0.1:1"));
    });
    let nowhere = nowhere.await;
    unavailable(nowhere.buyer.place("x", "r", &[("e", 1)]).await, "busy");
    nowhere.stop().await;
}

/// No replica follows the shared Redis: what shows an order is unknown, and so is whether anything
/// is left.
#[tokio::test]
async fn an_order_that_too_few_replicas_have_is_unknown() {
    let world = World::new().await;
    let sale = world.sale("e", StockKind::List, 1).await;
    let app = TestApp::with(&world, |config| {
        config.durability = Some(Durability::Replicated(1));
        config.redis.timeout = Duration::from_secs(4);
    });
    let app = app.await;
    for (user, request, result) in [
        ("x", "r", "unknown"),
        ("x", "r", "unknown"),
        ("x", "another", "unknown"),
        ("y", "r", "busy"),
    ] {
        let reply = app.buyer.place(user, request, &[("e", 1)]).await;
        assert_eq!(reply.result, result, "{user} {request}: {reply:?}");
    }
    assert_eq!(world.left(&sale).await, 0, "it was executed all the same");
    world.assert_holds(&sale).await;
    app.stop().await;
}
