//! Every wrong input gets its code. None causes a 500 or a panic, or blocks later requests.

use proptest::prelude::*;
use seckill::domain::sale::StockKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::redis::World;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn every_wrong_form_is_named() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let id = world.sale("a", StockKind::List, 5).await;
    let long_name = format!("username={}&purchase=1", "x".repeat(129));
    let long_sale = format!("username=x&purchase=1&goods={}", "a".repeat(500));
    let cases: [(&[u8], &str, &str); 25] = [
        (b"", "invalid_request", "username"),
        (b"username=x", "invalid_request", "purchase"),
        (b"purchase=1", "invalid_request", "username"),
        (
            b"username=x&username=y&purchase=1",
            "invalid_request",
            "username",
        ),
        (
            b"username=x&purchase=1&purchase=1",
            "invalid_request",
            "purchase",
        ),
        (
            b"username=x&purchase=1&goods=a&goods=a",
            "invalid_request",
            "goods",
        ),
        (b"username=&purchase=1", "invalid_request", "username"),
        (long_name.as_bytes(), "invalid_request", "username"),
        (b"username=x%00&purchase=1", "invalid_request", "username"),
        (b"username=x%0A&purchase=1", "invalid_request", "username"),
        (b"username=%C2%85&purchase=1", "invalid_request", "username"),
        (b"username=%&purchase=1", "invalid_request", "百分号"),
        (b"username=%4&purchase=1", "invalid_request", "百分号"),
        (b"username=%GG&purchase=1", "invalid_request", "百分号"),
        (b"username=\xff&purchase=1", "invalid_request", "UTF-8"),
        (b"username=%FF&purchase=1", "invalid_request", "UTF-8"),
        (b"username=%ED%A0%80&purchase=1", "invalid_request", "UTF-8"),
        (b"username=x&purchase=1&goods=", "invalid_request", "goods"),
        (
            b"username=x&purchase=1&goods=%7Ba%7D",
            "invalid_request",
            "goods",
        ),
        (
            b"username=x&purchase=1&goods=a+b",
            "invalid_request",
            "goods",
        ),
        (long_sale.as_bytes(), "invalid_request", "goods"),
        (b"username=x&purchase=", "invalid_purchase", "数量"),
        (b"username=x&purchase=01", "invalid_purchase", "数量"),
        (b"username=x&purchase=+1", "invalid_purchase", "数量"),
        (b"username=x&purchase=%EF%BC%91", "invalid_purchase", "数量"),
    ];
    let before = world.left(&id).await;
    for path in ["/seckill", "/incr"] {
        for (body, code, named) in cases {
            let shown = String::from_utf8_lossy(body);
            let reply = app.buyer.raw_form(path, body).await;
            assert_eq!(
                (reply.status, reply.result.as_str()),
                (400, code),
                "{path} {shown}"
            );
            let message = reply.json()["message"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(message.contains(named), "{path} {shown}: {message}");
        }
    }
    assert_eq!(world.left(&id).await, before);
    assert_eq!(
        app.buyer.code("/seckill", "a", "x", "1").await,
        "grabbed",
        "the endpoint still works"
    );
    app.stop().await;
}

#[tokio::test]
async fn every_wrong_json_is_named() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    world.sale("a", StockKind::List, 5).await;
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    let deep = format!(r#"{{"username":"x","purchase":1,"x":{deep}}}"#);
    for (body, code) in [
        ("", "invalid_request"),
        ("null", "invalid_request"),
        ("[]", "invalid_request"),
        ("\"x\"", "invalid_request"),
        ("{", "invalid_request"),
        ("{}", "invalid_request"),
        (r#"{"username":"x","purchase":1}}"#, "invalid_request"),
        (r#"{"username":"x" "purchase":1}"#, "invalid_request"),
        (
            r#"{"username":"x","username":"y","purchase":1}"#,
            "invalid_request",
        ),
        (r#"{"username":7,"purchase":1}"#, "invalid_request"),
        (r#"{"username":["x"],"purchase":1}"#, "invalid_request"),
        (r#"{"username":null,"purchase":1}"#, "invalid_request"),
        (r#"{"username":"\ud800","purchase":1}"#, "invalid_request"),
        (r#"{"username":"x\u0000","purchase":1}"#, "invalid_request"),
        (r#"{"username":"x","purchase":true}"#, "invalid_request"),
        (r#"{"username":"x","purchase":{}}"#, "invalid_request"),
        (
            r#"{"username":"x","purchase":1,"goods":7}"#,
            "invalid_request",
        ),
        (
            r#"{"username":"x","purchase":1,"goods":"A"}"#,
            "invalid_request",
        ),
        (deep.as_str(), "invalid_request"),
        (r#"{"username":"x","purchase":0}"#, "invalid_purchase"),
        (r#"{"username":"x","purchase":1.0}"#, "invalid_purchase"),
        (r#"{"username":"x","purchase":-1}"#, "invalid_purchase"),
        (r#"{"username":"x","purchase":1e400}"#, "invalid_request"),
        (
            r#"{"username":"x","purchase":99999999999999999999999}"#,
            "invalid_purchase",
        ),
    ] {
        let reply = app.buyer.json("/seckill", body).await;
        assert_eq!((reply.status, reply.result.as_str()), (400, code), "{body}");
    }
    app.stop().await;
}

/// Right values in the order of the fields: serde takes a list for the object, if it may.
#[tokio::test]
async fn a_list_is_no_object_at_any_door() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let sale = world.sale("a", StockKind::List, 5).await;
    world.sale("b", StockKind::Counter, 5).await;
    world.target("loan", 100, &terms(1, 0)).await;
    let cancel = format!("/orders/{}/cancel", world.granted(&sale, "x", 1).await);
    let before = world.dump().await;
    let (buyer, operator) = (&app.buyer, app.operator());
    for (reply, door) in [
        (buyer.json("/seckill", r#"["y",1,"a"]"#).await, "list"),
        (buyer.json("/incr", r#"["y",1,"b"]"#).await, "counter"),
        (buyer.json("/bids", r#"["y","loan",9,"r"]"#).await, "target"),
        (
            buyer
                .json("/orders", r#"["y","r",[{"goods":"a","purchase":1}]]"#)
                .await,
            "order",
        ),
        (
            buyer
                .json(
                    "/orders",
                    r#"{"username":"y","request_id":"r","lines":[["a",1]]}"#,
                )
                .await,
            "line of an order",
        ),
        (buyer.json(&cancel, r#"["x"]"#).await, "cancel"),
        (
            operator
                .json("PUT", "/admin/sales/a", r#"["list","Tea"]"#)
                .await,
            "sale",
        ),
        (
            operator
                .json("POST", "/admin/sales/a/stock", "[5,null,null]")
                .await,
            "stock",
        ),
        (
            operator.json("PUT", "/admin/accounts/p/x", "[5]").await,
            "account",
        ),
    ] {
        let told = (reply.status, reply.result.as_str());
        assert_eq!(told, (400, "invalid_request"), "{door}: {reply:?}");
        assert!(reply.body.contains("object"), "{door}: {}", reply.body);
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
        assert_eq!(
            (reply.status, reply.result.as_str()),
            (415, "invalid_request"),
            "{headers:?}"
        );
    }
    for bytes in [4097, 1 << 20] {
        let reply = app
            .buyer
            .send("POST", "/seckill", &[FORM], vec![b'x'; bytes])
            .await;
        assert_eq!(
            (reply.status, reply.result.as_str()),
            (413, "invalid_request"),
            "{bytes}"
        );
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

/// Every endpoint where a client without a token may send anything.
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
