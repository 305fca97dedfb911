//! `lua/order_expire.lua`

use std::time::Duration;

use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::OrderState;
use seckill::domain::sale::StockKind;
use seckill::store::orders::holds::{ExpireOutcome, Expiry, Slice, expiries};
use seckill::store::script::ORDER_EXPIRE;

use super::{
    AN_ORDER, BROKEN_KEYS, BROKEN_ORDERS, Words, a_broken_world, assert_raises, call, call_at,
    counted,
};
use crate::support::orders::{expire, new_order_id};
use crate::support::redis::World;

/// Expires as if it were `now`: how late the latest was, and a word for each.
async fn expire_at(
    world: &mut World,
    now: u64,
    ids: &[&OrderId],
    sales: &[&SaleId],
) -> (Duration, Vec<Expiry>) {
    let keys = world.store.keys().of_return(ids[0].event(), sales);
    let mut args = vec!["60000"];
    args.extend(sales.iter().map(|sale| sale.as_str()));
    args.extend(ids.iter().map(|id| id.as_str()));
    let reply = call_at(world, &ORDER_EXPIRE, now, &keys, &args).await;
    expiries(reply).expect("understood")
}

#[tokio::test]
async fn an_order_expires_after_its_deadline_and_not_at_it() {
    for kind in [StockKind::List, StockKind::Counter] {
        let mut world = World::new().await;
        let sale = world.held_sale("spring.tea", kind, 5).await;
        let mut before = world.contents().await;
        let id = world.granted(&sale, "x", 2).await;
        let held = world.order(&id).await;
        let deadline = held.deadline.expect("a deadline");
        let untouched = world.dump().await;
        for early in [deadline - 1, deadline] {
            let answer = expire_at(&mut world, early, &[&id], &[&sale]).await;
            assert_eq!(answer, (Duration::ZERO, vec![Expiry::NotDue]));
            assert_eq!(
                world.dump().await,
                untouched,
                "an early expiry wrote something"
            );
        }
        let answer = expire_at(&mut world, deadline + 1, &[&id], &[&sale]).await;
        assert_eq!(answer, (Duration::from_millis(1), vec![Expiry::Expired]));
        let dead = world.order(&id).await;
        assert_eq!(dead.state, OrderState::Expired);
        assert_eq!(dead.changed_at, Some(deadline + 1));
        assert_eq!(dead.lines, held.lines);
        let mut after = world.contents().await;
        for told in ["sale:spring.tea", "orders", "feed", "gone:spring.tea"] {
            let key = format!("{{spring}}:{told}");
            assert_ne!(before.remove(&key), after.remove(&key), "{told}");
        }
        assert_eq!(after, before);
        assert_eq!(counted(&world, &sale).await, (0, 0, 0));
        let entries = ["held", "expired"].map(|what| (what.to_owned(), id.to_string()));
        assert_eq!(world.feed("spring").await, entries);
        world.assert_holds(&sale).await;

        let after = world.dump().await;
        for _ in 0..5 {
            let answer = expire_at(&mut world, deadline + 9, &[&id], &[&sale]).await;
            assert_eq!(answer, (Duration::ZERO, vec![Expiry::Settled]));
            assert_eq!(world.dump().await, after, "a repeat wrote something");
        }
    }
}

/// A×2 + B×3, and A listed twice.
#[tokio::test]
async fn an_order_over_several_sales_goes_back_whole() {
    let mut world = World::new().await;
    let a = world.held_sale("shop.a", StockKind::List, 5).await;
    let b = world.held_sale("shop.b", StockKind::Counter, 5).await;
    let before = world.contents().await;
    let lines = [(&a, StockKind::List, 2), (&b, StockKind::Counter, 3)];
    let once = world.write_order("x", OrderState::Held, 5, &lines).await;
    let twice = [(&a, StockKind::List, 2), (&a, StockKind::List, 1)];
    let twice = world.write_order("y", OrderState::Held, 6, &twice).await;
    assert_eq!((world.left(&a).await, world.left(&b).await), (0, 2));
    let answer = expire_at(&mut world, 7, &[&once, &twice], &[&a, &b]).await;
    assert_eq!(answer, (Duration::from_millis(2), vec![Expiry::Expired; 2]));
    let after = world.contents().await;
    for stock in ["stock:shop.a", "stock:shop.b", "buyers:shop.a", "holds"] {
        let key = format!("{{shop}}:{stock}");
        assert_eq!(after.get(&key), before.get(&key), "{stock}");
    }
    assert_eq!(world.order(&once).await.state, OrderState::Expired);
    world.assert_holds(&b).await;
}

#[tokio::test]
async fn each_order_of_a_batch_is_counted_once_for_its_buyer() {
    let mut world = World::new().await;
    let tea = world.held_sale("e.a", StockKind::List, 20).await;
    let cup = world.held_sale("e.b", StockKind::Counter, 20).await;
    world.given_back(&tea, "x").await;
    let (one, other) = ((&tea, StockKind::List, 2), (&cup, StockKind::Counter, 1));
    let mut ids = Vec::new();
    // A buyer has one order of a sale alive, but a batch may have any that were written by hand.
    for (user, lines) in [
        ("x", &[one][..]),
        ("x", &[one, other]),
        ("y", &[one, other]),
        ("z", &[other]),
    ] {
        ids.push(world.write_order(user, OrderState::Held, 5, lines).await);
    }
    let settled = world
        .write_order("y", OrderState::Confirmed, 5, &[one])
        .await;
    ids.push(settled);
    let early = world.write_order("z", OrderState::Held, 50, &[one]).await;
    ids.push(early);
    let now = world.now().await;
    let all: Vec<&OrderId> = ids.iter().chain([&ids[0]]).collect();
    expire_at(&mut world, now, &all, &[&tea, &cup]).await;
    let mut counted = Vec::new();
    for user in ["x", "y", "z"] {
        counted.push((
            world.gone(&tea, user).await.1,
            world.gone(&cup, user).await.1,
        ));
    }
    assert_eq!(counted, [(3, 1), (1, 1), (1, 1)]);
    assert_eq!(
        (world.gone(&tea, "x").await.0, world.gone(&cup, "x").await.0),
        (5, 3)
    );
}

#[tokio::test]
async fn each_order_of_a_batch_is_judged_alone() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 20).await;
    let gone = world.held_sale("a.gone", StockKind::List, 2).await;
    let line = [(&sale, StockKind::List, 2)];
    let due = world.write_order("x", OrderState::Held, 5, &line).await;
    let early = world.write_order("y", OrderState::Held, 50, &line).await;
    let sold = world
        .write_order("z", OrderState::Confirmed, 5, &line)
        .await;
    let lost = new_order_id(&sale);
    let orphan = world
        .write_order("o", OrderState::Held, 5, &[(&gone, StockKind::List, 2)])
        .await;
    let (gone_key, holds) = (
        world.store.keys().sale(&gone),
        world.store.keys().holds("a"),
    );
    let _: i64 = world.run(&["DEL", &gone_key]).await;
    for stray in [&sold, &lost] {
        let _: i64 = world.run(&["ZADD", &holds, "5", stray.as_str()]).await;
    }
    // An index that says too early is put right, too.
    let _: i64 = world.run(&["ZADD", &holds, "1", early.as_str()]).await;
    let batch = [&lost, &early, &orphan, &due, &sold, &due];
    let (late, answers) = expire_at(&mut world, 9, &batch, &[&sale, &gone]).await;
    assert_eq!(late, Duration::from_millis(4));
    let [
        Expiry::Broken(no_record),
        Expiry::NotDue,
        Expiry::Broken(no_sale),
        rest @ ..,
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert!(no_record.contains("has no record"), "{no_record}");
    assert!(no_sale.contains("sale a.gone has no kind"), "{no_sale}");
    assert_eq!(rest, [Expiry::Expired, Expiry::Settled, Expiry::Settled]);
    // The broken ones come up again after a minute; nothing of them is lost.
    let mut expected = vec![(early.to_string(), 50)];
    let mut broken = [lost.to_string(), orphan.to_string()];
    broken.sort();
    expected.extend(broken.map(|id| (id, 60_009)));
    assert_eq!(world.holds("a").await, expected);
    assert_eq!(world.order(&orphan).await.state, OrderState::Held);
    assert_eq!(world.left(&sale).await, 16);
}

#[tokio::test]
async fn units_of_a_batch_keep_their_order_however_many_they_are() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 3000).await;
    let stock = world.store.keys().stock(&sale);
    let before: Vec<String> = world.run(&["LRANGE", &stock, "0", "-1"]).await;
    let mut ids = Vec::new();
    for number in 0..50 {
        let line = [(&sale, StockKind::List, 50)];
        let user = format!("u{number}");
        ids.push(world.write_order(&user, OrderState::Held, 5, &line).await);
    }
    let ids: Vec<&OrderId> = ids.iter().collect();
    let (_, answers) = expire_at(&mut world, 6, &ids, &[&sale]).await;
    assert_eq!(answers, vec![Expiry::Expired; 50]);
    let after: Vec<String> = world.run(&["LRANGE", &stock, "0", "-1"]).await;
    assert_eq!(after, before);
}

#[tokio::test]
async fn the_store_takes_what_is_overdue_and_says_how_much_there_was() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::Counter, 9).await;
    let now = world.now().await;
    let line = [(&sale, StockKind::Counter, 1)];
    for (user, deadline) in [("u", 1), ("v", 2), ("w", now - 10), ("x", now + 60_000)] {
        world
            .write_order(user, OrderState::Held, deadline, &line)
            .await;
    }
    for (expired, left) in [(2, 1), (1, 0), (0, 0)] {
        let outcome = expire(&world.store, "a", 2, Slice::First).await;
        let outcome = outcome.expect("expired");
        assert_eq!((outcome.expired, outcome.left), (expired, left));
        assert_eq!(outcome.broken, [""; 0]);
    }
    assert_eq!(world.left(&sale).await, 8);
    let none = expire(&world.store, "none", 2, Slice::Anywhere).await;
    assert_eq!(none.expect("nothing"), ExpireOutcome::default());
    world.assert_holds(&sale).await;
}

const KEYS: [&str; 7] = ["orders", "holds", "feed", "sale", "stock", "buyers", "gone"];
const ARGS: [&str; 3] = ["60000", "a", "a-1"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args, words) in [
        (&KEYS[..2], &ARGS[..], "order_expire takes 3 keys"),
        (&KEYS[..4], &ARGS[..], "order_expire takes 3 keys"),
        (&KEYS[..], &ARGS[..2], "order_expire takes 3 keys"),
        (&KEYS[..3], &ARGS[..1], "order_expire takes 3 keys"),
        (
            &KEYS[..],
            &["soon", "a", "a-1"],
            "again is not a whole number",
        ),
    ] {
        assert_raises(&mut world, &ORDER_EXPIRE, keys, args, words).await;
    }
    let many = [&["60000"][..], &["a-1"; 1001]].concat();
    let words = "at most 1000 orders";
    assert_raises(&mut world, &ORDER_EXPIRE, &KEYS[..3], &many, words).await;
}

#[tokio::test]
async fn a_broken_order_is_named_and_only_its_hold_moves() {
    let stocks: [(Words, &str); 6] = [
        (&["SET", "gone", "x"], "WRONGTYPE"),
        (&["HSET", "sale", "gone", "x"], "gone is not a whole number"),
        (
            &["HSET", "sale", "gone_most", "x"],
            "gone_most is not a whole number",
        ),
        (&["SET", "stock", "x"], "WRONGTYPE"),
        (&["SET", "buyers", "x"], "WRONGTYPE"),
        (&["SET", "sale", "x"], "WRONGTYPE"),
    ];
    for (broken, words) in BROKEN_ORDERS.into_iter().chain(stocks) {
        let mut world = a_broken_world(&AN_ORDER, broken).await;
        let mut before = world.contents().await;
        let reply = call(&mut world, &ORDER_EXPIRE, &KEYS, &ARGS).await;
        let (_, answers) = expiries(reply.expect("answered")).expect("understood");
        let [Expiry::Broken(why)] = &answers[..] else {
            panic!("{broken:?}: {answers:?}");
        };
        assert!(why.contains(words), "{broken:?}: {why}");
        let mut after = world.contents().await;
        assert_ne!(before.remove("holds"), after.remove("holds"));
        assert_eq!(after, before, "{broken:?} changed something");
    }
}

#[tokio::test]
async fn broken_keys_of_the_event_raise_before_the_first_write() {
    for (broken, words) in BROKEN_KEYS {
        let mut world = a_broken_world(&AN_ORDER, broken).await;
        assert_raises(&mut world, &ORDER_EXPIRE, &KEYS, &ARGS, words).await;
    }
}
