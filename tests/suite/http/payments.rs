//! Money that operators put into accounts and take out of them, and balances that are set only if
//! they have the expected value.

use seckill::config::RedisUrl;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::buyer::Reply;
use crate::support::operator::{Operator, TOKEN};
use crate::support::process::{ServerProcess, free_address};
use crate::support::redis::{PrivateRedis, World};

const ALICE: &str = "/admin/accounts/p2p/alice";
const JSON: &str = "application/json; charset=utf-8";

fn told(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.result.as_str())
}

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
    assert_eq!(told(&first), (200, "deposited"), "{}", first.body);
    assert_eq!(first.content_type, JSON);
    let whole =
        r#"{"amount":500,"balance":500,"code":"deposited","request_id":"r1","username":"alice"}"#;
    assert_eq!(first.body, whole);
    let out = pay(&operator, ALICE, "r2", -120).await;
    assert_eq!(told(&out), (200, "withdrawn"), "{}", out.body);
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
    assert_eq!(told(&reply), (200, "deposited"), "{}", reply.body);
    assert_eq!(world.balance("p2p", "a+b/c 秒%").await, Some(9));
    // A buyer's name may be the word of an endpoint.
    let reply = pay(&operator, "/admin/accounts/p2p/deposit", "r1", 4).await;
    assert_eq!(told(&reply), (200, "deposited"), "{}", reply.body);
    assert_eq!(world.balance("p2p", "deposit").await, Some(4));
    world.assert_holds(&loan).await;
    app.stop().await;
}

#[tokio::test]
async fn every_refusal_is_told_and_changes_nothing() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    pay(&operator, ALICE, "in", 500).await;
    pay(&operator, ALICE, "out", -100).await;
    let before = world.dump().await;
    let most = 100_000_000_000_000;
    let nobody = "/admin/accounts/p2p/nobody";
    for (account, request, cents, status, code, words) in [
        (
            ALICE,
            "in",
            501,
            422,
            "request_id_reused",
            "\"in\" of alice",
        ),
        (
            ALICE,
            "in",
            -500,
            422,
            "request_id_reused",
            "another payment",
        ),
        (
            ALICE,
            "out",
            100,
            422,
            "request_id_reused",
            "another payment",
        ),
        (ALICE, "r", -401, 409, "insufficient_balance", "400 cents"),
        (ALICE, "r", most, 409, "limit_passed", "account of alice"),
        (
            nobody,
            "r",
            -1,
            404,
            "no_such_account",
            "nobody has no account",
        ),
        (
            "/admin/accounts/q/alice",
            "r",
            -1,
            404,
            "no_such_account",
            "in event q",
        ),
    ] {
        let reply = pay(&operator, account, request, cents).await;
        assert_eq!(told(&reply), (status, code), "{cents}: {}", reply.body);
        assert_eq!(reply.content_type, "application/problem+json");
        let problem = reply.json();
        let detail = problem["detail"].as_str().expect("a sentence");
        assert!(detail.contains(words), "{cents}: {detail}");
        assert_eq!(problem["code"], code);
        let balance = (code == "insufficient_balance").then(|| json!(400));
        assert_eq!(problem.get("balance"), balance.as_ref(), "{problem}");
    }
    assert_eq!(world.dump().await, before, "something was changed");
    // A request that was refused is not kept.
    let reply = pay(&operator, ALICE, "r", -400).await;
    assert_eq!(reply.json()["balance"], 0, "{}", reply.body);
    app.stop().await;
}

#[tokio::test]
async fn every_wrong_payment_is_named_and_changes_nothing() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    pay(&operator, ALICE, "in", 500).await;
    let before = world.dump().await;
    let good = r#"{"amount":1,"request_id":"r"}"#;
    let long = format!(r#"{{"amount":1,"request_id":"{}"}}"#, "x".repeat(129));
    let with = |amount: &str| format!(r#"{{"amount":{amount},"request_id":"r"}}"#);
    let named = |id: &str| format!(r#"{{"amount":1,"request_id":{id}}}"#);
    let mut wrong = vec![
        ("/admin/accounts/P/x", good.to_owned(), "event: "),
        ("/admin/accounts/p.x/x", good.to_owned(), "event: "),
        ("/admin/accounts/p/a%09", good.to_owned(), "user: "),
        ("/admin/accounts/p/a%ff", good.to_owned(), "UTF-8"),
        (ALICE, String::new(), "JSON object"),
        (ALICE, "[1]".to_owned(), "JSON object"),
        (ALICE, "{}".to_owned(), "it must be there"),
        (
            ALICE,
            r#"{"amount":1}"#.to_owned(),
            "request_id: it must be",
        ),
        (
            ALICE,
            r#"{"request_id":"r"}"#.to_owned(),
            "amount: it must be",
        ),
        (
            ALICE,
            r#"{"amount":1,"amount":1,"request_id":"r"}"#.to_owned(),
            "amount",
        ),
        (
            ALICE,
            r#"{"amount":1,"request_id":"r","x":1}"#.to_owned(),
            "`x`",
        ),
        (ALICE, long, "request_id: "),
    ];
    for amount in [
        "0",
        "-1",
        "1.0",
        "1.5",
        "1e2",
        "100000000000001",
        "18446744073709551616",
        "true",
        "null",
        "[]",
        r#""""#,
        r#""01""#,
        r#""+1""#,
        r#"" 1""#,
        r#""1.0""#,
        r#""１""#,
    ] {
        wrong.push((ALICE, with(amount), "amount: "));
    }
    for id in ["7", "null", r#""""#, r#""a\tb""#, r#""\u0000""#] {
        wrong.push((ALICE, named(id), "request_id: "));
    }
    for (account, body, words) in wrong {
        for door in ["deposit", "withdraw"] {
            let path = format!("{account}/{door}");
            let reply = operator.json("POST", &path, &body).await;
            let what = format!("{account}/{door} {body}: {}", reply.body);
            assert_eq!(told(&reply), (400, "invalid_request"), "{what}");
            assert_eq!(reply.content_type, "application/problem+json");
            assert!(reply.json()["detail"].to_string().contains(words), "{what}");
        }
    }
    let path = format!("{ALICE}/deposit");
    let query = operator.json("POST", &format!("{path}?x=1"), good).await;
    assert_eq!(told(&query), (400, "invalid_request"), "{}", query.body);
    let form = operator.send("POST", &path, "text/plain", good.as_bytes());
    assert_eq!(told(&form.await), (415, "invalid_request"));
    let large = vec![b' '; (1 << 20) + 1];
    let large = operator.send("POST", &path, "application/json", &large);
    assert_eq!(told(&large.await), (413, "invalid_request"));
    let put = operator.json("PUT", &path, good).await;
    assert_eq!(told(&put), (405, "method_not_allowed"));
    let stranger = app.buyer.json(&path, good).await;
    assert_eq!(told(&stranger), (401, "unauthorized"));
    assert_eq!(world.dump().await, before, "something was changed");
    app.stop().await;
}

/// A client that got no answer retries, and gets the answer of the first time.
#[tokio::test]
async fn busy_and_unknown_may_be_asked_again() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    pay(&operator, ALICE, "in", 500).await;
    let [accounts, ..] = world.store.keys().of_accounts("p2p");
    let _: i64 = world.run(&["HSET", &accounts, "alice", "x"]).await;
    let reply = pay(&operator, ALICE, "out", -100).await;
    assert_eq!(told(&reply), (503, "unknown"), "{}", reply.body);
    assert_eq!(reply.retry_after.as_deref(), Some("1"));
    assert!(reply.body.contains("the same request again is safe"));
    let _: i64 = world.run(&["HSET", &accounts, "alice", "500"]).await;
    for _ in 0..2 {
        let reply = pay(&operator, ALICE, "out", -100).await;
        assert_eq!(reply.json()["balance"], 400, "{}", reply.body);
    }
    app.stop().await;

    let nowhere = TestApp::with(&world, |config| {
        config.redis.url = Some(RedisUrl::new("redis://127.0.0.1:1"));
    });
    let nowhere = nowhere.await;
    for cents in [5, -5] {
        let reply = pay(&nowhere.operator(), ALICE, "r", cents).await;
        assert_eq!(told(&reply), (503, "busy"));
        assert_eq!(reply.retry_after.as_deref(), Some("1"));
    }
    nowhere.stop().await;
}

#[tokio::test]
async fn a_balance_is_set_only_if_it_is_what_was_seen() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let put = async |path: &str, body: &str| operator.json("PUT", path, body).await;
    let none = put(ALICE, r#"{"balance":5,"if_balance":0}"#).await;
    assert_eq!(told(&none), (404, "no_such_account"), "{}", none.body);
    assert_eq!(world.dump().await, []);
    put(ALICE, r#"{"balance":500}"#).await;
    let set = put(ALICE, r#"{"balance":300,"if_balance":500}"#).await;
    assert_eq!(told(&set), (200, "set"), "{}", set.body);
    let whole = r#"{"balance":300,"first_of_event":false,"paid_in":300,"username":"alice"}"#;
    assert_eq!(set.body, whole);
    let before = world.dump().await;
    for body in [
        r#"{"balance":300,"if_balance":500}"#,
        r#"{"balance":0,"if_balance":299}"#,
        r#"{"balance":9,"if_balance":0}"#,
    ] {
        let reply = put(ALICE, body).await;
        assert_eq!(told(&reply), (409, "balance_changed"), "{}", reply.body);
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
        assert_eq!(told(&reply), (400, "invalid_request"), "{value}");
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
    assert_eq!(told(&most), (409, "limit_passed"), "{}", most.body);
    assert_eq!(world.balance("p2p", "alice").await, Some(200));
    world.assert_holds(&loan).await;

    let [accounts, ..] = world.store.keys().of_accounts("p2p");
    let _: i64 = world.run(&["HSET", &accounts, "alice", "x"]).await;
    let reply = put(ALICE, r#"{"balance":1,"if_balance":200}"#).await;
    assert_eq!(told(&reply), (503, "unknown"), "{}", reply.body);
    assert_eq!(reply.retry_after.as_deref(), Some("1"), "it is safe");
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
