//! `lua/stock_remove.lua`

use seckill::domain::sale::StockKind;
use seckill::store::sales::stock::RemoveOutcome;
use seckill::store::script::STOCK_REMOVE;

use super::assert_raises;
use crate::support::app::TestApp;
use crate::support::redis::{World, sale_id};

#[tokio::test]
async fn unsold_units_come_out_last_first_and_no_more_than_there_are() {
    let world = World::new().await;
    let id = world.sale("a", StockKind::List, 4).await;
    let app = TestApp::start(&world).await;
    assert_eq!(app.buyer.code("/seckill", "a", "x", "1").await, "grabbed");
    let removed = world.store.stock_remove(&id, 2).await.expect("removed");
    let units = vec!["sn-4".to_owned(), "sn-3".to_owned()];
    assert_eq!(
        removed,
        RemoveOutcome::Removed {
            taken: 2,
            left: 1,
            units
        }
    );
    let removed = world.store.stock_remove(&id, 9).await.expect("removed");
    assert_eq!(
        removed,
        RemoveOutcome::Removed {
            taken: 1,
            left: 0,
            units: vec!["sn-2".into()]
        }
    );
    let removed = world.store.stock_remove(&id, 9).await.expect("removed");
    assert_eq!(
        removed,
        RemoveOutcome::Removed {
            taken: 0,
            left: 0,
            units: vec![]
        }
    );
    assert_eq!(app.buyer.code("/seckill", "a", "y", "1").await, "sold_out");
    app.stop().await;
    world.assert_holds(&id).await;
}

#[tokio::test]
async fn a_counter_gives_back_what_it_has() {
    let world = World::new().await;
    let id = world.sale("b", StockKind::Counter, 4).await;
    let removed = world.store.stock_remove(&id, 9).await.expect("removed");
    assert_eq!(
        removed,
        RemoveOutcome::Removed {
            taken: 4,
            left: 0,
            units: vec![]
        }
    );
    let removed = world
        .store
        .stock_remove(&sale_id("none"), 1)
        .await
        .expect("answered");
    assert_eq!(removed, RemoveOutcome::NoSuchSale);
    world.assert_holds(&id).await;
}

#[tokio::test]
async fn a_counter_below_zero_gives_nothing_and_says_where_it_is() {
    let mut world = World::new().await;
    let id = world.sale("b", StockKind::Counter, 4).await;
    let stock = world.store.keys().stock(&id);
    let _: i64 = world.run(&["DECRBY", &stock, "11"]).await;
    let before = world.dump().await;
    let removed = world.store.stock_remove(&id, 1).await.expect("answered");
    assert_eq!(
        removed,
        RemoveOutcome::Removed {
            taken: 0,
            left: -7,
            units: vec![]
        }
    );
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let keys = ["sale", "stock"];
    for (keys, args, words) in [
        (&keys[..1], &["1"][..], "takes 2 keys"),
        (&keys, &[], "takes 2 keys"),
        (&keys, &["0"], "takes 2 keys"),
        (&keys, &["1", "2"], "takes 2 keys"),
        (&keys, &["some"], "count is not a whole number"),
    ] {
        assert_raises(&mut world, &STOCK_REMOVE, keys, args, words).await;
    }
}
