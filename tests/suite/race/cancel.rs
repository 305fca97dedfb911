//! What a buyer gave back over HTTP is there for the next attempt: no closed gate keeps strangers
//! from it until a probe has seen it.

use std::time::Instant;

use futures_util::future::join_all;
use seckill::domain::ids::SaleId;
use seckill::domain::sale::StockKind;

use super::gate::{door, until_closed};
use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::crowd::{HttpDoor, ask};
use crate::support::orders::{LONG_HOLD_MS, held_for};
use crate::support::redis::World;

const LIST: StockKind = StockKind::List;
/// Strangers who ask at the same time.
const CROWD: usize = 8;

/// Buyers whom a gate learns.
const BUYERS: usize = 5_000;

/// An order, and whose it is.
struct Owned {
    user: String,
    order: String,
}

/// Cancels an order for its buyer while the gates of these sales are closed: each has just heard
/// how its sale stands, and asks Redis no more for the next 20 ms.
async fn cancel_behind_gates(buyer: &Buyer, owned: &Owned, sales: &[SaleId]) {
    for sale in sales {
        until_closed(buyer, sale).await;
    }
    for sale in sales {
        let refused = ask(&door(buyer, sale), "stranger", 1).await.answer;
        assert_eq!(refused.code, "sold_out");
    }
    cancel(buyer, owned).await;
}

async fn cancel(buyer: &Buyer, owned: &Owned) {
    let path = format!("/orders/{}/cancel", owned.order);
    let reply = buyer.form(&path, &[("username", &owned.user)]).await;
    assert_eq!(reply.result, "cancelled", "{reply:?}");
}

/// A crowd asks once, all at the same time, and one of them gets the one unit.
async fn one_of_a_crowd_gets_it(buyer: &Buyer, sale: &SaleId, round: usize) -> Owned {
    let door = door(buyer, sale);
    let users: Vec<String> = (0..CROWD)
        .map(|number| format!("user-{round}-{number}"))
        .collect();
    let entries = join_all(users.iter().map(|user| ask(&door, user, 1))).await;
    let codes: Vec<_> = entries.iter().map(|entry| &entry.answer.code).collect();
    let mut granted = entries
        .iter()
        .filter(|entry| entry.answer.code == "grabbed");
    let winner = granted
        .next()
        .unwrap_or_else(|| panic!("round {round}: nobody got what came back: {codes:?}"));
    assert!(granted.next().is_none(), "round {round}: {codes:?}");
    let promise = winner.answer.order.as_ref().expect("an order");
    Owned {
        user: winner.user.clone(),
        order: promise.order.clone(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_attempt_after_a_cancel_gets_the_unit() {
    let world = World::new().await;
    let sale = world.held_sale("rush", LIST, 1).await;
    let app = TestApp::start(&world).await;
    let buyer = &app.buyer;
    let mut owned = one_of_a_crowd_gets_it(buyer, &sale, 0).await;
    for round in 1..=100 {
        cancel_behind_gates(buyer, &owned, std::slice::from_ref(&sale)).await;
        owned = one_of_a_crowd_gets_it(buyer, &sale, round).await;
    }
    world.assert_holds(&sale).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sales_of_a_cancelled_order_sell_at_once() {
    let world = World::new().await;
    let sales = [
        world.held_sale("e.a", LIST, 1).await,
        world.held_sale("e.b", LIST, 1).await,
    ];
    let app = TestApp::start(&world).await;
    let buyer = &app.buyer;
    for round in 0..30 {
        let user = format!("placer-{round}");
        let lines = [("e.a", 1), ("e.b", 1)];
        let placed = buyer.place(&user, "the request", &lines).await;
        let order = placed.order().expect("an order");
        cancel_behind_gates(buyer, &Owned { user, order }, &sales).await;
        let winners = sales
            .iter()
            .map(|sale| one_of_a_crowd_gets_it(buyer, sale, round));
        for winner in join_all(winners).await {
            cancel(buyer, &winner).await;
        }
    }
    for sale in &sales {
        world.assert_holds(sale).await;
    }
    app.stop().await;
}

/// A cancel opens a gate, and a gate that wants to close learns all buyers: nobody may make
/// it do so each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_cancels_are_not_as_many_learnings() {
    let world = World::new().await;
    let sale = world.sell("rush", 0, BUYERS).await;
    world.put(&sale, &held_for(LONG_HOLD_MS)).await;
    let unsold = world.left(&sale).await;
    let removed = world.store.stock_remove(&sale, unsold - 1).await;
    removed.expect("removed");
    let app = TestApp::start(&world).await;
    let door = HttpDoor {
        path: "/incr",
        ..door(&app.buyer, &sale)
    };
    let began = Instant::now();
    for round in 0..200 {
        let user = format!("late-{round}");
        let answer = ask(&door, &user, 1).await.answer;
        let order = answer.order.expect("an order").order;
        assert_eq!(ask(&door, "stranger", 1).await.answer.code, "sold_out");
        cancel(&app.buyer, &Owned { user, order }).await;
    }
    // Who learned rests five times as long as that took: far from once for each cancel, unless the
    // cancels take very long.
    let took = began.elapsed().as_secs_f64();
    let (learnings, learning) = learnings(&app.buyer).await;
    assert!(learnings >= 1.0, "nobody learned");
    assert!(
        learnings <= 20.0 || learning * 3.0 < took,
        "learned {learnings} times, {learning} of {took} s"
    );
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// How often this server learned the buyers of a sale, and how long that took, in seconds.
async fn learnings(buyer: &Buyer) -> (f64, f64) {
    let metrics = buyer.get("/metrics").await.body;
    let figure = |what: &str| {
        let name = format!("seckill_gate_learning_seconds_{what} ");
        let figure = metrics.lines().find_map(|line| line.strip_prefix(&name));
        figure.expect("counted").parse().expect("a number")
    };
    (figure("count"), figure("sum"))
}
