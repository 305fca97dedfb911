//! Targets at the operators' door, the accounts of their event, and what both show of bids.

use seckill::domain::sale::StockKind;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::buyer::Reply;
use crate::support::operator::Operator;
use crate::support::redis::{World, sale_id};
use crate::support::table::rows;

const ALICE: &str = "/admin/accounts/p2p/alice";
const STRANGE: &str = "/admin/accounts/p2p/a+b%2Fc%20%E7%A7%92%25";

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
        assert_eq!(reply.told(), (200, "set"), "{path}: {}", reply.body);
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

/// Account, body, answer, words of its sentence in quotes.
const WRONG_ACCOUNTS: &str = r#"
    P/x            {"balance":1}                400 invalid_request  event:
    p.x/x          {"balance":1}                400 invalid_request  event:
    p2p/LONG_NAME  {"balance":1}                400 invalid_request  user: the username
    p/a%09         {"balance":1}                400 invalid_request  user:
    p/a%ff         {"balance":1}                400 invalid_request  UTF-8
    p2p/alice      ""                           400 invalid_request  JSON object
    p2p/alice      [1]                          400 invalid_request  JSON object
    p/x?x=1        {"balance":1}                400 invalid_request  "\"x\""
    p2p/alice      {}                           400 invalid_request  "\"balance: it must be"
    p2p/alice      {"balance":null}             400 invalid_request  "\"balance: it must be"
    p2p/alice      {"balance":-1}               400 invalid_request  \
        "\"balance: it must be a whole number from 0, and is -1"
    p2p/alice      {"balance":1.5}              400 invalid_request  and is 1.5
    p2p/alice      {"balance":"1"}              400 invalid_request  \
        "\"balance: it must be a number"
    p2p/alice      {"balance":1,"x":1}          400 invalid_request  `x`
    p2p/alice      {"balance":100000000000001}  400 invalid_request  "balance: "
    p2p/alice      {"balance":100000000000000}  409 limit_passed     alice
"#;

#[tokio::test]
async fn every_wrong_account_is_named_and_changes_nothing() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    world.target("p2p.loan", 1000, &terms(1, 0)).await;
    world.set_accounts("p2p", &[("alice", 600)]).await;
    app.buyer.bid("alice", "r", "p2p.loan", 500).await;
    let before = world.dump().await;
    for row in rows(WRONG_ACCOUNTS) {
        let [account, body, told, words] = row.cells();
        let account = account.replace("LONG_NAME", &"x".repeat(129));
        let path = format!("/admin/accounts/{account}");
        let reply = operator.json("PUT", &path, body).await;
        reply.assert_problem(told, "");
        let detail = reply.json()["detail"].to_string().replace('\\', "");
        assert!(detail.contains(words), "{detail}");
    }
    let one = r#"{"balance":1}"#;
    let form = operator.send("PUT", ALICE, "text/plain", one.as_bytes());
    assert_eq!(form.await.told(), (415, "invalid_request"));
    assert_eq!(world.dump().await, before, "something was changed");
    app.stop().await;

    let nowhere = TestApp::without_redis(&world).await;
    let reply = nowhere.operator().json("PUT", ALICE, one).await;
    assert_eq!(reply.told(), (503, "busy"));
    assert_eq!(reply.retry_after.as_deref(), Some("1"));
    nowhere.stop().await;
}

/// A target that operators put up at the door.
struct Loan {
    app: TestApp,
    operator: Operator,
}

/// Terms of the target, answer, words of its body.
const TERMS: &str = r#"
    {"bid_min":0}       400 invalid_request   bid_min: 0
    {"bid_min":null}    400 invalid_request   "bid_min: "
    {"bonus_bp":10001}  400 invalid_request   10001
    {"hold":null}       200 updated           "\"bid_min\":50"
    {"hold":"5m"}       409 not_of_this_kind  for targets
    {"purchase_max":1}  409 not_of_this_kind  p2p.loan
"#;

impl Loan {
    async fn put(&self, body: &str) -> Reply {
        let path = "/admin/sales/p2p.loan";
        self.operator.json("PUT", path, body).await
    }

    async fn stock(&self, body: &str) -> Reply {
        let path = "/admin/sales/p2p.loan/stock";
        self.operator.json("POST", path, body).await
    }

    async fn is_put_with_its_terms(&self) {
        let created = self
            .put(r#"{"kind":"target","bid_min":50,"bonus_bp":100}"#)
            .await;
        created.assert_told("201 created");
        assert_eq!(created.json()["bid_min"], 50);
        assert_eq!(created.json()["bonus_bp"], 100);
        assert_eq!(created.json().get("purchase_max"), None);
        for row in rows(TERMS) {
            let [body, told, words] = row.cells();
            let reply = self.put(body).await;
            reply.assert_told(told);
            assert!(reply.body.contains(words), "{}", reply.body);
        }
    }

    async fn is_stocked_with_cents(&self) {
        let added = self.stock(r#"{"count":5000000000}"#).await;
        assert_eq!(added.told(), (200, "added"), "{}", added.body);
        let removed = self.stock(r#"{"remove":4999990000}"#).await;
        assert_eq!(removed.json()["left"], 10_000, "{}", removed.body);
        let short = self.stock(r#"{"remove":10001}"#).await;
        assert_eq!(short.told(), (409, "insufficient_stock"));
        assert!(short.body.contains("10000 cents left"), "{}", short.body);
        let units = self.stock(r#"{"units":["x"]}"#).await;
        assert_eq!(units.told(), (409, "needs_count"));
        let passed = self.stock(r#"{"count":99999999999999}"#).await;
        assert_eq!(passed.told(), (409, "limit_passed"));
        let words = "sale p2p.loan can get 100000000000000 cents in all, also if some were removed";
        assert!(passed.body.contains(words), "{}", passed.body);
    }

    async fn shows_a_bid(&self, order: &str) {
        let shown = self.operator.get(&format!("/orders/{order}")).await;
        assert_eq!(shown.json()["lines"], lines());
        let listed = self.operator.get("/admin/sales/p2p.loan/orders").await;
        assert_eq!(listed.json()["lines"], lines());
        let csv = self
            .operator
            .get("/admin/sales/p2p.loan/orders?format=csv")
            .await;
        assert!(
            csv.body
                .ends_with(",r,p2p.loan,5000,,5000,50,false,false\r\n"),
            "{}",
            csv.body
        );
    }

    async fn is_fixed_by_a_bid(&self, order: &str) {
        let used = self.operator.post(&format!("/orders/{order}/use")).await;
        assert_eq!(used.told(), (409, "not_usable"));
        let fixed = self.put(r#"{"bonus_bp":0}"#).await;
        assert_eq!(fixed.told(), (409, "terms_are_fixed"));
        let cancel = self.operator.post(&format!("/orders/{order}/cancel")).await;
        assert_eq!(cancel.told(), (409, "not_cancellable"));
    }

    async fn gives_a_bid_back(&self, order: &str) {
        self.put(r#"{"cancel_until":4102444800}"#).await;
        let fields = [("username", "x")];
        let path = format!("/orders/{order}/cancel");
        let cancelled = self.app.buyer.form(&path, &fields).await;
        assert_eq!(cancelled.told(), (200, "cancelled"), "{}", cancelled.body);
        assert_eq!(cancelled.json()["lines"], lines());
        let audit = self
            .operator
            .get("/admin/sales/p2p.loan/audit?deep=true")
            .await;
        audit.assert_told("200 holds");
    }
}

#[tokio::test]
async fn a_target_of_the_door_takes_bids_and_shows_them() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let loan = Loan { app, operator };
    loan.is_put_with_its_terms().await;
    loan.is_stocked_with_cents().await;
    let bid = loan.app.buyer.bid("x", "r", "p2p.loan", 5000).await;
    let order = bid.order().expect("an order");
    loan.shows_a_bid(&order).await;
    loan.is_fixed_by_a_bid(&order).await;
    loan.gives_a_bid_back(&order).await;
    loan.app.stop().await;
}

/// The lines of the bid, as everybody sees them.
fn lines() -> Value {
    json!([{"goods": "p2p.loan", "requested": 5000, "accepted": 5000, "bonus": 50}])
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
