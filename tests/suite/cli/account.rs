//! `seckill account …`: balances, deposits and withdrawals.

use seckill::domain::sale::StockKind;
use serde_json::json;

use super::Shop;
use crate::support::app::NO_REDIS;
use crate::support::bids::terms;
use crate::support::table::rows;

#[tokio::test]
async fn the_first_account_of_an_event_is_told() {
    let (shop, world) = Shop::with_world().await;
    for (line, printed) in [
        (
            "account show q",
            "event q keeps no accounts: every buyer may bid\n",
        ),
        ("account show q --json", "[]\n"),
    ] {
        assert_eq!(shop.ok(line), printed);
    }
    // Nobody bids in an event without targets: perhaps another one is meant.
    world.sale("q.tea", StockKind::Counter, 5).await;
    let first = shop.ends("account set q al 50", 0);
    assert!(first.said.contains("event q has no target"), "{first:?}");
    assert_eq!(
        first.printed,
        "set 1 account of event q: 1 new, 0 changed, 0 as before\n\
         event q keeps accounts from now on: buyers without one cannot bid\n"
    );
    world.target("q.loan", 100, &terms(1, 0)).await;
    let next = shop.run("account set q bo 50");
    assert_eq!(next.said, "");
    assert_eq!(
        next.printed,
        "set 1 account of event q: 1 new, 0 changed, 0 as before\n"
    );
    let again = shop.json("account set q al 50");
    assert_eq!(again["first_of_event"], false);
    let other = shop.json("account set r al 50");
    assert_eq!(other["first_of_event"], true);
}

#[tokio::test]
async fn money_is_deposited_and_withdrawn_once_for_each_request() {
    let (shop, world) = Shop::with_world().await;
    let loan = world.target("p.loan", 1000, &terms(1, 0)).await;
    let first = shop.ends("account deposit p al 500 --request-id r1", 0);
    let begins = "seckill: event p keeps accounts from now on: buyers without one cannot bid\n";
    assert_eq!(first.said, begins);
    let printed = "deposited 500 cents, account of al in event p: 500 cents then\n";
    assert_eq!(first.printed, printed);
    let out = shop.json("account withdraw p al 120 --request-id r2");
    let whole = json!({
        "code": "withdrawn", "username": "al", "request_id": "r2", "amount": 120, "balance": 380,
    });
    assert_eq!(out, whole);
    world.accepted("al", "bid", &loan, 80).await;
    let again = shop.run("account deposit p al 500 --request-id r1");
    assert_eq!(again.said, "");
    assert_eq!(again.printed, printed);
    assert_eq!(
        shop.json("account withdraw p al 120 --request-id r2"),
        whole
    );
    assert_eq!(world.balance("p", "al").await, Some(300));

    // Without a name of its own, a payment gets one that can be said again.
    let new = shop.run("account withdraw p al 50 --json");
    let id = new
        .said
        .strip_prefix("seckill: the request id of this payment is ");
    let id = id.expect("it is told").trim_end();
    let told = new.json();
    assert_eq!(
        (&told["request_id"], &told["balance"]),
        (&id.into(), &250.into())
    );
    let again = shop.json(&format!("account withdraw p al 50 --request-id {id}"));
    assert_eq!(again, told);
    assert_eq!(shop.json("account withdraw p al 50")["balance"], 200);
    world.assert_holds(&loan).await;

    // Nobody bids in an event without targets: perhaps another one is meant.
    world.sale("q.tea", StockKind::Counter, 5).await;
    let hint = shop.run("account deposit q al 1 --request-id r");
    assert!(hint.said.contains("event q has no target"), "{hint:?}");
}

/// What follows `account`, exit code, words of what is said. al has 505 cents, bo no account.
const WRONG_PAYMENTS: &str = r#"
    deposit p al 6 --request-id r1       1  belongs to another payment
    withdraw p al 5 --request-id r1      1  belongs to another payment
    withdraw p al 506 --request-id r     1  al has 505 cents, less than 506
    withdraw p bo 1 --request-id r       1  bo has no account in event p
    deposit p al 100000000000000 --request-id r  1  would have been paid into
    deposit p al 0                       2  from 1 to 100000000000000
    deposit p al -1                      2  ""
    deposit p al 01                      2  from 1 to
    deposit p al 1.5                     2  from 1 to
    withdraw p al 100000000000001        2  from 1 to
    deposit p.x al 1                     2  event
    deposit p al                         2  CENTS
    deposit p al 1 --request-id=         2  request-id
    set p al 6 --if-balance 500          1  al has 505 cents, not 500; nothing was changed
    set p bo 6 --if-balance 0            1  bo has no account in event p
    set p al 6 --if-balance 0505         2  not a whole number
    set p al 6 --if-balance 100000000000001  2  is not in
"#;

#[tokio::test]
async fn a_payment_that_is_refused_or_wrong_has_its_exit_code() {
    let (shop, mut world) = Shop::with_world().await;
    world.target("p.loan", 1000, &terms(1, 0)).await;
    world.set_accounts("p", &[("al", 500)]).await;
    world.pay("p", "al", "r1", 5).await;
    let before = world.dump().await;
    for row in rows(WRONG_PAYMENTS) {
        let [line, code, words] = row.cells();
        let code = code.parse().expect("a number");
        let said = shop.fails(&format!("account {line}"), code);
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(world.dump().await, before, "something was changed");
    let set = shop.ok("account set p al 6 --if-balance 505");
    assert_eq!(
        set,
        "set 1 account of event p: 0 new, 1 changed, 0 as before\n"
    );
    let same = shop.json("account set p al 6 --if-balance 6");
    assert_eq!(
        (&same["changed"], &same["accounts"]),
        (&0.into(), &1.into())
    );

    // What a script cannot read is not in doubt: nothing was changed.
    let [accounts, ..] = world.store.keys().of_accounts("p");
    let _: i64 = world.run(&["HSET", &accounts, "al", "x"]).await;
    for line in ["deposit p al 1", "set p al 1 --if-balance 6"] {
        let said = shop.fails(&format!("account {line}"), 1);
        assert!(said.contains("unexpected data in Redis"), "{line}: {said}");
        assert!(said.contains("the balance of al"), "{line}: {said}");
        assert!(!said.contains("the same again"), "{line}: {said}");
    }

    let shop = Shop::new();
    for line in [
        "deposit p al 1",
        "withdraw p al 1",
        "set p al 1 --if-balance 6",
    ] {
        let said = shop.fails(&format!("account {line} --redis-url {NO_REDIS}"), 3);
        assert!(said.contains("not executed"), "{line}: {said}");
    }
    shop.fails("account withdraw p al 1", 1); // there are no data here
    shop.ok("account deposit p al 1");
}
