//! Accounts that are topped up while their owners bid and cancel: not a cent is lost or made. The
//! books are read from the raw keys and added up here, beside the product.

use std::collections::HashMap;

use futures_util::future::join_all;
use rand::RngExt;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::buyer::{Buyer, Reply};
use crate::support::operator::{Operator, TOKEN};
use crate::support::redis::World;

const AL: &str = "/admin/accounts/p/al";
const LOAN: u64 = 1_000_000;

/// What the raw keys say of one account, in cents.
#[derive(Debug, PartialEq, Eq)]
struct Books {
    paid_in: i64,
    /// The balance, and what living bids took of it, less their bonuses.
    has_and_spent: i64,
    /// What all payments add up to.
    payments: i64,
}

impl Books {
    async fn of(world: &mut World, user: &str) -> Self {
        let key = |name: &str| format!("{}{{p}}:{name}", world.prefix);
        let names = ["accounts", "accounts:paid_in", "payments", "orders"];
        let [accounts, paid_in, payments, orders] = names.map(key);
        let cents = |text: &str| text.parse::<i64>().expect("cents");
        let balance: String = world.run(&["HGET", &accounts, user]).await;
        let paid_in: String = world.run(&["HGET", &paid_in, user]).await;
        let payments: HashMap<String, String> = world.run(&["HGETALL", &payments]).await;
        let own = payments.iter().filter_map(|(field, entry)| {
            let (owner, _) = field.split_once('\t').expect("two fields");
            let (amount, _) = entry.split_once('\t').expect("two fields");
            (owner == user).then(|| cents(amount))
        });
        let orders: HashMap<String, String> = world.run(&["HGETALL", &orders]).await;
        let spent = orders.values().map(|record| {
            let (head, line) = record.split_once('\n').expect("two lines");
            let head: Vec<&str> = head.split('\t').collect();
            let (_, bid) = line.split_once('\t').expect("two fields");
            let bid: Vec<&str> = bid.split('/').collect();
            let [accepted, _, bonus, "1", _] = bid[..] else {
                panic!("a bid that no account paid: {record:?}");
            };
            let is_own = head[0] == "confirmed" && head[2] == user;
            i64::from(is_own) * (cents(accepted) - cents(bonus))
        });
        Self {
            paid_in: cents(&paid_in),
            has_and_spent: cents(&balance) + spent.sum::<i64>(),
            payments: own.sum(),
        }
    }
}

async fn pay(operator: &Operator, door: &str, request: &str, cents: u64) -> Reply {
    let body = json!({"amount": cents, "request_id": request}).to_string();
    operator.json("POST", &format!("{AL}/{door}"), &body).await
}

/// So many payments of one task, each third of them asked for at two servers at once, each fifth
/// again at the end; how many were made.
async fn pay_often(
    operators: [Operator; 2],
    door: &'static str,
    task: usize,
    payments: usize,
    cents: u64,
) -> u64 {
    let [here, there] = &operators;
    let mut made: Vec<(String, Reply)> = Vec::new();
    for number in 0..payments {
        let request = format!("{door}-{task}-{number}");
        let twice = number % 3 == 0;
        let other = async {
            match twice {
                true => Some(pay(there, door, &request, cents).await),
                false => None,
            }
        };
        let (reply, other) = tokio::join!(pay(here, door, &request, cents), other);
        let refused = |reply: &Reply| reply.result == "insufficient_balance";
        match other {
            // A withdrawal that was refused may be made when it is asked for again.
            Some(other) if refused(&reply) && !refused(&other) => made.push((request, other)),
            Some(other) if !refused(&other) => {
                assert_eq!(other, reply, "one request, two answers");
                made.push((request, reply));
            }
            _ if !refused(&reply) => made.push((request, reply)),
            _ => {}
        }
    }
    for (request, reply) in &made {
        assert_eq!(reply.status, 200, "{request}: {reply:?}");
    }
    for (request, reply) in made.iter().step_by(5) {
        let again = pay(there, door, request, cents).await;
        assert_eq!(&again, reply, "{request}: not the first answer");
    }
    made.len() as u64
}

/// Bids, and cancels each second bid that is accepted.
async fn bid_and_cancel(buyer: Buyer, task: usize, bids: usize) -> usize {
    let mut cancelled = 0;
    for number in 0..bids {
        let cents = rand::rng().random_range(1..=400);
        let reply = buyer
            .bid("al", &format!("bid-{task}-{number}"), "p.loan", cents)
            .await;
        let known = ["bid_accepted", "insufficient_balance", "no_such_account"];
        assert!(known.contains(&reply.result.as_str()), "{reply:?}");
        if let (Some(order), 0) = (reply.order(), number % 2) {
            let path = format!("/orders/{order}/cancel");
            let reply = buyer.form(&path, &[("username", "al")]).await;
            assert_eq!(reply.result, "cancelled", "{reply:?}");
            cancelled += 1;
        }
    }
    cancelled
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_ups_beside_bids_and_cancels_lose_and_make_no_cent() {
    let mut world = World::new().await;
    let servers = TestApp::two(&world).await;
    let loan = world.target("p.loan", LOAN, &terms(1, 999)).await;
    // The event keeps accounts from the start, so each bid is paid from one.
    world.set_accounts("p", &[("bo", 0)]).await;
    let addresses = servers.each_ref().map(|app| app.buyer.address());
    let operators = || addresses.map(|at| Operator::new(&Buyer::new(at), TOKEN));
    let deposits: Vec<_> = (0..8)
        .map(|task| tokio::spawn(pay_often(operators(), "deposit", task, 25, 100)))
        .collect();
    let withdrawals: Vec<_> = (0..2)
        .map(|task| tokio::spawn(pay_often(operators(), "withdraw", task, 30, 70)))
        .collect();
    let bids: Vec<_> = (0..4)
        .map(|task| {
            let buyer = Buyer::new(addresses[task % 2]);
            tokio::spawn(bid_and_cancel(buyer, task, 40))
        })
        .collect();
    let sum = async |tasks: Vec<tokio::task::JoinHandle<u64>>| -> u64 {
        let made = join_all(tasks).await.into_iter();
        made.map(|made| made.expect("payments")).sum()
    };
    let (deposited, withdrawn) = (sum(deposits).await, sum(withdrawals).await);
    let cancelled = join_all(bids).await.into_iter();
    let cancelled: usize = cancelled.map(|cancelled| cancelled.expect("bids")).sum();
    assert_eq!(deposited, 200);
    assert!(cancelled > 5, "only {cancelled} bids went back: no race");
    let expected = i64::try_from(deposited * 100 - withdrawn * 70).expect("small");
    let books = Books::of(&mut world, "al").await;
    let right = Books {
        paid_in: expected,
        has_and_spent: expected,
        payments: expected,
    };
    assert_eq!(books, right, "{withdrawn} withdrawals");
    world.assert_holds(&loan).await;
    TestApp::stop_all(servers).await;
}

/// Adds a cent so many times, each time to the balance that the last answer told.
async fn add_by_comparing(operator: Operator, times: usize) {
    let (mut done, mut seen) = (0, 0);
    while done < times {
        let body = json!({"balance": seen + 1, "if_balance": seen}).to_string();
        let reply = operator.json("PUT", AL, &body).await;
        match reply.result.as_str() {
            "set" => (done, seen) = (done + 1, seen + 1),
            "balance_changed" => seen = reply.json()["balance"].as_u64().expect("cents"),
            other => panic!("{other}: {}", reply.body),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balances_set_by_comparing_overwrite_nothing() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let loan = world.target("p.loan", LOAN, &terms(1, 999)).await;
    world.set_accounts("p", &[("al", 1_000)]).await;
    let address = app.buyer.address();
    let operator = || Operator::new(&Buyer::new(address), TOKEN);
    let adds: Vec<_> = (0..3)
        .map(|_| tokio::spawn(add_by_comparing(operator(), 20)))
        .collect();
    let operators = [operator(), operator()];
    let deposits = tokio::spawn(pay_often(operators, "deposit", 0, 20, 100));
    let bids = tokio::spawn(bid_and_cancel(Buyer::new(address), 0, 20));
    for add in adds {
        add.await.expect("added");
    }
    assert_eq!(deposits.await.expect("payments"), 20);
    bids.await.expect("bids");
    let books = Books::of(&mut world, "al").await;
    let right = Books {
        paid_in: 3_060,
        has_and_spent: 3_060,
        payments: 2_000,
    };
    assert_eq!(books, right);
    world.assert_holds(&loan).await;
    app.stop().await;
}
