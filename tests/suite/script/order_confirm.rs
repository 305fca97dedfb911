//! `lua/order_confirm.lua`

use seckill::domain::caller::Caller;
use seckill::domain::order::OrderState;
use seckill::domain::order::change::{ChangeOutcome, ChangeRefusal};
use seckill::domain::sale::{SaleEdit, StockKind};
use seckill::store::script::ORDER_CONFIRM;

use super::{
    AN_ORDER, BROKEN_KEYS, BROKEN_ORDERS, Words, assert_broken_data_raises, assert_raises, changed,
    counted,
};
use crate::support::bids::terms;
use crate::support::orders::new_order_id;
use crate::support::redis::World;

#[tokio::test]
async fn a_held_order_is_sold_once_and_a_repeat_says_the_same() {
    let mut world = World::new().await;
    let sale = world.held_sale("spring.tea", StockKind::List, 3).await;
    let id = world.granted(&sale, "x", 2).await;
    let held = world.order(&id).await;
    assert_eq!(counted(&world, &sale).await, (2, 0, 0));

    let before = world.now().await;
    let sold = changed(world.store.order_confirm(&id).await.expect("decided"));
    let changed_at = sold.changed_at.expect("a time");
    assert!((before..=world.now().await).contains(&changed_at));
    assert_eq!(sold.state, OrderState::Confirmed);
    assert_eq!((sold.deadline, &sold.lines), (None, &held.lines));
    assert_eq!(sold.created_at, held.created_at);
    assert_eq!(world.order(&id).await, sold);
    assert_eq!(counted(&world, &sale).await, (0, 2, 0));
    assert_eq!(world.holds("spring").await, []);
    let entries = ["held", "confirmed"].map(|what| (what.to_owned(), id.to_string()));
    assert_eq!(world.feed("spring").await, entries);

    let after = world.dump().await;
    let again = world.store.order_confirm(&id).await.expect("decided");
    assert_eq!(again, ChangeOutcome::Repeated(sold));
    assert_eq!(world.dump().await, after, "a repeat wrote something");
    world.assert_holds(&sale).await;
}

#[tokio::test]
async fn a_deadline_that_passed_is_no_bar_until_the_order_is_expired() {
    let mut world = World::new().await;
    let sale = world.held_sale("b", StockKind::Counter, 3).await;
    let past = world.now().await - 60_000;
    let lines = [(&sale, StockKind::Counter, 1)];
    let id = world.write_order("x", OrderState::Held, past, &lines).await;
    changed(world.store.order_confirm(&id).await.expect("decided"));
    world.assert_holds(&sale).await;
}

#[tokio::test]
async fn what_came_first_stays_and_a_refusal_writes_nothing() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 9).await;
    let lines = [(&sale, StockKind::List, 2)];
    for (state, refusal) in [
        (OrderState::Cancelled, ChangeRefusal::Cancelled),
        (OrderState::Expired, ChangeRefusal::Expired),
    ] {
        let id = world.write_order("x", state, 5, &lines).await;
        let before = world.dump().await;
        let outcome = world.store.order_confirm(&id).await.expect("decided");
        let order = world.order(&id).await;
        assert_eq!(outcome, ChangeOutcome::Refused(refusal, order));
        assert_eq!(world.dump().await, before, "{state}");
    }
    let used = world.write_order("y", OrderState::Used, 5, &lines).await;
    let outcome = world.store.order_confirm(&used).await.expect("decided");
    assert_eq!(outcome, ChangeOutcome::Repeated(world.order(&used).await));
    let none = world.store.order_confirm(&new_order_id(&sale)).await;
    assert_eq!(none.expect("decided"), ChangeOutcome::NoSuchOrder);
}

#[tokio::test]
async fn a_bid_has_nothing_to_confirm_alive_or_cancelled() {
    let mut world = World::new().await;
    let loan = world.target("loan", 100, &terms(1, 0)).await;
    let id = world.accepted("x", "r", &loan, 60).await.id;
    for state in [OrderState::Confirmed, OrderState::Cancelled] {
        let bid = world.order(&id).await;
        assert_eq!(bid.state, state);
        let before = world.dump().await;
        let outcome = world.store.order_confirm(&id).await.expect("decided");
        let expected = ChangeOutcome::Refused(ChangeRefusal::NotConfirmable, bid);
        assert_eq!(outcome, expected);
        assert_eq!(world.dump().await, before, "{state}");
        let cancelled = world.store.order_cancel(&id, &Caller::Operator).await;
        cancelled.expect("decided");
    }
}

#[tokio::test]
async fn an_order_over_several_sales_is_sold_as_one() {
    let mut world = World::new().await;
    let tea = world.held_sale("spring.tea", StockKind::List, 5).await;
    let cup = world.held_sale("spring.cup", StockKind::Counter, 5).await;
    let lines = [(&tea, StockKind::List, 2), (&cup, StockKind::Counter, 3)];
    let at = world.now().await + 60_000;
    let id = world.write_order("x", OrderState::Held, at, &lines).await;
    changed(world.store.order_confirm(&id).await.expect("decided"));
    assert_eq!(counted(&world, &tea).await, (0, 2, 0));
    assert_eq!(counted(&world, &cup).await, (0, 3, 0));
    assert_eq!(
        world.feed("spring").await.len(),
        1,
        "one entry for one change"
    );
}

/// The feed of an order knows it when one of its sales has one.
#[tokio::test]
async fn an_order_is_fed_if_one_of_its_sales_is() {
    let mut world = World::new().await;
    let tea = world.held_sale("spring.tea", StockKind::List, 5).await;
    let cup = world.held_sale("spring.cup", StockKind::Counter, 5).await;
    let silent = SaleEdit {
        feed: Some(false),
        ..SaleEdit::default()
    };
    let lines = [(&tea, StockKind::List, 1), (&cup, StockKind::Counter, 1)];
    let at = world.now().await + 60_000;
    world.put(&tea, &silent).await;
    let half = world.write_order("x", OrderState::Held, at, &lines).await;
    let silent_line = [(&tea, StockKind::List, 1)];
    let none = world
        .write_order("y", OrderState::Held, at, &silent_line)
        .await;
    for id in [&half, &none] {
        changed(world.store.order_confirm(id).await.expect("decided"));
    }
    assert_eq!(
        world.feed("spring").await,
        [("confirmed".to_owned(), half.to_string())]
    );
}

const KEYS: [&str; 4] = ["orders", "holds", "feed", "sale"];
const ARGS: [&str; 3] = ["a-1", "0", "a"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&KEYS[..3], &ARGS[..2]),
        (&KEYS[..], &ARGS[..2]),
        (&KEYS[..], &[]),
        (&KEYS[..], &["a-1", "0", "a", "b"]),
    ] {
        let words = "order_confirm takes 3 keys";
        assert_raises(&mut world, &ORDER_CONFIRM, keys, args, words).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let sales: [(Words, &str); 2] = [
        (
            &["HSET", "sale", "confirmed", "1.5"],
            "confirmed of sale a is not a whole number",
        ),
        (
            &["HSET", "sale", "kind", "counter"],
            "names 2 units of counter sale a",
        ),
    ];
    let broken = BROKEN_ORDERS.into_iter().chain(BROKEN_KEYS).chain(sales);
    assert_broken_data_raises(&ORDER_CONFIRM, &KEYS, &ARGS, &AN_ORDER, broken).await;
}
