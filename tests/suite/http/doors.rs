//! `POST /seckill` and `POST /incr`: the whole table of answers.

use seckill::domain::sale::{SaleEdit, StockKind};

use crate::support::app::TestApp;
use crate::support::buyer::Reply;
use crate::support::redis::{World, sale_id};
use crate::support::terms::term_number;

const DOORS: [(&str, StockKind); 2] =
    [("/seckill", StockKind::List), ("/incr", StockKind::Counter)];

/// User, quantity, expected code.
type Ask = (&'static str, &'static str, &'static str);

fn edit() -> SaleEdit {
    SaleEdit::default()
}

#[tokio::test]
async fn the_bytes_of_every_answer_are_a_contract() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let buyer = &app.buyer;
    world.sale("a", StockKind::List, 3).await;
    world.sale("b", StockKind::Counter, 1).await;
    let ask = |path, body: &'static str| async move { buyer.raw_form(path, body.as_bytes()).await };

    let first = ask("/seckill", "username=x&purchase=2").await;
    let order = first.order().expect("an order");
    let units = r#""units":["sn-1","sn-2"]}"#;
    let body = format!(
        r#"{{"code":"grabbed","message":"恭喜您，您已抢到。","goods":"a","purchase":2,"order":"{order}",{units}"#
    );
    let expected = |status, result: &str, body: &str| Reply {
        status,
        result: result.to_owned(),
        retry_after: None,
        content_type: "application/json; charset=utf-8".to_owned(),
        body: body.to_owned(),
    };
    assert_eq!(first, expected(200, "grabbed", &body));
    let body = format!(
        r#"{{"code":"already_grabbed","message":"您已经抢到了，请勿重复请求。","goods":"a","purchase":2,"order":"{order}",{units}"#
    );
    assert_eq!(
        ask("/seckill", "username=x&purchase=1").await,
        expected(200, "already_grabbed", &body)
    );

    let counted = ask("/incr", "username=x&purchase=1").await;
    let order = counted.order().expect("an order");
    let body = format!(
        r#"{{"code":"grabbed","message":"恭喜您，您已抢到。","goods":"b","purchase":1,"order":"{order}"}}"#
    );
    assert_eq!(counted, expected(200, "grabbed", &body));

    for (path, body, status, answer) in [
        (
            "/seckill",
            "username=y&purchase=2",
            200,
            r#"{"code":"insufficient_stock","message":"不好意思，库存不足了，请减少数量再次请求。","goods":"a"}"#,
        ),
        (
            "/incr",
            "username=y&purchase=1",
            200,
            r#"{"code":"sold_out","message":"很遗憾，抢购已经结束。","goods":"b"}"#,
        ),
        (
            "/seckill",
            "username=y&purchase=3",
            400,
            r#"{"code":"invalid_purchase","message":"对不起，请选择正确的抢购数量！","goods":"a"}"#,
        ),
        (
            "/seckill",
            "username=y&purchase=x",
            400,
            r#"{"code":"invalid_purchase","message":"对不起，请选择正确的抢购数量！","goods":"a"}"#,
        ),
        (
            "/seckill",
            "username=y&purchase=1&goods=c",
            404,
            r#"{"code":"no_such_sale","message":"没有这个抢购。","goods":"c"}"#,
        ),
        (
            "/seckill",
            "username=y&purchase=1&goods=b",
            409,
            r#"{"code":"wrong_door","message":"该抢购不支持这种方式。","goods":"b"}"#,
        ),
        (
            "/incr",
            "username=y&purchase=1&goods=a",
            409,
            r#"{"code":"wrong_door","message":"该抢购不支持这种方式。","goods":"a"}"#,
        ),
        (
            "/seckill",
            "purchase=1",
            400,
            r#"{"code":"invalid_request","message":"缺少字段 username。","goods":"a"}"#,
        ),
    ] {
        let code = answer.split('"').nth(3).expect("a code");
        assert_eq!(
            ask(path, body).await,
            expected(status, code, answer),
            "{path} {body}"
        );
    }
    // Each state in a sale of its own: a closed gate may answer for one probe after a change.
    let later = SaleEdit {
        opens_at: Some(Some(99_999_999_999_999)),
        ..edit()
    };
    for (goods, edit, code, message) in [
        (
            "d1",
            SaleEdit {
                paused: Some(true),
                ..edit()
            },
            "paused",
            "抢购暂停中。",
        ),
        ("d2", later, "not_started", "抢购尚未开始。"),
        (
            "d3",
            SaleEdit {
                closes_at: Some(Some(1)),
                ..edit()
            },
            "ended",
            "抢购已经结束。",
        ),
    ] {
        let id = world.sale(goods, StockKind::List, 1).await;
        world.put(&id, &edit).await;
        let body = format!("username=y&purchase=1&goods={goods}");
        let got = buyer.raw_form("/seckill", body.as_bytes()).await;
        let answer = format!(r#"{{"code":"{code}","message":"{message}","goods":"{goods}"}}"#);
        assert_eq!(got, expected(200, code, &answer));
    }
    app.stop().await;
}

#[tokio::test]
async fn clients_choose_language_and_form() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    world.sale("a", StockKind::List, 0).await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let (english, plain) = (
        ("accept-language", "en-GB,en;q=0.9"),
        ("accept", "text/plain"),
    );
    for (headers, content_type, body) in [
        (
            vec![form, english],
            "application/json; charset=utf-8",
            r#"{"code":"sold_out","message":"Sorry, everything is sold out.","goods":"a"}"#,
        ),
        (
            vec![form, plain],
            "text/plain; charset=utf-8",
            "很遗憾，抢购已经结束。",
        ),
        (
            vec![form, plain, english],
            "text/plain; charset=utf-8",
            "Sorry, everything is sold out.",
        ),
    ] {
        let sent = b"username=x&purchase=1".to_vec();
        let reply = app.buyer.send("POST", "/seckill", &headers, sent).await;
        assert_eq!(
            (reply.content_type.as_str(), reply.body.as_str()),
            (content_type, body)
        );
        assert_eq!((reply.status, reply.result.as_str()), (200, "sold_out"));
    }
    let headers = [form, plain, english];
    let reply = app
        .buyer
        .send("POST", "/seckill", &headers, b"purchase=1".to_vec())
        .await;
    assert_eq!(reply.body, "The field username is missing.");
    app.stop().await;
}

#[tokio::test]
async fn strict_status_turns_refusals_into_4xx() {
    let world = World::new().await;
    let app = TestApp::with(&world, |config| config.http.strict_status = true).await;
    let later = SaleEdit {
        opens_at: Some(Some(99_999_999_999_999)),
        ..edit()
    };
    let sales = [
        ("a", 1, edit()),
        ("empty", 0, edit()),
        (
            "paused",
            1,
            SaleEdit {
                paused: Some(true),
                ..edit()
            },
        ),
        ("later", 1, later),
        (
            "over",
            1,
            SaleEdit {
                closes_at: Some(Some(1)),
                ..edit()
            },
        ),
    ];
    for (id, stock, change) in sales {
        let id = world.sale(id, StockKind::Counter, stock).await;
        if change != edit() {
            world.put(&id, &change).await;
        }
    }
    for (goods, purchase, status, code) in [
        ("a", "2", 409, "insufficient_stock"),
        ("a", "1", 200, "grabbed"),
        ("a", "1", 409, "already_grabbed"),
        ("empty", "1", 410, "sold_out"),
        ("over", "1", 410, "ended"),
        ("later", "1", 425, "not_started"),
        ("paused", "1", 425, "paused"),
        ("nowhere", "1", 404, "no_such_sale"),
        ("a", "0", 400, "invalid_purchase"),
    ] {
        let fields = [("username", "x"), ("purchase", purchase), ("goods", goods)];
        let reply = app.buyer.form("/incr", &fields).await;
        assert_eq!(
            (reply.status, reply.result.as_str()),
            (status, code),
            "{goods} {purchase}"
        );
    }
    app.stop().await;
}

/// The vectors that systems of this kind fail: stock, then asks and expected answers.
#[tokio::test]
async fn the_vectors_of_the_field() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let vectors: [(&str, u64, &[Ask], u64); 7] = [
        ("last-unit", 1, &[("x", "1", "grabbed")], 0),
        ("one-for-two", 1, &[("x", "2", "insufficient_stock")], 1),
        (
            "last-two",
            2,
            &[("x", "2", "grabbed"), ("y", "1", "sold_out")],
            0,
        ),
        (
            "three",
            3,
            &[
                ("x", "2", "grabbed"),
                ("y", "2", "insufficient_stock"),
                ("z", "1", "grabbed"),
                ("y", "2", "sold_out"),
            ],
            0,
        ),
        (
            "never-stocked",
            0,
            &[("x", "1", "sold_out"), ("x", "2", "sold_out")],
            0,
        ),
        (
            "bad-after-success",
            5,
            &[
                ("x", "1", "grabbed"),
                ("x", "3", "invalid_purchase"),
                ("x", "0", "invalid_purchase"),
                ("x", "2", "already_grabbed"),
            ],
            4,
        ),
        (
            "already-wins",
            1,
            &[
                ("x", "1", "grabbed"),
                ("x", "2", "already_grabbed"),
                ("x", "1", "already_grabbed"),
            ],
            0,
        ),
    ];
    for (path, kind) in DOORS {
        for (name, stock, asks, left) in vectors {
            let goods = format!("{}.{name}", kind.as_str());
            let id = world.sale(&goods, kind, stock).await;
            for (user, purchase, code) in asks {
                let got = app.buyer.code(path, &goods, user, purchase).await;
                assert_eq!(got, *code, "{goods}: {user} asks {purchase}");
            }
            assert_eq!(world.left(&id).await, left, "{goods}");
            world.assert_holds(&id).await;
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn a_name_is_taken_as_it_is() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let id = world.sale("a", StockKind::List, 20).await;
    let longest = "名".repeat(42) + "ab";
    let names = [
        "x", "X", " x", "x ", "秒杀", "🦀", "e\u{301}", "é", "{a}", "a:b", "%41", "+", &longest,
    ];
    for name in names {
        assert_eq!(
            app.buyer.code("/seckill", "a", name, "1").await,
            "grabbed",
            "{name:?}"
        );
    }
    for name in names {
        let json = serde_json::json!({"username": name, "purchase": "2", "goods": "a"}).to_string();
        let again = app.buyer.json("/seckill", &json).await;
        assert_eq!(
            again.result, "already_grabbed",
            "{name:?} by JSON is the same buyer"
        );
    }
    world.assert_holds(&id).await;
    app.stop().await;
}

#[tokio::test]
async fn a_sale_may_allow_more_than_two() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let id = world.sale("spring.tea", StockKind::List, 100).await;
    let wider = SaleEdit {
        purchase_max: Some(term_number(100)),
        ..edit()
    };
    world.put(&id, &wider).await;
    assert_eq!(
        app.buyer.code("/seckill", "spring.tea", "x", "101").await,
        "invalid_purchase"
    );
    assert_eq!(
        app.buyer.code("/seckill", "spring.tea", "x", "100").await,
        "grabbed"
    );
    assert!(
        world
            .store
            .sale_snapshot(&sale_id("a"))
            .await
            .expect("read")
            .is_none()
    );
    world.assert_holds(&id).await;
    app.stop().await;
}
