//! Targets at the operators' endpoints, the accounts of their event, and what both show of bids.

use seckill::config::RedisUrl;
use seckill::domain::sale::StockKind;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::buyer::Reply;
use crate::support::redis::{World, sale_id};

const ALICE: &str = "/admin/accounts/p2p/alice";
const STRANGE: &str = "/admin/accounts/p2p/a+b%2Fc%20%E7%A7%92%25";

fn told(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.result.as_str())
}

#[tokio::test]
async fn a_balance_is_stated_and_shown() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let loan = world.target("p2p.loan", 1000, &terms(1, 100)).await;
    for (path, balance, user, first) in [
        (ALICE, 500, "alice", true),
        (ALICE, 500, "alice", false),
        (ALICE, 300, "alice", false),
        (STRANGE, 7, "a+b/c 秒%", false),
        ("/admin/accounts/p2p/none", 0, "none", false),
    ] {
        let stated = format!(r#"{{"balance":{balance}}}"#);
        let reply = operator.json("PUT", path, &stated).await;
        assert_eq!(told(&reply), (200, "set"), "{path}: {}", reply.body);
        assert_eq!(reply.content_type, "application/json; charset=utf-8");
        let shown = json!({
            "username": user, "balance": balance, "paid_in": balance, "first_of_event": first,
        });
        assert_eq!(reply.json(), shown, "{path}");
        assert_eq!(world.balance("p2p", user).await, Some(balance));
    }
    let bid = app.buyer.bid("alice", "r", "p2p.loan", 200).await;
    assert_eq!(bid.result, "bid_accepted");
    // 300 - 200 + a bonus of 2 are 102; 8 more are paid in.
    let reply = operator.json("PUT", ALICE, r#"{"balance":110}"#).await;
    let shown = json!({
        "username": "alice", "balance": 110, "paid_in": 308, "first_of_event": false,
    });
    assert_eq!(reply.json(), shown);
    world.assert_holds(&loan).await;
    app.stop().await;
}

#[tokio::test]
async fn every_wrong_account_is_named_and_changes_nothing() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    world.target("p2p.loan", 1000, &terms(1, 0)).await;
    world.set_accounts("p2p", &[("alice", 600)]).await;
    app.buyer.bid("alice", "r", "p2p.loan", 500).await;
    let before = world.dump().await;
    let (one, most) = (r#"{"balance":1}"#, r#"{"balance":100000000000000}"#);
    let long = format!("/admin/accounts/p2p/{}", "x".repeat(129));
    for (path, body, status, code, words) in [
        ("/admin/accounts/P/x", one, 400, "invalid_request", "event:"),
        (
            "/admin/accounts/p.x/x",
            one,
            400,
            "invalid_request",
            "event:",
        ),
        (&long, one, 400, "invalid_request", "user: the username"),
        (
            "/admin/accounts/p/a%09",
            one,
            400,
            "invalid_request",
            "user:",
        ),
        (
            "/admin/accounts/p/a%ff",
            one,
            400,
            "invalid_request",
            "UTF-8",
        ),
        (ALICE, "", 400, "invalid_request", "JSON object"),
        (ALICE, "[1]", 400, "invalid_request", "JSON object"),
        (
            "/admin/accounts/p/x?x=1",
            one,
            400,
            "invalid_request",
            "\"x\"",
        ),
        (ALICE, "{}", 400, "invalid_request", "\"balance: it must be"),
        (
            ALICE,
            r#"{"balance":null}"#,
            400,
            "invalid_request",
            "\"balance: it must be",
        ),
        (
            ALICE,
            r#"{"balance":-1}"#,
            400,
            "invalid_request",
            "\"balance: it must be a whole number from 0, and is -1",
        ),
        (
            ALICE,
            r#"{"balance":1.5}"#,
            400,
            "invalid_request",
            "and is 1.5",
        ),
        (
            ALICE,
            r#"{"balance":"1"}"#,
            400,
            "invalid_request",
            "\"balance: it must be a number",
        ),
        (
            ALICE,
            r#"{"balance":1,"x":1}"#,
            400,
            "invalid_request",
            "`x`",
        ),
        (
            ALICE,
            r#"{"balance":100000000000001}"#,
            400,
            "invalid_request",
            "balance: ",
        ),
        (ALICE, most, 409, "limit_passed", "alice"),
    ] {
        let reply = operator.json("PUT", path, body).await;
        assert_eq!(
            told(&reply),
            (status, code),
            "{path} {body}: {}",
            reply.body
        );
        assert_eq!(reply.content_type, "application/problem+json");
        let detail = reply.json()["detail"].to_string().replace('\\', "");
        assert!(detail.contains(words), "{path} {body}: {detail}");
    }
    let form = operator.send("PUT", ALICE, "text/plain", one.as_bytes());
    assert_eq!(told(&form.await), (415, "invalid_request"));
    assert_eq!(world.dump().await, before, "something was changed");
    app.stop().await;

    let nowhere = TestApp::with(&world, |config| {
        config.redis.url = Some(RedisUrl::new("redis://127.0.0.1:1"));
    });
    let nowhere = nowhere.await;
    let reply = nowhere.operator().json("PUT", ALICE, one).await;
    assert_eq!(told(&reply), (503, "busy"));
    assert_eq!(reply.retry_after.as_deref(), Some("1"));
    nowhere.stop().await;
}

#[tokio::test]
async fn a_target_of_the_door_takes_bids_and_shows_them() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let put = async |body: &str| operator.json("PUT", "/admin/sales/p2p.loan", body).await;
    let stock = async |body: &str| {
        let path = "/admin/sales/p2p.loan/stock";
        operator.json("POST", path, body).await
    };
    let created = put(r#"{"kind":"target","bid_min":50,"bonus_bp":100}"#).await;
    assert_eq!(told(&created), (201, "created"), "{}", created.body);
    assert_eq!(created.json()["bid_min"], 50);
    assert_eq!(created.json()["bonus_bp"], 100);
    assert_eq!(created.json().get("purchase_max"), None);
    for (body, status, code, words) in [
        (r#"{"bid_min":0}"#, 400, "invalid_request", "bid_min: 0"),
        (r#"{"bid_min":null}"#, 400, "invalid_request", "bid_min: "),
        (r#"{"bonus_bp":10001}"#, 400, "invalid_request", "10001"),
        (r#"{"hold":null}"#, 200, "updated", "\"bid_min\":50"),
        (r#"{"hold":"5m"}"#, 409, "not_of_this_kind", "for targets"),
        (r#"{"purchase_max":1}"#, 409, "not_of_this_kind", "p2p.loan"),
    ] {
        let reply = put(body).await;
        assert_eq!(told(&reply), (status, code), "{body}: {}", reply.body);
        assert!(reply.body.contains(words), "{body}: {}", reply.body);
    }
    let added = stock(r#"{"count":5000000000}"#).await;
    assert_eq!(told(&added), (200, "added"), "{}", added.body);
    let removed = stock(r#"{"remove":4999990000}"#).await;
    assert_eq!(removed.json()["left"], 10_000, "{}", removed.body);
    let short = stock(r#"{"remove":10001}"#).await;
    assert_eq!(told(&short), (409, "insufficient_stock"));
    assert!(short.body.contains("10000 cents left"), "{}", short.body);
    let units = stock(r#"{"units":["x"]}"#).await;
    assert_eq!(told(&units), (409, "needs_count"));
    let passed = stock(r#"{"count":99999999999999}"#).await;
    assert_eq!(told(&passed), (409, "limit_passed"));
    let words = "sale p2p.loan can get 100000000000000 cents in all, also if some were removed";
    assert!(passed.body.contains(words), "{}", passed.body);

    let order = app.buyer.bid("x", "r", "p2p.loan", 5000).await.order();
    let order = order.expect("an order");
    let line = json!([{"goods": "p2p.loan", "requested": 5000, "accepted": 5000, "bonus": 50}]);
    let shown = operator.get(&format!("/orders/{order}")).await;
    assert_eq!(shown.json()["lines"], line);
    let listed = operator.get("/admin/sales/p2p.loan/orders").await;
    assert_eq!(listed.json()["lines"], line);
    let csv = operator
        .get("/admin/sales/p2p.loan/orders?format=csv")
        .await;
    assert!(
        csv.body
            .ends_with(",r,p2p.loan,5000,,5000,50,false,false\r\n"),
        "{}",
        csv.body
    );
    let used = operator.post(&format!("/orders/{order}/use")).await;
    assert_eq!(told(&used), (409, "not_usable"));
    let fixed = put(r#"{"bonus_bp":0}"#).await;
    assert_eq!(told(&fixed), (409, "terms_are_fixed"));
    let cancel = operator.post(&format!("/orders/{order}/cancel")).await;
    assert_eq!(told(&cancel), (409, "not_cancellable"));
    put(r#"{"cancel_until":4102444800}"#).await;
    let fields = [("username", "x")];
    let path = format!("/orders/{order}/cancel");
    let cancelled = app.buyer.form(&path, &fields).await;
    assert_eq!(told(&cancelled), (200, "cancelled"), "{}", cancelled.body);
    assert_eq!(cancelled.json()["lines"], line);
    let audit = operator.get("/admin/sales/p2p.loan/audit?deep=true").await;
    assert_eq!(told(&audit), (200, "holds"), "{}", audit.body);
    app.stop().await;
}

#[tokio::test]
async fn buyers_see_the_terms_of_a_target() {
    let world = World::new().await;
    let loan = world.target("p2p.loan", 700, &terms(50, 25)).await;
    world.sale("p2p.tea", StockKind::Counter, 1).await;
    assert_eq!(loan, sale_id("p2p.loan"));
    let app = TestApp::start(&world).await;
    let mut sales = app.buyer.get("/sales").await.json()["sales"].take();
    for sale in sales.as_array_mut().expect("a list") {
        let sale = sale.as_object_mut().expect("fields");
        sale.remove("server_time");
        sale.remove("remaining_at");
    }
    let expected = json!([
        {
            "goods": "p2p.loan", "title": "", "kind": "target", "phase": "open",
            "remaining": 700, "opens_at": null, "closes_at": null, "bid_min": 50,
            "bonus_bp": 25, "hold": null,
        },
        {
            "goods": "p2p.tea", "title": "", "kind": "counter", "phase": "open",
            "remaining": 1, "opens_at": null, "closes_at": null, "purchase_max": 2,
            "hold": null,
        },
    ]);
    assert_eq!(sales, expected);
    app.stop().await;
}
