//! Networks (NAT gateways, load balancers) forget quiet connections and tell neither end. After a
//! quiet night the first buyers get `busy` at most, and not for longer than one `redis.timeout`.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seckill::domain::sale::{Door, StockKind};
use seckill::store::Store;

use crate::support::TIMEOUT as PATIENT;
use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::orders::attempt;
use crate::support::proxy::Proxy;
use crate::support::redis::{PrivateRedis, World};

/// Longest wait of a buyer here.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection must be quiet before it is not trusted.
const NIGHT: Duration = Duration::from_secs(1);

/// All buyers of a crowd ask once, in each way that uses connections of its own.
async fn crowd(buyer: &Buyer, night: usize) -> Vec<String> {
    let asks = (0..16).map(async |number| {
        let user = format!("user-{night}-{number}");
        match number % 4 {
            0 => buyer.code("/seckill", "a", &user, "1").await,
            1 => buyer.place(&user, "r", &[("a", 1)]).await.result,
            2 => buyer.bid(&user, "r", "loan", 10).await.result,
            _ => {
                let status = buyer.get("/orders/a-00000000000000000000").await.status;
                if status == 503 { "busy" } else { "answered" }.to_owned()
            }
        }
    });
    join_all(asks).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_quiet_night_nobody_hears_unknown() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::List, 1_000).await;
    world
        .target("loan", 1_000_000, &crate::support::bids::terms(1, 0))
        .await;
    let proxy = Proxy::to_shared_redis().await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(proxy.url());
        config.redis.timeout = TIMEOUT;
    });
    let app = app.await;
    for night in 0..3 {
        crowd(&app.buyer, night).await;
        tokio::time::sleep(NIGHT).await;
        proxy.forget_all();
        let morning = Instant::now();
        let mut last_trouble = morning;
        for number in 0.. {
            let heard = crowd(&app.buyer, 100 * (night + 1) + number).await;
            let unknown = heard.iter().filter(|code| *code == "unknown").count();
            assert_eq!(unknown, 0, "{heard:?}");
            if heard.iter().all(|code| code != "busy") {
                break;
            }
            last_trouble = Instant::now();
        }
        let trouble = last_trouble - morning;
        assert!(trouble <= TIMEOUT, "busy for {trouble:?}");
    }
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// A lane in use is never asked for a sign of life, and a quiet one that gives it stays.
#[tokio::test]
async fn only_a_quiet_lane_is_asked_for_a_sign_of_life() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.sale("a", StockKind::List, 1_000).await;
    let store = Store::new(&world.url, &world.prefix, PATIENT).expect("a store");
    let lane = store.lane();
    let grab = async |number: usize| {
        let asked = [attempt(&sale, &format!("user-{number}"), 1)];
        let deadline = tokio::time::Instant::now() + PATIENT;
        let grabbed = lane
            .sale_grab(&sale, Door::Seckill, &asked, None, deadline)
            .await;
        grabbed.expect("decided");
    };
    grab(0).await;
    // Each script asks for the time once.
    let (since, before) = (Instant::now(), world.calls("time").await);
    for number in 1..101 {
        grab(number).await;
    }
    let times = world.calls("time").await;
    let in_use = times - before == 100;
    assert!(since.elapsed() >= NIGHT || in_use, "{times} - {before}");
    tokio::time::sleep(NIGHT).await;
    for number in 101..111 {
        grab(number).await;
    }
    assert_eq!(world.calls("time").await - times, 10 + 1);
}

/// Far away, a sign of life takes a long time, and to open a connection takes longer.
#[tokio::test]
async fn a_quiet_lane_sells_far_from_redis() {
    // 0.4 of the timeout, as 400 ms of one second.
    let (timeout, round_trip) = (Duration::from_secs(4), Duration::from_millis(1_600));
    let world = World::new().await;
    let sale = world.sale("a", StockKind::List, 10).await;
    let proxy = Proxy::to_shared_redis().await;
    let store = Store::new(&proxy.url(), &world.prefix, timeout).expect("a store");
    let lane = store.lane();
    let grab = async |user: &str| {
        let asked = [attempt(&sale, user, 1)];
        let deadline = tokio::time::Instant::now() + timeout;
        lane.sale_grab(&sale, Door::Seckill, &asked, None, deadline)
            .await
    };
    grab("first").await.expect("decided");
    proxy.set_latency(round_trip);
    for user in ["second", "third"] {
        tokio::time::sleep(NIGHT).await;
        grab(user).await.expect("decided");
    }
    proxy.set_latency(Duration::ZERO);
    world.assert_holds(&sale).await;
}

/// The kernel watches the connections, too.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_kernel_asks_whether_the_other_end_is_there() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::List, 1).await;
    let proxy = Proxy::to_shared_redis().await;
    let store = Store::new(&proxy.url(), &world.prefix, PATIENT).expect("a store");
    let asked = [attempt(&sale, "x", 1)];
    let deadline = tokio::time::Instant::now() + PATIENT;
    let lane = store.lane();
    let grabbed = lane
        .sale_grab(&sale, Door::Seckill, &asked, None, deadline)
        .await;
    grabbed.expect("decided");
    // The connections of this process to the proxy, and their timers: 02 is the keep-alive timer.
    let remote = format!(":{:04X}", proxy.address.port());
    let timers = || {
        let sockets = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's list");
        let fields = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let ours = sockets.lines().map(fields);
        let ours = ours.filter(|fields| fields.len() > 5 && fields[2].ends_with(&remote));
        ours.filter(|fields| fields[3] == "01")
            .map(|fields| fields[5][..2].to_owned())
            .collect()
    };
    let deadline = Instant::now() + crate::support::PATIENCE;
    loop {
        let timers: Vec<String> = timers();
        if timers == ["02"] {
            break;
        }
        // Until the last reply is acknowledged, another timer runs.
        assert!(Instant::now() < deadline, "{timers:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
