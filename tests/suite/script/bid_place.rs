//! `lua/bid_place.lua`

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use redis::Value;
use seckill::domain::caller::Caller;
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::money::CENTS_MAX;
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::order::{Order, OrderState};
use seckill::domain::purchase::bid::{Bid, BidOutcome, BidRefusal};
use seckill::domain::sale::{SaleEdit, StockKind};
use seckill::store::orders::bids;
use seckill::store::script::BID_PLACE;

use super::{Words, assert_broken_data_raises, assert_raises, call, call_at};
use crate::support::bids::{a_bid, terms};
use crate::support::redis::World;

fn edit() -> SaleEdit {
    SaleEdit::default()
}

fn refused(refusal: BidRefusal) -> BidOutcome {
    BidOutcome::Refused(refusal)
}

/// What was accepted, requested and given as a bonus, and whether it filled the target.
fn figures(order: &Order) -> (u64, u64, u64, bool) {
    let (line, bid) = order.bid().expect("a bid");
    (line.purchase, bid.requested, bid.bonus, bid.filled)
}

#[tokio::test]
async fn a_bid_takes_from_the_target_and_writes_each_key() {
    let mut world = World::new().await;
    let loan = world.target("p2p.loan", 2000, &terms(1, 250)).await;
    let order = world.accepted("秒 x", "req 1", &loan, 1800).await;
    assert_eq!(order.state, OrderState::Confirmed);
    assert_eq!(order.request.as_ref().map(|r| r.as_str()), Some("req 1"));
    assert_eq!(figures(&order), (1800, 1800, 45, false));
    assert!(!order.bid().expect("a bid").1.paid, "no accounts are kept");
    assert_eq!(world.order(&order.id).await, order);
    let keys = world.store.keys().clone();
    let requested: String = world
        .run(&["HGET", &keys.requests("p2p"), "秒 x\treq 1"])
        .await;
    assert_eq!(requested, order.id.as_str());
    let told = world.feed("p2p").await;
    assert_eq!(told, [("confirmed".to_owned(), order.id.to_string())]);
    for key in [
        keys.buyers(&loan),
        keys.holds("p2p"),
        keys.accounts("p2p"),
        keys.accounts_changes("p2p"),
    ] {
        assert_eq!(world.run::<u64>(&["EXISTS", &key]).await, 0, "{key}");
    }
    assert_eq!(
        (world.left(&loan).await, world.confirmed(&loan).await),
        (200, 1800)
    );
    world.assert_holds(&loan).await;

    // The last bid is cut to what is left, and is the only one that says that it filled it.
    let last = world.accepted("y", "r", &loan, 300).await;
    assert_eq!(figures(&last), (200, 300, 5, true));
    let late = world.bid("z", "r", &loan, 1).await;
    assert_eq!(late, refused(BidRefusal::TargetReached));
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn twenty_bids_of_30_for_a_target_of_100() {
    let world = World::new().await;
    let loan = world.target("loan", 100, &edit()).await;
    let mut accepted = Vec::new();
    for number in 0..20 {
        match world.bid("x", &format!("r{number}"), &loan, 30).await {
            BidOutcome::Accepted(order) => accepted.push(figures(&order).0),
            other => assert_eq!(other, refused(BidRefusal::TargetReached)),
        }
    }
    assert_eq!(accepted, [30, 30, 30, 10]);
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn an_account_pays_what_is_accepted_and_gets_the_bonus_once() {
    let world = World::new().await;
    let loan = world.target("p.loan", 140, &terms(1, 500)).await;
    world
        .set_accounts("p", &[("x", 50), ("y", 1000), ("z", 0)])
        .await;
    world.accepted("y", "first", &loan, 40).await;
    // Too little for what would be accepted: refused, and nothing is gone.
    let poor = world.bid("x", "r1", &loan, 80).await;
    assert_eq!(poor, refused(BidRefusal::InsufficientBalance));
    assert_eq!(
        (world.left(&loan).await, world.balance("p", "x").await),
        (100, Some(50))
    );
    let stranger = world.bid("nobody", "r", &loan, 1).await;
    assert_eq!(stranger, refused(BidRefusal::NoSuchAccount));

    let order = world.accepted("y", "r", &loan, 60).await;
    assert!(order.bid().expect("a bid").1.paid);
    assert_eq!(world.balance("p", "y").await, Some(1000 - 100 + 2 + 3));
    for _ in 0..3 {
        let again = world.bid("y", "r", &loan, 60).await;
        assert_eq!(again, BidOutcome::Repeated(order.clone()));
    }
    assert_eq!(world.balance("p", "y").await, Some(905));
    // Enough for the 40 that are left, though not for the 80 that were asked for.
    let last = world.accepted("x", "r1", &loan, 80).await;
    assert_eq!(figures(&last), (40, 80, 2, true));
    assert_eq!(world.balance("p", "x").await, Some(50 - 40 + 2));
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn one_buyer_may_bid_several_times_and_on_several_targets() {
    let world = World::new().await;
    let one = world.target("p.one", 100, &terms(1, 100)).await;
    let two = world.target("p.two", 100, &terms(1, 10_000)).await;
    world.set_accounts("p", &[("x", 150)]).await;
    world.accepted("x", "1", &one, 60).await;
    world.accepted("x", "2", &one, 60).await;
    world.accepted("x", "3", &two, 50).await;
    assert_eq!(world.balance("p", "x").await, Some(50));
    for target in [&one, &two] {
        world.assert_holds(target).await;
    }
}

#[tokio::test]
async fn less_than_the_minimum_is_accepted_only_as_all_that_is_left() {
    let world = World::new().await;
    let loan = world.target("loan", 105, &terms(50, 0)).await;
    let low = refused(BidRefusal::BelowMinimum { bid_min: 50 });
    assert_eq!(world.bid("x", "r", &loan, 49).await, low);
    world.accepted("x", "r", &loan, 50).await;
    world.accepted("y", "r", &loan, 50).await;
    for cents in [1, 4] {
        assert_eq!(world.bid("z", "r", &loan, cents).await, low);
    }
    let rest = world.accepted("z", "r", &loan, 5).await;
    assert_eq!(figures(&rest), (5, 5, 0, true));

    // A bid of less than the minimum that covers all that is left, too.
    world.store.stock_add_count(&loan, 3).await.expect("added");
    let rest = world.accepted("z", "r2", &loan, 20).await;
    assert_eq!(figures(&rest), (3, 20, 0, true));
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn every_refusal_comes_in_its_place_and_writes_nothing() {
    let mut world = World::new().await;
    let opens_at = world.now().await + 3_600_000;
    // Each target has all later reasons to refuse as well.
    let low = terms(50, 0);
    world.target("p.full", 0, &SaleEdit { ..low.clone() }).await;
    world.target("p.open", 100, &low).await;
    for (id, change) in [
        (
            "p.paused",
            SaleEdit {
                paused: Some(true),
                closes_at: Some(Some(1)),
                ..low.clone()
            },
        ),
        (
            "p.early",
            SaleEdit {
                opens_at: Some(Some(opens_at)),
                ..low.clone()
            },
        ),
        (
            "p.over",
            SaleEdit {
                closes_at: Some(Some(1)),
                ..low.clone()
            },
        ),
    ] {
        world.target(id, 0, &change).await;
    }
    world.sale("p.list", StockKind::List, 5).await;
    world.sale("p.counter", StockKind::Counter, 5).await;
    let open = world.target("p.known", 100, &edit()).await;
    let known = world.accepted("x", "known", &open, 7).await;
    world.set_accounts("p", &[("poor", 10)]).await;
    for (user, request, goods, cents, expected) in [
        ("x", "known", "p.none", 7, BidRefusal::NoSuchSale),
        ("x", "known", "p.list", 7, BidRefusal::WrongDoor),
        ("x", "known", "p.counter", 7, BidRefusal::WrongDoor),
        ("x", "known", "p.known", 8, BidRefusal::RequestIdReused),
        ("x", "known", "p.paused", 7, BidRefusal::RequestIdReused),
        ("x", "r", "p.paused", 7, BidRefusal::Paused),
        ("x", "r", "p.early", 7, BidRefusal::NotStarted { opens_at }),
        ("x", "r", "p.over", 7, BidRefusal::Ended),
        ("x", "r", "p.full", 7, BidRefusal::TargetReached),
        (
            "x",
            "r",
            "p.open",
            7,
            BidRefusal::BelowMinimum { bid_min: 50 },
        ),
        ("x", "r", "p.open", 50, BidRefusal::NoSuchAccount),
        ("poor", "r", "p.open", 50, BidRefusal::InsufficientBalance),
    ] {
        let goods = SaleId::parse(goods).expect("valid");
        let before = world.dump().await;
        let outcome = world.bid(user, request, &goods, cents).await;
        assert_eq!(outcome, refused(expected), "{goods} {cents}");
        assert_eq!(world.dump().await, before, "{goods} {cents}");
    }
    // The same request gets its order, whatever happened to its target.
    let states = [
        SaleEdit {
            paused: Some(true),
            ..edit()
        },
        SaleEdit {
            paused: Some(false),
            closes_at: Some(Some(1)),
            ..edit()
        },
    ];
    for state in states {
        world.put(&open, &state).await;
        let before = world.dump().await;
        let again = world.bid("x", "known", &open, 7).await;
        assert_eq!(again, BidOutcome::Repeated(known.clone()), "{state:?}");
        assert_eq!(world.dump().await, before, "{state:?}");
    }
    world.assert_holds(&open).await;
}

#[tokio::test]
async fn the_window_includes_both_of_its_ends() {
    let mut world = World::new().await;
    let window = SaleEdit {
        opens_at: Some(Some(1_000)),
        closes_at: Some(Some(2_000)),
        ..edit()
    };
    let loan = world.target("loan", 100, &window).await;
    let keys = world.store.keys().of_bid(&loan);
    for (now, closed) in [
        (999, Some(BidRefusal::NotStarted { opens_at: 1_000 })),
        (1_000, None),
        (2_000, None),
        (2_001, Some(BidRefusal::Ended)),
    ] {
        let bid = a_bid("x", &format!("at {now}"), &loan, 10);
        let (request, order) = (bid.request.as_str(), bid.order.as_str());
        let args = ["x", request, order, "0", "loan", "10", "", "0", "0"];
        let reply = call_at(&mut world, &BID_PLACE, now, &keys, &args).await;
        match (
            bids::decided(&reply, &bid)
                .and_then(|decided| decided.outcome)
                .expect("understood"),
            closed,
        ) {
            (BidOutcome::Accepted(order), None) => assert_eq!(order.created_at, now),
            (outcome, closed) => assert_eq!(Some(outcome), closed.map(refused), "at {now}"),
        }
    }
    assert_eq!(world.left(&loan).await, 80);
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn a_request_id_of_an_order_is_not_one_of_a_bid() {
    let world = World::new().await;
    let loan = world.target("p.loan", 100, &edit()).await;
    let tea = world.sale("p.tea", StockKind::Counter, 5).await;
    let place = async |request: &str, goods: &SaleId| {
        super::order_place::place(&world, "x", request, &[(goods.as_str(), 1)]).await
    };
    assert_eq!(place("order", &tea).await.code(), "grabbed");
    let reused = world.bid("x", "order", &loan, 1).await;
    assert_eq!(reused, refused(BidRefusal::RequestIdReused));
    world.accepted("x", "bid", &loan, 1).await;
    assert_eq!(place("bid", &tea).await.code(), "request_id_reused");
    world.assert_holds(&loan).await;
    world.assert_holds(&tea).await;
}

#[tokio::test]
async fn amounts_of_any_size_stay_exact() {
    let world = World::new().await;
    let loan = world.target("p.loan", CENTS_MAX, &terms(1, 9_999)).await;
    world.set_accounts("p", &[("x", CENTS_MAX)]).await;
    let all_but_one = CENTS_MAX - 1;
    let order = world.accepted("x", "r", &loan, all_but_one).await;
    let bonus = 99_989_999_999_999;
    assert_eq!(figures(&order), (all_but_one, all_but_one, bonus, false));
    assert_eq!(world.balance("p", "x").await, Some(1 + bonus));
    let last = world.accepted("x", "r2", &loan, CENTS_MAX).await;
    assert_eq!(figures(&last), (1, CENTS_MAX, 0, true));
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn no_feed_and_waiting_for_replicas() {
    let mut world = World::new().await;
    let quiet = SaleEdit {
        feed: Some(false),
        ..edit()
    };
    let loan = world.target("p", 100, &quiet).await;
    world.accepted("x", "r", &loan, 1).await;
    assert_eq!(world.feed("p").await, []);
    let keys = [
        "{p}:requests",
        "{p}:orders",
        "{p}:feed",
        "{p}:sale:p",
        "{p}:stock:p",
        "{p}:accounts",
        "{p}:accounts:changes",
    ];
    let sale = world.store.keys().sale(&loan);
    for (waits, amount, answer, writes) in [
        ("0", "1", "already_bid", false),
        ("0", "2", "request_id_reused", false),
        ("1", "2", "request_id_reused", true),
        ("1", "1", "already_bid", true),
    ] {
        let _: u64 = world.run(&["HDEL", &sale, "waited_at"]).await;
        let order = "p-abcdfabcdfabcdfabcdf";
        let args = ["x", "r", order, waits, "p", amount, "", "0", "0"];
        let reply = call(&mut world, &BID_PLACE, &keys, &args).await;
        let reply = format!("{:?}", reply.expect("decided"));
        assert!(reply.contains(answer), "{answer}: {reply}");
        let wrote: u64 = world.run(&["HEXISTS", &sale, "waited_at"]).await;
        assert_eq!(wrote == 1, writes, "{waits} {answer}");
    }
}

const KEYS: [&str; 7] = [
    "requests", "orders", "feed", "sale", "stock", "accounts", "changes",
];
const ARGS: [&str; 9] = ["x", "r", "p-1", "0", "p", "7", "", "0", "0"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&KEYS[..6], &ARGS[..]),
        (&KEYS[..], &ARGS[..8]),
        (&KEYS[..], &[]),
        (
            &KEYS[..],
            &["x", "r", "p-1", "0", "p", "7", "", "0", "0", "8"],
        ),
    ] {
        assert_raises(&mut world, &BID_PLACE, keys, args, "bid_place takes 7 keys").await;
    }
    for amount in ["0", "-1", "1.5", "x", "", "01", "1e1", "1000000000000000"] {
        let args = [&ARGS[..5], &[amount], &ARGS[6..]].concat();
        assert_raises(&mut world, &BID_PLACE, &KEYS, &args, "amount").await;
    }
}

/// Also where the call would stop a target that lost bids: this server knows of five.
#[tokio::test]
async fn broken_data_raises_before_a_target_that_lost_bids_is_stopped() {
    let args = [&ARGS[..6], &["1-x", "5", "9"]].concat();
    let seeds: [Words; 1] = [&["HSET", "sale", "kind", "target"]];
    let cases: [(Words, &str); 2] = [
        (
            &["HSET", "requests", "x\tr", "p-lost"],
            "order p-lost of a request is missing",
        ),
        (
            &["HSET", "sale", "known", "x"],
            "known is not a whole number",
        ),
    ];
    assert_broken_data_raises(&BID_PLACE, &KEYS, &args, &seeds, cases).await;
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let seeds: [Words; 3] = [
        &["HSET", "sale", "kind", "target"],
        &["SET", "stock", "100"],
        &["HSET", "accounts", "x", "50"],
    ];
    let cases: [(Words, &str); 19] = [
        (&["HSET", "sale", "history", "1-A"], "history is not N-word"),
        (&["SET", "requests", "x"], "WRONGTYPE"),
        (&["SET", "orders", "x"], "WRONGTYPE"),
        (&["SET", "feed", "x"], "WRONGTYPE"),
        (&["SET", "sale", "x"], "WRONGTYPE"),
        (&["SET", "accounts", "x"], "WRONGTYPE"),
        (&["RPUSH", "stock", "x"], "WRONGTYPE"),
        (&["RPUSH", "changes", "x"], "WRONGTYPE"),
        (&["SET", "changes", "x"], "changes is not a whole number"),
        (&["SET", "stock", "1e3"], "stock is not a whole number"),
        (
            &["HSET", "accounts", "x", "-1"],
            "the balance of x is not a whole number",
        ),
        (
            &["HSET", "sale", "bid_min", "x"],
            "bid_min is not a whole number",
        ),
        (
            &["HSET", "sale", "bonus_bp", "1.5"],
            "bonus_bp is not a whole number",
        ),
        (
            &["HSET", "sale", "bonus_bp", "10001"],
            "bonus_bp is more than 10000",
        ),
        (
            &["HSET", "sale", "confirmed", "x"],
            "confirmed is not a whole number",
        ),
        (
            &["HSET", "sale", "grants", "x"],
            "grants is not a whole number",
        ),
        (
            &["HSET", "sale", "opens_at", "soon"],
            "opens_at is not a whole number",
        ),
        (
            &["HSET", "requests", "x\tr", "p-lost"],
            "order p-lost of a request is missing",
        ),
        (
            &["XADD", "feed", "5-1", "what", "by hand"],
            "equal or smaller",
        ),
    ];
    assert_broken_data_raises(&BID_PLACE, &KEYS, &ARGS, &seeds, cases).await;
}

/// What bids do, in the plainest words: the model that the script must agree with.
#[derive(Default)]
struct Model {
    left: Vec<u64>,
    /// Of each user; none of them has one when no accounts are kept.
    balances: Vec<Option<u64>>,
    keeps_accounts: bool,
    requests: HashMap<(usize, u8), (usize, u64, usize)>,
    bids: Vec<Accepted>,
}

struct Accepted {
    user: usize,
    target: usize,
    cents: u64,
    bonus: u64,
    is_alive: bool,
}

/// Targets of the model, with their smallest bid and bonus.
const TARGETS: [(&str, u64, u32); 2] = [("e.a", 10, 500), ("e.b", 1, 3_333)];
/// Users with an account; one more has none.
const USERS: usize = 3;

impl Model {
    /// The answer, and the number of the bid that it shows.
    fn bid(
        &mut self,
        user: usize,
        request: u8,
        target: usize,
        cents: u64,
    ) -> (&str, Option<usize>) {
        if let Some(&(its_target, its_cents, number)) = self.requests.get(&(user, request)) {
            return match (its_target, its_cents) == (target, cents) {
                true => ("already_bid", Some(number)),
                false => ("request_id_reused", None),
            };
        }
        let left = self.left[target];
        let (_, bid_min, bonus_bp) = TARGETS[target];
        let accepted = cents.min(left);
        let bonus = accepted * u64::from(bonus_bp) / 10_000;
        if left == 0 {
            return ("target_reached", None);
        } else if cents < bid_min && cents < left {
            return ("invalid_amount", None);
        }
        if self.keeps_accounts {
            match &mut self.balances[user] {
                None => return ("no_such_account", None),
                Some(balance) if *balance < accepted => return ("insufficient_balance", None),
                Some(balance) => *balance = *balance - accepted + bonus,
            }
        }
        self.left[target] -= accepted;
        let number = self.bids.len();
        self.requests
            .insert((user, request), (target, cents, number));
        self.bids.push(Accepted {
            user,
            target,
            cents: accepted,
            bonus,
            is_alive: true,
        });
        ("bid_accepted", Some(number))
    }

    fn cancel(&mut self, number: usize) {
        let bid = &mut self.bids[number];
        if self.left[bid.target] == 0 || !bid.is_alive {
            return;
        }
        bid.is_alive = false;
        self.left[bid.target] += bid.cents;
        if let Some(balance) = &mut self.balances[bid.user] {
            *balance = *balance + bid.cents - bid.bonus;
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// User, request, target by its place, cents.
    Bid(usize, u8, usize, u64),
    /// The bid of this number, if there are that many.
    Cancel(usize),
    /// The balance of a user becomes this.
    Set(usize, u64),
    /// A target is raised.
    Raise(usize, u64),
}

#[derive(Debug, Clone)]
struct Case {
    keeps_accounts: bool,
    targets: Vec<u64>,
    steps: Vec<Step>,
}

fn cases() -> impl Strategy<Value = Case> {
    // Few amounts and requests, so that many requests are repeated.
    let cents = prop::sample::select(vec![1u64, 7, 20, 33, 59]);
    let bid = (0..USERS + 1, 0u8..4, 0usize..2, cents);
    let bid =
        bid.prop_map(|(user, request, target, cents)| Step::Bid(user, request, target, cents));
    let step = prop_oneof![
        8 => bid,
        2 => (0usize..8).prop_map(Step::Cancel),
        1 => (0..USERS, 0u64..200).prop_map(|(user, cents)| Step::Set(user, cents)),
        1 => (0usize..2, 1u64..40).prop_map(|(target, cents)| Step::Raise(target, cents)),
    ];
    let targets = prop::collection::vec(0u64..200, 2);
    let steps = prop::collection::vec(step, 1..40);
    let case = (prop::bool::weighted(0.8), targets, steps);
    case.prop_map(|(keeps_accounts, targets, steps)| Case {
        keeps_accounts,
        targets,
        steps,
    })
}

/// Who says that a script is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judge {
    /// The model, after each step, and then the audit.
    Everybody,
    /// The deep audit alone, at the end.
    Audit,
}

/// Decides a bid with the script of this source.
async fn decide(world: &mut World, source: &str, bid: &Bid) -> BidOutcome {
    let keys = world.store.keys().of_bid(&bid.goods);
    let mut eval = redis::cmd("EVAL");
    eval.arg(source).arg(keys.len()).arg(&keys[..]);
    eval.arg(bid.username.as_str()).arg(bid.request.as_str());
    eval.arg(bid.order.as_str()).arg(0);
    eval.arg(bid.goods.as_str()).arg(bid.amount.get());
    eval.arg("").arg(0).arg(0).arg("");
    let reply: Value = eval.query_async(&mut world.raw).await.expect("decided");
    bids::decided(&reply, bid)
        .and_then(|decided| decided.outcome)
        .expect("understood")
}

/// The targets and accounts of a case, in Redis and in a model.
async fn begun(world: &mut World, case: &Case) -> (Vec<SaleId>, Model) {
    let mut targets = Vec::new();
    for (&(id, bid_min, bonus_bp), &cents) in TARGETS.iter().zip(&case.targets) {
        targets.push(world.target(id, cents, &terms(bid_min, bonus_bp)).await);
    }
    let mut model = Model {
        left: case.targets.clone(),
        keeps_accounts: case.keeps_accounts,
        balances: vec![None; USERS + 1],
        ..Model::default()
    };
    if case.keeps_accounts {
        world
            .set_accounts("e", &[("u0", 150), ("u1", 60), ("u2", 0)])
            .await;
        model.balances = vec![Some(150), Some(60), Some(0), None];
    }
    (targets, model)
}

/// What is left to the targets and what the users have: in Redis, and by the model.
async fn stands(
    world: &World,
    targets: &[SaleId],
    model: &Model,
) -> (Vec<Option<u64>>, Vec<Option<u64>>) {
    let mut stands = (Vec::new(), Vec::new());
    for (target, sale) in targets.iter().enumerate() {
        stands.0.push(Some(world.left(sale).await));
        stands.1.push(Some(model.left[target]));
    }
    for user in 0..=USERS {
        stands.0.push(world.balance("e", &format!("u{user}")).await);
        stands.1.push(model.balances[user]);
    }
    stands
}

/// What a recount says against these targets.
async fn recounted(world: &World, targets: &[SaleId]) -> Result<(), String> {
    for sale in targets {
        let judged = world.store.recount(sale, &|_| {}).await.expect("recount");
        let violations = judged.expect("the sale exists").violations;
        if !violations.is_empty() {
            return Err(format!("{violations:?}"));
        }
    }
    Ok(())
}

/// Lets the script of this source and the model do the same; what they do not agree about.
async fn judge(source: &str, case: &Case, judge: Judge) -> Result<(), String> {
    let mut world = World::new().await;
    let (targets, mut model) = begun(&mut world, case).await;
    let mut orders: Vec<OrderId> = Vec::new();
    for step in &case.steps {
        let mut said = (String::new(), String::new());
        match *step {
            Step::Bid(user, request, target, cents) => {
                let name = format!("u{user}");
                let bid = a_bid(&name, &format!("r{request}"), &targets[target], cents);
                let outcome = decide(&mut world, source, &bid).await;
                let shown = match &outcome {
                    BidOutcome::Accepted(order) => {
                        orders.push(order.id.clone());
                        Some(figures(order))
                    }
                    BidOutcome::Repeated(order) => Some(figures(order)),
                    BidOutcome::Refused(_) => None,
                };
                let expected = model.bid(user, request, target, cents);
                let (word, number) = (expected.0.to_owned(), expected.1);
                let shown = shown.map(|(accepted, _, bonus, _)| (accepted, bonus));
                let bid = number.map(|number| &model.bids[number]);
                let expected = bid.map(|bid| (bid.cents, bid.bonus));
                said = (
                    format!("{} {shown:?}", outcome.code()),
                    format!("{word} {expected:?}"),
                );
            }
            Step::Cancel(number) => {
                if let Some(order) = orders.get(number) {
                    let cancelled = world.store.order_cancel(order, &Caller::Operator).await;
                    assert!(!matches!(
                        cancelled.expect("decided"),
                        ChangeOutcome::NoSuchOrder
                    ));
                }
                if number < model.bids.len() {
                    model.cancel(number);
                }
            }
            Step::Set(user, cents) if case.keeps_accounts => {
                world
                    .set_accounts("e", &[(&format!("u{user}"), cents)])
                    .await;
                model.balances[user] = Some(cents);
            }
            Step::Set(..) => {}
            Step::Raise(target, cents) => {
                let raised = world.store.stock_add_count(&targets[target], cents).await;
                raised.expect("added");
                model.left[target] += cents;
            }
        }
        if judge == Judge::Everybody {
            let stands = stands(&world, &targets, &model).await;
            if said.0 != said.1 || stands.0 != stands.1 {
                return Err(format!("{step:?}: {said:?} {stands:?}"));
            }
        }
    }
    recounted(&world, &targets).await
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_bids_agree_with_the_model(case in cases()) {
        let judged = on_a_runtime(judge(BID_PLACE.source, &case, Judge::Everybody));
        prop_assert_eq!(judged, Ok(()));
    }
}

/// The controls: each of these scripts has a bug that systems of this kind had.
#[test]
fn every_seeded_bug_is_convicted() {
    let credit = "account_write(accounts, changes, username, balance + bid.bonus)";
    let repeated = "  return nothing_new(\"already_bid\"";
    let bugs: [(&str, String, &[Judge]); 5] = [
        // The requested amount instead of what is left.
        (
            "math.min(amount, left)",
            "amount".to_owned(),
            &[Judge::Everybody, Judge::Audit],
        ),
        // The bonus again for a repeated request.
        (
            repeated,
            format!("  if balance then {credit} end\n{repeated}"),
            &[Judge::Everybody, Judge::Audit],
        ),
        // A retry that bids twice.
        (
            "redis.call(\"HSET\", requests, request, order)",
            String::new(),
            &[Judge::Everybody, Judge::Audit],
        ),
        // A bonus on what was asked for.
        (
            "bid_bonus(accepted, target.",
            "bid_bonus(amount, target.".to_owned(),
            &[Judge::Everybody, Judge::Audit],
        ),
        // A balance that is not looked at.
        (
            "balance < accepted",
            "false".to_owned(),
            &[Judge::Everybody],
        ),
    ];
    for (right, wrong, judges) in bugs {
        let source = BID_PLACE.source.replace(right, &wrong);
        assert_ne!(source, BID_PLACE.source, "{right} is not in the script");
        for &by in judges {
            let mut runner = TestRunner::deterministic();
            let convicted = (0..100).any(|_| {
                let case = cases().new_tree(&mut runner).expect("a case").current();
                // A bonus above the accepted amount is not a valid record, which is found as well.
                let judged =
                    std::panic::AssertUnwindSafe(|| on_a_runtime(judge(&source, &case, by)));
                std::panic::catch_unwind(judged).is_ok_and(|judged| judged.is_err())
            });
            assert!(convicted, "nothing noticed {wrong:?} ({by:?})");
        }
    }
}
