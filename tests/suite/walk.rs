//! The walk over the key space finds every sale, hold and feed, whatever other keys there are.

use std::collections::BTreeSet;

use seckill::domain::sale::StockKind;

use crate::support::redis::World;

/// Other keys: the walk takes several steps.
const OTHERS: usize = 3000;

#[tokio::test]
async fn every_sale_hold_and_feed_is_found_among_many_other_keys() {
    let mut world = World::new().await;
    let events: BTreeSet<String> = (0..8).map(|number| format!("event{number}")).collect();
    for event in &events {
        let sale = world.held_sale(event, StockKind::Counter, 1).await;
        world.granted(&sale, "x", 1).await;
    }
    let mut others = redis::pipe();
    for number in 0..OTHERS {
        let key = format!("{}other-{number}", world.prefix);
        others.set(key, number).ignore();
    }
    let strange = |key: &[u8]| [world.prefix.as_bytes(), key].concat();
    others.hset(strange(b"{\xff}:sale:\xff"), "x", "y").ignore();
    others.zadd(strange(b"{\xff}:holds"), "x", 1).ignore();
    let feed = strange(b"{\xff}:feed");
    let entry = ["0-1", "what", "held"];
    others.cmd("XADD").arg(feed).arg(&entry).ignore();
    let _: () = others.query_async(&mut world.raw).await.expect("written");
    let store = &world.store;
    assert_eq!(store.events_with_holds().await.expect("walked"), events);
    assert_eq!(store.events_with_feeds().await.expect("walked"), events);
    let sales = store.sales().await.expect("walked");
    let sales: Vec<_> = sales.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(sales, events.iter().collect::<Vec<_>>());
}
