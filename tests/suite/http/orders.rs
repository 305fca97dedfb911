//! The endpoints of one order: every code, byte by byte.

use std::time::{Duration, Instant};

use seckill::domain::ids::SaleId;
use seckill::domain::sale::{SaleEdit, StockKind};

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::Reply;
use crate::support::operator::{Operator, TOKEN};
use crate::support::process::{Record, ServerProcess, free_address};
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{World, shared_url};
use crate::support::terms::term_number;

const HOUR_MS: u64 = 3_600_000;
const ENGLISH: (&str, &str) = ("accept-language", "en");
const NOBODY: &str = "a-abcdfabcdfabcdfabcdf";

/// A sale that holds its orders, with a server.
struct Shop {
    world: World,
    app: TestApp,
    operator: Operator,
    sale: SaleId,
}

impl Shop {
    async fn open() -> Self {
        let world = World::new().await;
        let sale = world.sale("a", StockKind::List, 10).await;
        let app = TestApp::start(&world).await;
        let operator = app.operator();
        let shop = Self {
            world,
            app,
            operator,
            sale,
        };
        shop.hold(Some(HOUR_MS)).await;
        shop
    }

    async fn edit(&self, edit: SaleEdit) {
        let put = self.world.store.sale_put(&self.sale, &edit).await;
        put.expect("put");
    }

    async fn hold(&self, ms: Option<u64>) {
        self.edit(SaleEdit {
            hold: Some(ms.map(term_number)),
            ..SaleEdit::default()
        })
        .await;
    }

    /// Grabs two units, and returns the order's id.
    async fn grab(&self, username: &str) -> String {
        let fields = [("username", username), ("purchase", "2"), ("goods", "a")];
        let reply = self.app.buyer.form("/seckill", &fields).await;
        assert_eq!(reply.result, "grabbed", "{reply:?}");
        reply.order().expect("an order")
    }

    async fn post(&self, order: &str, change: &str) -> Reply {
        self.operator
            .post(&format!("/orders/{order}/{change}"))
            .await
    }

    async fn code(&self, order: &str, change: &str) -> (u16, String) {
        let reply = self.post(order, change).await;
        (reply.status, reply.result)
    }

    async fn cancel_as(&self, order: &str, username: &str) -> Reply {
        let path = format!("/orders/{order}/cancel");
        self.app.buyer.form(&path, &[("username", username)]).await
    }

    /// Waits until the server has ended the hold.
    async fn expire(&self, order: &str) {
        let deadline = Instant::now() + PATIENCE;
        let path = format!("/orders/{order}");
        while self.operator.get(&path).await.json()["state"] != "expired" {
            assert!(Instant::now() < deadline, "the order does not expire");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn close(self) {
        self.world.assert_holds(&self.sale).await;
        self.app.stop().await;
    }
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// The number in a field, which differs from run to run.
fn number(reply: &Reply, field: &str) -> u64 {
    reply.json()[field].as_u64().expect(field)
}

#[tokio::test]
async fn the_bytes_of_a_life_are_a_contract() {
    let shop = Shop::open().await;
    let order = shop.grab("爱丽丝").await;
    let seen = shop
        .app
        .buyer
        .get(&format!(
            "/orders/{order}?username=%E7%88%B1%E4%B8%BD%E4%B8%9D"
        ))
        .await;
    let (created, deadline) = (number(&seen, "created_at"), number(&seen, "deadline"));
    assert_eq!(deadline, created + HOUR_MS);
    let lines = r#""lines":[{"goods":"a","purchase":2,"units":["sn-1","sn-2"]}]}"#;
    let held = format!(
        r#"{{"order":"{order}","state":"held","username":"爱丽丝","created_at":{created},"deadline":{deadline},{lines}"#
    );
    let expected = |status, result: &str, body: String| Reply {
        status,
        result: result.to_owned(),
        retry_after: None,
        content_type: "application/json; charset=utf-8".to_owned(),
        body,
    };
    assert_eq!(seen, expected(200, "", held));
    let path = format!("/orders/{order}");
    assert_eq!(shop.operator.get(&path).await, seen, "an operator sees it");

    for (change, codes, messages, state) in [
        (
            "confirm",
            ["confirmed", "already_confirmed"],
            ["订单已确认。", "订单此前已经确认，请勿重复请求。"],
            "confirmed",
        ),
        (
            "use",
            ["used", "already_used"],
            ["订单已使用。", "订单此前已经使用。"],
            "used",
        ),
    ] {
        for (code, message) in codes.into_iter().zip(messages) {
            let reply = shop.post(&order, change).await;
            let changed = number(&reply, "changed_at");
            assert!(changed >= created);
            let body = format!(
                r#"{{"code":"{code}","message":"{message}","order":"{order}","state":"{state}","username":"爱丽丝","created_at":{created},"changed_at":{changed},{lines}"#
            );
            assert_eq!(reply, expected(200, code, body));
        }
    }
    let again = shop.post(&order, "confirm").await;
    assert_eq!(again.result, "already_confirmed");
    assert_eq!(again.json()["state"], "used", "a used order was confirmed");

    let other = shop.grab("bob").await;
    for (code, message) in [
        ("cancelled", "订单已取消。"),
        ("already_cancelled", "订单此前已经取消，请勿重复请求。"),
    ] {
        let reply = shop.cancel_as(&other, "bob").await;
        let (created, changed) = (number(&reply, "created_at"), number(&reply, "changed_at"));
        let body = format!(
            r#"{{"code":"{code}","message":"{message}","order":"{other}","state":"cancelled","username":"bob","created_at":{created},"changed_at":{changed},"lines":[{{"goods":"a","purchase":2,"units":["sn-3","sn-4"]}}]}}"#
        );
        assert_eq!(reply, expected(200, code, body));
    }
    shop.close().await;
}

#[tokio::test]
async fn counter_stock_has_no_units() {
    let shop = Shop::open().await;
    let sale = shop.world.sale("b", StockKind::Counter, 1).await;
    let fields = [("username", "x"), ("purchase", "1")];
    let order = shop.app.buyer.form("/incr", &fields).await.order();
    let path = format!("/orders/{}?username=x", order.expect("an order"));
    let line = serde_json::json!([{"goods": "b", "purchase": 1}]);
    assert_eq!(shop.app.buyer.get(&path).await.json()["lines"], line);
    shop.world.assert_holds(&sale).await;
    shop.close().await;
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    let shop = Shop::open().await;
    let refused = |code: &str, detail: &str, refund: bool| {
        let refund = if refund { r#","refund_due":true"# } else { "" };
        Reply {
            status: 409,
            result: code.to_owned(),
            retry_after: None,
            content_type: "application/problem+json".to_owned(),
            body: format!(
                r#"{{"status":409,"code":"{code}","title":"Conflict","detail":"{detail}"{refund}}}"#
            ),
        }
    };
    let order = shop.grab("x").await;
    assert_eq!(
        shop.post(&order, "use").await,
        refused("not_confirmed", "订单尚未确认。", false)
    );
    assert_eq!(shop.code(&order, "confirm").await, code(200, "confirmed"));
    assert_eq!(
        shop.post(&order, "cancel").await,
        refused("not_cancellable", "订单已确认，不能再取消。", false)
    );
    assert_eq!(shop.code(&order, "use").await, code(200, "used"));
    assert_eq!(
        shop.post(&order, "cancel").await,
        refused("used", "订单已使用。", false)
    );

    let order = shop.grab("y").await;
    assert_eq!(shop.code(&order, "cancel").await, code(200, "cancelled"));
    assert_eq!(
        shop.post(&order, "confirm").await,
        refused("cancelled", "订单已取消，应当退款。", true)
    );
    assert_eq!(
        shop.post(&order, "use").await,
        refused("cancelled", "订单已取消。", false)
    );

    shop.hold(Some(1_000)).await;
    let order = shop.grab("z").await;
    shop.expire(&order).await;
    assert_eq!(
        shop.post(&order, "confirm").await,
        refused("expired", "订单已过期，应当退款。", true)
    );
    for change in ["use", "cancel"] {
        assert_eq!(
            shop.post(&order, change).await,
            refused("expired", "订单已过期。", false),
            "{change}"
        );
    }

    // While the sale allows it, a confirmed order is taken back; the buyer may grab again.
    shop.hold(None).await;
    shop.edit(SaleEdit {
        cancel_until: Some(Some(99_999_999_999_999)),
        ..SaleEdit::default()
    })
    .await;
    let order = shop.grab("z").await;
    assert_eq!(shop.cancel_as(&order, "z").await.result, "cancelled");
    assert_ne!(shop.grab("z").await, order);
    shop.close().await;
}

#[tokio::test]
async fn who_may_not_see_an_order_cannot_tell_it_from_none() {
    let shop = Shop::open().await;
    let order = shop.grab("alice").await;
    let buyer = &shop.app.buyer;
    let nothing = buyer.get(&format!("/orders/{NOBODY}?username=bob")).await;
    assert_eq!(nothing.told(), (404, "no_such_order"));
    assert_eq!(
        nothing.body,
        r#"{"status":404,"code":"no_such_order","title":"Not Found","detail":"没有这个订单。"}"#
    );
    for path in [
        format!("/orders/{order}?username=bob"),
        format!("/orders/{order}?username=Alice"),
        "/orders/nothing?username=alice".to_owned(),
        "/orders/%ff%00?username=alice".to_owned(),
    ] {
        assert_eq!(buyer.get(&path).await, nothing, "{path}");
    }
    assert_eq!(shop.cancel_as(&order, "bob").await, nothing);
    assert_eq!(shop.cancel_as(NOBODY, "bob").await, nothing);
    assert_eq!(shop.cancel_as("nothing", "bob").await, nothing);
    for change in ["confirm", "cancel", "use"] {
        assert_eq!(shop.post(NOBODY, change).await, nothing, "{change}");
    }
    let path = format!("/orders/{order}?username=alice");
    assert_eq!(buyer.get(&path).await.json()["state"], "held");
    shop.close().await;
}

#[tokio::test]
async fn who_shows_nothing_is_asked_for_a_name_of_every_order() {
    let shop = Shop::open().await;
    let order = shop.grab("alice").await;
    let buyer = &shop.app.buyer;
    let path = format!("/orders/{order}/cancel");
    let english = [("accept-language", "en")];
    for (headers, words) in [
        (&[][..], "买家的 username"),
        (&english, "the buyer's username"),
    ] {
        let asked = buyer.send("POST", &path, headers, Vec::new()).await;
        assert_eq!(asked.told(), (401, "unauthorized"));
        let detail = asked.json()["detail"].to_string();
        assert!(detail.contains(words), "{detail}");
    }
    let asked = buyer.send("POST", &path, &[], Vec::new()).await;
    // The same for orders that exist and for others: a client does not learn which do.
    for path in [
        format!("/orders/{order}"),
        format!("/orders/{order}?user=alice"),
        format!("/orders/{NOBODY}"),
        "/orders/nothing".to_owned(),
        "/orders/%ff%00".to_owned(),
    ] {
        assert_eq!(buyer.get(&path).await, asked, "{path}");
    }
    for order in [NOBODY, "nothing"] {
        let path = format!("/orders/{order}/cancel");
        let reply = buyer.send("POST", &path, &[], Vec::new()).await;
        assert_eq!(reply, asked, "{path}");
    }
    shop.close().await;
}

#[tokio::test]
async fn a_token_is_right_or_refused_and_never_ignored() {
    let shop = Shop::open().await;
    let order = shop.grab("alice").await;
    let stranger = Operator::new(&shop.app.buyer, "wrong");
    // Who shows a wrong token is told so, not that the order does not exist.
    let path = format!("/orders/{order}?username=alice");
    assert_eq!(stranger.get(&path).await.result, "unauthorized");
    for change in ["confirm", "use", "cancel"] {
        let path = format!("/orders/{order}/{change}");
        let form = "application/x-www-form-urlencoded";
        let wrong = stranger.send("POST", &path, form, b"username=alice").await;
        assert_eq!(wrong.told(), (401, "unauthorized"));
        let none = shop.app.buyer.send("POST", &path, &[], Vec::new()).await;
        assert_eq!(none.told(), (401, "unauthorized"));
    }
    for change in ["confirm", "use"] {
        let path = format!("/orders/{order}/{change}");
        let buyer = shop.app.buyer.form(&path, &[("username", "alice")]).await;
        assert_eq!(
            buyer.result, "unauthorized",
            "a buyer may not {change} an order"
        );
    }
    // Proxies may use other schemes for themselves.
    let headers = [("authorization", "Basic eDp5")];
    let path = format!("/orders/{order}?username=alice");
    let seen = shop.app.buyer.send("GET", &path, &headers, Vec::new());
    assert_eq!(seen.await.json()["state"], "held");
    shop.close().await;
}

#[tokio::test]
async fn every_wrong_cancellation_is_named() {
    let shop = Shop::open().await;
    let order = shop.grab("alice").await;
    let path = format!("/orders/{order}/cancel");
    let (form, json) = ("application/x-www-form-urlencoded", "application/json");
    let long = "x".repeat(4097);
    for (media_type, body, status, named) in [
        (form, "user=alice", 400, "username"),
        (form, "username=", 400, "username"),
        (form, "username=a&username=a", 400, "username"),
        (form, "username=%", 400, "percent"),
        (form, "username=%ff", 400, "UTF-8"),
        (form, &long, 413, "4096"),
        (json, "{}", 400, "username"),
        (json, "{", 400, "JSON"),
        (json, r#"{"username":7}"#, 400, "username"),
        ("text/plain", "alice", 415, "application/json"),
    ] {
        let headers = [("content-type", media_type), ENGLISH];
        let reply = shop.app.buyer.send("POST", &path, &headers, body.into());
        let reply = reply.await;
        assert_eq!(reply.told(), (status, "invalid_request"), "{body}");
        assert_eq!(reply.content_type, "application/problem+json");
        let detail = reply.json()["detail"].clone();
        assert!(detail.to_string().contains(named), "{body}: {detail}");
    }
    for query in ["username=%", "username=a&username=a", "username="] {
        let path = format!("/orders/{order}?{query}");
        let reply = shop.app.buyer.get(&path).await;
        assert_eq!(reply.told(), (400, "invalid_request"), "{query}");
    }
    let reply = shop.app.buyer.json(&path, r#"{"username":"alice"}"#).await;
    assert_eq!(reply.result, "cancelled");
    shop.close().await;
}

#[tokio::test]
async fn messages_come_in_english_too() {
    let shop = Shop::open().await;
    let order = shop.grab("alice").await;
    let bearer = format!("Bearer {TOKEN}");
    for (change, field, words) in [
        ("use", "detail", "not confirmed yet"),
        ("confirm", "message", "is confirmed"),
        ("confirm", "message", "was confirmed before"),
        ("cancel", "detail", "cannot be cancelled"),
        ("use", "message", "is used"),
        ("use", "message", "was used before"),
        ("cancel", "detail", "is used"),
    ] {
        let headers = [("authorization", bearer.as_str()), ENGLISH];
        let path = format!("/orders/{order}/{change}");
        let reply = shop.app.buyer.send("POST", &path, &headers, Vec::new());
        let said = reply.await.json()[field].clone();
        assert!(
            said.as_str().is_some_and(|said| said.contains(words)),
            "{said}"
        );
    }
    let path = format!("/orders/{NOBODY}?username=x");
    let reply = shop.app.buyer.send("GET", &path, &[ENGLISH], Vec::new());
    assert_eq!(reply.await.json()["detail"], "There is no such order.");
    shop.close().await;
}

#[tokio::test]
async fn without_redis_nothing_is_said_of_an_order() {
    let world = World::new().await;
    let app = TestApp::without_redis(&world).await;
    for (method, change) in [
        ("GET", ""),
        ("POST", "/confirm"),
        ("POST", "/cancel"),
        ("POST", "/use"),
    ] {
        let path = format!("/orders/{NOBODY}{change}");
        let reply = app.operator().send(method, &path, "", b"").await;
        assert_eq!(reply.told(), (503, "busy"), "{path}");
        assert_eq!(reply.retry_after.as_deref(), Some("1"));
    }
    app.stop().await;
}

#[tokio::test]
async fn an_unanswered_change_is_unknown_and_the_repeat_settles_it() {
    let world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 5).await;
    let proxy = Proxy::to_shared_redis().await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(proxy.url());
        config.redis.timeout = Duration::from_millis(400);
        config.http.workers = 1;
    })
    .await;
    let operator = app.operator();
    let mut unknown = 0;
    for buyer in 0..5 {
        let order = world.granted(&sale, &format!("u{buyer}"), 1).await;
        let path = format!("/orders/{order}/confirm");
        let told = tokio::join!(operator.post(&path), async {
            // Somewhere between the read and the reply of the script.
            tokio::time::sleep(Duration::from_millis(1)).await;
            proxy.set(Fault::SwallowReply);
        });
        let told = told.0;
        proxy.set(Fault::None);
        proxy.close_all().await;
        let codes = ["confirmed", "busy", "unknown"];
        assert!(codes.contains(&told.result.as_str()), "{told:?}");
        if told.result == "unknown" {
            unknown += 1;
            assert_eq!((told.status, told.retry_after.as_deref()), (503, Some("1")));
        }
        // Again, until the connections are new.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let again = operator.post(&path).await;
            if again.status == 200 {
                break;
            }
            assert!(Instant::now() < deadline, "{again:?}");
        }
    }
    println!("{unknown} of 5 were unknown");
    assert_eq!(world.confirmed(&sale).await, 5);
    world.assert_holds(&sale).await;
    app.stop().await;
}

#[tokio::test]
async fn buyers_are_not_told_where_redis_is_or_what_a_broken_record_says() {
    let shop = Shop::open().await;
    let order = shop.grab("x").await;
    let mut world = World::at(shared_url()).await;
    world.use_prefix(&shop.world.prefix);
    let orders = world.store.keys().orders("a");
    let kept: String = world.run(&["HGET", &orders, &order]).await;
    let _: i64 = world.run(&["HSET", &orders, &order, "sn-secret"]).await;
    let path = format!("/orders/{order}");
    let told = shop.app.buyer.get(&format!("{path}?username=y")).await;
    assert_eq!(told.told(), (500, "unreadable"));
    assert!(!told.body.contains("sn-secret"), "{}", told.body);
    let operator = shop.operator.get(&path).await;
    assert_eq!(operator.result, "unreadable");
    assert!(operator.body.contains("sn-secret"), "{}", operator.body);
    let _: i64 = world.run(&["HSET", &orders, &order, &kept]).await;
    shop.close().await;

    let app = TestApp::without_redis(&World::new().await).await;
    let told = app.buyer.get(&format!("/orders/{NOBODY}?username=x")).await;
    assert_eq!(told.told(), (503, "busy"));
    assert!(!told.body.contains("127.0.0.1"), "{}", told.body);
    app.stop().await;
}

/// What was logged so far of operators' changes.
fn changes(record: &Record) -> Vec<String> {
    let logged = record.logged();
    let lines = logged
        .lines()
        .filter(|line| line.contains("change of an order"));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn what_operators_do_to_orders_is_logged() {
    let world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 10).await;
    let arguments = world.arguments(&[&format!("admin.token={TOKEN}")]);
    let (server, record) = ServerProcess::recorded(free_address(), &arguments).await;
    let operator = Operator::new(&server.buyer, TOKEN);
    let [sold, back] = [
        world.granted(&sale, "x", 2).await,
        world.granted(&sale, "y", 2).await,
    ];
    for (order, change, became) in [
        (&sold, "confirm", "asked=Confirm became=\"confirmed\""),
        (&sold, "use", "asked=Use became=\"used\""),
        (&sold, "cancel", "asked=Cancel became=\"used\""),
        (&back, "cancel", "asked=Cancel became=\"cancelled\""),
        (&back, "cancel", "asked=Cancel became=\"already_cancelled\""),
    ] {
        let before = changes(&record).len();
        operator.post(&format!("/orders/{order}/{change}")).await;
        let deadline = Instant::now() + PATIENCE;
        while changes(&record).len() == before {
            assert!(Instant::now() < deadline, "{change} is not logged");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let line = changes(&record).pop().expect("a line");
        for words in [became, order.as_str(), " INFO ", "who=\"127.0.0.1:"] {
            assert!(line.contains(words), "{words:?} is not in {line}");
        }
    }
    let logged = changes(&record).len();
    let own = world.granted(&sale, "z", 1).await;
    let path = format!("/orders/{own}/cancel");
    let reply = server.buyer.form(&path, &[("username", "z")]).await;
    assert_eq!(reply.result, "cancelled");
    operator.get(&format!("/orders/{own}")).await;
    assert_eq!(changes(&record).len(), logged, "buyers are not operators");
    assert!(!record.logged().contains(TOKEN), "the log shows the token");
    world.assert_holds(&sale).await;
}
