//! `lua/order_cancel.lua`

use seckill::domain::caller::Caller;
use seckill::domain::order::OrderState;
use seckill::domain::order::change::{ChangeOutcome, ChangeRefusal};
use seckill::domain::sale::{SaleEdit, StockKind};
use seckill::domain::time::EpochMs;
use seckill::store::orders;
use seckill::store::script::ORDER_CANCEL;

use super::{
    AN_ORDER, BROKEN_KEYS, BROKEN_ORDERS, Words, assert_broken_data_raises, assert_raises, call_at,
    changed, counted,
};
use crate::support::orders::{new_order_id, username};
use crate::support::redis::World;
use crate::support::wechat::on_show;

#[tokio::test]
async fn a_grab_and_its_cancel_leave_the_stock_as_it_was() {
    for kind in [StockKind::List, StockKind::Counter] {
        let mut world = World::new().await;
        let sale = world.held_sale("spring.tea", kind, 5).await;
        world.granted(&sale, "first", 1).await;
        let mut before = world.contents().await;
        let id = world.granted(&sale, "x", 2).await;
        let held = world.order(&id).await;

        let dead = changed(
            world
                .store
                .order_cancel(&id, &Caller::Operator)
                .await
                .expect("decided"),
        );
        assert_eq!(dead.state, OrderState::Cancelled);
        assert!(dead.changed_at.is_some());
        assert_eq!(dead.lines, held.lines, "the record remembers the units");
        assert_eq!(world.order(&id).await, dead);
        let mut after = world.contents().await;
        // These tell the story; all others are as they were, unit by unit.
        for told in ["sale:spring.tea", "orders", "feed", "gone:spring.tea"] {
            let key = format!("{{spring}}:{told}");
            assert_ne!(before.remove(&key), after.remove(&key), "{told}");
        }
        assert_eq!(after, before);
        assert_eq!(counted(&world, &sale).await, (1, 0, 0));
        assert_eq!(world.feed("spring").await.len(), 3);

        let after = world.dump().await;
        let again = world
            .store
            .order_cancel(&id, &Caller::Operator)
            .await
            .expect("decided");
        assert_eq!(again, ChangeOutcome::Repeated(dead));
        assert_eq!(world.dump().await, after, "a repeat wrote something");
        world.assert_holds(&sale).await;
    }
}

#[tokio::test]
async fn a_buyer_leads_to_his_order_until_it_is_given_back() {
    let mut world = World::new().await;
    let sale = world.held_sale("a.b", StockKind::List, 5).await;
    let other = world.held_sale("a", StockKind::List, 5).await;
    let held_by = async |world: &World, sale, user| {
        let held = world.store.order_of_buyer(sale, &username(user)).await;
        held.expect("read").map(|order| order.id)
    };
    assert_eq!(held_by(&world, &sale, "x").await, None);
    let id = world.granted(&sale, "x", 1).await;
    for change in ["held", "confirmed", "used"] {
        match change {
            "confirmed" => changed(world.store.order_confirm(&id).await.expect("decided")),
            "used" => changed(world.store.order_use(&id).await.expect("decided")),
            _ => world.order(&id).await,
        };
        assert_eq!(held_by(&world, &sale, "x").await, Some(id.clone()));
        assert_eq!(held_by(&world, &sale, "y").await, None);
        assert_eq!(held_by(&world, &other, "x").await, None);
    }
    let id = world.granted(&sale, "y", 1).await;
    changed(
        world
            .store
            .order_cancel(&id, &Caller::Operator)
            .await
            .expect("decided"),
    );
    assert_eq!(held_by(&world, &sale, "y").await, None);
    let buyers = world.store.keys().buyers(&sale);
    let _: u64 = world.run(&["HSET", &buyers, "z", "no id"]).await;
    let broken = world.store.order_of_buyer(&sale, &username("z")).await;
    let error = broken.expect_err("unreadable").to_string();
    assert!(error.contains("no id"), "{error}");
}

#[tokio::test]
async fn units_go_back_to_the_head_in_their_order_byte_for_byte() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 0).await;
    let stock = world.store.keys().stock(&sale);
    let units: [&[u8]; 6] = [
        b"tab\tline\nend",
        b"100%41",
        b"\xff\x00\xfe",
        b"",
        b"%",
        b"sn-9",
    ];
    let mut push = redis::cmd("RPUSH");
    push.arg(&stock).arg(&units[..]);
    let _: i64 = push.query_async(&mut world.raw).await.expect("pushed");
    let [one, two, three] = ["x", "y", "z"];
    let (one, two) = (
        world.granted(&sale, one, 2).await,
        world.granted(&sale, two, 2).await,
    );
    let three = world.granted(&sale, three, 1).await;
    for id in [three, two, one] {
        changed(
            world
                .store
                .order_cancel(&id, &Caller::Operator)
                .await
                .expect("decided"),
        );
    }
    let left: Vec<Vec<u8>> = world.run(&["LRANGE", &stock, "0", "-1"]).await;
    assert_eq!(left, units);
}

#[tokio::test]
async fn a_cancelled_order_frees_its_buyer_and_stays_dead() {
    let world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 2).await;
    let first = world.granted(&sale, "x", 2).await;
    changed(
        world
            .store
            .order_cancel(&first, &Caller::Operator)
            .await
            .expect("decided"),
    );
    let second = world.granted(&sale, "x", 2).await;
    assert_ne!(first, second);
    assert_eq!(
        world.order(&first).await.lines,
        world.order(&second).await.lines
    );
    let again = world
        .store
        .order_cancel(&first, &Caller::Operator)
        .await
        .expect("decided");
    assert!(matches!(again, ChangeOutcome::Repeated(_)), "{again:?}");
    assert_eq!(world.order(&second).await.state, OrderState::Held);
    assert_eq!(counted(&world, &sale).await, (2, 0, 0));
    world.assert_holds(&sale).await;
}

#[tokio::test]
async fn the_buyers_index_forgets_only_this_order() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 4).await;
    let first = world.granted(&sale, "x", 2).await;
    let buyers = world.store.keys().buyers(&sale);
    let _: i64 = world.run(&["HSET", &buyers, "x", "a-another"]).await;
    changed(
        world
            .store
            .order_cancel(&first, &Caller::Operator)
            .await
            .expect("decided"),
    );
    let kept: String = world.run(&["HGET", &buyers, "x"]).await;
    assert_eq!(kept, "a-another");
}

#[tokio::test]
async fn nobody_cancels_the_order_of_another() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 2).await;
    let id = world.granted(&sale, "秒杀", 1).await;
    let before = world.dump().await;
    for other in ["x", "秒", "秒杀 "] {
        let other = username(other);
        for caller in [Caller::Named(other.clone()), Caller::Known(other)] {
            let outcome = world.store.order_cancel(&id, &caller).await;
            assert_eq!(outcome.expect("decided"), ChangeOutcome::NoSuchOrder);
        }
    }
    assert_eq!(world.dump().await, before);
    let own = Caller::Named(username("秒杀"));
    let own = world.store.order_cancel(&id, &own).await;
    changed(own.expect("decided"));
    let none = world
        .store
        .order_cancel(&new_order_id(&sale), &Caller::Operator)
        .await;
    assert_eq!(none.expect("decided"), ChangeOutcome::NoSuchOrder);
}

/// The number stands on the ticket: naming it is not enough, whatever became of the ticket. A
/// keyword that was taken away leaves a trace, and still says what the sale is.
#[tokio::test]
async fn only_the_office_and_operators_cancel_a_ticket() {
    for keyword in ["key", ""] {
        let mut world = World::new().await;
        let sale = world.activity("a", 5, &on_show("key")).await;
        let owner = username("2019010001");
        let [named, known] = [Caller::Named(owner.clone()), Caller::Known(owner.clone())];
        for caller in [known, Caller::Operator] {
            let id = world.granted(&sale, owner.as_str(), 1).await;
            let key = world.store.keys().sale(&sale);
            let _: u64 = world.run(&["HSET", &key, "keyword", keyword]).await;
            let refused = async |world: &mut World| {
                let before = world.dump().await;
                let outcome = world.store.order_cancel(&id, &named).await;
                assert_eq!(outcome.expect("decided"), ChangeOutcome::NoSuchOrder);
                assert_eq!(world.dump().await, before, "{keyword:?}");
            };
            refused(&mut world).await;
            changed(
                world
                    .store
                    .order_cancel(&id, &caller)
                    .await
                    .expect("decided"),
            );
            refused(&mut world).await;
            let _: u64 = world.run(&["HSET", &key, "keyword", "key"]).await;
        }
        assert_eq!(world.left(&sale).await, 5);
        world.assert_holds(&sale).await;
    }
}

/// One ticket among what an order has is enough.
#[tokio::test]
async fn every_sale_of_an_order_is_asked_whether_it_is_an_activity() {
    for tickets in ["spring.tea", "spring.cup"] {
        let mut world = World::new().await;
        let tea = world.held_sale("spring.tea", StockKind::List, 5).await;
        let cup = world.held_sale("spring.cup", StockKind::Counter, 5).await;
        let lines = [(&tea, StockKind::List, 2), (&cup, StockKind::Counter, 1)];
        let id = world.write_order("x", OrderState::Held, 5, &lines).await;
        let key = format!("{}{{spring}}:sale:{tickets}", world.prefix);
        let _: u64 = world.run(&["HSET", &key, "keyword", "key"]).await;
        let named = Caller::Named(username("x"));
        let outcome = world.store.order_cancel(&id, &named).await;
        assert_eq!(outcome.expect("decided"), ChangeOutcome::NoSuchOrder);
        let _: u64 = world.run(&["HDEL", &key, "keyword"]).await;
        changed(
            world
                .store
                .order_cancel(&id, &named)
                .await
                .expect("decided"),
        );
    }
}

/// Cancels as if it were `now`.
async fn cancel_at(
    world: &mut World,
    now: EpochMs,
    id: &seckill::domain::ids::OrderId,
    sales: &[&seckill::domain::ids::SaleId],
) -> ChangeOutcome {
    let keys = world.store.keys().of_return(id.event(), sales);
    let mut args = vec![id.as_str(), "0", "", ""];
    args.extend(sales.iter().map(|sale| sale.as_str()));
    let reply = call_at(world, &ORDER_CANCEL, now, &keys, &args).await;
    orders::changed("order_cancel", id, &reply).expect("understood")
}

#[tokio::test]
async fn a_confirmed_order_goes_back_while_all_its_sales_allow_it() {
    let until = 2_000_000_000_000;
    let allowed = [
        (Some(until), Some(until), until, true),
        (Some(until), Some(until), until + 1, false),
        (Some(until), Some(until - 5), until - 4, false),
        (Some(until - 5), Some(until), until - 4, false),
        (Some(until), None, 1, false),
        (None, Some(until), 1, false),
    ];
    for (tea_until, cup_until, now, is_allowed) in allowed {
        let mut world = World::new().await;
        let tea = world.sale("spring.tea", StockKind::List, 5).await;
        let cup = world.sale("spring.cup", StockKind::Counter, 5).await;
        for (sale, cancel_until) in [(&tea, tea_until), (&cup, cup_until)] {
            let edit = SaleEdit {
                cancel_until: Some(cancel_until),
                ..SaleEdit::default()
            };
            world.put(sale, &edit).await;
        }
        let lines = [(&tea, StockKind::List, 2), (&cup, StockKind::Counter, 1)];
        let id = world
            .write_order("x", OrderState::Confirmed, 5, &lines)
            .await;
        let before = world.dump().await;
        match cancel_at(&mut world, now, &id, &[&tea, &cup]).await {
            ChangeOutcome::Changed(order) if is_allowed => {
                assert_eq!(
                    (order.state, order.changed_at),
                    (OrderState::Cancelled, Some(now))
                );
                assert_eq!((world.left(&tea).await, world.left(&cup).await), (5, 5));
                assert_eq!(counted(&world, &tea).await, (0, 0, 0));
            }
            ChangeOutcome::Refused(ChangeRefusal::NotCancellable, _) if !is_allowed => {
                assert_eq!(world.dump().await, before);
            }
            other => panic!("at {now} until {tea_until:?} and {cup_until:?}: {other:?}"),
        }
        world.assert_holds(&tea).await;
        world.assert_holds(&cup).await;
    }
}

#[tokio::test]
async fn what_came_first_stays_and_a_refusal_writes_nothing() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 9).await;
    let lines = [(&sale, StockKind::List, 2)];
    for (state, refusal) in [
        (OrderState::Used, ChangeRefusal::Used),
        (OrderState::Expired, ChangeRefusal::Expired),
        (OrderState::Confirmed, ChangeRefusal::NotCancellable),
    ] {
        let id = world.write_order("x", state, 5, &lines).await;
        let before = world.dump().await;
        let outcome = world
            .store
            .order_cancel(&id, &Caller::Operator)
            .await
            .expect("decided");
        let order = world.order(&id).await;
        assert_eq!(outcome, ChangeOutcome::Refused(refusal, order));
        assert_eq!(world.dump().await, before, "{state}");
    }
}

const KEYS: [&str; 7] = ["orders", "holds", "feed", "sale", "stock", "buyers", "gone"];
const ARGS: [&str; 5] = ["a-1", "0", "", "", "a"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&KEYS[..3], &ARGS[..4]),
        (&KEYS[..4], &ARGS[..]),
        (&KEYS[..], &ARGS[..4]),
        (&KEYS[..], &[]),
        (&KEYS[..], &["a-1", "0", "", "", "a", "b"]),
        (&KEYS[..], &["a-1", "0", "x", "counter", "a"]),
    ] {
        let words = "order_cancel takes 3 keys";
        assert_raises(&mut world, &ORDER_CANCEL, keys, args, words).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let stocks: [(Words, &str); 7] = [
        (&["SET", "gone", "x"], "WRONGTYPE"),
        (&["HSET", "sale", "gone", "x"], "gone is not a whole number"),
        (
            &["HSET", "sale", "gone_most", "x"],
            "gone_most is not a whole number",
        ),
        (&["SET", "stock", "x"], "WRONGTYPE"),
        (&["SET", "buyers", "x"], "WRONGTYPE"),
        (&["SET", "sale", "x"], "WRONGTYPE"),
        (
            &["HSET", "sale", "held", "x"],
            "held of sale a is not a whole",
        ),
    ];
    let broken = BROKEN_ORDERS.into_iter().chain(BROKEN_KEYS).chain(stocks);
    assert_broken_data_raises(&ORDER_CANCEL, &KEYS, &ARGS, &AN_ORDER, broken).await;
}

#[tokio::test]
async fn a_count_that_is_none_raises_before_the_first_write() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 2).await;
    world.given_back(&sale, "x").await;
    let id = world.granted(&sale, "x", 1).await;
    let gone = world.store.keys().gone(&sale);
    let _: u64 = world.run(&["HSET", &gone, "x", "-1"]).await;
    let before = world.dump().await;
    let error = world.store.order_cancel(&id, &Caller::Operator).await;
    let error = error.expect_err("it raises").to_string();
    assert!(error.contains("is not a whole number: -1"), "{error}");
    assert_eq!(world.dump().await, before);
}

/// Of an older sale nobody counted; it begins with the first order that dies.
#[tokio::test]
async fn an_older_sale_begins_to_count_with_its_next_death() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::Counter, 5).await;
    world.given_back(&sale, "x").await;
    world.count_nothing(&sale).await;
    world.assert_holds(&sale).await;
    let id = world.given_back(&sale, "x").await;
    assert_eq!(world.gone(&sale, "x").await, (1, 1));
    let key = world.store.keys().sale(&sale);
    let since: u64 = world.run(&["HGET", &key, "gone_since"]).await;
    assert_eq!(world.order(&id).await.changed_at, Some(since));
    world.given_back(&sale, "x").await;
    let again: u64 = world.run(&["HGET", &key, "gone_since"]).await;
    assert_eq!((world.gone(&sale, "x").await, again), ((2, 2), since));
    world.assert_holds(&sale).await;
}

/// A counter that `INCRBY` would refuse must be found before the first write.
#[tokio::test]
async fn a_broken_counter_raises_before_the_first_write() {
    for (stock, words) in [
        ("1e3", "stock is not a whole number"),
        ("-0", "stock is not a whole number"),
        ("-99999999999999999999", "stock is not a whole number"),
        ("9999999999999999", "stock is not a whole number"),
    ] {
        let mut world = World::new().await;
        let record = "held\t1\tx\t9\na\t2";
        for words in [
            ["HSET", "sale", "kind", "counter"],
            ["HSET", "sale", "held", "2"],
            ["HSET", "orders", "a-1", record],
        ] {
            let key = format!("{}{}", world.prefix, words[1]);
            let _: i64 = world.run(&[words[0], &key, words[2], words[3]]).await;
        }
        let key = format!("{}stock", world.prefix);
        let _: () = world.run(&["SET", &key, stock]).await;
        assert_raises(&mut world, &ORDER_CANCEL, &KEYS, &ARGS, words).await;
    }
}
