//! `lua/account_set.lua`

use seckill::domain::audit::account::Account;
use seckill::domain::audit::bid_violation::BidViolation;
use seckill::domain::money::CENTS_MAX;
use seckill::store::orders::accounts::SetOutcome;
use seckill::store::script::ACCOUNT_SET;

use super::{Words, assert_broken_data_raises, assert_raises};
use crate::support::bids::{event, terms};
use crate::support::orders::username;
use crate::support::redis::World;

async fn account(world: &World, user: &str) -> Option<Account> {
    let account = world.store.account(&event("p"), &username(user)).await;
    account.expect("read")
}

fn has(user: &str, balance: u64, paid_in: u64) -> Option<Account> {
    Some(Account {
        username: username(user),
        balance,
        paid_in,
    })
}

fn set(created: u64, changed: u64) -> SetOutcome {
    SetOutcome::Set { created, changed }
}

#[tokio::test]
async fn accounts_are_created_changed_and_left_alone() {
    let mut world = World::new().await;
    assert_eq!(account(&world, "x").await, None);
    let first = world.set_accounts("p", &[("x", 100), ("秒, y", 0)]).await;
    assert_eq!(first, set(2, 0));
    assert_eq!(account(&world, "x").await, has("x", 100, 100));
    assert_eq!(account(&world, "秒, y").await, has("秒, y", 0, 0));
    let before = world.dump().await;
    let again = world.set_accounts("p", &[("x", 100), ("秒, y", 0)]).await;
    assert_eq!(again, set(0, 0));
    assert_eq!(world.dump().await, before, "a repeat wrote something");
    let next = world.set_accounts("p", &[("x", 30), ("z", 5)]).await;
    assert_eq!(next, set(1, 1));
    assert_eq!(account(&world, "x").await, has("x", 30, 30));
    let changes = world.store.keys().accounts_changes("p");
    assert_eq!(world.run::<u64>(&["GET", &changes]).await, 2);
    let accounts = world.store.accounts(&event("p")).await.expect("read");
    let names: Vec<_> = accounts
        .into_iter()
        .map(|account| account.expect("readable").username.to_string())
        .collect();
    assert_eq!(names, ["x", "z", "秒, y"]);
}

#[tokio::test]
async fn what_is_paid_in_is_the_difference_to_what_is_there() {
    let world = World::new().await;
    let loan = world.target("p.loan", 100, &terms(1, 1_000)).await;
    world.set_accounts("p", &[("x", 60)]).await;
    world.accepted("x", "r", &loan, 50).await;
    assert_eq!(account(&world, "x").await, has("x", 15, 60));
    world.set_accounts("p", &[("x", 60)]).await;
    assert_eq!(account(&world, "x").await, has("x", 60, 105));
    world.set_accounts("p", &[("x", 0)]).await;
    assert_eq!(account(&world, "x").await, has("x", 0, 45));
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn too_much_in_one_account_sets_none() {
    let mut world = World::new().await;
    let loan = world.target("p.loan", CENTS_MAX, &terms(1, 0)).await;
    world.set_accounts("p", &[("x", CENTS_MAX)]).await;
    world.accepted("x", "r", &loan, 7).await;
    let before = world.dump().await;
    let refused = world.set_accounts("p", &[("y", 1), ("x", CENTS_MAX)]).await;
    assert_eq!(refused, SetOutcome::LimitPassed(username("x")));
    assert_eq!(world.dump().await, before);
    world.assert_holds(&loan).await;
}

/// The deep audit of any target of the event adds up all its accounts.
#[tokio::test]
async fn an_account_that_was_changed_by_hand_is_caught() {
    let mut world = World::new().await;
    let loan = world.target("p.loan", 100, &terms(1, 0)).await;
    world.target("p.other", 100, &terms(1, 0)).await;
    world.set_accounts("p", &[("x", 60)]).await;
    world.accepted("x", "r", &loan, 50).await;
    world.assert_holds(&loan).await;
    let key = world.store.keys().accounts("p");
    let _: u64 = world.run(&["HSET", &key, "x", "11"]).await;
    let judged = world.store.recount(&loan, &|_| {}).await.expect("recount");
    let wrong = BidViolation::BalanceWrong {
        username: username("x"),
        balance: Some(11),
        paid_in: 60,
        spent: 50,
    };
    assert_eq!(judged.expect("the sale exists").violations, [wrong.into()]);
    let _: u64 = world.run(&["HDEL", &key, "x"]).await;
    let judged = world.store.recount(&loan, &|_| {}).await.expect("recount");
    assert_eq!(judged.expect("the sale exists").violations.len(), 1);
}

/// What the one reads and the other does not, no audit would see.
#[tokio::test]
async fn the_store_reads_just_the_numbers_that_scripts_read() {
    let mut world = World::new().await;
    world.set_accounts("p", &[("x", 60)]).await;
    let [balances, paid_in, _] = world.store.keys().of_accounts("p");
    for text in [
        "0",
        "7",
        "10",
        "999999999999999",
        "1000000000000000",
        "",
        "00",
        "07",
        "+7",
        "-7",
        "-0",
        " 7",
        "7 ",
        "7\n",
        "7.0",
        "7e0",
        "0x7",
        "１",
        "seven",
        "inf",
        "nan",
    ] {
        for key in [&balances, &paid_in] {
            let _: i64 = world.run(&["HSET", key, "x", text]).await;
            let read = world.store.account(&event("p"), &username("x")).await;
            let users = [(username("y"), 1), (username("x"), 0)];
            let set = world.store.account_set(&event("p"), &users).await;
            let raised = matches!(&set, Err(e) if e.to_string().contains("is not a whole number"));
            assert_eq!(read.is_err(), raised, "{key} {text:?}: {read:?} {set:?}");
            let _: i64 = world.run(&["HSET", &balances, "x", "60"]).await;
            let _: i64 = world.run(&["HSET", &paid_in, "x", "60"]).await;
        }
    }
}

const KEYS: [&str; 3] = ["accounts", "paid_in", "changes"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let many: Vec<String> = (0..1001)
        .flat_map(|n| [n.to_string(), "1".into()])
        .collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    many.insert(0, "9");
    for (keys, args, words) in [
        (&KEYS[..2], &["9", "x", "1"][..], "account_set takes 3 keys"),
        (&KEYS[..], &["9"], "account_set takes 3 keys"),
        (&KEYS[..], &[], "account_set takes 3 keys"),
        (&KEYS[..], &["9", "x", "1", "y"], "account_set takes 3 keys"),
        (
            &KEYS[..],
            &["9", "x", "1", "x", "1"],
            "no username twice: x",
        ),
        (
            &KEYS[..],
            &["many", "x", "1"],
            "limit is not a whole number",
        ),
        (
            &KEYS[..],
            &["9", "x", "-1"],
            "balance is not a whole number",
        ),
        (&KEYS[..], &many, "at most 1000 accounts"),
    ] {
        assert_raises(&mut world, &ACCOUNT_SET, keys, args, words).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let cases: [(Words, &str); 6] = [
        (&["SET", "accounts", "x"], "WRONGTYPE"),
        (&["SET", "paid_in", "x"], "WRONGTYPE"),
        (&["RPUSH", "changes", "x"], "WRONGTYPE"),
        (&["SET", "changes", "x"], "changes is not a whole number"),
        (
            &["HSET", "accounts", "x", "-5"],
            "the balance of x is not a whole number",
        ),
        (
            &["HSET", "accounts", "x", "5"],
            "x has more than was ever paid in",
        ),
    ];
    let args = ["9", "y", "1", "x", "2"];
    assert_broken_data_raises(&ACCOUNT_SET, &KEYS, &args, &[], cases).await;
}
