//! Every wrong input gets its code; none is a 500, a panic or a closed door for the next one.

use proptest::prelude::*;
use seckill::domain::sale::StockKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::redis::World;
use crate::support::table::rows;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

/// Form, answer, words of its message. Each character is sent as one byte.
const WRONG_FORMS: &str = r#"
    ""                                     400 invalid_request   username
    username=x                             400 invalid_request   purchase
    purchase=1                             400 invalid_request   username
    username=x&username=y&purchase=1       400 invalid_request   username
    username=x&purchase=1&purchase=1       400 invalid_request   purchase
    username=x&purchase=1&goods=a&goods=a  400 invalid_request   goods
    username=&purchase=1                   400 invalid_request   username
    username=LONG_NAME&purchase=1          400 invalid_request   username
    username=x%00&purchase=1               400 invalid_request   username
    username=x%0A&purchase=1               400 invalid_request   username
    username=%C2%85&purchase=1             400 invalid_request   username
    username=%&purchase=1                  400 invalid_request   百分号
    username=%4&purchase=1                 400 invalid_request   百分号
    username=%GG&purchase=1                400 invalid_request   百分号
    username=ÿ&purchase=1                  400 invalid_request   UTF-8
    username=%FF&purchase=1                400 invalid_request   UTF-8
    username=%ED%A0%80&purchase=1          400 invalid_request   UTF-8
    username=x&purchase=1&goods=           400 invalid_request   goods
    username=x&purchase=1&goods=%7Ba%7D    400 invalid_request   goods
    username=x&purchase=1&goods=a+b        400 invalid_request   goods
    username=x&purchase=1&goods=LONG_SALE  400 invalid_request   goods
    username=x&purchase=                   400 invalid_purchase  数量
    username=x&purchase=01                 400 invalid_purchase  数量
    username=x&purchase=+1                 400 invalid_purchase  数量
    username=x&purchase=%EF%BC%91          400 invalid_purchase  数量
"#;

#[tokio::test]
async fn every_wrong_form_is_named() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let id = world.sale("a", StockKind::List, 5).await;
    for row in rows(WRONG_FORMS) {
        let [form, told, words] = row.cells();
        let form = form.replace("LONG_NAME", &"x".repeat(129));
        let form = form.replace("LONG_SALE", &"a".repeat(500));
        let bytes: Result<Vec<u8>, _> = form.chars().map(u8::try_from).collect();
        let bytes = bytes.expect("one byte each");
        for path in ["/seckill", "/incr"] {
            let reply = app.buyer.raw_form(path, &bytes).await;
            reply.assert_told(told);
            let message = reply.json()["message"].to_string();
            assert!(message.contains(words), "{path}: {message}");
        }
    }
    assert_eq!(world.left(&id).await, 5);
    let next = app.buyer.code("/seckill", "a", "x", "1").await;
    assert_eq!(next, "grabbed", "the door is still open");
    app.stop().await;
}

/// Body, answer.
const WRONG_JSON: &str = r#"
    ""                                                   400 invalid_request
    null                                                 400 invalid_request
    []                                                   400 invalid_request
    "\"x\""                                              400 invalid_request
    {                                                    400 invalid_request
    {}                                                   400 invalid_request
    {"username":"x","purchase":1}}                       400 invalid_request
    {"username":"x" "purchase":1}                        400 invalid_request
    {"username":"x","username":"y","purchase":1}         400 invalid_request
    {"username":7,"purchase":1}                          400 invalid_request
    {"username":["x"],"purchase":1}                      400 invalid_request
    {"username":null,"purchase":1}                       400 invalid_request
    {"username":"\ud800","purchase":1}                   400 invalid_request
    {"username":"x\u0000","purchase":1}                  400 invalid_request
    {"username":"x","purchase":true}                     400 invalid_request
    {"username":"x","purchase":{}}                       400 invalid_request
    {"username":"x","purchase":1,"goods":7}              400 invalid_request
    {"username":"x","purchase":1,"goods":"A"}            400 invalid_request
    {"username":"x","purchase":1,"x":DEEP}               400 invalid_request
    {"username":"x","purchase":0}                        400 invalid_purchase
    {"username":"x","purchase":1.0}                      400 invalid_purchase
    {"username":"x","purchase":-1}                       400 invalid_purchase
    {"username":"x","purchase":1e400}                    400 invalid_request
    {"username":"x","purchase":99999999999999999999999}  400 invalid_purchase
"#;

#[tokio::test]
async fn every_wrong_json_is_named() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    world.sale("a", StockKind::List, 5).await;
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    for row in rows(WRONG_JSON) {
        let [body, told] = row.cells();
        let body = body.replace("DEEP", &deep);
        app.buyer.json("/seckill", &body).await.assert_told(told);
    }
    app.stop().await;
}

/// Method, path, right values in the order of the fields.
const LISTS: &str = r#"
    POST  /seckill              ["y",1,"a"]
    POST  /incr                 ["y",1,"b"]
    POST  /bids                 ["y","loan",9,"r"]
    POST  /orders               ["y","r",[{"goods":"a","purchase":1}]]
    POST  /orders               {"username":"y","request_id":"r","lines":[["a",1]]}
    POST  CANCEL                ["x"]
    PUT   /admin/sales/a        ["list","Tea"]
    POST  /admin/sales/a/stock  [5,null,null]
    PUT   /admin/accounts/p/x   [5]
"#;

/// Serde takes a list for the object, if it may.
#[tokio::test]
async fn a_list_is_no_object_at_any_door() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let sale = world.sale("a", StockKind::List, 5).await;
    world.sale("b", StockKind::Counter, 5).await;
    world.target("loan", 100, &terms(1, 0)).await;
    let cancel = format!("/orders/{}/cancel", world.granted(&sale, "x", 1).await);
    let before = world.dump().await;
    for row in rows(LISTS) {
        let [method, path, body] = row.cells();
        let path = path.replace("CANCEL", &cancel);
        let reply = if path.starts_with("/admin") {
            app.operator().json(method, &path, body).await
        } else {
            app.buyer.json(&path, body).await
        };
        reply.assert_told("400 invalid_request");
        assert!(reply.body.contains("object"), "{}", reply.body);
    }
    assert_eq!(world.dump().await, before);
    app.stop().await;
}

#[tokio::test]
async fn wrong_media_types_and_sizes_are_named() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    world.sale("a", StockKind::List, 5).await;
    let good = b"username=x&purchase=1".to_vec();
    for headers in [
        vec![],
        vec![("content-type", "text/plain")],
        vec![("content-type", "multipart/form-data; boundary=x")],
        vec![("content-type", "application/jsonx")],
        vec![("content-type", "")],
        vec![FORM, ("content-encoding", "gzip")],
    ] {
        let reply = app
            .buyer
            .send("POST", "/seckill", &headers, good.clone())
            .await;
        assert_eq!(reply.told(), (415, "invalid_request"), "{headers:?}");
    }
    for bytes in [4097, 1 << 20] {
        let reply = app
            .buyer
            .send("POST", "/seckill", &[FORM], vec![b'x'; bytes])
            .await;
        assert_eq!(reply.told(), (413, "invalid_request"), "{bytes}");
    }
    for media_type in [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "Application/X-WWW-Form-Urlencoded",
    ] {
        let headers = [("content-type", media_type)];
        let reply = app
            .buyer
            .send("POST", "/seckill", &headers, good.clone())
            .await;
        assert!(reply.result.ends_with("grabbed"), "{media_type}: {reply:?}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_broken_connection_harms_nobody() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let id = world.sale("a", StockKind::List, 5).await;
    let address = app.buyer.address();
    for sent in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"POST /seckill HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\nusername=x",
        b"POST /seckill HTTP/9.9\r\n\r\n",
        b"POST /seckill HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /seckill HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(sent).await.expect("written");
        stream.shutdown().await.expect("half closed");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    assert_eq!(world.left(&id).await, 5);
    assert_eq!(app.buyer.code("/seckill", "a", "x", "1").await, "grabbed");
    app.stop().await;
}

/// Every door where somebody without a token may send anything.
const DOORS: [(&str, (&str, &str)); 9] = [
    ("/seckill", FORM),
    ("/seckill", JSON),
    ("/incr", FORM),
    ("/incr", JSON),
    ("/bids", FORM),
    ("/bids", JSON),
    ("/orders", JSON),
    ("/orders/a-aaaaaaaaaaaaaaaaaaaa/cancel", FORM),
    ("/orders/a-aaaaaaaaaaaaaaaaaaaa/cancel", JSON),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_are_a_500(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let world = World::new().await;
            let app = TestApp::start(&world).await;
            for (path, media_type) in DOORS {
                for body in &bodies {
                    let reply = app.buyer.send("POST", path, &[media_type], body.clone()).await;
                    prop_assert_eq!(reply.status, 400, "{} {:?}: {:?}", path, body, reply);
                    prop_assert_eq!(&reply.result, "invalid_request");
                }
            }
            app.stop().await;
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_wrong_request_is_counted_as_what_it_is_told() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    world.target("p", 100, &terms(20, 0)).await;
    let bid = "username=x&goods=p&request_id=r&amount=";
    for (path, body, code) in [
        ("/seckill", "username=x&purchase=0", "invalid_purchase"),
        ("/incr", "username=x&purchase=a", "invalid_purchase"),
        ("/incr", "purchase=1", "invalid_request"),
        ("/bids", &format!("{bid}1.5"), "invalid_amount"),
        ("/bids", &format!("{bid}19"), "invalid_amount"),
        ("/bids", "username=x", "invalid_request"),
    ] {
        let reply = app.buyer.raw_form(path, body.as_bytes()).await;
        assert_eq!(reply.result, code, "{path} {body}");
    }
    let nothing = app.buyer.place("x", "r", &[("a", 0)]).await;
    assert_eq!(nothing.json()["code"], "invalid_purchase");
    let broken = app.buyer.json("/orders", "{").await;
    assert_eq!(broken.json()["code"], "invalid_request");
    let metrics = app.buyer.get("/metrics").await.body;
    for line in [
        r#"seckill_attempts_total{by="server",outcome="invalid_purchase"} 2"#,
        r#"seckill_attempts_total{by="server",outcome="invalid_request"} 1"#,
        r#"seckill_bids_total{outcome="invalid_amount"} 2"#,
        r#"seckill_bids_total{outcome="invalid_request"} 1"#,
        r#"seckill_placements_total{outcome="invalid_purchase"} 1"#,
        r#"seckill_placements_total{outcome="invalid_request"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    app.stop().await;
}
