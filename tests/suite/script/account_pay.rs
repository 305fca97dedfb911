//! `lua/account_pay.lua`

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redis::Value;
use seckill::domain::caller::Caller;
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::money::CENTS_MAX;
use seckill::domain::payment::{PayOutcome, PayRefusal};
use seckill::domain::purchase::bid::BidOutcome;
use seckill::store::script::ACCOUNT_PAY;

use super::{Words, assert_broken_data_raises, assert_raises};
use crate::support::bids::{a_payment, event, terms};
use crate::support::orders::username;
use crate::support::redis::World;

const KEYS: [&str; 5] = ["accounts", "paid_in", "changes", "payments", "archived"];

fn paid(balance: u64) -> PayOutcome {
    PayOutcome::Paid { balance }
}

fn refused(refusal: PayRefusal) -> PayOutcome {
    PayOutcome::Refused(refusal)
}

/// The account of a buyer of event `p`: balance and what was paid in.
async fn account(world: &World, user: &str) -> Option<(u64, u64)> {
    let account = world.store.account(&event("p"), &username(user)).await;
    let account = account.expect("read");
    account.map(|account| (account.balance, account.paid_in))
}

#[tokio::test]
async fn money_goes_in_and_out() {
    let mut world = World::new().await;
    assert_eq!(world.pay("p", "x", "r1", 500).await, paid(500));
    assert_eq!(world.pay("p", "x", "r2", 1).await, paid(501));
    assert_eq!(world.pay("p", "x", "r3", -301).await, paid(200));
    assert_eq!(account(&world, "x").await, Some((200, 200)));
    assert_eq!(world.pay("p", "x", "r4", -200).await, paid(0));
    assert_eq!(account(&world, "x").await, Some((0, 0)));
    assert_eq!(world.pay("p", "秒, y", "r 1", 7).await, paid(7));
    let keys = world.store.keys();
    let (changes, payments) = (keys.accounts_changes("p"), keys.payments("p"));
    assert_eq!(world.run::<u64>(&["GET", &changes]).await, 5);
    let kept: HashMap<String, String> = world.run(&["HGETALL", &payments]).await;
    let expected = [
        ("x\tr1", "500\t500"),
        ("x\tr2", "1\t501"),
        ("x\tr3", "-301\t200"),
        ("x\tr4", "-200\t0"),
        ("秒, y\tr 1", "7\t7"),
    ];
    let expected = expected.map(|(field, value)| (field.to_owned(), value.to_owned()));
    assert_eq!(kept, HashMap::from(expected));
}

/// Whatever happened since, also to an account that is gone.
#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_changes_nothing() {
    let mut world = World::new().await;
    let loan = world.target("p.loan", 100, &terms(1, 1_000)).await;
    world.pay("p", "x", "in", 100).await;
    world.pay("p", "x", "out", -40).await;
    world.set_accounts("p", &[("x", 10)]).await;
    world.pay("p", "x", "more", 30).await;
    world.accepted("x", "bid", &loan, 20).await;
    let before = world.dump().await;
    for _ in 0..3 {
        assert_eq!(world.pay("p", "x", "in", 100).await, paid(100));
        assert_eq!(world.pay("p", "x", "out", -40).await, paid(60));
        assert_eq!(world.pay("p", "x", "more", 30).await, paid(40));
    }
    assert_eq!(world.dump().await, before, "a repeat wrote something");
    world.assert_holds(&loan).await;
    let [accounts, ..] = world.store.keys().of_accounts("p");
    let _: i64 = world.run(&["HDEL", &accounts, "x"]).await;
    assert_eq!(world.pay("p", "x", "out", -40).await, paid(60));
    assert_eq!(world.balance("p", "x").await, None);
}

#[tokio::test]
async fn a_request_id_belongs_to_one_payment_of_one_account() {
    let mut world = World::new().await;
    world.pay("p", "x", "r", 100).await;
    world.pay("p", "x", "s", -50).await;
    let before = world.dump().await;
    for (request, cents) in [("r", 101), ("r", 10), ("r", -100), ("s", 50), ("s", -5)] {
        let told = world.pay("p", "x", request, cents).await;
        let expected = refused(PayRefusal::RequestIdReused);
        assert_eq!(told, expected, "{request} {cents}");
    }
    // In such an account, a withdrawal of this amount would be refused for its own sake, too.
    let told = world.pay("p", "x", "r", -900).await;
    assert_eq!(told, refused(PayRefusal::RequestIdReused));
    assert_eq!(world.dump().await, before, "a refusal wrote something");
    assert_eq!(world.pay("p", "y", "r", 7).await, paid(7), "another buyer");
    assert_eq!(world.pay("q", "x", "r", 9).await, paid(9), "another event");
}

#[tokio::test]
async fn a_refusal_changes_nothing_and_keeps_no_request() {
    let mut world = World::new().await;
    let none = refused(PayRefusal::NoSuchAccount);
    assert_eq!(world.pay("p", "x", "r", -1).await, none);
    assert_eq!(world.dump().await, []);
    world.set_accounts("p", &[("x", 60), ("y", 1)]).await;
    let before = world.dump().await;
    assert_eq!(world.pay("p", "z", "r", -1).await, none);
    let short = refused(PayRefusal::InsufficientBalance { balance: 60 });
    assert_eq!(world.pay("p", "x", "r", -61).await, short);
    assert_eq!(world.dump().await, before, "a refusal wrote something");
    assert_eq!(world.pay("p", "x", "in", 1).await, paid(61));
    assert_eq!(world.pay("p", "x", "r", -61).await, paid(0));
    let short = refused(PayRefusal::InsufficientBalance { balance: 0 });
    assert_eq!(world.pay("p", "x", "s", -1).await, short);
}

#[tokio::test]
async fn no_more_is_paid_in_than_an_account_can_count() {
    let mut world = World::new().await;
    let most = i64::try_from(CENTS_MAX).expect("small");
    let loan = world.target("p.loan", 100, &terms(1, 0)).await;
    assert_eq!(world.pay("p", "x", "r", most).await, paid(CENTS_MAX));
    world.accepted("x", "bid", &loan, 70).await;
    let before = world.dump().await;
    for (user, cents) in [("x", 1), ("x", most)] {
        let told = world.pay("p", user, "s", cents).await;
        assert_eq!(told, refused(PayRefusal::LimitPassed), "{user} {cents}");
    }
    assert_eq!(world.dump().await, before, "a refusal wrote something");
    let left = CENTS_MAX - 70;
    assert_eq!(world.pay("p", "x", "out", -5).await, paid(left - 5));
    assert_eq!(world.pay("p", "x", "s", 5).await, paid(left));
    world.assert_holds(&loan).await;
}

/// What bids took does not count as paid out, nor what they brought as paid in.
#[tokio::test]
async fn the_law_holds_with_bids_and_bonuses() {
    let world = World::new().await;
    let loan = world.target("p.loan", 1_000, &terms(1, 1_000)).await;
    world.pay("p", "x", "in", 100).await;
    let bid = world.accepted("x", "bid", &loan, 100).await;
    assert_eq!(account(&world, "x").await, Some((10, 100)));
    assert_eq!(world.pay("p", "x", "out", -10).await, paid(0));
    assert_eq!(account(&world, "x").await, Some((0, 90)));
    world
        .store
        .order_cancel(&bid.id, &Caller::Operator)
        .await
        .expect("decided");
    assert_eq!(account(&world, "x").await, Some((90, 90)));
    assert_eq!(world.pay("p", "x", "all", -90).await, paid(0));
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let takes = "account_pay takes 5 keys";
    for (keys, args, words) in [
        (&KEYS[..3], &["x", "r", "1", "9"][..], takes),
        (&KEYS[..], &["x", "r", "1"], takes),
        (&KEYS[..], &["x", "r", "1", "9", "9"], takes),
        (&KEYS[..], &[], takes),
        (&[], &[], takes),
    ] {
        assert_raises(&mut world, &ACCOUNT_PAY, keys, args, words).await;
    }
    for amount in ["", "-", "+1", "--1", "01", "1.5", " 1", "1\n", "many"] {
        let args = ["x", "r", amount, "9"];
        let words = "amount is not a whole number";
        assert_raises(&mut world, &ACCOUNT_PAY, &KEYS, &args, words).await;
    }
    for amount in ["0", "-0"] {
        let args = ["x", "r", amount, "9"];
        let words = "amount must be at least 1";
        assert_raises(&mut world, &ACCOUNT_PAY, &KEYS, &args, words).await;
    }
    let args = ["x", "r", "1", "most"];
    let words = "limit is not a whole number";
    assert_raises(&mut world, &ACCOUNT_PAY, &KEYS, &args, words).await;
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let seeds: [Words; 2] = [
        &["HSET", "accounts", "x", "5"],
        &["HSET", "paid_in", "x", "5"],
    ];
    let keys: [(Words, &str); 7] = [
        (&["SET", "accounts", "x"], "WRONGTYPE"),
        (&["SET", "paid_in", "x"], "WRONGTYPE"),
        (&["RPUSH", "changes", "x"], "WRONGTYPE"),
        (&["SET", "payments", "x"], "WRONGTYPE"),
        (&["SET", "changes", "x"], "changes is not a whole number"),
        (
            &["HSET", "accounts", "x", "-5"],
            "the balance of x is not a whole number",
        ),
        (
            &["HSET", "paid_in", "x", "lots"],
            "what was paid in by x is not a whole number",
        ),
    ];
    for amount in ["2", "-2"] {
        let args = ["x", "r", amount, "9"];
        assert_broken_data_raises(&ACCOUNT_PAY, &KEYS, &args, &seeds, keys).await;
    }
    let args = ["x", "r", "-2", "9"];
    let less: [(Words, &str); 1] = [(
        &["HSET", "paid_in", "x", "1"],
        "x has more than was ever paid in",
    )];
    assert_broken_data_raises(&ACCOUNT_PAY, &KEYS, &args, &seeds, less).await;
    let requests: [(Words, &str); 5] = [
        (&["HSET", "payments", "x\tr", ""], "r of x is no payment"),
        (&["HSET", "payments", "x\tr", "-2"], "r of x is no payment"),
        (
            &["HSET", "payments", "x\tr", "02\t5"],
            "r of x is no payment",
        ),
        (
            &["HSET", "payments", "x\tr", "-2\t"],
            "the balance after request r",
        ),
        (
            &["HSET", "payments", "x\tr", "-2\t05"],
            "the balance after request r",
        ),
    ];
    assert_broken_data_raises(&ACCOUNT_PAY, &KEYS, &args, &seeds, requests).await;
}

const USERS: usize = 3;
const BONUS_BP: u32 = 1_000;

/// Event `p` with one target of plenty, as it should be.
#[derive(Default)]
struct Model {
    balances: HashMap<usize, u64>,
    /// Cents paid in less those paid out, by user.
    paid_in: HashMap<usize, i64>,
    payments: HashMap<(usize, u8), (i64, u64)>,
}

impl Model {
    fn pay(&mut self, user: usize, request: u8, cents: i64) -> PayOutcome {
        if let Some(&(before, balance)) = self.payments.get(&(user, request)) {
            return match before == cents {
                true => paid(balance),
                false => refused(PayRefusal::RequestIdReused),
            };
        }
        let has = self.balances.get(&user).copied();
        let balance = match has.unwrap_or(0).checked_add_signed(cents) {
            _ if cents < 0 && has.is_none() => return refused(PayRefusal::NoSuchAccount),
            Some(balance) => balance,
            None => {
                let balance = has.unwrap_or(0);
                return refused(PayRefusal::InsufficientBalance { balance });
            }
        };
        self.balances.insert(user, balance);
        *self.paid_in.entry(user).or_default() += cents;
        self.payments.insert((user, request), (cents, balance));
        paid(balance)
    }
}

/// Who says that a script is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judge {
    /// The model, after each step, and then the audit.
    Everybody,
    /// The deep audit alone, at the end.
    Audit,
}

/// Makes a payment with the script of this source; the error is an answer that no script gives.
async fn pay(
    world: &mut World,
    source: &str,
    user: &str,
    request: u8,
    cents: i64,
) -> Result<PayOutcome, String> {
    let payment = a_payment(user, &format!("r{request}"), cents);
    let keys = world.store.keys().of_payment("p");
    let mut eval = redis::cmd("EVAL");
    eval.arg(source).arg(keys.len()).arg(&keys[..]);
    eval.arg(user).arg(payment.request.as_str());
    eval.arg(payment.signed_amount()).arg(CENTS_MAX).arg("");
    let reply = eval.query_async(&mut world.raw).await;
    let reply: Vec<Value> = reply.map_err(|e| e.to_string())?;
    let strange = || format!("{reply:?}");
    let (word, balance) = match &reply[..] {
        [Value::BulkString(word)] => (word, None),
        [Value::BulkString(word), Value::Int(balance)] => {
            let balance = u64::try_from(*balance).map_err(|_| strange())?;
            (word, Some(balance))
        }
        _ => return Err(strange()),
    };
    match (&word[..], balance) {
        (b"paid", Some(balance)) => Ok(paid(balance)),
        (word, balance) => {
            let refusal = PayRefusal::parse(&String::from_utf8_lossy(word), balance);
            refusal.map(refused).ok_or_else(strange)
        }
    }
}

/// One random step, done by the script of this source and by the model: what both say.
async fn step(
    world: &mut World,
    source: &str,
    model: &mut Model,
    random: &mut StdRng,
    (loan, bids): (&SaleId, &mut Vec<(OrderId, usize, u64)>),
) -> Result<(PayOutcome, PayOutcome), String> {
    let user = random.random_range(0..USERS);
    let name = format!("u{user}");
    // Few amounts and requests, so that many requests are repeated.
    let cents = [1, 7, 20, 33][random.random_range(0..4)];
    match random.random_range(0..10) {
        0..7 => {
            let sign = if random.random_bool(0.4) { -1 } else { 1 };
            let (request, cents) = (random.random_range(0..6), sign * cents);
            let told = pay(world, source, &name, request, cents).await?;
            return Ok((told, model.pay(user, request, cents)));
        }
        7..9 => {
            let bid = world
                .bid(&name, &rand::random::<u64>().to_string(), loan, 10)
                .await;
            if let BidOutcome::Accepted(order) = bid {
                let (_, accepted) = order.bid().expect("a bid");
                let spent = 10 - accepted.bonus;
                if let Some(balance) = model.balances.get_mut(&user).filter(|_| accepted.paid) {
                    *balance -= spent;
                    bids.push((order.id, user, spent));
                }
            }
        }
        _ => {
            if let Some((order, user, spent)) = bids.pop() {
                world
                    .store
                    .order_cancel(&order, &Caller::Operator)
                    .await
                    .expect("decided");
                *model.balances.entry(user).or_default() += spent;
            }
        }
    }
    Ok((paid(0), paid(0)))
}

/// Lets the script of this source and the model do the same; what they do not agree about.
async fn judge(source: &str, seed: u64, judge: Judge) -> Result<(), String> {
    let mut world = World::new().await;
    let mut random = StdRng::seed_from_u64(seed);
    let loan = world.target("p.loan", 100_000, &terms(1, BONUS_BP)).await;
    let (mut model, mut bids) = (Model::default(), Vec::new());
    // From here on the event keeps accounts.
    pay(&mut world, source, "u0", 9, 50).await?;
    model.pay(0, 9, 50);
    for number in 0..30 {
        let rest = (&loan, &mut bids);
        let (told, expected) = step(&mut world, source, &mut model, &mut random, rest).await?;
        if judge == Judge::Audit {
            continue;
        }
        let mut stands = (Vec::new(), Vec::new());
        for user in 0..USERS {
            stands.0.push(account(&world, &format!("u{user}")).await);
            let balance = model.balances.get(&user).copied();
            let paid_in = model.paid_in.get(&user).copied().unwrap_or(0);
            let paid_in = u64::try_from(paid_in).expect("no debt");
            stands.1.push(balance.map(|balance| (balance, paid_in)));
        }
        if told != expected || stands.0 != stands.1 {
            let said = format!("{told:?} for {expected:?}, {stands:?}");
            return Err(format!("seed {seed}, step {number}: {said}"));
        }
    }
    let judged = world.store.recount(&loan, &|_| {}).await.expect("recount");
    match judged.expect("the sale exists").violations {
        none if none.is_empty() => Ok(()),
        violations => Err(format!("seed {seed}: {violations:?}")),
    }
}

#[tokio::test]
async fn any_payments_agree_with_the_model() {
    for _ in 0..20 {
        let judged = judge(ACCOUNT_PAY.source, rand::random(), Judge::Everybody).await;
        assert_eq!(judged, Ok(()));
    }
}

/// The controls: each of these scripts has a bug that systems of this kind had.
#[tokio::test]
async fn every_seeded_bug_is_convicted() {
    let bugs: [(&str, &str, &[Judge]); 6] = [
        // A retry that pays twice.
        ("if before then", "if false then", &[Judge::Everybody]),
        // A request that takes any amount for its own.
        ("amount_then ~= amount", "false", &[Judge::Everybody]),
        // A repeat that tells the balance of now.
        (
            "return { \"paid\", balance_then }",
            "return { \"paid\", balance }",
            &[Judge::Everybody],
        ),
        // A balance that is not looked at.
        (
            "balance < cents then",
            "balance + 1 < cents then",
            &[Judge::Everybody],
        ),
        // Money that goes in and out beside the books.
        (
            "redis.call(\"HSET\", paid_in, username, digits(total))",
            "",
            &[Judge::Everybody, Judge::Audit],
        ),
        // Money that goes out and stays in the books.
        (
            "local total = paid + change",
            "local total = paid + math.max(change, 0)",
            &[Judge::Everybody, Judge::Audit],
        ),
    ];
    for (right, wrong, judges) in bugs {
        let source = ACCOUNT_PAY.source.replace(right, wrong);
        assert_ne!(source, ACCOUNT_PAY.source, "{right} is not in the script");
        for &by in judges {
            let mut seeds = 0..50;
            let convicted = loop {
                match seeds.next() {
                    None => break false,
                    Some(seed) if judge(&source, seed, by).await.is_err() => break true,
                    Some(_) => {}
                }
            };
            assert!(convicted, "nobody noticed {wrong:?} ({by:?})");
        }
    }
}
