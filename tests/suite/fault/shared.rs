//! Crowds that change orders share connections: `busy` still means that nothing ran, and `unknown`
//! that it may have.

use std::time::Duration;

use futures_util::future::join_all;
use seckill::domain::ids::OrderId;
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::sale::StockKind;
use seckill::failure::Failure;
use seckill::store::Store;

use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{PrivateRedis, World};

struct Scene {
    world: World,
    proxy: Proxy,
    /// Asks through the proxy.
    store: Store,
    orders: Vec<OrderId>,
    _redis: PrivateRedis,
}

impl Scene {
    /// A Redis of its own with so many held orders, for which nobody waits longer than so.
    async fn new(orders: usize, timeout: Duration) -> Self {
        let redis = PrivateRedis::forgetful();
        let world = World::at(redis.url()).await;
        let sale = world.held_sale("a", StockKind::Counter, 200).await;
        let mut held = Vec::new();
        for number in 0..orders {
            held.push(world.granted(&sale, &format!("user-{number}"), 1).await);
        }
        let proxy = Proxy::start(redis.socket()).await;
        let store = Store::new(&proxy.url(), &world.prefix, timeout).expect("a store");
        Self {
            world,
            proxy,
            store,
            orders: held,
            _redis: redis,
        }
    }

    async fn end(self) {
        let sale = crate::support::redis::sale_id("a");
        self.world.assert_holds(&sale).await;
    }
}

/// One after the other on four connections, these would take longer than anybody waits.
#[tokio::test]
async fn a_crowd_changes_orders_on_two_connections() {
    let scene = Scene::new(200, Duration::from_secs(20)).await;
    let [first, crowd @ ..] = scene.orders.as_slice() else {
        panic!("no orders");
    };
    // Everybody sends a script that Redis does not know yet, which is much.
    let loaded = scene.store.order_confirm(first).await;
    assert!(matches!(loaded, Ok(ChangeOutcome::Changed(_))));
    scene.proxy.set_latency(Duration::from_millis(450));
    let outcomes = join_all(crowd.iter().map(|id| scene.store.order_confirm(id))).await;
    for outcome in outcomes {
        assert!(
            matches!(outcome, Ok(ChangeOutcome::Changed(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(scene.proxy.connections(), 2, "one to read, one to change");
    scene.end().await;
}

#[tokio::test]
async fn a_change_is_busy_before_it_was_sent_and_unknown_after() {
    let mut scene = Scene::new(2, Duration::from_secs(3)).await;
    let [first, second] = [scene.orders[0].clone(), scene.orders[1].clone()];
    scene.store.order(&first).await.expect("read");
    scene.proxy.set(Fault::Stall);
    for stalled in join_all((0..3).map(|_| scene.store.order_use(&first))).await {
        assert!(matches!(stalled, Err(Failure::Busy(_))), "{stalled:?}");
    }
    scene.proxy.set(Fault::None);
    // The silent connection is left for a new one.
    let seen = scene.store.order(&first).await.expect("read");
    assert_eq!(seen.map(|order| order.id), Some(first.clone()));

    let _: () = scene.world.run(&["SCRIPT", "FLUSH"]).await;
    let loaded = scene.store.order_confirm(&second).await;
    assert!(
        matches!(loaded, Ok(ChangeOutcome::Changed(_))),
        "{loaded:?}"
    );

    let _: () = scene
        .world
        .run(&["CLIENT", "PAUSE", "60000", "WRITE"])
        .await;
    let paused = scene.store.order_confirm(&first).await;
    assert!(matches!(paused, Err(Failure::Unknown(_))), "{paused:?}");
    let _: () = scene.world.run(&["CLIENT", "UNPAUSE"]).await;
    // It came to its end too late, so it was not made.
    let told = scene.store.order_confirm(&first).await;
    assert!(matches!(told, Ok(ChangeOutcome::Changed(_))), "{told:?}");
    scene.end().await;
}
