//! `lua/sale_snapshot.lua`

use redis::Value;
use seckill::domain::audit::figures::Figures;
use seckill::domain::sale::StockKind;
use seckill::store::script::SALE_SNAPSHOT;

use super::{assert_raises, call};
use crate::support::redis::{PrivateRedis, World, sale_id};

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
    assert_raises(&mut world, &SALE_SNAPSHOT, &[], &[], "takes 3 keys").await;
    let four = ["sale", "stock", "buyers", "sale"];
    assert_raises(&mut world, &SALE_SNAPSHOT, &four, &[], "takes 3 keys").await;
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

#[tokio::test]
async fn several_sales_are_read_in_their_order_and_a_broken_one_hides_no_other() {
    let mut world = World::new().await;
    let mut keys = Vec::new();
    for (id, kind) in [
        ("e.list", StockKind::List),
        ("e.broken", StockKind::Counter),
        ("e.wrong", StockKind::Counter),
        ("e.cup", StockKind::Counter),
    ] {
        let id = world.sale(id, kind, 3).await;
        keys.extend(world.store.keys().of_snapshot(&id));
    }
    let _: () = world.run(&["SET", &keys[4], "few"]).await;
    let _: () = world.run(&["SET", &keys[8], "no hash"]).await;
    let none = sale_id("e.none");
    keys.extend(world.store.keys().of_snapshot(&none));
    let call = SALE_SNAPSHOT.on(&keys).send(&mut world.raw).await;
    let Ok(Value::Array(found)) = call else {
        panic!("{call:?}");
    };
    let left = |found: &Value| match found {
        Value::Array(parts) => format!("{:?}", parts[1]),
        word => format!("{word:?}"),
    };
    let left: Vec<String> = found.iter().map(left).collect();
    let [broken, none] = ["broken", "no_such_sale"].map(|word| {
        let word = Value::BulkString(word.into());
        format!("{word:?}")
    });
    let three = format!("{:?}", Value::Int(3));
    assert_eq!(
        left,
        [&three, &broken, &broken, &three, &none].map(Clone::clone)
    );

    // The same, as every client reads it.
    let read = world.store.sales().await.expect("read");
    let left: Vec<_> = read
        .iter()
        .map(|(id, read)| {
            (
                id.as_str(),
                read.as_ref().ok().map(|read| read.figures.left),
            )
        })
        .collect();
    let readable = [("e.cup", Some(3)), ("e.list", Some(3))];
    assert_eq!(left[1..3], readable);
    assert_eq!([left[0], left[3]], [("e.broken", None), ("e.wrong", None)]);
    let why = read[0].1.as_ref().expect_err("broken").to_string();
    assert!(why.contains("e.broken") && why.contains("few"), "{why}");
}

/// Calls grow with events and with hundreds of sales, not with sales.
#[tokio::test]
async fn many_sales_take_few_calls() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let mut seeds = redis::pipe();
    for number in 0..1_000 {
        for id in [
            format!("one.s{number}"),
            format!("e{}.s{number}", number % 50),
        ] {
            let key = world.store.keys().sale(&sale_id(&id));
            seeds.hset(key, "kind", "list").ignore();
        }
    }
    let _: () = seeds.query_async(&mut world.raw).await.expect("written");
    let warm = world.store.sales().await.expect("read");
    let before = world.calls("evalsha").await;
    let read = world.store.sales().await.expect("read");
    assert!(read.len() == 2_000 && read.is_sorted_by(|one, next| one.0 < next.0));
    assert_eq!(warm.len(), read.len());
    // Ten pieces of each half; a piece may begin in the middle of an event.
    let calls = world.calls("evalsha").await - before;
    assert!((60..=72).contains(&calls), "{calls}");
}
