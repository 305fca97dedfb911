//! `lua/order_use.lua`

use seckill::domain::order::OrderState;
use seckill::domain::order::change::{ChangeOutcome, ChangeRefusal};
use seckill::domain::sale::StockKind;
use seckill::store::script::ORDER_USE;

use super::{AN_ORDER, Words, assert_broken_data_raises, assert_raises, changed, counted};
use crate::support::bids::terms;
use crate::support::orders::new_order_id;
use crate::support::redis::World;

#[tokio::test]
async fn a_confirmed_order_is_handed_out_once_and_a_repeat_says_the_same() {
    for kind in [StockKind::List, StockKind::Counter] {
        let mut world = World::new().await;
        let sale = world.sale("spring.tea", kind, 3).await;
        let id = world.granted(&sale, "x", 2).await;
        let confirmed = world.order(&id).await;
        assert_eq!(
            confirmed.state,
            OrderState::Confirmed,
            "granted without a hold"
        );

        let used = changed(world.store.order_use(&id).await.expect("decided"));
        assert_eq!(used.state, OrderState::Used);
        assert!(used.changed_at.is_some());
        assert_eq!(used.lines, confirmed.lines);
        assert_eq!(world.order(&id).await, used);
        assert_eq!(counted(&world, &sale).await, (0, 0, 2));
        let entries = ["confirmed", "used"].map(|what| (what.to_owned(), id.to_string()));
        assert_eq!(world.feed("spring").await, entries);

        let after = world.dump().await;
        let again = world.store.order_use(&id).await.expect("decided");
        assert_eq!(again, ChangeOutcome::Repeated(used));
        assert_eq!(world.dump().await, after, "a repeat wrote something");
        world.assert_holds(&sale).await;
    }
}

#[tokio::test]
async fn a_bid_is_not_handed_out() {
    let mut world = World::new().await;
    let loan = world.target("loan", 100, &terms(1, 0)).await;
    let bid = world.accepted("x", "r", &loan, 60).await;
    let before = world.dump().await;
    let used = world.store.order_use(&bid.id).await.expect("decided");
    let expected = ChangeOutcome::Refused(ChangeRefusal::NotUsable, bid);
    assert_eq!(used, expected);
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn only_confirmed_orders_are_handed_out_and_a_refusal_writes_nothing() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 9).await;
    let lines = [(&sale, StockKind::List, 2)];
    for (state, refusal) in [
        (OrderState::Held, ChangeRefusal::NotConfirmed),
        (OrderState::Cancelled, ChangeRefusal::Cancelled),
        (OrderState::Expired, ChangeRefusal::Expired),
    ] {
        let id = world.write_order("x", state, 5, &lines).await;
        let before = world.dump().await;
        let outcome = world.store.order_use(&id).await.expect("decided");
        let order = world.order(&id).await;
        assert_eq!(outcome, ChangeOutcome::Refused(refusal, order));
        assert_eq!(world.dump().await, before, "{state}");
    }
    let none = world.store.order_use(&new_order_id(&sale)).await;
    assert_eq!(none.expect("decided"), ChangeOutcome::NoSuchOrder);
}

const KEYS: [&str; 3] = ["orders", "feed", "sale"];
const ARGS: [&str; 3] = ["a-1", "0", "a"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&KEYS[..2], &ARGS[..2]),
        (&KEYS[..], &ARGS[..2]),
        (&KEYS[..], &[]),
        (&KEYS[..], &["a-1", "0", "a", "b"]),
    ] {
        let words = "order_use takes 2 keys";
        assert_raises(&mut world, &ORDER_USE, keys, args, words).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let confirmed: Words = &["HSET", "orders", "a-1", "confirmed\t1\tx\na\t2\tsn-1\tsn-2"];
    let cases: [(Words, &str); 9] = [
        (
            &["HSET", "sale", "confirmed", "1"],
            "counts only 1 as confirmed",
        ),
        (
            &["HSET", "sale", "confirmed", "x"],
            "confirmed of sale a is not",
        ),
        (
            &["HSET", "sale", "used", "x"],
            "used of sale a is not a whole",
        ),
        (&["HDEL", "sale", "kind"], "sale a has no kind"),
        (&["SET", "orders", "x"], "WRONGTYPE"),
        (&["SET", "sale", "x"], "WRONGTYPE"),
        (&["SET", "feed", "x"], "WRONGTYPE"),
        (
            &["XADD", "feed", "5-1", "what", "by hand"],
            "equal or smaller",
        ),
        (
            &["HSET", "sale", "kind", "counter"],
            "names 2 units of counter",
        ),
    ];
    let seeds = [&AN_ORDER[..], &[confirmed]].concat();
    assert_broken_data_raises(&ORDER_USE, &KEYS, &ARGS, &seeds, cases).await;
}
