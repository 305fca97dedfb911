//! `POST /seckill` and `POST /incr`: the whole table of answers.

use seckill::domain::sale::{SaleEdit, StockKind};

use crate::support::app::TestApp;
use crate::support::bids::FAR;
use crate::support::buyer::{Buyer, Reply};
use crate::support::orders::{closing, opening, paused};
use crate::support::redis::{World, sale_id};
use crate::support::table::rows;
use crate::support::terms::term_number;

const DOORS: [(&str, StockKind); 2] =
    [("/seckill", StockKind::List), ("/incr", StockKind::Counter)];

/// An answer of these bytes.
fn answer(told: &str, body: String) -> Reply {
    let (status, code) = told.split_once(' ').expect("status and code");
    Reply {
        status: status.parse().expect("a status"),
        result: code.to_owned(),
        retry_after: None,
        content_type: "application/json; charset=utf-8".to_owned(),
        body,
    }
}

/// The answer to who gets nothing.
fn refusal(told: &str, goods: &str, message: &str) -> Reply {
    let (_, code) = told.split_once(' ').expect("status and code");
    let body = format!(r#"{{"code":"{code}","message":"{message}","goods":"{goods}"}}"#);
    answer(told, body)
}

#[tokio::test]
async fn the_bytes_of_every_answer_are_a_contract() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    world.sale("a", StockKind::List, 3).await;
    world.sale("b", StockKind::Counter, 1).await;
    the_bytes_of_a_grant(&app.buyer).await;
    the_bytes_of_a_refusal(&app.buyer).await;
    the_bytes_of_a_phase(&world, &app.buyer).await;
    app.stop().await;
}

async fn the_bytes_of_a_grant(buyer: &Buyer) {
    let first = buyer.raw_form("/seckill", b"username=x&purchase=2").await;
    let order = first.order().expect("an order");
    let granted = |code: &str, message: &str| {
        let body = format!(
            r#"{{"code":"{code}","message":"{message}","goods":"a","purchase":2,"order":"{order}","units":["sn-1","sn-2"]}}"#
        );
        answer(&format!("200 {code}"), body)
    };
    assert_eq!(first, granted("grabbed", "恭喜您，您已抢到。"));
    let again = buyer.raw_form("/seckill", b"username=x&purchase=1").await;
    let message = "您已经抢到了，请勿重复请求。";
    assert_eq!(again, granted("already_grabbed", message));

    let counted = buyer.raw_form("/incr", b"username=x&purchase=1").await;
    let order = counted.order().expect("an order");
    let body = format!(
        r#"{{"code":"grabbed","message":"恭喜您，您已抢到。","goods":"b","purchase":1,"order":"{order}"}}"#
    );
    assert_eq!(counted, answer("200 grabbed", body));
}

/// Door, form, status and code, sale, message.
const REFUSALS: &str = "
    /seckill  username=y&purchase=2          200 insufficient_stock  a  不好意思，库存不足了，请减少数量再次请求。
    /incr     username=y&purchase=1          200 sold_out            b  很遗憾，抢购已经结束。
    /seckill  username=y&purchase=3          400 invalid_purchase    a  对不起，请选择正确的抢购数量！
    /seckill  username=y&purchase=x          400 invalid_purchase    a  对不起，请选择正确的抢购数量！
    /seckill  username=y&purchase=1&goods=c  404 no_such_sale        c  没有这个抢购。
    /seckill  username=y&purchase=1&goods=b  409 wrong_door          b  该抢购不支持这种方式。
    /incr     username=y&purchase=1&goods=a  409 wrong_door          a  该抢购不支持这种方式。
    /seckill  purchase=1                     400 invalid_request     a  缺少字段 username。
";

async fn the_bytes_of_a_refusal(buyer: &Buyer) {
    for row in rows(REFUSALS) {
        let [path, body, told, goods, message] = row.cells();
        let reply = buyer.raw_form(path, body.as_bytes()).await;
        assert_eq!(reply, refusal(told, goods, message));
    }
}

/// Each phase in a sale of its own: a closed gate may answer for one probe after a change.
async fn the_bytes_of_a_phase(world: &World, buyer: &Buyer) {
    for (goods, edit, code, message) in [
        ("d1", paused(true), "paused", "抢购暂停中。"),
        ("d2", opening(Some(FAR)), "not_started", "抢购尚未开始。"),
        ("d3", closing(Some(1)), "ended", "抢购已经结束。"),
    ] {
        let id = world.sale(goods, StockKind::List, 1).await;
        world.put(&id, &edit).await;
        let body = format!("username=y&purchase=1&goods={goods}");
        let reply = buyer.raw_form("/seckill", body.as_bytes()).await;
        assert_eq!(reply, refusal(&format!("200 {code}"), goods, message));
    }
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
        assert_eq!(reply.told(), (200, "sold_out"));
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
    let sales = [
        ("a", 1, None),
        ("empty", 0, None),
        ("paused", 1, Some(paused(true))),
        ("later", 1, Some(opening(Some(FAR)))),
        ("over", 1, Some(closing(Some(1)))),
    ];
    for (id, stock, change) in sales {
        let id = world.sale(id, StockKind::Counter, stock).await;
        if let Some(change) = change {
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
        assert_eq!(reply.told(), (status, code), "{goods} {purchase}");
    }
    app.stop().await;
}

/// The vectors that systems of this kind fail: name, stock, what is left, and who asks for how many
/// and is told what.
const VECTORS: &str = r"
    last-unit          1  0  x 1 grabbed
    one-for-two        1  1  x 2 insufficient_stock
    last-two           2  0  x 2 grabbed, y 1 sold_out
    three              3  0  x 2 grabbed, y 2 insufficient_stock, z 1 grabbed, y 2 sold_out
    never-stocked      0  0  x 1 sold_out, x 2 sold_out
    bad-after-success  5  4  \
        x 1 grabbed, x 3 invalid_purchase, x 0 invalid_purchase, x 2 already_grabbed
    already-wins       1  0  x 1 grabbed, x 2 already_grabbed, x 1 already_grabbed
";

#[tokio::test]
async fn the_vectors_of_the_field() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    for (path, kind) in DOORS {
        for row in rows(VECTORS) {
            let [name, stock, left, asks] = row.cells();
            let goods = format!("{}.{name}", kind.as_str());
            let id = world.sale(&goods, kind, number(stock)).await;
            for ask in asks.split(", ") {
                let [user, purchase, code] = ask.split(' ').collect::<Vec<_>>()[..] else {
                    panic!("{ask} is no ask");
                };
                let got = app.buyer.code(path, &goods, user, purchase).await;
                assert_eq!(got, code, "{goods}: {ask}");
            }
            assert_eq!(world.left(&id).await, number(left), "{goods}");
            world.assert_holds(&id).await;
        }
    }
    app.stop().await;
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
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
        ..SaleEdit::default()
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
