//! Sales are reset and deleted, and events deleted: all that belongs to them goes, nothing else.

use futures_util::future::join_all;
use redis::Value;
use seckill::domain::caller::Caller;
use seckill::domain::clear::{ClearOutcome, ClearRefusal, Cleared, Force};
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::OrderState;
use seckill::domain::payment::PayOutcome;
use seckill::domain::purchase::outcome::{Outcome, Refusal};
use seckill::domain::sale::{EditOutcome, EditRefusal, SaleEdit, StockKind, Stop};
use seckill::store::orders::holds::Slice;
use seckill::store::sales::clear::Clear;
use seckill::store::script::{CLEAR_BEGIN, CLEAR_ORDERS, EVENT_CLOSE};

use crate::support::bids::terms;
use crate::support::orders::paused;
use crate::support::redis::{World, sale_id};

const ORDERS: Force = Force {
    with_orders: true,
    feed_too: false,
};
const ALL: Force = Force {
    with_orders: true,
    feed_too: true,
};

async fn clear(world: &World, sales: &[&SaleId], clear: Clear, force: Force) -> ClearOutcome {
    let cleared = world.store.sales_clear(sales, clear, force, &|_| {});
    cleared.await.expect("answered")
}

async fn cleared(world: &World, sales: &[&SaleId], how: Clear, force: Force) -> Cleared {
    match clear(world, sales, how, force).await {
        ClearOutcome::Done(cleared) => cleared,
        ClearOutcome::Refused(refusal) => panic!("{refusal:?}"),
    }
}

/// Asserts that a refusal says this and leaves everything as it was.
async fn assert_refused(
    world: &mut World,
    sales: &[&SaleId],
    how: Clear,
    force: Force,
    expected: ClearRefusal,
) {
    let before = world.contents().await;
    let told = clear(world, sales, how, force).await;
    assert_eq!(told, ClearOutcome::Refused(expected));
    assert_eq!(world.contents().await, before);
}

/// One order in each state.
async fn one_of_each(world: &mut World, sale: &SaleId) -> Vec<OrderId> {
    let mut orders = Vec::new();
    for user in ["held", "confirmed", "used", "cancelled"] {
        orders.push(world.granted(sale, user, 2).await);
    }
    let store = &world.store;
    for order in &orders[1..3] {
        store.order_confirm(order).await.expect("confirmed");
    }
    store.order_use(&orders[2]).await.expect("used");
    store
        .order_cancel(&orders[3], &Caller::Operator)
        .await
        .expect("cancelled");
    orders
}

#[tokio::test]
async fn a_reset_gives_all_units_back_and_begins_a_new_history() {
    for kind in [StockKind::List, StockKind::Counter] {
        let mut world = World::new().await;
        let sale = world.held_sale("e.a", kind, 10).await;
        let other = world.held_sale("e.b", kind, 10).await;
        let kept = world.granted(&other, "held", 2).await;
        let orders = one_of_each(&mut world, &sale).await;
        let fed = world.feed("e").await.len();
        assert_eq!(world.gone(&sale, "cancelled").await, (1, 1));
        let reset = cleared(&world, &[&sale], Clear::Reset, ORDERS).await;
        assert_eq!((reset.orders, reset.unreadable), (4, 0));
        assert_eq!(reset.stopped, []);
        for order in &orders {
            assert_eq!(world.store.order(order).await.expect("read"), None);
        }
        assert_eq!(world.order(&kept).await.state, OrderState::Held);
        assert_eq!(world.holds("e").await.len(), 1);
        assert_eq!(world.feed("e").await.len(), fed, "entries of the feed stay");
        let snapshot = world.store.sale_snapshot(&sale).await.expect("read");
        let snapshot = snapshot.expect("exists");
        assert_eq!(snapshot.figures.for_sale(), 10);
        assert_eq!(
            (snapshot.figures.added, snapshot.figures.granted()),
            (10, 0)
        );
        assert_eq!((snapshot.grants.count, snapshot.figures.buyers), (0, 0));
        assert_eq!(world.gone(&sale, "cancelled").await, (0, 0));
        assert_eq!(snapshot.sale.hold, Some(3_600_000), "its terms stay");
        let key = world.store.keys().sale(&sale);
        let history: String = world.run(&["HGET", &key, "history"]).await;
        assert!(history.starts_with("2-"), "{history}");
        for goods in [&sale, &other] {
            world.assert_holds(goods).await;
        }
        world.granted(&sale, "used", 2).await;
        let again = cleared(&world, &[&sale], Clear::Reset, ORDERS).await;
        assert_eq!(again.orders, 1);
        world.assert_holds(&sale).await;
    }
}

/// Units that are numbered after a reset never get the number of one that is there.
#[tokio::test]
async fn numbers_go_on_after_a_reset() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::List, 10).await;
    world.granted(&sale, "x", 2).await;
    world.store.stock_remove(&sale, 3).await.expect("removed");
    cleared(&world, &[&sale], Clear::Reset, ORDERS).await;
    assert_eq!(world.left(&sale).await, 7);
    world.store.stock_add_count(&sale, 5).await.expect("added");
    world.store.stock_add_count(&sale, 5).await.expect("added");
    // The audit names a unit that is in stock twice.
    world.assert_holds(&sale).await;
    assert_eq!(world.left(&sale).await, 17);
}

#[tokio::test]
async fn what_was_stopped_before_is_stopped_after_a_reset() {
    let mut world = World::new().await;
    let sale = world.sale("a", StockKind::Counter, 5).await;
    let paused = paused(true);
    world.put(&sale, &paused).await;
    let reset = cleared(&world, &[&sale], Clear::Reset, Force::default()).await;
    assert_eq!(reset.stopped, std::slice::from_ref(&sale));
    assert_eq!(
        world.grab(&sale, "x", 1).await,
        Outcome::Refused(Refusal::Paused)
    );
    let key = world.store.keys().sale(&sale);
    let _: u64 = world
        .run(&["HSET", &key, "paused", "forgot", "known", "7"])
        .await;
    let reset = cleared(&world, &[&sale], Clear::Reset, Force::default()).await;
    assert_eq!(reset.stopped, std::slice::from_ref(&sale));
    assert_eq!(
        world.grab(&sale, "x", 1).await,
        Outcome::Refused(Refusal::Forgot)
    );
    let history: String = world.run(&["HGET", &key, "history"]).await;
    assert!(history.starts_with("8-"), "{history}");
}

#[tokio::test]
async fn what_is_in_the_way_is_named_and_nothing_changes() {
    let mut world = World::new().await;
    let one = world.sale("e.a", StockKind::Counter, 9).await;
    let other = world.sale("e.b", StockKind::Counter, 9).await;
    let loan = world.target("e.loan", 100, &terms(1, 0)).await;
    let nowhere = sale_id("e.none");
    for how in [Clear::Reset, Clear::Delete] {
        let none = ClearRefusal::NoSuchSale(nowhere.clone());
        assert_refused(&mut world, &[&one, &nowhere], how, ALL, none).await;
    }
    let lines = [
        (&one, StockKind::Counter, 1),
        (&other, StockKind::Counter, 2),
    ];
    let shared = world
        .write_order("x", OrderState::Confirmed, 0, &lines)
        .await;
    world.set_accounts("e", &[("y", 50)]).await;
    let bid = world.accepted("y", "r", &loan, 20).await.id;
    for how in [Clear::Reset, Clear::Delete] {
        let alive = ClearRefusal::OrdersAlive {
            sale: other.clone(),
            units: 2,
        };
        assert_refused(&mut world, &[&other], how, Force::default(), alive).await;
        let several = ClearRefusal::SharedOrder {
            order: shared.clone(),
            others: vec![one.clone()],
        };
        assert_refused(&mut world, &[&other], how, ORDERS, several).await;
        let paid = ClearRefusal::PaidBid { order: bid.clone() };
        assert_refused(&mut world, &[&loan], how, ALL, paid).await;
    }
    world.store.feed_open("e").await.expect("a group");
    let needed = ClearRefusal::FeedNeeded {
        group: "relay".to_owned(),
    };
    assert_refused(&mut world, &[&one, &other], Clear::Reset, ORDERS, needed).await;
    let both = cleared(&world, &[&one, &other], Clear::Reset, ALL).await;
    assert_eq!(both.orders, 1);
    let told = world.feed("e").await;
    assert!(
        told.iter().all(|(_, order)| *order == bid.to_string()),
        "{told:?}"
    );
    for goods in [&one, &other, &loan] {
        world.assert_holds(goods).await;
    }
}

/// The first step of a command.
async fn begin(world: &mut World, sales: &[&SaleId], command: &str) {
    let event = sales[0].event();
    let keys = world.store.keys().of_clear_begin(event, sales);
    let call = CLEAR_BEGIN.on(&keys).arg(command).arg(1).arg(1);
    let ids: Vec<&str> = sales.iter().map(|sale| sale.as_str()).collect();
    let told = call.arg(ids).send(&mut world.raw).await.expect("answered");
    let begun = Value::Array(vec![Value::BulkString(b"begun".to_vec())]);
    assert_eq!(told, begun, "{command}");
}

/// A part of the step that drops orders.
async fn drop_order(world: &mut World, sale: &SaleId, order: &OrderId) {
    let keys = world.store.keys().of_clear_orders(sale.event(), &[sale]);
    let call = CLEAR_ORDERS.on(&keys).arg(sale.as_str());
    let call = call.arg(order.as_str());
    call.send(&mut world.raw).await.expect("dropped");
}

/// Between its steps, a sale that is being cleared sells nothing and takes no edit. The same
/// command goes on.
#[tokio::test]
async fn a_command_that_broke_off_is_run_again() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 10).await;
    let orders = one_of_each(&mut world, &sale).await;
    begin(&mut world, &[&sale], "reset a").await;
    assert_eq!(
        world.grab(&sale, "x", 1).await,
        Outcome::Refused(Refusal::Paused)
    );
    let resumed = paused(false);
    let put = world
        .store
        .sale_put(&sale, &resumed)
        .await
        .expect("answered");
    assert_eq!(put, EditOutcome::Refused(EditRefusal::BeingCleared));
    world
        .store
        .order_cancel(&orders[0], &Caller::Operator)
        .await
        .expect("cancelled");
    let snapshot = world.store.sale_snapshot(&sale).await.expect("read");
    let stop = snapshot.expect("exists").sale.stop;
    assert_eq!(stop, Some(Stop::BeingCleared));
    drop_order(&mut world, &sale, &orders[1]).await;
    let reset = cleared(&world, &[&sale], Clear::Reset, Force::default()).await;
    assert_eq!((reset.orders, reset.stopped), (3, Vec::new()));
    assert_eq!(world.left(&sale).await, 10);
    world.assert_holds(&sale).await;
    world.granted(&sale, "x", 1).await;
}

/// A command that broke off is run again before any other one: a second one would give a sale back
/// to buyers of which some orders are gone.
#[tokio::test]
async fn no_other_command_goes_on_with_what_broke_off() {
    let mut world = World::new().await;
    let one = world.sale("e.a", StockKind::List, 9).await;
    let other = world.sale("e.b", StockKind::List, 9).await;
    let order = world.granted(&one, "x", 2).await;
    let both = [(&one, StockKind::List, 1), (&other, StockKind::List, 1)];
    world
        .write_order("y", OrderState::Confirmed, 0, &both)
        .await;
    begin(&mut world, &[&one, &other], "delete e.a e.b").await;
    drop_order(&mut world, &one, &order).await;
    let begun = ClearRefusal::BeingCleared {
        command: "delete e.a e.b".to_owned(),
    };
    for (sales, how) in [
        (&[&one][..], Clear::Reset),
        (&[&other], Clear::Delete),
        (&[&one, &other], Clear::Reset),
    ] {
        assert_refused(&mut world, sales, how, ALL, begun.clone()).await;
    }
    // In any order, and named twice.
    let again = [&other, &one, &other];
    assert_eq!(cleared(&world, &again, Clear::Delete, ALL).await.orders, 1);
    assert_eq!(world.store.sale_snapshot(&one).await.expect("read"), None);
    assert_eq!(world.store.sale_snapshot(&other).await.expect("read"), None);
}

/// Nothing of a sale that is being cleared expires: its orders are dropped as they are.
#[tokio::test]
async fn nothing_expires_while_a_sale_is_cleared() {
    let mut world = World::new().await;
    let sale = world.sale("a", StockKind::Counter, 9).await;
    let lines = [(&sale, StockKind::Counter, 1)];
    let order = world.write_order("x", OrderState::Held, 1, &lines).await;
    begin(&mut world, &[&sale], "reset a").await;
    let due = world.now().await;
    let expired = world.store.order_expire("a", due, 10, Slice::First).await;
    assert_eq!(expired.expect("answered").stopped, 1);
    assert_eq!(world.order(&order).await.state, OrderState::Held);
}

/// A sale that is created while the sales of its event are looked for would lose its orders.
#[tokio::test]
async fn no_sale_is_created_in_an_event_that_is_being_deleted() {
    let mut world = World::new().await;
    world.sale("e.a", StockKind::Counter, 9).await;
    let keys = [world.store.keys().deleted("e")];
    let close = EVENT_CLOSE.on(&keys).send(&mut world.raw).await;
    close.expect("closed");
    let (late, edit) = (
        sale_id("e.b"),
        SaleEdit {
            kind: Some(StockKind::List),
            ..SaleEdit::default()
        },
    );
    let put = world.store.sale_put(&late, &edit).await.expect("answered");
    assert_eq!(put, EditOutcome::Refused(EditRefusal::BeingCleared));
    let deleted = world.store.event_delete("e", ALL).await.expect("answered");
    assert_eq!(deleted, ClearOutcome::Done(Cleared::default()));
    let put = world.store.sale_put(&late, &edit).await.expect("answered");
    assert_eq!(put, EditOutcome::Created);
}

#[tokio::test]
async fn a_deleted_sale_leaves_its_marker_and_the_next_one_a_later_history() {
    let mut world = World::new().await;
    let sale = world.held_sale("e.a", StockKind::List, 10).await;
    let other = world.held_sale("e.b", StockKind::List, 10).await;
    one_of_each(&mut world, &sale).await;
    one_of_each(&mut world, &other).await;
    let deleted = cleared(&world, &[&sale], Clear::Delete, ORDERS).await;
    assert_eq!(deleted.orders, 4);
    assert_eq!(world.store.sale_snapshot(&sale).await.expect("read"), None);
    assert_eq!(
        world.store.sale_deleted(&sale).await.expect("read"),
        Some(1)
    );
    world.assert_holds(&other).await;
    let left = world.contents().await;
    assert!(!left.keys().any(|key| key.ends_with(":e.a")), "{left:?}");
    let again = world.sale("e.a", StockKind::Counter, 1).await;
    let key = world.store.keys().sale(&again);
    let history: String = world.run(&["HGET", &key, "history"]).await;
    assert!(history.starts_with("2-"), "{history}");
}

#[tokio::test]
async fn a_deleted_event_leaves_nothing_but_the_memory_of_its_sales() {
    let mut world = World::new().await;
    let sale = world.held_sale("e.a", StockKind::List, 10).await;
    let elsewhere = world.held_sale("f", StockKind::List, 10).await;
    one_of_each(&mut world, &sale).await;
    one_of_each(&mut world, &elsewhere).await;
    world.set_accounts("e", &[("y", 50)]).await;
    world.pay("e", "y", "r", 50).await;
    let delete = async |world: &World, event: &str, force| {
        let deleted = world.store.event_delete(event, force).await;
        deleted.expect("answered")
    };
    let alive = ClearRefusal::OrdersAlive {
        sale: sale.clone(),
        units: 6,
    };
    let told = delete(&world, "e", Force::default()).await;
    assert_eq!(told, ClearOutcome::Refused(alive));
    let none = ClearOutcome::Refused(ClearRefusal::NoSuchEvent);
    assert_eq!(delete(&world, "g", ALL).await, none);
    world.store.feed_open("e").await.expect("a group");
    let needed = ClearRefusal::FeedNeeded {
        group: "relay".to_owned(),
    };
    assert_eq!(
        delete(&world, "e", ORDERS).await,
        ClearOutcome::Refused(needed)
    );
    let done = ClearOutcome::Done(Cleared::default());
    assert_eq!(delete(&world, "e", ALL).await, done);
    let left = world.contents().await;
    let of_event: Vec<_> = left.keys().filter(|key| key.starts_with("{e}")).collect();
    assert_eq!(of_event, ["{e}:deleted"]);
    assert_eq!(
        world.store.sale_deleted(&sale).await.expect("read"),
        Some(1)
    );
    world.assert_holds(&elsewhere).await;

    world.set_accounts("h", &[("y", 50)]).await;
    let kept = ClearRefusal::AccountsKept { accounts: 1 };
    let told = delete(&world, "h", Force::default()).await;
    assert_eq!(told, ClearOutcome::Refused(kept));
    assert_eq!(delete(&world, "h", ORDERS).await, done);

    // An event that begins again knows no request of before.
    for balance in [70, 140] {
        world.pay("e", "y", &format!("r{balance}"), 70).await;
        assert_eq!(world.balance("e", "y").await, Some(balance));
    }
    let again = world.pay("e", "y", "r", 1).await;
    assert_eq!(again, PayOutcome::Paid { balance: 141 });
}

/// Buyers who come while the sale is reset get an order of before or of after, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_is_reset_while_a_crowd_buys() {
    let world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 400).await;
    let buyers = (0..4).map(|lane| {
        let (world, sale) = (&world, &sale);
        async move {
            for round in 0..40 {
                world.grab(sale, &format!("u{lane}-{round}"), 2).await;
            }
        }
    });
    let resets = async {
        for _ in 0..3 {
            cleared(&world, &[&sale], Clear::Reset, ORDERS).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(join_all(buyers), resets);
    world.assert_holds(&sale).await;
    cleared(&world, &[&sale], Clear::Reset, ORDERS).await;
    assert_eq!(world.left(&sale).await, 400);
    world.assert_holds(&sale).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stays_and_is_counted() {
    let mut world = World::new().await;
    let sale = world.sale("a", StockKind::Counter, 5).await;
    let order = world.granted(&sale, "x", 1).await;
    world.write_record(&order, "nonsense").await;
    let reset = cleared(&world, &[&sale], Clear::Reset, ORDERS).await;
    assert_eq!((reset.orders, reset.unreadable), (0, 1));
}
