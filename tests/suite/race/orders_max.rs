//! One buyer grabs and cancels over many connections at the same time: never more orders than the
//! sale allows. The control: without a limit the same check counts more.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use seckill::domain::ids::SaleId;
use seckill::domain::sale::{ORDERS_MAX_DEFAULT, StockKind};

use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::orders::at_most;
use crate::support::redis::World;

const CONNECTIONS: usize = 16;
/// If a buyer gets this many orders, there is no limit.
const ENOUGH: usize = 40;

/// Grabs, and cancels whatever is shown, until the buyer gets no more; what was granted.
async fn cycle(buyer: Buyer, path: &str, goods: &str, all: &AtomicUsize) -> Vec<String> {
    let mut granted = Vec::new();
    while all.load(Ordering::Relaxed) < ENOUGH {
        let fields = [("username", "x"), ("purchase", "1"), ("goods", goods)];
        let reply = buyer.form(path, &fields).await;
        match reply.result.as_str() {
            "grabbed" => {
                granted.push(reply.order().expect("an order"));
                all.fetch_add(1, Ordering::Relaxed);
            }
            "already_grabbed" => {}
            "too_many_orders" => break,
            other => panic!("{other}: {}", reply.body),
        }
        let path = format!("/orders/{}/cancel", reply.order().expect("an order"));
        let reply = buyer.form(&path, &[("username", "x")]).await;
        assert!(reply.result.ends_with("cancelled"), "{reply:?}");
    }
    granted
}

/// How many orders a buyer gets who asks and cancels over many connections at two servers.
async fn granted(world: &World, sale: &SaleId, path: &str) -> usize {
    let apps = [TestApp::start(world).await, TestApp::start(world).await];
    let all = AtomicUsize::new(0);
    let cycles = (0..CONNECTIONS).map(|n| {
        let buyer = Buyer::new(apps[n % 2].buyer.address());
        cycle(buyer, path, sale.as_str(), &all)
    });
    let told = join_all(cycles).await.concat();
    let orders: HashSet<&String> = told.iter().collect();
    assert_eq!(orders.len(), told.len(), "an order was granted twice");
    for app in apps {
        app.stop().await;
    }
    told.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_of_one_buyer_get_no_more_orders_than_allowed() {
    for (path, kind) in [("/seckill", StockKind::List), ("/incr", StockKind::Counter)] {
        let mut world = World::new().await;
        let sale = world.held_sale("rush", kind, 30).await;
        let orders = granted(&world, &sale, path).await;
        assert_eq!(orders, ORDERS_MAX_DEFAULT as usize, "{path}");
        assert_eq!(world.gone(&sale, "x").await, (20, 20));
        world.assert_holds(&sale).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_limit_the_same_buyer_gets_more() {
    let world = World::new().await;
    let sale = world.held_sale("rush", StockKind::List, 30).await;
    world.put(&sale, &at_most(None)).await;
    let orders = granted(&world, &sale, "/seckill").await;
    assert!(orders > ORDERS_MAX_DEFAULT as usize, "{orders}");
    world.assert_holds(&sale).await;
}
