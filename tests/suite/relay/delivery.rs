//! Deliveries without any fault.

use std::time::Duration;

use seckill::domain::caller::Caller;
use seckill::domain::sale::SaleEdit;
use seckill::store::feed::Lag;

use super::{Running, assert_complete, consumers, repeated};
use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::receiver::Receiver;
use crate::support::redis::{World, relay_feed};
use crate::support::terms::term_number;

#[tokio::test]
async fn everything_is_delivered_once_and_in_order() {
    let mut world = World::new().await;
    let receiver = Receiver::start();
    world.sell("spring.tea", 0, 250).await;
    let relay = Running::start(&world, &receiver.patient());
    receiver.until("spring", 250).await;
    // An event that begins while the relay runs, and more of the one that is known.
    world.sell("autumn", 0, 50).await;
    world.sell("spring.tea", 250, 50).await;
    receiver.until("autumn", 50).await;
    receiver.until("spring", 300).await;
    let metrics = relay.stop().await;
    assert_eq!(receiver.seqs("spring"), (1..=300).collect::<Vec<_>>());
    assert_eq!(receiver.seqs("autumn"), (1..=50).collect::<Vec<_>>());
    let text = metrics.text().expect("text");
    assert!(text.contains("seckill_feed_delivered_total 350"), "{text}");
    assert!(text.contains("seckill_feed_retried_total 0"), "{text}");
    let lag = world
        .store
        .feed_lag(&relay_feed("spring"))
        .await
        .expect("read");
    let expected = Lag {
        undelivered: 0,
        oldest: Duration::ZERO,
        dead: 0,
    };
    assert_eq!(lag, Some(expected));
    assert_eq!(consumers(&mut world, "spring").await, 0, "it has left");
}

#[tokio::test]
async fn an_entry_carries_its_order() {
    let mut world = World::new().await;
    let receiver = Receiver::start();
    let hold = SaleEdit {
        kind: Some(seckill::domain::sale::StockKind::List),
        hold: Some(term_number(900_000)),
        ..SaleEdit::default()
    };
    let sale = crate::support::redis::sale_id("spring.tea");
    world.put(&sale, &hold).await;
    world.store.stock_add_count(&sale, 2).await.expect("added");
    let app = TestApp::start(&world).await;
    let fields = [
        ("goods", "spring.tea"),
        ("username", "爱 \"丽\""),
        ("purchase", "2"),
    ];
    let bought = app.buyer.form("/seckill", &fields).await.json();
    app.stop().await;
    let feed = format!("{}{{spring}}:feed", world.prefix);
    let stream: Vec<(String, Vec<String>)> = world.run(&["XRANGE", &feed, "-", "+"]).await;
    let relay = Running::start(&world, &receiver.patient());
    receiver.until("spring", 1).await;
    relay.stop().await;
    let entry = &receiver.entries("spring")[&1];
    let at: u64 = stream[0].1[5].parse().expect("a time");
    let expected = serde_json::json!({
        "seq": 1, "what": "held", "at": at, "order": bought["order"],
        "username": "爱 \"丽\"", "created_at": at,
        "lines": [{"goods": "spring.tea", "purchase": 2, "units": bought["units"]}],
    });
    assert_eq!(*entry, expected);
}

#[tokio::test]
async fn a_bid_is_delivered_in_cents_and_again_when_it_goes_back() {
    let mut world = World::new().await;
    let receiver = Receiver::start();
    let loan = world.target("p2p.loan", 2_000, &terms(1, 100)).await;
    let first = world.accepted("x", "r", &loan, 1_800).await;
    world
        .store
        .stock_add_count(&loan, 100)
        .await
        .expect("added");
    let cut = world.accepted("爱 \"丽\"", "r 1", &loan, 500).await;
    world.store.stock_add_count(&loan, 1).await.expect("added");
    let cancelled = world.store.order_cancel(&first.id, &Caller::Operator).await;
    cancelled.expect("cancelled");
    let feed = format!("{}{{p2p}}:feed", world.prefix);
    let stream: Vec<(String, Vec<String>)> = world.run(&["XRANGE", &feed, "-", "+"]).await;
    let relay = Running::start(&world, &receiver.settings());
    receiver.until("p2p", 3).await;
    relay.stop().await;
    for (seq, what, order, requested, accepted, bonus) in [
        (1, "confirmed", &first, 1_800, 1_800, 18),
        (2, "confirmed", &cut, 500, 300, 3),
        (3, "cancelled", &first, 1_800, 1_800, 18),
    ] {
        let at: u64 = stream[seq - 1].1[5].parse().expect("a time");
        let request = order.request.as_ref().map(|request| request.as_str());
        let expected = serde_json::json!({
            "seq": seq, "what": what, "at": at, "order": order.id.as_str(),
            "username": order.username.as_str(), "created_at": order.created_at,
            "request_id": request,
            "lines": [{
                "goods": "p2p.loan", "requested": requested, "accepted": accepted, "bonus": bonus,
            }],
        });
        assert_eq!(receiver.entries("p2p")[&(seq as u64)], expected);
    }
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn two_relays_share_the_work() {
    let world = World::new().await;
    let receiver = Receiver::start();
    receiver.set_delay(Duration::from_millis(2));
    world.sell("spring", 0, 3000).await;
    let relays = [(); 2].map(|()| Running::start(&world, &receiver.patient()));
    receiver.until("spring", 3000).await;
    for relay in relays {
        let text = relay.stop().await.text().expect("text");
        let idle = text.contains("seckill_feed_delivered_total 0\n");
        assert!(!idle, "one did everything");
    }
    assert_complete(&receiver, "spring", 3000);
    assert_eq!(repeated(&receiver, "spring"), 0);
}

#[tokio::test]
async fn a_server_runs_a_relay_and_tells_its_figures() {
    let world = World::new().await;
    let receiver = Receiver::start();
    receiver.set_mood(|_| 503);
    let settings = receiver.patient();
    let app = TestApp::with(&world, |config| config.relay = settings).await;
    world.sell("b", 0, 7).await;
    let behind = "seckill_feed_undelivered{event=\"b\"} 7";
    let fresh = "seckill_feed_oldest_seconds{event=\"b\"} 0";
    let late = |text: &str| text.contains(behind) && !text.contains(fresh);
    app.buyer
        .metrics_that(|text| late(text) && receiver.calls() > 1)
        .await;
    receiver.set_mood(|_| 204);
    // The feed is empty a moment before the relay has counted its last delivery.
    let done = "seckill_feed_undelivered{event=\"b\"} 0";
    let all = "seckill_feed_delivered_total 7";
    let told = |text: &str| text.contains(done) && text.contains(all);
    let text = app.buyer.metrics_that(told).await;
    assert!(!text.contains("seckill_feed_retried_total 0"), "{text}");
    app.stop().await;
    assert_complete(&receiver, "b", 7);
}

/// What all have read goes away, and what another group has not read stays.
#[tokio::test]
async fn the_feed_is_trimmed_behind_all_groups() {
    let mut world = World::new().await;
    let receiver = Receiver::start();
    let feed = format!("{}{{spring}}:feed", world.prefix);
    world.sell("spring", 0, 2000).await;
    let _: () = world.run(&["XGROUP", "CREATE", &feed, "books", "0"]).await;
    let relay = Running::start(&world, &receiver.patient());
    receiver.until("spring", 2000).await;
    relay.stop().await;
    let left: usize = world.run(&["XLEN", &feed]).await;
    assert_eq!(left, 2000, "the books have read nothing");
    let read = [
        "XREADGROUP",
        "GROUP",
        "books",
        "x",
        "NOACK",
        "STREAMS",
        &feed,
        ">",
    ];
    let _: redis::Value = world.run(&read).await;
    let relay = Running::start(&world, &receiver.patient());
    world.sell("spring", 2000, 1).await;
    receiver.until("spring", 2001).await;
    relay.stop().await;
    let left: usize = world.run(&["XLEN", &feed]).await;
    assert!(left <= 200, "{left} entries that are not needed");
    assert_complete(&receiver, "spring", 2001);
}
