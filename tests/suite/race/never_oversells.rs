//! Stock 50, 1,000 users, 5 requests each, 200 connections: exactly the stock is granted, no buyer
//! gets two orders, and no buyer gets two different answers. The control: the same crowd finds the
//! bug of an endpoint that checks and acts in two steps, as many systems do.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use seckill::domain::ids::SaleId;
use seckill::domain::sale::StockKind;

use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::crowd::{Crowd, HttpDoor};
use crate::support::history::History;
use crate::support::naive::NaiveDoor;
use crate::support::redis::{World, connect, new_prefix, shared_url};

const DOORS: [(&str, StockKind); 2] =
    [("/seckill", StockKind::List), ("/incr", StockKind::Counter)];

/// Checks everything about a storm in which the demand was far larger than the stock.
async fn assert_exact(world: &World, sale: &SaleId, stock: u64, history: &History) {
    assert_eq!(history.violations(stock), [""; 0]);
    assert_eq!(history.granted(), stock, "granted");
    assert_eq!(world.left(sale).await, 0, "left");
    let open = history.open();
    assert!(open.is_empty(), "left without an answer: {open:?}");
    assert_eq!(history.count("grabbed"), history.promises().len());
    world.assert_holds(sale).await;
}

/// Sends the crowd to one endpoint of the servers that these buyers talk to.
async fn storm(crowd: Crowd, path: &'static str, buyers: Vec<Buyer>, sale: &SaleId) -> History {
    let door = HttpDoor {
        buyers,
        path,
        goods: sale.as_str().to_owned(),
    };
    crowd.storm(Arc::new(door)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_units_for_a_thousand_users() {
    for (path, kind) in DOORS {
        for purchase_max in [1, 2] {
            let world = World::new().await;
            let app = TestApp::start(&world).await;
            let sale = world.sale("rush", kind, 50).await;
            let crowd = Crowd {
                purchase_max,
                ..Crowd::SPEC
            };
            let history = storm(crowd, path, vec![app.buyer.clone()], &sale).await;
            assert_exact(&world, &sale, 50, &history).await;
            app.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_units() {
    for (path, kind) in DOORS {
        for stock in [1, 2, 3] {
            let world = World::new().await;
            let app = TestApp::start(&world).await;
            let sale = world.sale("rush", kind, stock).await;
            let crowd = Crowd {
                users: 200,
                purchase_max: 2,
                ..Crowd::SPEC
            };
            let history = storm(crowd, path, vec![app.buyer.clone()], &sale).await;
            assert_exact(&world, &sale, stock, &history).await;
            app.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_redis() {
    for (path, kind) in DOORS {
        let world = World::new().await;
        let (one, two) = (TestApp::start(&world).await, TestApp::start(&world).await);
        let sale = world.sale("rush", kind, 50).await;
        let crowd = Crowd {
            purchase_max: 2,
            ..Crowd::SPEC
        };
        let buyers = vec![one.buyer.clone(), two.buyer.clone()];
        let history = storm(crowd, path, buyers, &sale).await;
        assert_exact(&world, &sale, 50, &history).await;
        one.stop().await;
        two.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_user_a_hundred_times_at_once() {
    for (path, kind) in DOORS {
        let world = World::new().await;
        let app = TestApp::start(&world).await;
        let sale = world.sale("rush", kind, 1).await;
        let crowd = Crowd {
            users: 1,
            requests_each: 100,
            connections: 100,
            ..Crowd::SPEC
        };
        let history = storm(crowd, path, vec![app.buyer.clone()], &sale).await;
        assert_eq!(
            (history.count("grabbed"), history.count("already_grabbed")),
            (1, 99)
        );
        assert_exact(&world, &sale, 1, &history).await;
        app.stop().await;
    }
}

/// The negative control: the crowd finds both classic bugs of an endpoint that checks, then acts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_that_checks_then_acts_is_convicted() {
    let prefix = new_prefix();
    let mut connection = connect(&shared_url()).await;
    let set: redis::RedisResult<()> = redis::cmd("SET")
        .arg(format!("{prefix}stock"))
        .arg(50)
        .query_async(&mut connection)
        .await;
    set.expect("seeded");
    // The first request of each connection finds all the stock. The chance that these are all of
    // different users, so that no user is served twice, is one in ten billion.
    let crowd = Crowd {
        connections: 250,
        ..Crowd::SPEC
    };
    let door = NaiveDoor {
        connection,
        prefix,
        checked: AtomicUsize::new(0),
        crowd: crowd.connections,
    };
    let history = crowd.storm(Arc::new(door)).await;
    let violations = history.violations(50);
    let found = |words: &str| violations.iter().any(|violation| violation.contains(words));
    assert!(found("oversold"), "oversell not seen: {violations:?}");
    assert!(
        found("different orders") || found("times"),
        "double grab not seen: {violations:?}"
    );
}
