//! `POST /admin/sales/…/stock`: units that come and go, and every wrong load.

use std::time::{Duration, Instant};

use seckill::domain::sale::StockKind;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::STOCK_A;
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::operator::TOKEN;
use crate::support::redis::World;
use crate::support::table::rows;

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
        assert_eq!(reply.told(), (200, "added"), "{}", reply.body);
        assert_eq!(reply.body, expected);
        assert_eq!(reply.content_type, "application/json; charset=utf-8");
    }
    let lines = operator.lines(STOCK_A, "u 1\r\nu 2\nlast").await;
    assert_eq!(lines.body, r#"{"added":3,"left":8,"sale":"a"}"#);
    let removed = operator.json("POST", STOCK_A, r#"{"remove":4}"#).await;
    assert_eq!(removed.told(), (200, "removed"));
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
    refused.assert_problem("409 insufficient_stock", "3 units left");
    assert_eq!(refused.json()["left"], 3);
    assert_eq!(world.left(&id).await, 3, "nothing was removed");
    let removed = operator.json("POST", STOCK_A, r#"{"remove":3}"#).await;
    assert_eq!(removed.json()["removed"], 3);
    let refused = operator.json("POST", STOCK_A, r#"{"remove":1}"#).await;
    assert_eq!(refused.json()["left"], 0);
    world.assert_holds(&id).await;
    app.stop().await;
}

/// Path below the sales, body, answer, words of its sentence. Sale a is a list, sale b counts.
const WRONG_LOADS: &str = r#"
    nowhere/stock  {"count":1}              404 no_such_sale     nowhere
    nowhere/stock  {"remove":1}             404 no_such_sale     nowhere
    nowhere/stock  {"units":["x"]}          404 no_such_sale     nowhere
    A/stock        {"count":1}              400 invalid_request  "id: "
    b/stock        {"units":["x"]}          409 needs_count      give a count
    b/stock        {"count":1000000000}     409 limit_passed  \
        sale b can get 1000000000 units in all, also if some were removed
    a/stock        {"count":1000001}        413 invalid_request  1000000 units
    a/stock        {"count":0}              400 invalid_request  count: 0
    a/stock        {"count":1000000001}     400 invalid_request  "count: "
    a/stock        {"count":-1}             400 invalid_request  \
        count: it must be a whole number from 0, and is -1
    a/stock        {"count":"1"}            400 invalid_request  count: it must be a number
    a/stock        {"remove":[]}            400 invalid_request  remove: it must be a number
    a/stock?x=1    {"count":1}              400 invalid_request  there is no parameter
    a/stock        {"remove":0}             400 invalid_request  remove: 0
    a/stock        {"remove":5001}          400 invalid_request  at most 5000
    a/stock        {"units":[]}             400 invalid_request  units: there are none
    a/stock        {"units":["x",""]}       400 invalid_request  "units[1]: "
    a/stock        {"units":["x\ny"]}       400 invalid_request  "units[0]: "
    a/stock        {"units":["x","y","x"]}  400 invalid_request  units[2]: "x" is units[0]
    a/stock        {"units":["y",1]}        400 invalid_request  units[1]: it must be a text
    a/stock        {"units":"x"}            400 invalid_request  units: it must be a list
    a/stock        {"count":1,"remove":1}   400 invalid_request  one of
    a/stock        {}                       400 invalid_request  one of
    a/stock        {"counts":1}             400 invalid_request  `counts`
    a/stock        {"count":1,"count":1}    400 invalid_request  `count`
    a/stock        ""                       400 invalid_request  the body
"#;

/// Lines for the list, words of the sentence.
const WRONG_LINES: &str = r#"
    ""           no units
    "a\n\nb\n"   "line 2: "
    "a\tb"       "line 1: "
    "a\nb\na\n"  line 3: unit "a" stands in line 1
"#;

#[tokio::test]
async fn every_wrong_load_is_named_and_adds_nothing() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let list = world.sale("a", StockKind::List, 6_000).await;
    world.sale("b", StockKind::Counter, 5).await;
    let before = world.dump().await;
    for row in rows(WRONG_LOADS) {
        let [path, body, told, words] = row.cells();
        let path = format!("/admin/sales/{path}");
        let reply = operator.json("POST", &path, body).await;
        reply.assert_problem(told, words);
    }
    for row in rows(WRONG_LINES) {
        let [lines, words] = row.cells();
        let reply = operator.lines(STOCK_A, lines).await;
        reply.assert_problem("400 invalid_request", words);
        assert!(reply.body.contains("nothing was added"));
    }
    let wrong = format!("{}\t\n{}", "unit\n", "x\n".repeat(1 << 20));
    let reply = operator.lines(STOCK_A, &wrong).await;
    reply.assert_problem("400 invalid_request", "line 2: ");
    let reply = operator.lines("/admin/sales/a/stock?x=1", "x\n").await;
    reply.assert_problem("400 invalid_request", "there is no parameter");
    let reply = operator.lines("/admin/sales/b/stock", "x\n").await;
    reply.assert_problem("409 needs_count", "give a count");
    for (media_type, packed) in [("", false), ("text/html", false), ("text/plain", true)] {
        let bearer = format!("Bearer {TOKEN}");
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("content-type", media_type),
        ];
        headers.extend(packed.then_some(("content-encoding", "gzip")));
        let reply = app.buyer.send("POST", STOCK_A, &headers, b"x\n".to_vec());
        reply
            .await
            .assert_problem("415 invalid_request", "application/json");
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
    reply.assert_problem("413 invalid_request", "nothing was added");
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
    busy.assert_problem("503 busy", "another load");
    assert_eq!(busy.retry_after.as_deref(), Some("1"));
    assert!(added > 0, "one of them is read");
    assert_eq!(world.left(&id).await, added as u64 * 50_000);
    assert_eq!(operator.lines(STOCK_A, "next\n").await.result, "added");
    world.assert_holds(&id).await;
    app.stop().await;
}
