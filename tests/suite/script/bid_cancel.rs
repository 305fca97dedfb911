//! `lua/bid_cancel.lua`

use seckill::domain::caller::Caller;
use seckill::domain::ids::OrderId;
use seckill::domain::order::OrderState;
use seckill::domain::order::change::{ChangeOutcome, ChangeRefusal};
use seckill::domain::sale::SaleEdit;
use seckill::domain::time::EpochMs;
use seckill::store::orders;
use seckill::store::script::BID_CANCEL;

use super::{
    Words, a_broken_world, assert_broken_data_raises, assert_raises, call, call_at, changed,
    counted,
};
use crate::support::bids::terms;
use crate::support::orders::{new_order_id, username};
use crate::support::redis::World;

async fn cancel(world: &World, id: &OrderId) -> ChangeOutcome {
    let outcome = world.store.order_cancel(id, &Caller::Operator).await;
    outcome.expect("decided")
}

#[tokio::test]
async fn a_bid_and_its_cancel_leave_target_and_account_as_they_were() {
    let mut world = World::new().await;
    let loan = world.target("p.loan", 100, &terms(1, 1_000)).await;
    world.set_accounts("p", &[("x", 80), ("y", 5)]).await;
    world.accepted("y", "r", &loan, 5).await;
    let mut before = world.contents().await;
    let bid = world.accepted("x", "r", &loan, 60).await;
    assert_eq!(world.balance("p", "x").await, Some(80 - 60 + 6));

    let dead = changed(cancel(&world, &bid.id).await);
    assert_eq!(dead.state, OrderState::Cancelled);
    assert!(dead.changed_at.is_some());
    assert_eq!((&dead.lines, &dead.request), (&bid.lines, &bid.request));
    assert_eq!(world.order(&bid.id).await, dead);
    let mut after = world.contents().await;
    // These tell the story; all others are as they were.
    for told in [
        "sale:p.loan",
        "orders",
        "feed",
        "requests",
        "accounts:changes",
    ] {
        let key = format!("{{p}}:{told}");
        assert_ne!(before.remove(&key), after.remove(&key), "{told}");
    }
    assert_eq!(after, before);
    assert_eq!(counted(&world, &loan).await, (0, 5, 0));
    let told = world.feed("p").await;
    assert_eq!(told[2], ("cancelled".to_owned(), bid.id.to_string()));

    let after = world.dump().await;
    assert_eq!(
        cancel(&world, &bid.id).await,
        ChangeOutcome::Repeated(dead.clone())
    );
    assert_eq!(world.dump().await, after, "a repeat wrote something");
    // Its request stays what it was; a new one bids again.
    let again = world.bid("x", "r", &loan, 60).await;
    assert_eq!(
        again,
        seckill::domain::purchase::bid::BidOutcome::Repeated(dead)
    );
    world.accepted("x", "r2", &loan, 60).await;
    world.assert_holds(&loan).await;
}

/// Also when the bonus was spent: what comes back is never less than it.
#[tokio::test]
async fn a_spent_bonus_is_taken_out_of_what_comes_back() {
    let world = World::new().await;
    let loan = world.target("p.loan", 1000, &terms(1, 10_000)).await;
    world.set_accounts("p", &[("x", 100)]).await;
    let first = world.accepted("x", "1", &loan, 100).await;
    assert_eq!(world.balance("p", "x").await, Some(100), "all is bonus");
    world.set_accounts("p", &[("x", 0)]).await;
    changed(cancel(&world, &first.id).await);
    assert_eq!(world.balance("p", "x").await, Some(0));
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn a_bid_that_was_paid_from_nowhere_gives_no_account_anything() {
    let world = World::new().await;
    let loan = world.target("p.loan", 100, &terms(1, 1_000)).await;
    let bid = world.accepted("x", "r", &loan, 60).await;
    world.set_accounts("p", &[("x", 7)]).await;
    changed(cancel(&world, &bid.id).await);
    assert_eq!(world.balance("p", "x").await, Some(7));
    assert_eq!(world.left(&loan).await, 100);
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn a_full_target_keeps_its_bids_until_it_is_raised() {
    let mut world = World::new().await;
    let loan = world.target("p.loan", 100, &terms(1, 0)).await;
    let one = world.accepted("x", "r", &loan, 40).await;
    let two = world.accepted("y", "r", &loan, 90).await;
    for bid in [&one, &two] {
        let before = world.dump().await;
        let expected = ChangeOutcome::Refused(ChangeRefusal::NotCancellable, bid.clone());
        assert_eq!(cancel(&world, &bid.id).await, expected);
        assert_eq!(world.dump().await, before);
    }
    world.store.stock_add_count(&loan, 1).await.expect("added");
    changed(cancel(&world, &two.id).await);
    assert_eq!(world.left(&loan).await, 61);
    world.assert_holds(&loan).await;
}

/// Cancels as if it were `now`.
async fn cancel_at(world: &mut World, now: EpochMs, id: &OrderId) -> ChangeOutcome {
    let goods = world.order(id).await.lines[0].goods.clone();
    let keys = world.store.keys().of_bid_cancel(&goods);
    let args = [id.as_str(), "0", "", goods.as_str()];
    let reply = call_at(world, &BID_CANCEL, now, &keys, &args).await;
    orders::changed("bid_cancel", id, &reply).expect("understood")
}

#[tokio::test]
async fn a_bid_goes_back_only_until_its_target_says() {
    let until = 2_000_000_000_000;
    for (cancel_until, now, is_allowed) in [
        (Some(until), until, true),
        (Some(until), until + 1, false),
        (None, 1, false),
    ] {
        let mut world = World::new().await;
        let edit = SaleEdit {
            cancel_until: Some(cancel_until),
            ..SaleEdit::default()
        };
        let loan = world.target("p", 100, &edit).await;
        let bid = world.accepted("x", "r", &loan, 60).await;
        let before = world.dump().await;
        match cancel_at(&mut world, now, &bid.id).await {
            ChangeOutcome::Changed(order) if is_allowed => {
                assert_eq!(order.changed_at, Some(now));
            }
            ChangeOutcome::Refused(ChangeRefusal::NotCancellable, _) if !is_allowed => {
                assert_eq!(world.dump().await, before);
            }
            other => panic!("at {now} until {cancel_until:?}: {other:?}"),
        }
        world.assert_holds(&loan).await;
    }
}

#[tokio::test]
async fn nobody_cancels_the_bid_of_another() {
    let mut world = World::new().await;
    let loan = world.target("p", 100, &terms(1, 0)).await;
    let bid = world.accepted("x", "r", &loan, 60).await;
    let before = world.dump().await;
    let other = world
        .store
        .order_cancel(&bid.id, &Caller::Named(username("y")))
        .await;
    assert_eq!(other.expect("decided"), ChangeOutcome::NoSuchOrder);
    assert_eq!(world.dump().await, before);
    let own = world
        .store
        .order_cancel(&bid.id, &Caller::Named(username("x")))
        .await;
    changed(own.expect("decided"));
    let none = cancel(&world, &new_order_id(&loan)).await;
    assert_eq!(none, ChangeOutcome::NoSuchOrder);
}

#[tokio::test]
async fn whoever_waits_for_replicas_hears_the_same() {
    let mut world = a_broken_world(&A_BID, &["HSET", "sale", "cancel_until", "1"]).await;
    let before = world.dump().await;
    for waits in ["0", "1"] {
        let args = ["p-1", waits, "", "p"];
        let reply = call(&mut world, &BID_CANCEL, &KEYS, &args).await;
        let reply = format!("{:?}", reply.expect("decided"));
        assert!(reply.contains("not_cancellable"), "{reply}");
        assert_eq!(world.dump().await, before, "{waits}");
    }
}

const KEYS: [&str; 6] = ["orders", "feed", "sale", "stock", "accounts", "changes"];
const ARGS: [&str; 4] = ["p-1", "0", "", "p"];

/// A bid of 60 cents for a target of 100, paid by `x`.
const A_BID: [Words; 4] = [
    &[
        "HSET",
        "sale",
        "kind",
        "target",
        "confirmed",
        "60",
        "cancel_until",
        "9999999999999",
    ],
    &["SET", "stock", "40"],
    &["HSET", "accounts", "x", "50"],
    &[
        "HSET",
        "orders",
        "p-1",
        "confirmed\t1\tx\t\tr\np\t60/70/6/1/0",
    ],
];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&KEYS[..5], &ARGS[..]),
        (&KEYS[..], &ARGS[..3]),
        (&KEYS[..], &["p-1", "0", "", "p", "q"]),
    ] {
        let words = "bid_cancel takes 6 keys";
        assert_raises(&mut world, &BID_CANCEL, keys, args, words).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let cases: [(Words, &str); 20] = [
        (&["SET", "orders", "x"], "WRONGTYPE"),
        (&["SET", "feed", "x"], "WRONGTYPE"),
        (&["SET", "sale", "x"], "WRONGTYPE"),
        (&["SET", "accounts", "x"], "WRONGTYPE"),
        (&["SET", "changes", "x"], "changes is not a whole number"),
        (&["SET", "stock", "1e3"], "stock is not a whole number"),
        (
            &["XADD", "feed", "5-1", "what", "by hand"],
            "equal or smaller",
        ),
        (
            &["HSET", "sale", "kind", "list"],
            "sale p has the kind list",
        ),
        (&["HDEL", "sale", "kind"], "sale p has no kind"),
        (
            &["HSET", "sale", "confirmed", "59"],
            "has 60 cents and sale p counts only 59",
        ),
        (
            &["HDEL", "sale", "confirmed"],
            "has 60 cents and sale p counts only 0",
        ),
        (&["HDEL", "accounts", "x"], "x, who has no account"),
        (
            &["HSET", "accounts", "x", "1.5"],
            "the balance of x is not a whole number",
        ),
        (
            &["HSET", "orders", "p-1", "used\t1\tx\t\tr\np\t60/70/6/1/0"],
            "p-1 is a bid, but used",
        ),
        (
            &["HSET", "orders", "p-1", "confirmed\t1\tx\t\tr\np\t60"],
            "p-1 is no bid for p",
        ),
        (
            &[
                "HSET",
                "orders",
                "p-1",
                "confirmed\t1\tx\t\tr\nq\t60/70/6/1/0",
            ],
            "p-1 is no bid for p",
        ),
        (
            &[
                "HSET",
                "orders",
                "p-1",
                "confirmed\t1\tx\t\tr\np\t60/70/6/1",
            ],
            "p-1 has a malformed record",
        ),
        (
            &[
                "HSET",
                "orders",
                "p-1",
                "confirmed\t1\tx\t\tr\np\t60/70/61/1/0",
            ],
            "p-1 has a malformed record",
        ),
        (
            &[
                "HSET",
                "orders",
                "p-1",
                "confirmed\t1\tx\t\tr\np\t60/59/6/1/0",
            ],
            "p-1 has a malformed record",
        ),
        (
            &[
                "HSET",
                "orders",
                "p-1",
                "confirmed\t1\tx\t\tr\np\t60/70/6/1/0\np\t1",
            ],
            "p-1 has a malformed record",
        ),
    ];
    assert_broken_data_raises(&BID_CANCEL, &KEYS, &ARGS, &A_BID, cases).await;
}
