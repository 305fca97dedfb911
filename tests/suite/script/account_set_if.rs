//! `lua/account_set_if.lua`

use seckill::domain::money::CENTS_MAX;
use seckill::store::orders::accounts::SetIfOutcome;
use seckill::store::script::ACCOUNT_SET_IF;

use super::{Words, assert_broken_data_raises, assert_raises};
use crate::support::bids::{event, terms};
use crate::support::orders::username;
use crate::support::redis::World;

async fn set_if(world: &World, user: &str, seen: u64, balance: u64) -> SetIfOutcome {
    let (event, user) = (event("p"), username(user));
    let set = world.store.account_set_if(&event, &user, seen, balance);
    set.await.expect("answered")
}

#[tokio::test]
async fn a_balance_that_was_seen_is_set_once() {
    let mut world = World::new().await;
    let loan = world.target("p.loan", 100, &terms(1, 1_000)).await;
    world.set_accounts("p", &[("x", 60), ("y", 1)]).await;
    assert_eq!(set_if(&world, "x", 60, 90).await, SetIfOutcome::Set);
    let before = world.dump().await;
    let changed = SetIfOutcome::BalanceChanged { balance: 90 };
    assert_eq!(set_if(&world, "x", 60, 90).await, changed);
    assert_eq!(set_if(&world, "x", 89, 0).await, changed);
    // What it has already is set, too: there is nothing to write.
    assert_eq!(set_if(&world, "x", 90, 90).await, SetIfOutcome::Set);
    assert_eq!(world.dump().await, before, "a refusal wrote something");
    world.accepted("x", "r", &loan, 50).await;
    let changed = SetIfOutcome::BalanceChanged { balance: 45 };
    assert_eq!(set_if(&world, "x", 90, 100).await, changed);
    assert_eq!(set_if(&world, "x", 45, 0).await, SetIfOutcome::Set);
    let account = world.store.account(&event("p"), &username("x")).await;
    let account = account.expect("read").expect("an account");
    assert_eq!((account.balance, account.paid_in), (0, 45));
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn an_account_that_does_not_exist_has_no_balance() {
    let mut world = World::new().await;
    let none = SetIfOutcome::NoSuchAccount;
    assert_eq!(set_if(&world, "x", 0, 5).await, none);
    assert_eq!(world.dump().await, []);
    world.set_accounts("p", &[("y", 0)]).await;
    assert_eq!(set_if(&world, "x", 0, 5).await, none);
    assert_eq!(set_if(&world, "y", 0, 5).await, SetIfOutcome::Set);
}

#[tokio::test]
async fn no_more_is_paid_in_than_an_account_can_count() {
    let mut world = World::new().await;
    let loan = world.target("p.loan", CENTS_MAX, &terms(1, 0)).await;
    world.set_accounts("p", &[("x", CENTS_MAX)]).await;
    world.accepted("x", "r", &loan, 7).await;
    let before = world.dump().await;
    let told = set_if(&world, "x", CENTS_MAX - 7, CENTS_MAX).await;
    assert_eq!(told, SetIfOutcome::LimitPassed);
    assert_eq!(world.dump().await, before);
    world.assert_holds(&loan).await;
}

const KEYS: [&str; 3] = ["accounts", "paid_in", "changes"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let takes = "account_set_if takes 3 keys";
    for (keys, args, words) in [
        (&KEYS[..2], &["x", "1", "2", "9"][..], takes),
        (&KEYS[..], &["x", "1", "2"], takes),
        (&KEYS[..], &["x", "1", "2", "9", "9"], takes),
        (&KEYS[..], &[], takes),
        (&KEYS[..], &["x", "", "2", "9"], "if_balance is not a whole"),
        (
            &KEYS[..],
            &["x", "-1", "2", "9"],
            "if_balance is not a whole",
        ),
        (&KEYS[..], &["x", "1", "2.0", "9"], "balance is not a whole"),
        (&KEYS[..], &["x", "1", "2", "many"], "limit is not a whole"),
    ] {
        assert_raises(&mut world, &ACCOUNT_SET_IF, keys, args, words).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let seeds: [Words; 2] = [
        &["HSET", "accounts", "x", "5"],
        &["HSET", "paid_in", "x", "5"],
    ];
    let cases: [(Words, &str); 7] = [
        (&["SET", "accounts", "x"], "WRONGTYPE"),
        (&["SET", "paid_in", "x"], "WRONGTYPE"),
        (&["RPUSH", "changes", "x"], "WRONGTYPE"),
        (&["SET", "changes", "x"], "changes is not a whole number"),
        (
            &["HSET", "accounts", "x", "05"],
            "the balance of x is not a whole number",
        ),
        (
            &["HSET", "paid_in", "x", "lots"],
            "what was paid in by x is not a whole number",
        ),
        (
            &["HSET", "paid_in", "x", "2"],
            "x has more than was ever paid in",
        ),
    ];
    let args = ["x", "5", "1", "9"];
    assert_broken_data_raises(&ACCOUNT_SET_IF, &KEYS, &args, &seeds, cases).await;
}
