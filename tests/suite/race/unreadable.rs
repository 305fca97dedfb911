//! An order that cannot be read, because somebody deleted or overwrote its record by hand: its
//! buyer is told that nobody knows, the log names it, and everybody else buys on.

use futures_util::future::join_all;
use seckill::domain::sale::StockKind;

use super::gate::{door, until_closed};
use crate::support::buyer::Buyer;
use crate::support::crowd::ask;
use crate::support::process::{ServerProcess, free_address};
use crate::support::redis::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_record_keeps_nobody_else_from_buying() {
    let mut world = World::new().await;
    let sale = world.sale("rush", StockKind::List, 201).await;
    let lost = world.granted(&sale, "poor", 1).await;
    let orders = world.store.keys().orders("rush");
    let record: String = world.run(&["HGET", &orders, lost.as_str()]).await;
    let _: i64 = world.run(&["HDEL", &orders, lost.as_str()]).await;
    let arguments = world.arguments(&["http.workers=1"]);
    let (server, log) = ServerProcess::recorded(free_address(), &arguments).await;
    let door = door(&server.buyer, &sale);

    // They come all at once, so those who cannot be answered are in the same batches.
    let users = (0..400).map(|number| match number % 2 {
        0 => format!("user-{number}"),
        _ => "poor".to_owned(),
    });
    let users: Vec<_> = users.collect();
    for entry in join_all(users.iter().map(|user| ask(&door, user, 1))).await {
        let expected = match entry.user.as_str() {
            "poor" => "unreadable",
            _ => "grabbed",
        };
        assert_eq!(entry.answer.code, expected, "{}", entry.user);
    }
    let logged = log.logged();
    let named = |line: &str| line.contains("sale=rush") && line.contains(lost.as_str());
    assert!(logged.lines().any(named), "{logged}");

    // The gate closes, lets them pass, and stays closed whatever they hear.
    until_closed(&server.buyer, &sale).await;
    let learnings = learnings(&server.buyer).await;
    for _ in 0..20 {
        assert_eq!(ask(&door, "poor", 1).await.answer.code, "unreadable");
    }
    until_closed(&server.buyer, &sale).await;
    assert_eq!(self::learnings(&server.buyer).await, learnings);
    let _: i64 = world.run(&["HSET", &orders, lost.as_str(), &record]).await;
    let mended = ask(&door, "poor", 1).await.answer;
    assert_eq!(mended.code, "already_grabbed");
    assert_eq!(mended.order.expect("an order").order, lost.as_str());
    world.assert_holds(&sale).await;
}

/// How often the server learned who the buyers are.
async fn learnings(buyer: &Buyer) -> String {
    let metrics = buyer.get("/metrics").await.body;
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix("seckill_gate_learning_seconds_count "));
    count.expect("a count").to_owned()
}
