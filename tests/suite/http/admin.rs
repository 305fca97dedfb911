//! The operators' door: sales, stock and audits over HTTP.

use std::time::{Duration, Instant};

use seckill::config::RedisUrl;
use seckill::domain::sale::StockKind;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::Reply;
use crate::support::operator::{Operator, TOKEN};
use crate::support::process::{ServerProcess, free_address};
use crate::support::redis::{World, new_prefix, sale_id, shared_url};

const PUT_A: &str = "/admin/sales/a";
const STOCK_A: &str = "/admin/sales/a/stock";

fn told(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.result.as_str())
}

/// Asserts that a request is refused by these words.
fn assert_refused(reply: &Reply, status: u16, code: &str, words: &str) {
    assert_eq!(told(reply), (status, code), "{}", reply.body);
    assert_eq!(reply.content_type, "application/problem+json");
    let body = reply.json();
    assert_eq!(
        (&body["status"], &body["code"]),
        (&status.into(), &code.into())
    );
    let detail = body["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(words), "{words:?} is not in {detail:?}");
}

#[tokio::test]
async fn a_sale_is_created_changed_and_shown() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let created = operator.json("PUT", PUT_A, r#"{"kind":"list"}"#).await;
    assert_eq!(told(&created), (201, "created"));
    assert_eq!(created.content_type, "application/json; charset=utf-8");
    let now = created.json()["server_time"].clone();
    let bytes = format!(
        r#"{{"added":0,"buyers":0,"cancel_until":null,"closes_at":null,"confirmed":0,"feed":true,"held":0,"hold":null,"kind":"list","left":0,"opens_at":null,"orders_max":20,"phase":"open","purchase_max":2,"removed":0,"sale":"a","server_time":{now},"title":"","used":0}}"#
    );
    assert_eq!(created.body, bytes);

    for (body, fields) in [
        (r#"{"title":"春茶 \"1\""}"#, json!({"title": "春茶 \"1\""})),
        (
            r#"{"opens_at":"2026-11-11T00:00:00+08:00","closes_at":1794326400}"#,
            json!({"opens_at": 1_794_326_400_000_u64, "closes_at": 1_794_326_400_000_u64}),
        ),
        (
            r#"{"opens_at":null,"closes_at":"1794326401"}"#,
            json!({"opens_at": null, "closes_at": 1_794_326_401_000_u64}),
        ),
        (r#"{"closes_at":"none"}"#, json!({"closes_at": null})),
        (
            r#"{"hold":"15m","purchase_max":100,"feed":false}"#,
            json!({"hold": 900_000, "purchase_max": 100, "feed": false}),
        ),
        (
            r#"{"hold":null,"feed":true,"cancel_until":4102444800}"#,
            json!({"hold": null, "feed": true, "cancel_until": 4_102_444_800_000_u64}),
        ),
        (
            r#"{"kind":"list","cancel_until":null}"#,
            json!({"cancel_until": null, "purchase_max": 100, "title": "春茶 \"1\""}),
        ),
    ] {
        let reply = operator.json("PUT", PUT_A, body).await;
        assert_eq!(told(&reply), (200, "updated"), "{body}: {}", reply.body);
        for (name, value) in fields.as_object().expect("fields") {
            assert_eq!(&reply.json()[name], value, "{body}: {name}");
        }
    }
    for (change, code, phase) in [
        ("pause", "paused", "paused"),
        ("pause", "paused", "paused"),
        ("resume", "resumed", "open"),
    ] {
        let reply = operator.post(&format!("{PUT_A}/{change}")).await;
        assert_eq!(told(&reply), (200, code));
        assert_eq!(reply.json()["phase"], phase);
    }
    app.stop().await;
}

#[tokio::test]
async fn every_wrong_sale_is_named_and_changes_nothing() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    world.sale("a", StockKind::List, 5).await;
    assert_eq!(app.buyer.code("/seckill", "a", "x", "2").await, "grabbed");
    let before = world.dump().await;
    for (path, body, status, code, words) in [
        (
            PUT_A,
            r#"{"kind":"counter"}"#,
            409,
            "kind_is_fixed",
            "another kind",
        ),
        (
            PUT_A,
            r#"{"opens_at":4102444800}"#,
            409,
            "already_open",
            "has opened",
        ),
        (
            PUT_A,
            r#"{"purchase_max":1}"#,
            409,
            "purchase_max_lowered",
            "retries",
        ),
        (
            PUT_A,
            r#"{"closes_at":1,"opens_at":null,"purchase_max":1}"#,
            409,
            "purchase_max_lowered",
            "sale a",
        ),
        (PUT_A, r#"{"feed":false}"#, 409, "feed_is_fixed", "feed"),
        (
            "/admin/sales/a?x=1",
            r#"{"title":"x"}"#,
            400,
            "invalid_request",
            "there is no parameter",
        ),
        (
            "/admin/sales/b",
            r#"{"kind":"list","opens_at":2,"closes_at":1}"#,
            409,
            "window_is_empty",
            "before it opens",
        ),
        (
            "/admin/sales/b",
            r#"{"title":"x"}"#,
            404,
            "no_such_sale",
            "kind",
        ),
        (
            "/admin/sales/B",
            r#"{"kind":"list"}"#,
            400,
            "invalid_request",
            "id: ",
        ),
        (
            "/admin/sales/%ff",
            r#"{"kind":"list"}"#,
            400,
            "invalid_request",
            "id: ",
        ),
        (PUT_A, "{}", 400, "invalid_request", "nothing to put"),
        (PUT_A, "", 400, "invalid_request", "the body"),
        (PUT_A, r#"["list"]"#, 400, "invalid_request", "the body"),
        (PUT_A, "{", 400, "invalid_request", "the body"),
        (
            PUT_A,
            r#"{"title":"x"}}"#,
            400,
            "invalid_request",
            "the body",
        ),
        (PUT_A, r#"{"titel":"x"}"#, 400, "invalid_request", "`titel`"),
        (
            PUT_A,
            r#"{"paused":true}"#,
            400,
            "invalid_request",
            "`paused`",
        ),
        (
            PUT_A,
            r#"{"title":"x","title":"y"}"#,
            400,
            "invalid_request",
            "`title`",
        ),
        (
            PUT_A,
            r#"{"title":null}"#,
            400,
            "invalid_request",
            "title: ",
        ),
        (PUT_A, r#"{"title":7}"#, 400, "invalid_request", "title: "),
        (
            PUT_A,
            "{\"title\":\"\\u001b[2J\"}",
            400,
            "invalid_request",
            "title: ",
        ),
        (
            PUT_A,
            r#"{"kind":"heap"}"#,
            400,
            "invalid_request",
            "kind: ",
        ),
        (PUT_A, r#"{"kind":null}"#, 400, "invalid_request", "kind: "),
        (
            PUT_A,
            r#"{"opens_at":"tomorrow"}"#,
            400,
            "invalid_request",
            "opens_at: write it like",
        ),
        (
            PUT_A,
            r#"{"opens_at":-1}"#,
            400,
            "invalid_request",
            "opens_at: ",
        ),
        (
            PUT_A,
            r#"{"opens_at":1.5}"#,
            400,
            "invalid_request",
            "opens_at: ",
        ),
        // Milliseconds are no seconds: what answers show must not be taken for what they mean.
        (
            PUT_A,
            r#"{"closes_at":1794326400000}"#,
            400,
            "invalid_request",
            "closes_at: ",
        ),
        (
            PUT_A,
            r#"{"closes_at":[]}"#,
            400,
            "invalid_request",
            "closes_at: ",
        ),
        (
            PUT_A,
            r#"{"cancel_until":true}"#,
            400,
            "invalid_request",
            "cancel_until: ",
        ),
        (
            PUT_A,
            r#"{"purchase_max":0}"#,
            400,
            "invalid_request",
            "purchase_max: 0",
        ),
        (
            PUT_A,
            r#"{"purchase_max":101}"#,
            400,
            "invalid_request",
            "1..=100",
        ),
        (
            PUT_A,
            r#"{"purchase_max":"2"}"#,
            400,
            "invalid_request",
            "purchase_max: ",
        ),
        (
            PUT_A,
            r#"{"purchase_max":2.0}"#,
            400,
            "invalid_request",
            "purchase_max: ",
        ),
        (
            PUT_A,
            r#"{"hold":"15"}"#,
            400,
            "invalid_request",
            "hold: write it like 15m",
        ),
        (
            PUT_A,
            r#"{"hold":"1ms"}"#,
            400,
            "invalid_request",
            "hold: it must be from 1s",
        ),
        (PUT_A, r#"{"hold":900}"#, 400, "invalid_request", "hold: "),
        (PUT_A, r#"{"feed":"on"}"#, 400, "invalid_request", "feed: "),
        (
            PUT_A,
            r#"{"keyword":"a b"}"#,
            400,
            "invalid_request",
            "keyword: the keyword must be 1 to 64 bytes",
        ),
        (
            PUT_A,
            r#"{"keyword":7}"#,
            400,
            "invalid_request",
            "keyword: it must be a text",
        ),
        (
            PUT_A,
            r#"{"keyword":"k","picture":"ftp://a"}"#,
            400,
            "invalid_request",
            "picture: ",
        ),
        (
            PUT_A,
            r#"{"keyword":"k","place":"a\nb"}"#,
            400,
            "invalid_request",
            "place: ",
        ),
        (
            PUT_A,
            r#"{"keyword":"k","description":"\u0000"}"#,
            400,
            "invalid_request",
            "description: ",
        ),
        (
            PUT_A,
            r#"{"keyword":"k","starts_at":"soon"}"#,
            400,
            "invalid_request",
            "starts_at: ",
        ),
        (
            PUT_A,
            r#"{"keyword":"k"}"#,
            409,
            "sold_elsewhere",
            "has granted orders",
        ),
        (
            "/admin/sales/b",
            r#"{"kind":"list","keyword":"k","purchase_max":2}"#,
            409,
            "one_ticket_each",
            "one ticket",
        ),
        (
            "/admin/sales/b",
            r#"{"kind":"list","keyword":"k","hold":"15m"}"#,
            409,
            "hold_and_keyword",
            "an activity with a hold",
        ),
        (
            PUT_A,
            r#"{"place":"x"}"#,
            409,
            "not_an_activity",
            "is no activity",
        ),
        (
            "/admin/sales/b",
            r#"{"kind":"list","keyword":"k","starts_at":2,"ends_at":1}"#,
            409,
            "ends_before_start",
            "would end before it starts",
        ),
        (
            "/admin/sales/b",
            r#"{"kind":"list","keyword":"k","closes_at":2,"ends_at":1}"#,
            409,
            "ends_before_closing",
            "let booking close (closes_at)",
        ),
    ] {
        let reply = operator.json("PUT", path, body).await;
        assert_refused(&reply, status, code, words);
    }
    for change in ["pause", "resume"] {
        let reply = operator.post(&format!("/admin/sales/b/{change}")).await;
        assert_refused(&reply, 404, "no_such_sale", "there is no sale b");
        let path = format!("/admin/sales/a/{change}?x=1");
        let reply = operator.post(&path).await;
        assert_refused(&reply, 400, "invalid_request", "there is no parameter");
    }
    let form = "application/x-www-form-urlencoded";
    let reply = operator.send("PUT", PUT_A, form, b"kind=list").await;
    assert_refused(&reply, 415, "invalid_request", "application/json");
    let large = format!(r#"{{"title":"{}"}}"#, "x".repeat(1 << 20));
    let reply = operator.json("PUT", PUT_A, &large).await;
    assert_refused(&reply, 413, "invalid_request", "1048576");
    assert_eq!(world.dump().await, before, "something was changed");
    world.assert_holds(&sale_id("a")).await;
    app.stop().await;
}

#[tokio::test]
async fn an_activity_is_put_on_show_and_taken_off() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let body = r#"{"kind":"counter","keyword":"gala","place":"大礼堂","starts_at":5,"ends_at":"1970-01-01T00:00:06Z","closes_at":6,"picture":"https://a.example/b.png","description":"one\ntwo"}"#;
    let created = operator.json("PUT", PUT_A, body).await;
    assert_eq!(told(&created), (201, "created"), "{}", created.body);
    let expected = json!({
        "keyword": "gala", "place": "大礼堂", "starts_at": 5_000, "ends_at": 6_000,
        "picture": "https://a.example/b.png", "description": "one\ntwo",
    });
    let fields = expected.as_object().expect("fields");
    for (name, value) in fields {
        assert_eq!(&created.json()[name], value, "{name}");
    }
    let emptied = operator
        .json(
            "PUT",
            PUT_A,
            r#"{"picture":null,"place":"","starts_at":null}"#,
        )
        .await;
    assert_eq!(told(&emptied), (200, "updated"), "{}", emptied.body);
    let sale = emptied.json();
    let left = [&sale["picture"], &sale["place"], &sale["starts_at"]];
    assert_eq!(left, [&json!(""), &json!(""), &Value::Null]);
    for hide in [r#"{"keyword":null}"#, r#"{"keyword":""}"#] {
        let hidden = operator.json("PUT", PUT_A, hide).await;
        assert_eq!(told(&hidden), (200, "updated"), "{}", hidden.body);
        assert_eq!(hidden.json()["keyword"], Value::Null);
        assert_eq!(hidden.json()["description"], "one\ntwo");
    }
    // Operators see what is prepared, and nobody else does.
    let seen = app.buyer.get("/sales/a").await.json();
    assert_eq!(seen["goods"], "a");
    for name in fields.keys() {
        assert_eq!(seen.get(name), None, "{name}");
    }
    app.stop().await;
}

#[tokio::test]
async fn stock_comes_and_goes() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let id = world.sale("a", StockKind::List, 0).await;
    let counter = world.sale("b", StockKind::Counter, 0).await;
    for (path, body, expected) in [
        (
            STOCK_A,
            r#"{"count":3}"#,
            r#"{"added":3,"left":3,"sale":"a"}"#,
        ),
        (
            STOCK_A,
            r#"{"units":["座位 1","=2+2"]}"#,
            r#"{"added":2,"left":5,"sale":"a"}"#,
        ),
        (
            "/admin/sales/b/stock",
            r#"{"count":1000000000}"#,
            r#"{"added":1000000000,"left":1000000000,"sale":"b"}"#,
        ),
    ] {
        let reply = operator.json("POST", path, body).await;
        assert_eq!(told(&reply), (200, "added"), "{}", reply.body);
        assert_eq!(reply.body, expected);
        assert_eq!(reply.content_type, "application/json; charset=utf-8");
    }
    let lines = operator.lines(STOCK_A, "u 1\r\nu 2\nlast").await;
    assert_eq!(lines.body, r#"{"added":3,"left":8,"sale":"a"}"#);
    let removed = operator.json("POST", STOCK_A, r#"{"remove":4}"#).await;
    assert_eq!(told(&removed), (200, "removed"));
    assert_eq!(
        removed.body,
        r#"{"asked":4,"left":4,"removed":4,"sale":"a","units":["last","u 2","u 1","=2+2"]}"#
    );
    let path = "/admin/sales/b/stock";
    let removed = operator.json("POST", path, r#"{"remove":999999999}"#).await;
    assert_eq!(
        removed.body,
        r#"{"asked":999999999,"left":1,"removed":999999999,"sale":"b","units":[]}"#
    );
    world.assert_holds(&id).await;
    world.assert_holds(&counter).await;
    app.stop().await;
}

#[tokio::test]
async fn what_is_sold_cannot_be_removed() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let id = world.sale("a", StockKind::List, 5).await;
    assert_eq!(app.buyer.code("/seckill", "a", "x", "2").await, "grabbed");
    let refused = operator.json("POST", STOCK_A, r#"{"remove":4}"#).await;
    assert_refused(&refused, 409, "insufficient_stock", "3 units left");
    assert_eq!(refused.json()["left"], 3);
    assert_eq!(world.left(&id).await, 3, "nothing was removed");
    let removed = operator.json("POST", STOCK_A, r#"{"remove":3}"#).await;
    assert_eq!(removed.json()["removed"], 3);
    let refused = operator.json("POST", STOCK_A, r#"{"remove":1}"#).await;
    assert_eq!(refused.json()["left"], 0);
    world.assert_holds(&id).await;
    app.stop().await;
}

#[tokio::test]
async fn every_wrong_load_is_named_and_adds_nothing() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let list = world.sale("a", StockKind::List, 6_000).await;
    world.sale("b", StockKind::Counter, 5).await;
    let before = world.dump().await;
    let (b, nowhere) = ("/admin/sales/b/stock", "/admin/sales/nowhere/stock");
    for (path, body, status, code, words) in [
        (nowhere, r#"{"count":1}"#, 404, "no_such_sale", "nowhere"),
        (nowhere, r#"{"remove":1}"#, 404, "no_such_sale", "nowhere"),
        (
            nowhere,
            r#"{"units":["x"]}"#,
            404,
            "no_such_sale",
            "nowhere",
        ),
        (
            "/admin/sales/A/stock",
            r#"{"count":1}"#,
            400,
            "invalid_request",
            "id: ",
        ),
        (b, r#"{"units":["x"]}"#, 409, "needs_count", "give a count"),
        (
            b,
            r#"{"count":1000000000}"#,
            409,
            "limit_passed",
            "sale b can get 1000000000 units in all, also if some were removed",
        ),
        (
            STOCK_A,
            r#"{"count":1000001}"#,
            413,
            "invalid_request",
            "1000000 units",
        ),
        (
            STOCK_A,
            r#"{"count":0}"#,
            400,
            "invalid_request",
            "count: 0",
        ),
        (
            STOCK_A,
            r#"{"count":1000000001}"#,
            400,
            "invalid_request",
            "count: ",
        ),
        (
            STOCK_A,
            r#"{"count":-1}"#,
            400,
            "invalid_request",
            "count: it must be a whole number from 0, and is -1",
        ),
        (
            STOCK_A,
            r#"{"count":"1"}"#,
            400,
            "invalid_request",
            "count: it must be a number",
        ),
        (
            STOCK_A,
            r#"{"remove":[]}"#,
            400,
            "invalid_request",
            "remove: it must be a number",
        ),
        (
            "/admin/sales/a/stock?x=1",
            r#"{"count":1}"#,
            400,
            "invalid_request",
            "there is no parameter",
        ),
        (
            STOCK_A,
            r#"{"remove":0}"#,
            400,
            "invalid_request",
            "remove: 0",
        ),
        (
            STOCK_A,
            r#"{"remove":5001}"#,
            400,
            "invalid_request",
            "at most 5000",
        ),
        (
            STOCK_A,
            r#"{"units":[]}"#,
            400,
            "invalid_request",
            "units: there are none",
        ),
        (
            STOCK_A,
            r#"{"units":["x",""]}"#,
            400,
            "invalid_request",
            "units[1]: ",
        ),
        (
            STOCK_A,
            r#"{"units":["x\ny"]}"#,
            400,
            "invalid_request",
            "units[0]: ",
        ),
        (
            STOCK_A,
            r#"{"units":["x","y","x"]}"#,
            400,
            "invalid_request",
            "units[2]: \"x\" is units[0]",
        ),
        (
            STOCK_A,
            r#"{"units":["y",1]}"#,
            400,
            "invalid_request",
            "units[1]: it must be a text",
        ),
        (
            STOCK_A,
            r#"{"units":"x"}"#,
            400,
            "invalid_request",
            "units: it must be a list",
        ),
        (
            STOCK_A,
            r#"{"count":1,"remove":1}"#,
            400,
            "invalid_request",
            "one of",
        ),
        (STOCK_A, "{}", 400, "invalid_request", "one of"),
        (
            STOCK_A,
            r#"{"counts":1}"#,
            400,
            "invalid_request",
            "`counts`",
        ),
        (
            STOCK_A,
            r#"{"count":1,"count":1}"#,
            400,
            "invalid_request",
            "`count`",
        ),
        (STOCK_A, "", 400, "invalid_request", "the body"),
    ] {
        let reply = operator.json("POST", path, body).await;
        assert_refused(&reply, status, code, words);
    }
    for (lines, words) in [
        ("", "no units"),
        ("a\n\nb\n", "line 2: "),
        ("a\tb", "line 1: "),
        ("a\nb\na\n", "line 3: unit \"a\" stands in line 1"),
    ] {
        let reply = operator.lines(STOCK_A, lines).await;
        assert_refused(&reply, 400, "invalid_request", words);
        assert!(reply.body.contains("nothing was added"));
    }
    let wrong = format!("{}\t\n{}", "unit\n", "x\n".repeat(1 << 20));
    let reply = operator.lines(STOCK_A, &wrong).await;
    assert_refused(&reply, 400, "invalid_request", "line 2: ");
    let reply = operator.lines("/admin/sales/a/stock?x=1", "x\n").await;
    assert_refused(&reply, 400, "invalid_request", "there is no parameter");
    let reply = operator.lines("/admin/sales/b/stock", "x\n").await;
    assert_refused(&reply, 409, "needs_count", "give a count");
    for (media_type, packed) in [("", false), ("text/html", false), ("text/plain", true)] {
        let bearer = format!("Bearer {TOKEN}");
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("content-type", media_type),
        ];
        headers.extend(packed.then_some(("content-encoding", "gzip")));
        let reply = app.buyer.send("POST", STOCK_A, &headers, b"x\n".to_vec());
        assert_refused(&reply.await, 415, "invalid_request", "application/json");
    }
    assert_eq!(world.dump().await, before, "something was changed");
    world.assert_holds(&list).await;
    app.stop().await;
}

#[tokio::test]
async fn a_large_load_comes_as_lines() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let id = world.sale("a", StockKind::List, 0).await;
    let lines: String = (0..200_000).map(|n| format!("coupon-{n:07}\n")).collect();
    let reply = operator.lines(STOCK_A, &lines).await;
    assert_eq!(reply.body, r#"{"added":200000,"left":200000,"sale":"a"}"#);
    let reply = operator.lines(STOCK_A, &"x\n".repeat(1_000_001)).await;
    assert_refused(&reply, 413, "invalid_request", "nothing was added");
    world.assert_holds(&id).await;
    app.stop().await;
}

#[tokio::test]
async fn a_load_that_was_begun_goes_on_when_its_sender_is_gone() {
    const UNITS: u64 = 200_000;
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let id = world.sale("a", StockKind::List, 0).await;
    let lines: String = (0..UNITS).map(|n| format!("u{n}\n")).collect();
    let head = format!(
        "POST {STOCK_A} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: text/plain\r\ncontent-length: {}\r\n\r\n",
        lines.len()
    );
    let mut sender = TcpStream::connect(app.buyer.address())
        .await
        .expect("connected");
    let request = head + &lines;
    sender.write_all(request.as_bytes()).await.expect("written");
    let deadline = Instant::now() + PATIENCE;
    while world.left(&id).await == 0 {
        assert!(Instant::now() < deadline, "the load does not begin");
    }
    drop(sender);
    while world.left(&id).await < UNITS {
        assert!(
            Instant::now() < deadline,
            "{} are left",
            world.left(&id).await
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.assert_holds(&id).await;
    app.stop().await;
}

#[tokio::test]
async fn one_text_at_a_time_is_read() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let id = world.sale("a", StockKind::List, 0).await;
    let (mut added, mut round) = (0, 0);
    let deadline = Instant::now() + PATIENCE;
    let busy = loop {
        let lines = |name: &str| -> String {
            let lines = (0..50_000).map(|n| format!("{name}-{round}-{n}\n"));
            lines.collect()
        };
        let (first, second) = (lines("first"), lines("second"));
        let replies = tokio::join!(
            operator.lines(STOCK_A, &first),
            operator.lines(STOCK_A, &second)
        );
        let replies = [replies.0, replies.1];
        added += replies.iter().filter(|reply| reply.status == 200).count();
        if let Some(busy) = replies.iter().find(|reply| reply.status != 200) {
            break busy.clone();
        }
        assert!(Instant::now() < deadline, "both are read");
        round += 1;
    };
    assert_refused(&busy, 503, "busy", "another load");
    assert_eq!(busy.retry_after.as_deref(), Some("1"));
    assert!(added > 0, "one of them is read");
    assert_eq!(world.left(&id).await, added as u64 * 50_000);
    assert_eq!(operator.lines(STOCK_A, "next\n").await.result, "added");
    world.assert_holds(&id).await;
    app.stop().await;
}

#[tokio::test]
async fn an_audit_gives_its_verdict() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let id = world.sale("a", StockKind::List, 5).await;
    assert_eq!(app.buyer.code("/seckill", "a", "x", "2").await, "grabbed");
    let audit = |query: &str| {
        let (operator, path) = (operator.clone(), format!("/admin/sales/a/audit{query}"));
        async move { operator.get(&path).await }
    };
    for (query, deep) in [("", false), ("?deep=false", false), ("?deep=true", true)] {
        let reply = audit(query).await;
        assert_eq!(told(&reply), (200, "holds"), "{query}");
        let body = reply.json();
        assert_eq!(
            (&body["holds"], &body["deep"]),
            (&true.into(), &deep.into())
        );
        assert_eq!((&body["left"], &body["confirmed"]), (&3.into(), &2.into()));
        assert_eq!(body["violations"], json!([]));
    }
    for query in [
        "?deep=yes",
        "?deep",
        "?deep=true&deep=true",
        "?depth=1",
        "?deep=%",
    ] {
        assert_eq!(
            told(&audit(query).await),
            (400, "invalid_request"),
            "{query}"
        );
    }
    let nowhere = operator.get("/admin/sales/nowhere/audit?deep=true").await;
    assert_refused(&nowhere, 404, "no_such_sale", "nowhere");

    let stock = format!("{}{{a}}:stock:a", world.prefix);
    let _: i64 = world.run(&["RPUSH", &stock, "sn-1"]).await;
    let shallow = audit("").await;
    assert_eq!(told(&shallow), (200, "violated"));
    assert_eq!(shallow.json()["holds"], false);
    assert!(shallow.body.contains("1 too many"), "{}", shallow.body);
    let deep = audit("?deep=true").await;
    assert_eq!(told(&deep), (200, "violated"));
    assert!(deep.body.contains("in stock"), "{}", deep.body);
    let _: String = world.run(&["RPOP", &stock]).await;
    world.assert_holds(&id).await;
    app.stop().await;
}

#[tokio::test]
async fn a_sale_that_moves_is_not_judged() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let id = world.sale("a", StockKind::List, 20_000).await;
    let store = world.store.clone();
    let mover = tokio::spawn({
        let id = id.clone();
        async move {
            loop {
                store.stock_add_count(&id, 1).await.expect("added");
            }
        }
    });
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = operator.get("/admin/sales/a/audit?deep=true").await;
        if reply.status != 200 {
            assert_refused(&reply, 409, "refused", "moved while it was read");
            break;
        }
        assert!(Instant::now() < deadline, "{}", reply.body);
    }
    mover.abort();
    let _ = mover.await;
    app.stop().await;
}

#[tokio::test]
async fn without_redis_an_operator_is_told_to_wait() {
    let world = World::new().await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(RedisUrl::new("redis://127.0.0.1:1"));
        config.redis.timeout = Duration::from_millis(300);
    })
    .await;
    let operator = app.operator();
    for (method, path, body) in [
        ("PUT", PUT_A, r#"{"kind":"list"}"#),
        ("POST", STOCK_A, r#"{"count":1}"#),
        ("POST", STOCK_A, r#"{"remove":1}"#),
        ("POST", "/admin/sales/a/pause", ""),
        ("POST", "/admin/sales/a/resume", ""),
        ("GET", "/admin/sales/a/audit", ""),
        ("GET", "/admin/sales/a/audit?deep=true", ""),
        ("GET", "/admin/sales/a/orders", ""),
    ] {
        let reply = operator.json(method, path, body).await;
        assert_refused(&reply, 503, "busy", "cannot reach Redis");
        assert_eq!(reply.retry_after.as_deref(), Some("1"), "{path}");
    }
    app.stop().await;
}

/// A server in a process of its own, on the shared Redis.
async fn recorded(arguments: &[&str]) -> (ServerProcess, crate::support::process::Record) {
    let (url, prefix) = (shared_url(), format!("redis.prefix={}", new_prefix()));
    let mut all = vec!["--redis-url", url.expose(), "--set", &prefix];
    all.extend(arguments);
    ServerProcess::recorded(free_address(), &all).await
}

#[tokio::test]
async fn every_change_is_logged_with_who_and_what() {
    let token = format!("admin.token={TOKEN}");
    let (server, record) = recorded(&["--set", &token]).await;
    let operator = Operator::new(&server.buyer, TOKEN);
    for (method, path, body, line) in [
        (
            "PUT",
            PUT_A,
            r#"{"kind":"list","title":"\u202e春"}"#,
            r#"asked=kind list, title "\u{202e}春" became="created""#,
        ),
        (
            "PUT",
            PUT_A,
            r#"{"purchase_max":7}"#,
            r#"asked=purchase_max 7 became="updated""#,
        ),
        (
            "PUT",
            PUT_A,
            r#"{"opens_at":5,"closes_at":null,"hold":"15m","feed":false}"#,
            r#"asked=opens_at 1970-01-01T00:00:05Z, closes_at -, hold 15m, feed off became="updated""#,
        ),
        (
            "PUT",
            PUT_A,
            r#"{"kind":"counter"}"#,
            r#"asked=kind counter became="kind_is_fixed""#,
        ),
        ("POST", STOCK_A, r#"{"count":7}"#, "units added over HTTP"),
        (
            "POST",
            STOCK_A,
            r#"{"remove":6}"#,
            "units removed over HTTP",
        ),
        (
            "POST",
            "/admin/sales/a/pause",
            "",
            "asked=paused on became=\"paused\"",
        ),
        (
            "POST",
            "/admin/sales/a/resume",
            "",
            "asked=paused off became=\"resumed\"",
        ),
    ] {
        let before = record.logged().lines().count();
        operator.json(method, path, body).await;
        let logged = record.logged_after(before).await;
        for words in [line, " INFO ", "sale=a", "127.0.0.1:"] {
            assert!(logged.contains(words), "{words:?} is not in {logged}");
        }
        for dump in ["Some(", "Ok(", "Err(", "None", "SaleEdit"] {
            assert!(!logged.contains(dump), "{dump:?} is in {logged}");
        }
    }
    let looked = record.logged();
    for path in ["/admin/sales/a/audit", "/admin/sales/a/orders"] {
        assert_eq!(operator.get(path).await.status, 200);
    }
    assert_eq!(record.logged(), looked, "looking changes nothing");
    for text in [record.logged(), record.printed()] {
        assert!(!text.contains(TOKEN), "the token is shown: {text}");
        assert!(!text.contains("Authorization"), "{text}");
    }
}

#[tokio::test]
async fn a_server_without_a_token_makes_one_up_and_prints_a_line_that_works() {
    let mut tokens = Vec::new();
    for (arguments, status) in [(&[][..], 201), (&["--demo"], 200)] {
        let (server, record) = recorded(arguments).await;
        let printed = record.printed();
        let line = printed.lines().find(|line| line.contains("Authorization"));
        let words = shell_words(line.expect("a line"));
        let header = words
            .iter()
            .find_map(|word| word.strip_prefix("Authorization: "));
        let bearer = header.expect("a header").to_owned();
        let token = bearer
            .strip_prefix("Bearer ")
            .expect("a bearer token")
            .to_owned();
        assert!(token.len() * 4 >= 128, "{token} has too few bits");
        let url = words.last().expect("a URL");
        let path = url.strip_prefix(&format!("http://{}", server.address));
        let method = if words.contains(&"PUT".to_owned()) {
            "PUT"
        } else {
            "GET"
        };
        let body = words.iter().find(|word| word.starts_with('{'));
        let operator = Operator::new(&server.buyer, &token);
        let path = path.expect("a URL of this server");
        let reply = operator.json(method, path, body.map_or("", String::as_str));
        assert_eq!(reply.await.status, status, "{line:?}");
        assert!(!record.logged().contains(&token), "the log shows the token");
        tokens.push(token);
    }
    assert_ne!(tokens[0], tokens[1]);
}

/// The words of a line as a shell sees them: split at spaces, but not in single quotes.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, piece) in line.trim().split('\'').enumerate() {
        if place % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn a_token_that_nobody_could_send_stops_the_start() {
    for token in ["", "two words", "grün"] {
        let set = format!("admin.token={token}");
        let output = crate::support::process::seckill(&["serve", "--set", &set]);
        assert_eq!(output.status.code(), Some(2), "{token:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("admin.token") && said.contains("token: it"),
            "{said}"
        );
        assert!(token.is_empty() || !said.contains(token), "{said}");
    }
}

#[tokio::test]
async fn sales_of_the_door_sell() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let put = operator.json(
        "PUT",
        "/admin/sales/spring.tea",
        r#"{"kind":"list","hold":"15m"}"#,
    );
    assert_eq!(put.await.status, 201);
    let units = operator
        .lines("/admin/sales/spring.tea/stock", "u1\nu2\n")
        .await;
    assert_eq!(units.status, 200);
    let fields = [
        ("username", "x"),
        ("purchase", "2"),
        ("goods", "spring.tea"),
    ];
    let grabbed = app.buyer.form("/seckill", &fields).await;
    assert_eq!(grabbed.json()["units"], json!(["u1", "u2"]));
    let order = grabbed.order().expect("an order");
    let confirmed = operator.post(&format!("/orders/{order}/confirm")).await;
    assert_eq!(confirmed.result, "confirmed");
    let listed: Value = operator.get("/admin/sales/spring.tea/orders").await.json();
    assert_eq!(
        (&listed["order"], &listed["state"]),
        (&order.into(), &"confirmed".into())
    );
    world.assert_holds(&sale_id("spring.tea")).await;
    app.stop().await;
}
