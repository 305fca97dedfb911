//! `lua/sale_snapshot.lua`

use seckill::domain::ledger::Figures;
use seckill::domain::sale::StockKind;
use seckill::store::script::SALE_SNAPSHOT;

use super::{assert_raises, call};
use crate::support::redis::{World, sale_id};

#[tokio::test]
async fn it_reads_every_figure_and_writes_nothing() {
    let mut world = World::new().await;
    let id = world.sale("a", StockKind::List, 7).await;
    world.store.stock_remove(&id, 2).await.expect("removed");
    let before = world.dump().await;
    let snapshot = world
        .store
        .sale_snapshot(&id)
        .await
        .expect("read")
        .expect("exists");
    let expected = Figures {
        added: 7,
        removed: 2,
        left: 5,
        purchase_max: 2,
        ..Figures::default()
    };
    assert_eq!(snapshot.figures, expected);
    let (seconds, _): (u64, u64) = world.run(&["TIME"]).await;
    assert!(snapshot.now / 1000 <= seconds && seconds <= snapshot.now / 1000 + 60);
    assert_eq!(
        world
            .store
            .sale_snapshot(&sale_id("none"))
            .await
            .expect("read"),
        None
    );
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn a_counter_below_zero_is_shown_as_it_is_and_sells_nothing() {
    let mut world = World::new().await;
    let id = world.sale("b", StockKind::Counter, 4).await;
    let stock = world.store.keys().stock(&id);
    for (text, left) in [("-1", -1), ("-999999999999999", -999_999_999_999_999)] {
        let _: () = world.run(&["SET", &stock, text]).await;
        let read = world.store.sale_snapshot(&id).await.expect("read");
        let snapshot = read.expect("exists");
        assert_eq!((snapshot.figures.left, snapshot.standing().left), (left, 0));
    }
}

#[tokio::test]
async fn wrong_calls_and_broken_data_raise() {
    let mut world = World::new().await;
    let keys = ["sale", "stock", "buyers"];
    assert_raises(&mut world, &SALE_SNAPSHOT, &keys[..2], &[], "takes 3 keys").await;
    assert_raises(&mut world, &SALE_SNAPSHOT, &keys, &["x"], "takes 3 keys").await;
    let sale = format!("{}sale", world.prefix);
    let _: i64 = world.run(&["HSET", &sale, "kind", "counter"]).await;
    let stock = format!("{}stock", world.prefix);
    let _: () = world.run(&["SET", &stock, "many"]).await;
    assert_raises(
        &mut world,
        &SALE_SNAPSHOT,
        &keys,
        &[],
        "stock is not a whole number",
    )
    .await;
    let _: () = world.run(&["SET", &stock, "3"]).await;
    assert!(call(&mut world, &SALE_SNAPSHOT, &keys, &[]).await.is_ok());
}
