//! A connection to Redis that is cut before, cut after, silent or gone: `busy` means that
//! nothing ran, `unknown` means that it may have, and a retry settles it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seckill::domain::ids::{Event, OrderId, Username};
use seckill::domain::sale::{Door, StockKind};
use seckill::error::Error;
use seckill::store::Store;

use crate::support::app::TestApp;
use crate::support::buyer::Reply;
use crate::support::orders::attempt;
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{PrivateRedis, World};

const TIMEOUT: Duration = Duration::from_millis(400);

struct Scene {
    world: World,
    proxy: Proxy,
    app: TestApp,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        world.sale("a", StockKind::List, 50).await;
        let proxy = Proxy::to_shared_redis().await;
        let app = TestApp::with(&world, |config| {
            config.redis.url = Some(proxy.url());
            config.redis.timeout = TIMEOUT;
            config.http.workers = 1;
        });
        let app = app.await;
        Self { world, proxy, app }
    }

    async fn ask(&self, user: &str) -> Reply {
        self.app
            .buyer
            .form("/seckill", &[("username", user), ("purchase", "1")])
            .await
    }

    /// Asks, and checks that the answer came within the timeout and a little.
    async fn ask_in_time(&self, user: &str) -> Reply {
        let since = Instant::now();
        let reply = self.ask(user).await;
        assert!(
            since.elapsed() < TIMEOUT + Duration::from_millis(600),
            "{:?}",
            since.elapsed()
        );
        reply
    }

    /// Asks until the answer is definite.
    async fn settle(&self, user: &str) -> Reply {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let reply = self.ask(user).await;
            if !matches!(reply.result.as_str(), "busy" | "unknown") {
                return reply;
            }
            assert!(Instant::now() < deadline, "never settled: {reply:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn holds_order(&self, user: &str) -> bool {
        let mut raw = self.world.raw.clone();
        let buyers = format!("{}{{a}}:buyers:a", self.world.prefix);
        redis::cmd("HEXISTS")
            .arg(buyers)
            .arg(user)
            .query_async(&mut raw)
            .await
            .expect("asked")
    }

    async fn end(self) {
        self.proxy.set(Fault::None);
        let id = crate::support::redis::sale_id("a");
        self.world.assert_holds(&id).await;
        self.app.stop().await;
    }
}

fn assert_unavailable(reply: &Reply, code: &str) {
    assert_eq!(
        (reply.status, reply.result.as_str()),
        (503, code),
        "{reply:?}"
    );
    assert_eq!(reply.retry_after.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_request_cut_on_its_way_is_unknown_and_a_retry_settles_it() {
    let scene = Scene::new().await;
    assert_eq!(scene.ask("warm").await.result, "grabbed");
    for (fault, executed) in [
        (Fault::CutBefore, false),
        (Fault::CutAfter, true),
        (Fault::Stall, false),
        (Fault::SwallowReply, true),
    ] {
        let user = format!("{fault:?}");
        scene.proxy.set(fault);
        let reply = scene.ask_in_time(&user).await;
        assert_unavailable(&reply, "unknown");
        assert_eq!(scene.holds_order(&user).await, executed, "{fault:?}");
        scene.proxy.set(Fault::None);
        let settled = scene.settle(&user).await;
        let expected = if executed {
            "already_grabbed"
        } else {
            "grabbed"
        };
        assert_eq!(settled.result, expected, "{fault:?}");
    }
    scene.end().await;
}

#[tokio::test]
async fn a_redis_that_cannot_be_reached_is_busy_and_nothing_ran() {
    let world = World::new().await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(seckill::config::RedisUrl::new("redis://127.0.0.1:1"));
        config.redis.timeout = TIMEOUT;
    });
    let app = app.await;
    for _ in 0..5 {
        let since = Instant::now();
        let reply = app
            .buyer
            .form("/incr", &[("username", "x"), ("purchase", "1")])
            .await;
        assert_unavailable(&reply, "busy");
        assert!(since.elapsed() < TIMEOUT * 2, "{:?}", since.elapsed());
    }
    app.stop().await;
}

#[tokio::test]
async fn a_connection_that_closed_while_idle_is_noticed_before_the_next_buyer() {
    let scene = Scene::new().await;
    assert_eq!(scene.ask("before").await.result, "grabbed");
    // As at a restart of Redis, or at its idle timeout.
    scene.proxy.close_all().await;
    let reply = scene.ask("after").await;
    assert_eq!(reply.result, "grabbed", "{reply:?}");
    scene.end().await;
}

#[tokio::test]
async fn a_redis_that_hangs_is_left_for_a_new_connection() {
    let scene = Scene::new().await;
    assert_eq!(scene.ask("before").await.result, "grabbed");
    scene.proxy.set(Fault::Stall);
    for user in ["one", "two", "three"] {
        assert_unavailable(&scene.ask_in_time(user).await, "unknown");
    }
    scene.proxy.set(Fault::None);
    // The old connection stays silent; only a new one can answer.
    assert_eq!(scene.ask("after").await.result, "grabbed");
    scene.end().await;
}

/// The same two faults at a lane alone: it opens one connection for each, and no more.
#[tokio::test]
async fn a_lane_opens_a_new_connection_only_when_it_needs_one() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::List, 50).await;
    let proxy = Proxy::to_shared_redis().await;
    let store = Store::new(&proxy.url(), &world.prefix, TIMEOUT).expect("a store");
    let lane = store.lane();
    let grab = async |user| {
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        let asked = [attempt(&sale, user, 1)];
        lane.sale_grab(&sale, Door::Seckill, &asked, deadline).await
    };
    for user in ["one", "two", "three"] {
        grab(user).await.expect("decided");
    }
    assert_eq!(proxy.connections(), 1);
    proxy.close_all().await;
    grab("four").await.expect("decided");
    assert_eq!(proxy.connections(), 2);
    proxy.set(Fault::Stall);
    for user in ["five", "six", "seven"] {
        let hung = grab(user).await;
        assert!(matches!(hung, Err(Error::Unknown(_))), "{hung:?}");
    }
    proxy.set(Fault::None);
    grab("eight").await.expect("decided");
    assert_eq!(proxy.connections(), 3);
}

/// What is no door uses a connection again as long as it is good.
#[tokio::test]
async fn a_store_opens_a_new_connection_only_when_it_needs_one() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::List, 50).await;
    let proxy = Proxy::to_shared_redis().await;
    let store = Store::new(&proxy.url(), &world.prefix, TIMEOUT).expect("a store");
    for _ in 0..5 {
        store.sale_snapshot(&sale).await.expect("read");
    }
    assert_eq!(proxy.connections(), 1);
    proxy.close_all().await;
    store.sale_snapshot(&sale).await.expect("read");
    assert_eq!(proxy.connections(), 2);
    // Nobody waits for long at a server that hangs.
    proxy.set(Fault::Stall);
    let since = Instant::now();
    let hung = store.sale_snapshot(&sale).await;
    assert!(matches!(hung, Err(Error::Busy(_))), "{hung:?}");
    assert!(since.elapsed() < TIMEOUT * 4, "{:?}", since.elapsed());
    proxy.set(Fault::None);
    store.sale_snapshot(&sale).await.expect("read");
}

#[tokio::test]
async fn a_stopped_redis_process_answers_in_time_and_recovers() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    let sale = world.sale("a", StockKind::List, 50).await;
    let app = TestApp::with(&world, |config| config.redis.timeout = TIMEOUT).await;
    assert_eq!(
        app.buyer.code("/seckill", "a", "before", "1").await,
        "grabbed"
    );
    crate::support::redis::signal("-STOP", redis.server_id());
    let since = Instant::now();
    let during = app.buyer.code("/seckill", "a", "during", "1").await;
    assert!(since.elapsed() < TIMEOUT + Duration::from_millis(600));
    assert!(matches!(during.as_str(), "unknown" | "busy"), "{during}");
    crate::support::redis::signal("-CONT", redis.server_id());
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let settled = app.buyer.code("/seckill", "a", "during", "1").await;
        if settled.ends_with("grabbed") {
            break;
        }
        assert!(Instant::now() < deadline, "never settled: {settled}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// A connect takes time. Under load, each buyer's deadline is nearer than that, and still the
/// lane must come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doors_recover_under_load_when_connecting_takes_long() {
    let scene = Scene::new().await;
    scene.proxy.set_latency(Duration::from_millis(20));
    assert_eq!(scene.settle("warm").await.result, "grabbed");
    let buyer = scene.app.buyer.clone();
    let crowd = tokio::spawn(async move {
        let mut asks = Vec::new();
        for number in 0..900 {
            let buyer = buyer.clone();
            asks.push(tokio::spawn(async move {
                let user = format!("user-{number}");
                buyer
                    .form("/seckill", &[("username", &user), ("purchase", "1")])
                    .await
                    .result
            }));
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        let mut answers = Vec::new();
        for ask in asks {
            answers.push(ask.await.expect("an answer"));
        }
        answers
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    scene.proxy.set(Fault::Stall);
    tokio::time::sleep(Duration::from_millis(600)).await;
    scene.proxy.set(Fault::None);
    let answers = crowd.await.expect("the crowd ends");
    let open = |answer: &String| matches!(answer.as_str(), "busy" | "unknown");
    assert!(answers.iter().any(open), "the stall hit nobody");
    assert!(
        !answers[600..].iter().any(open),
        "not recovered: {:?}",
        &answers[600..]
    );
    scene.proxy.set_latency(Duration::ZERO);
    scene.end().await;
}

/// Whoever only looks is never told that what is in Redis is wrong because the connection broke.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_that_is_cut_off_may_be_tried_again() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::List, 1).await;
    let proxy = Proxy::to_shared_redis().await;
    let store = Store::new(&proxy.url(), &world.prefix, TIMEOUT).expect("a store");
    let cutting = tokio::spawn({
        let proxy = proxy.clone();
        async move {
            loop {
                proxy.close_all().await;
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
        }
    });
    // Most are cut off while they connect, and on a busy machine few get so far.
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut failures = 0;
    while failures < 100 {
        assert!(Instant::now() < deadline, "only {failures} readings failed");
        match store.sale_snapshot(&sale).await {
            Ok(read) => assert!(read.is_some(), "the sale is there"),
            Err(Error::Busy(_)) => failures += 1,
            Err(other) => panic!("{other}"),
        }
    }
    cutting.abort();
}

/// There are few connections for all that is not a door: whoever reads for long takes turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audits_under_way_keep_nobody_from_looking_at_an_order() {
    let mut world = World::new().await;
    let sale = world.sell("a", 0, 20_000).await;
    let buyers = world.store.keys().buyers(&sale);
    let order: String = world.run(&["HGET", &buyers, "user-0"]).await;
    let order = OrderId::parse(&order).expect("an order");
    let proxy = Proxy::to_shared_redis().await;
    proxy.set_latency(Duration::from_millis(40));
    let patience = Duration::from_secs(1);
    let store = Store::new(&proxy.url(), &world.prefix, patience).expect("a store");
    let audits = join_all((0..4).map(|_| store.recount(&sale, &|_| {})));
    let looking = async {
        for looks in 0u64.. {
            let seen = store.order(&order).await.expect("an answer in time");
            assert!(seen.is_some(), "after {looks} looks");
        }
    };
    let judged = tokio::select! {
        judged = audits => judged,
        () = looking => panic!("there is always another look"),
    };
    for judged in judged {
        assert_eq!(
            judged.expect("judged").expect("the sale exists").violations,
            []
        );
    }
}

/// A reply that breaks off in the middle says nothing about what is in Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_breaks_off_may_be_asked_for_again() {
    let world = World::new().await;
    let sale = world.sell("a", 0, 100).await;
    let event = Event::parse("a").expect("an event");
    let name = |number| Username::parse(format!("user-{number}")).expect("a name");
    let balances: Vec<_> = (0..100).map(|number| (name(number), 100)).collect();
    let set = world.store.account_set(&event, &balances).await;
    set.expect("set");
    let proxy = Proxy::to_shared_redis().await;
    let store = Store::new(&proxy.url(), &world.prefix, TIMEOUT).expect("a store");
    let read = async |number| match number {
        0 => store.orders_page("a", 0).await.map(drop),
        1 => store.accounts_page(&event, 0).await.map(drop),
        _ => store.recount(&sale, &|_| ()).await.map(drop),
    };
    for number in 0..3 {
        read(number).await.expect("read");
        proxy.set(Fault::CutWithin);
        let cut = read(number).await;
        let said = matches!(&cut, Err(Error::Busy(why)) if why.contains("reading"));
        assert!(said, "{number}: {cut:?}");
        proxy.set(Fault::None);
    }
}
