//! `lua/stock_add.lua`

use seckill::domain::money::CENTS_MAX;
use seckill::domain::sale::unit::Unit;
use seckill::domain::sale::{STOCK_UNITS_MAX, StockKind};
use seckill::store::sales::stock::{AddOutcome, RemoveOutcome};
use seckill::store::script::STOCK_ADD;

use super::assert_raises;
use crate::support::redis::{World, sale_id};

fn units(names: &[&str]) -> Vec<Unit> {
    names
        .iter()
        .map(|name| Unit::parse(name).expect("valid"))
        .collect()
}

#[tokio::test]
async fn list_stock_takes_units_in_order_and_numbers_counted_ones_on() {
    let mut world = World::new().await;
    let id = world.sale("a", StockKind::List, 0).await;
    let store = world.store.clone();
    let added = store
        .stock_add_units(&id, &units(&["座位 1", "seat 2"]))
        .await
        .expect("added");
    assert_eq!(added, AddOutcome::Added { total: 2, left: 2 });
    let added = store.stock_add_count(&id, 2).await.expect("added");
    assert_eq!(added, AddOutcome::Added { total: 4, left: 4 });
    // A number is never given out twice, not even after its unit was taken back.
    store.stock_remove(&id, 1).await.expect("removed");
    let added = store.stock_add_count(&id, 1).await.expect("added");
    assert_eq!(added, AddOutcome::Added { total: 5, left: 4 });
    let stock = format!("{}{{a}}:stock:a", world.prefix);
    let kept: Vec<String> = world.run(&["LRANGE", &stock, "0", "-1"]).await;
    assert_eq!(kept, ["座位 1", "seat 2", "sn-3", "sn-5"]);
    world.assert_holds(&id).await;
}

#[tokio::test]
async fn a_whole_call_of_units_fits() {
    let world = World::new().await;
    let id = world.sale("a", StockKind::List, 0).await;
    let names: Vec<String> = (0..5000).map(|n| format!("u{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let added = world
        .store
        .stock_add_units(&id, &units(&names))
        .await
        .expect("added");
    assert_eq!(
        added,
        AddOutcome::Added {
            total: 5000,
            left: 5000
        }
    );
    let added = world.store.stock_add_count(&id, 4999).await.expect("added");
    assert_eq!(
        added,
        AddOutcome::Added {
            total: 9999,
            left: 9999
        }
    );
    world.assert_holds(&id).await;
}

#[tokio::test]
async fn refusals_write_nothing() {
    let mut world = World::new().await;
    let id = world.sale("b", StockKind::Counter, 3).await;
    let before = world.dump().await;
    let store = world.store.clone();
    let refused = store
        .stock_add_units(&id, &units(&["u"]))
        .await
        .expect("answered");
    assert_eq!(refused, AddOutcome::NeedsCount);
    let refused = store
        .stock_add_count(&id, STOCK_UNITS_MAX - 2)
        .await
        .expect("answered");
    assert_eq!(refused, AddOutcome::LimitPassed);
    let refused = store
        .stock_add_count(&sale_id("none"), 1)
        .await
        .expect("answered");
    assert_eq!(refused, AddOutcome::NoSuchSale);
    assert_eq!(world.dump().await, before);
    let added = store
        .stock_add_count(&id, STOCK_UNITS_MAX - 3)
        .await
        .expect("answered");
    let all = STOCK_UNITS_MAX;
    assert_eq!(
        added,
        AddOutcome::Added {
            total: all,
            left: all.cast_signed()
        }
    );
}

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let sale = format!("{}sale", world.prefix);
    let _: i64 = world.run(&["HSET", &sale, "kind", "counter"]).await;
    let keys = ["sale", "stock"];
    for (keys, args, words) in [
        (&keys[..1], &["count", "10", "10", "1"][..], "takes 2 keys"),
        (&keys, &["count", "10", "10"], "takes 2 keys"),
        (&keys, &["count", "10", "10", "1", "2"], "takes 2 keys"),
        (
            &keys,
            &["count", "many", "10", "1"],
            "limit is not a whole number",
        ),
        (
            &keys,
            &["count", "10", "10", "-1"],
            "count is not a whole number",
        ),
        (
            &keys,
            &["count", "10", "many", "1"],
            "limit is not a whole number",
        ),
    ] {
        assert_raises(&mut world, &STOCK_ADD, keys, args, words).await;
    }
}

#[tokio::test]
async fn a_counter_below_zero_is_filled_up_from_there() {
    let mut world = World::new().await;
    let id = world.sale("b", StockKind::Counter, 4).await;
    let stock = world.store.keys().stock(&id);
    let _: i64 = world.run(&["DECRBY", &stock, "11"]).await;
    for (count, total, left) in [(5, 9, -2), (10, 19, 8)] {
        let added = world.store.stock_add_count(&id, count).await;
        assert_eq!(added.expect("answered"), AddOutcome::Added { total, left });
        let counted: i64 = world.run(&["GET", &stock]).await;
        assert_eq!(counted, left);
    }
}

#[tokio::test]
async fn a_target_is_raised_and_lowered_by_cents() {
    let world = World::new().await;
    let id = world.sale("loan", StockKind::Target, 3).await;
    let store = world.store.clone();
    let named = store.stock_add_units(&id, &units(&["u"])).await;
    assert_eq!(named.expect("answered"), AddOutcome::NeedsCount);
    let most = store.stock_add_count(&id, CENTS_MAX - 3).await;
    let (total, left) = (CENTS_MAX, CENTS_MAX.cast_signed());
    assert_eq!(most.expect("answered"), AddOutcome::Added { total, left });
    let more = store.stock_add_count(&id, 1).await;
    assert_eq!(more.expect("answered"), AddOutcome::LimitPassed);
    let order = world.accepted("x", "r", &id, 10).await;
    assert_eq!(order.bid().expect("a bid").0.purchase, 10);
    // What is accepted is out of reach: lowered as far as can be, the target is full.
    let lowered = store.stock_remove(&id, CENTS_MAX).await.expect("answered");
    let RemoveOutcome::Removed { taken, left, .. } = lowered else {
        panic!("{lowered:?}");
    };
    assert_eq!((taken, left), (CENTS_MAX - 10, 0));
    assert_eq!(world.bid("y", "r", &id, 1).await.code(), "target_reached");
    world.assert_holds(&id).await;
}
