//! Money that operators put into accounts and take out of them, and balances that are set only if
//! they have the expected value.

use serde_json::json;

use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::buyer::Reply;
use crate::support::operator::{Operator, TOKEN};
use crate::support::process::{ServerProcess, free_address};
use crate::support::redis::{PrivateRedis, World};
use crate::support::table::rows;

const ALICE: &str = "/admin/accounts/p2p/alice";
const JSON: &str = "application/json; charset=utf-8";

/// Asks for a payment, out of the account when the cents are below 0.
async fn pay(operator: &Operator, account: &str, request: &str, cents: i64) -> Reply {
    let door = if cents < 0 { "withdraw" } else { "deposit" };
    let body = json!({"amount": cents.unsigned_abs(), "request_id": request}).to_string();
    operator
        .json("POST", &format!("{account}/{door}"), &body)
        .await
}

#[tokio::test]
async fn money_goes_in_and_out_once_for_each_request() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let loan = world.target("p2p.loan", 1000, &terms(1, 100)).await;
    let first = pay(&operator, ALICE, "r1", 500).await;
    assert_eq!(first.told(), (200, "deposited"), "{}", first.body);
    assert_eq!(first.content_type, JSON);
    let whole =
        r#"{"amount":500,"balance":500,"code":"deposited","request_id":"r1","username":"alice"}"#;
    assert_eq!(first.body, whole);
    let out = pay(&operator, ALICE, "r2", -120).await;
    assert_eq!(out.told(), (200, "withdrawn"), "{}", out.body);
    let whole =
        r#"{"amount":120,"balance":380,"code":"withdrawn","request_id":"r2","username":"alice"}"#;
    assert_eq!(out.body, whole);

    // The same again is the same answer, whatever the balance is by then.
    app.buyer.bid("alice", "bid", "p2p.loan", 200).await;
    operator.json("PUT", ALICE, r#"{"balance":7}"#).await;
    let before = world.dump().await;
    assert_eq!(pay(&operator, ALICE, "r1", 500).await, first);
    assert_eq!(pay(&operator, ALICE, "r2", -120).await, out);
    let text = r#"{"request_id":"r1","amount":"500"}"#;
    let again = operator
        .json("POST", &format!("{ALICE}/deposit"), text)
        .await;
    assert_eq!(again, first, "an amount in quotes, as bids have it");
    assert_eq!(world.dump().await, before, "something was paid twice");

    let strange = "/admin/accounts/p2p/a+b%2Fc%20%E7%A7%92%25";
    let reply = pay(&operator, strange, "r1", 9).await;
    assert_eq!(reply.told(), (200, "deposited"), "{}", reply.body);
    assert_eq!(world.balance("p2p", "a+b/c 秒%").await, Some(9));
    // A buyer's name may be the word of an endpoint.
    let reply = pay(&operator, "/admin/accounts/p2p/deposit", "r1", 4).await;
    assert_eq!(reply.told(), (200, "deposited"), "{}", reply.body);
    assert_eq!(world.balance("p2p", "deposit").await, Some(4));
    world.assert_holds(&loan).await;
    app.stop().await;
}

/// Account, request, cents, answer, words of its sentence.
const REFUSALS: &str = r#"
    p2p/alice   in   501              422 request_id_reused     "\"in\" of alice"
    p2p/alice   in   -500             422 request_id_reused     another payment
    p2p/alice   out  100              422 request_id_reused     another payment
    p2p/alice   r    -401             409 insufficient_balance  400 cents
    p2p/alice   r    100000000000000  409 limit_passed          account of alice
    p2p/nobody  r    -1               404 no_such_account       nobody has no account
    q/alice     r    -1               404 no_such_account       in event q
"#;

#[tokio::test]
async fn every_refusal_is_told_and_changes_nothing() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    pay(&operator, ALICE, "in", 500).await;
    pay(&operator, ALICE, "out", -100).await;
    let before = world.dump().await;
    for row in rows(REFUSALS) {
        let [account, request, cents, told, words] = row.cells();
        let account = format!("/admin/accounts/{account}");
        let cents = cents.parse().expect("cents");
        let reply = pay(&operator, &account, request, cents).await;
        reply.assert_problem(told, words);
        let problem = reply.json();
        let balance = (reply.result == "insufficient_balance").then(|| json!(400));
        assert_eq!(problem.get("balance"), balance.as_ref(), "{problem}");
    }
    assert_eq!(world.dump().await, before, "something was changed");
    // A request that was refused is not kept.
    let reply = pay(&operator, ALICE, "r", -400).await;
    assert_eq!(reply.json()["balance"], 0, "{}", reply.body);
    app.stop().await;
}

/// Account, body, words of the sentence.
const WRONG_PAYMENTS: &str = r#"
    P/x        {"amount":1,"request_id":"r"}                     "event: "
    p.x/x      {"amount":1,"request_id":"r"}                     "event: "
    p/a%09     {"amount":1,"request_id":"r"}                     "user: "
    p/a%ff     {"amount":1,"request_id":"r"}                     UTF-8
    p2p/alice  ""                                                JSON object
    p2p/alice  [1]                                               JSON object
    p2p/alice  {}                                                it must be there
    p2p/alice  {"amount":1}                                      request_id: it must be
    p2p/alice  {"request_id":"r"}                                amount: it must be
    p2p/alice  {"amount":1,"amount":1,"request_id":"r"}          amount
    p2p/alice  {"amount":1,"request_id":"r","x":1}               `x`
    p2p/alice  {"amount":1,"request_id":"LONG_ID"}               "request_id: "
    p2p/alice  {"amount":0,"request_id":"r"}                     "amount: "
    p2p/alice  {"amount":-1,"request_id":"r"}                    "amount: "
    p2p/alice  {"amount":1.0,"request_id":"r"}                   "amount: "
    p2p/alice  {"amount":1.5,"request_id":"r"}                   "amount: "
    p2p/alice  {"amount":1e2,"request_id":"r"}                   "amount: "
    p2p/alice  {"amount":100000000000001,"request_id":"r"}       "amount: "
    p2p/alice  {"amount":18446744073709551616,"request_id":"r"}  "amount: "
    p2p/alice  {"amount":true,"request_id":"r"}                  "amount: "
    p2p/alice  {"amount":null,"request_id":"r"}                  "amount: "
    p2p/alice  {"amount":[],"request_id":"r"}                    "amount: "
    p2p/alice  {"amount":"","request_id":"r"}                    "amount: "
    p2p/alice  {"amount":"01","request_id":"r"}                  "amount: "
    p2p/alice  {"amount":"+1","request_id":"r"}                  "amount: "
    p2p/alice  {"amount":" 1","request_id":"r"}                  "amount: "
    p2p/alice  {"amount":"1.0","request_id":"r"}                 "amount: "
    p2p/alice  {"amount":"１","request_id":"r"}                  "amount: "
    p2p/alice  {"amount":1,"request_id":7}                       "request_id: "
    p2p/alice  {"amount":1,"request_id":null}                    "request_id: "
    p2p/alice  {"amount":1,"request_id":""}                      "request_id: "
    p2p/alice  {"amount":1,"request_id":"a\tb"}                  "request_id: "
    p2p/alice  {"amount":1,"request_id":"\u0000"}                "request_id: "
"#;

#[tokio::test]
async fn every_wrong_payment_is_named_and_changes_nothing() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    pay(&operator, ALICE, "in", 500).await;
    let before = world.dump().await;
    let good = r#"{"amount":1,"request_id":"r"}"#;
    for row in rows(WRONG_PAYMENTS) {
        let [account, body, words] = row.cells();
        let body = body.replace("LONG_ID", &"x".repeat(129));
        for door in ["deposit", "withdraw"] {
            let path = format!("/admin/accounts/{account}/{door}");
            let reply = operator.json("POST", &path, &body).await;
            reply.assert_problem("400 invalid_request", words);
        }
    }
    let path = format!("{ALICE}/deposit");
    let query = operator.json("POST", &format!("{path}?x=1"), good).await;
    assert_eq!(query.told(), (400, "invalid_request"), "{}", query.body);
    let form = operator.send("POST", &path, "text/plain", good.as_bytes());
    assert_eq!(form.await.told(), (415, "invalid_request"));
    let large = vec![b' '; (1 << 20) + 1];
    let large = operator.send("POST", &path, "application/json", &large);
    assert_eq!(large.await.told(), (413, "invalid_request"));
    let put = operator.json("PUT", &path, good).await;
    assert_eq!(put.told(), (405, "method_not_allowed"));
    let stranger = app.buyer.json(&path, good).await;
    assert_eq!(stranger.told(), (401, "unauthorized"));
    assert_eq!(world.dump().await, before, "something was changed");
    app.stop().await;
}

/// Who hears nothing asks again, and is told what was done.
#[tokio::test]
async fn busy_may_be_asked_again() {
    let world = World::new().await;
    let nowhere = TestApp::without_redis(&world).await;
    for cents in [5, -5] {
        let reply = pay(&nowhere.operator(), ALICE, "r", cents).await;
        assert_eq!(reply.told(), (503, "busy"));
        assert_eq!(reply.retry_after.as_deref(), Some("1"));
    }
    nowhere.stop().await;
}

/// Nothing was paid, and asking again does not help.
#[tokio::test]
async fn a_damaged_account_is_unreadable() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    pay(&operator, ALICE, "in", 500).await;
    let [accounts, ..] = world.store.keys().of_accounts("p2p");
    let _: i64 = world.run(&["HSET", &accounts, "alice", "x"]).await;
    let before = world.dump().await;
    for cents in [100, -100] {
        let reply = pay(&operator, ALICE, "r", cents).await;
        assert_eq!(reply.told(), (500, "unreadable"), "{}", reply.body);
        assert_eq!(reply.retry_after, None);
    }
    assert_eq!(world.dump().await, before);
    app.stop().await;
}

#[tokio::test]
async fn a_balance_is_set_only_if_it_is_what_was_seen() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let put = async |path: &str, body: &str| operator.json("PUT", path, body).await;
    let none = put(ALICE, r#"{"balance":5,"if_balance":0}"#).await;
    assert_eq!(none.told(), (404, "no_such_account"), "{}", none.body);
    assert_eq!(world.dump().await, []);
    put(ALICE, r#"{"balance":500}"#).await;
    let set = put(ALICE, r#"{"balance":300,"if_balance":500}"#).await;
    assert_eq!(set.told(), (200, "set"), "{}", set.body);
    let whole = r#"{"balance":300,"first_of_event":false,"paid_in":300,"username":"alice"}"#;
    assert_eq!(set.body, whole);
    let before = world.dump().await;
    for body in [
        r#"{"balance":300,"if_balance":500}"#,
        r#"{"balance":0,"if_balance":299}"#,
        r#"{"balance":9,"if_balance":0}"#,
    ] {
        let reply = put(ALICE, body).await;
        assert_eq!(reply.told(), (409, "balance_changed"), "{}", reply.body);
        assert_eq!(reply.content_type, "application/problem+json");
        assert_eq!(reply.json()["balance"], 300, "{}", reply.body);
    }
    for (value, words) in [
        ("null", "it must be a number"),
        ("\"300\"", "it must be a number"),
        ("-1", "a whole number from 0"),
        ("300.0", "a whole number from 0"),
        ("100000000000001", "100000000000001 is not in"),
    ] {
        let reply = put(ALICE, &format!(r#"{{"balance":1,"if_balance":{value}}}"#)).await;
        assert_eq!(reply.told(), (400, "invalid_request"), "{value}");
        let detail = reply.json()["detail"].to_string();
        assert!(
            detail.contains("if_balance: ") && detail.contains(words),
            "{detail}"
        );
    }
    assert_eq!(world.dump().await, before, "something was changed");

    let loan = world.target("p2p.loan", 1000, &terms(1, 0)).await;
    app.buyer.bid("alice", "r", "p2p.loan", 100).await;
    let most = put(ALICE, r#"{"balance":100000000000000,"if_balance":200}"#).await;
    assert_eq!(most.told(), (409, "limit_passed"), "{}", most.body);
    assert_eq!(world.balance("p2p", "alice").await, Some(200));
    world.assert_holds(&loan).await;

    let [accounts, ..] = world.store.keys().of_accounts("p2p");
    let _: i64 = world.run(&["HSET", &accounts, "alice", "x"]).await;
    let reply = put(ALICE, r#"{"balance":1,"if_balance":200}"#).await;
    assert_eq!(reply.told(), (500, "unreadable"), "{}", reply.body);
    assert_eq!(reply.retry_after, None, "it stays so");
    app.stop().await;
}

#[tokio::test]
async fn payments_are_logged() {
    let redis = PrivateRedis::forgetful();
    let arguments = ["--redis-url", redis.url().expose(), "--set"].map(str::to_owned);
    let token = format!("admin.token={TOKEN}");
    let arguments: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .chain([&*token])
        .collect();
    let (server, record) = ServerProcess::recorded(free_address(), &arguments).await;
    let operator = Operator::new(&server.buyer, TOKEN);
    let unsure = r#"{"balance":7,"if_balance":6}"#;
    for (method, door, body, line) in [
        (
            "POST",
            "/deposit",
            r#"{"amount":9,"request_id":"r\u202e"}"#,
            r#"request_id="r\u{202e}" amount="9" became="deposited" "#,
        ),
        (
            "POST",
            "/withdraw",
            r#"{"amount":10,"request_id":"s"}"#,
            r#"request_id="s" amount="-10" became="insufficient_balance" "#,
        ),
        (
            "PUT",
            "",
            unsure,
            r#"balance=7 if_balance=6 first=false became="balance_changed" "#,
        ),
        (
            "PUT",
            "",
            r#"{"balance":7}"#,
            r#"balance=7 first=false became="set" "#,
        ),
    ] {
        let before = record.logged().lines().count();
        operator.json(method, &format!("{ALICE}{door}"), body).await;
        let logged = record.logged_after(before).await;
        for words in [
            line,
            " INFO ",
            "event=\"p2p\"",
            "user=\"alice\"",
            "127.0.0.1:",
        ] {
            assert!(format!("{logged} ").contains(words), "{words:?}: {logged}");
        }
    }
    assert!(!record.logged().contains(TOKEN), "the token is shown");
}
