//! `POST /orders`: the whole table of answers, and every wrong request.

use std::time::Duration;

use seckill::domain::durability::Durability;
use seckill::domain::sale::StockKind;

use crate::support::app::TestApp;
use crate::support::bids::FAR;
use crate::support::buyer::{Reply, placement, settled};
use crate::support::orders::{closing, held_for, opening, paused};
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{World, sale_id};
use crate::support::table::rows;
use crate::support::wechat::on_show;

const ENGLISH: (&str, &str) = ("accept-language", "en");
const JSON: (&str, &str) = ("content-type", "application/json");

fn number(reply: &Reply, field: &str) -> u64 {
    reply.json()[field].as_u64().unwrap_or_default()
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

    // The doors know their lines, and the buyer is told when the order is dead.
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

/// Sale, quantity, answer.
const REFUSALS: &str = "
    e.nix     1  404 no_such_sale
    e.show    1  409 wrong_door
    e.few     3  400 invalid_purchase
    e.held    1  409 already_grabbed
    e.paused  1  409 paused
    e.early   1  409 not_started
    e.over    1  409 ended
    e.none    1  409 sold_out
    e.few     2  409 insufficient_stock
";

#[tokio::test]
async fn every_refusal_is_a_problem_that_names_its_sale() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    for (goods, stock) in [("e.ok", 9), ("e.few", 1), ("e.none", 0), ("e.held", 1)] {
        world.sale(goods, StockKind::List, stock).await;
    }
    for (goods, change) in [
        ("e.paused", paused(true)),
        ("e.early", opening(Some(FAR))),
        ("e.over", closing(Some(1))),
    ] {
        let sale = world.sale(goods, StockKind::Counter, 5).await;
        world.put(&sale, &change).await;
    }
    world.activity("e.show", 5, &on_show("show")).await;
    let own = app.buyer.place("x", "own", &[("e.held", 1)]).await;
    let own = own.order().expect("an order");
    let before = world.left(&sale_id("e.ok")).await;
    for row in rows(REFUSALS) {
        let [goods, purchase, told] = row.cells();
        let lines = [("e.ok", 2), (goods, purchase.parse().expect("a quantity"))];
        let reply = app.buyer.place("x", "r", &lines).await;
        reply.assert_problem(told, "");
        let problem = reply.json();
        assert_eq!(problem["goods"], goods);
        let order = (reply.result == "already_grabbed").then_some(own.as_str());
        assert_eq!(problem["order"].as_str(), order);
        let opens_at = (reply.result == "not_started").then_some(FAR);
        assert_eq!(problem["opens_at"].as_u64(), opens_at);
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(!detail.is_ascii(), "{detail}");
        let request = placement("x", "r", &lines).into_bytes();
        let english = app.buyer.send("POST", "/orders", &[JSON, ENGLISH], request);
        let detail = english.await.json()["detail"].to_string();
        assert!(detail.is_ascii(), "{detail}");
    }
    assert_eq!(world.left(&sale_id("e.ok")).await, before);
    // None of these was remembered under the request id, but an order is.
    let placed = app.buyer.place("x", "r", &[("e.ok", 1)]).await;
    assert_eq!(placed.told(), (201, "grabbed"));
    let reused = app.buyer.place("x", "r", &[("e.few", 1)]).await;
    assert_eq!(reused.told(), (422, "request_id_reused"));
    for goods in ["e.ok", "e.few", "e.none", "e.held"] {
        world.assert_holds(&sale_id(goods)).await;
    }
    app.stop().await;
}

/// Body, answer, words of its sentence. `ASK` is a buyer and a request, `ONE` one line, `MANY` are
/// 21.
const WRONG_ORDERS: &str = r#"
    ""                                                      400 invalid_request   JSON
    []                                                      400 invalid_request   JSON
    {}                                                      400 invalid_request   username
    {"username":"x","request":"r","lines":[ONE]}            400 invalid_request   `request`
    {"username":"y",ASK,"lines":[ONE]}                      400 invalid_request   `username`
    {"username":"","request_id":"r","lines":[ONE]}          400 invalid_request   username
    {"username":"x","request_id":"","lines":[ONE]}          400 invalid_request   request_id
    {"username":"x","request_id":"a\n","lines":[ONE]}       400 invalid_request   request_id
    {ASK,"lines":7}                                         400 invalid_request   JSON
    {ASK,"lines":[]}                                        400 invalid_request   1–20
    {ASK,"lines":[MANY]}                                    400 invalid_request   1–20
    {ASK,"lines":[ONE,{"goods":"f","purchase":1}]}          400 invalid_request   同一活动
    {ASK,"lines":[{"goods":"e","purchase":1,"price":7}]}    400 invalid_request   `price`
    {ASK,"lines":[{"goods":"e","goods":"f","purchase":1}]}  400 invalid_request   `goods`
    {ASK,"lines":[{"purchase":1}]}                          400 invalid_request   goods
    {ASK,"lines":[{"goods":"E","purchase":1}]}              400 invalid_request   goods
    {ASK,"lines":[ONE,{"goods":"e"}]}                       400 invalid_request   lines[1]
    {ASK,"lines":[{"goods":"e","purchase":true}]}           400 invalid_request   purchase
    {ASK,"lines":[{"goods":"e","purchase":0}]}              400 invalid_purchase  lines[0]
"#;

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
        assert_eq!(reply.told(), (415, "invalid_request"), "{media_type}");
    }
    let large = placement("x", &"r".repeat(17_000), &[("e", 1)]);
    for large in [large, " ".repeat(1 << 20)] {
        let reply = app.buyer.json("/orders", &large).await;
        assert_eq!(reply.told(), (413, "invalid_request"));
    }
    let one = r#"{"goods":"e","purchase":1}"#;
    let many = [one; 21].join(",");
    for row in rows(WRONG_ORDERS) {
        let [body, told, words] = row.cells();
        let body = body.replace("ASK", r#""username":"x","request_id":"r""#);
        let body = body.replace("ONE", one).replace("MANY", &many);
        app.buyer
            .json("/orders", &body)
            .await
            .assert_problem(told, words);
    }
    let reply = app.buyer.send("GET", "/orders", &[], Vec::new()).await;
    assert_eq!(reply.status, 405);
    assert_eq!(world.left(&sale).await, 5);
    let placed = app.buyer.json("/orders", &good).await;
    assert_eq!(placed.status, 201, "the door is still open");
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
        assert_eq!(reply.told(), (503, code));
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
        let settled = settled(async || app.buyer.place(&user, "r", &[("e", 1)]).await).await;
        let executed = matches!(fault, Fault::CutAfter | Fault::SwallowReply);
        let status = if executed { 200 } else { 201 };
        assert_eq!(settled.status, status, "{fault:?}: {settled:?}");
    }
    world.assert_holds(&sale).await;
    app.stop().await;

    let nowhere = TestApp::without_redis(&world).await;
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
