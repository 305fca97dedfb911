//! A connection to Redis that is cut before, cut after, silent or gone: `busy` means that
//! nothing ran, `unknown` means that it may have, and a retry settles it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seckill::domain::ids::{Event, OrderId, Username};
use seckill::domain::sale::{Door, StockKind};
use seckill::failure::{Failure, Result};
use seckill::store::Store;

use super::scans::recounted;
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::{Buyer, Reply};
use crate::support::orders::attempt;
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{PrivateRedis, World, run};

/// Longest wait of a buyer here: long enough for an answer, also when the machine stands still for
/// a while, and not too long where there is none.
const TIMEOUT: Duration = Duration::from_millis(2_500);
/// An answer that took so much longer than the timeout was not bound by it.
const LATE: Duration = Duration::from_secs(25);

struct Scene {
    world: World,
    proxy: Proxy,
    app: TestApp,
}

impl Scene {
    async fn new() -> Self {
        Self::with(TIMEOUT).await
    }

    async fn with(timeout: Duration) -> Self {
        let world = World::new().await;
        world.sale("a", StockKind::List, 50).await;
        let proxy = Proxy::to_shared_redis().await;
        let app = TestApp::with(&world, |config| {
            config.redis.url = Some(proxy.url());
            config.redis.timeout = timeout;
            config.http.workers = 1;
        });
        let app = app.await;
        Self { world, proxy, app }
    }

    /// Asks once, and checks that the answer came within the timeout and a little.
    async fn ask_once(&self, user: &str) -> Reply {
        let fields = [("username", user), ("purchase", "1")];
        let since = Instant::now();
        let reply = self.app.buyer.form("/seckill", &fields).await;
        let took = since.elapsed();
        assert!(took < TIMEOUT + LATE, "{took:?}");
        reply
    }

    /// Asks for somebody new under this fault until it is sent: who waited too long in the queue,
    /// or met a lane that was quiet for too long, because the machine stood still, is `busy`.
    async fn ask(&self, fault: Fault, user: &str) -> Reply {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.proxy.set(fault);
            let reply = self.ask_once(user).await;
            if reply.result != "busy" {
                return reply;
            }
            self.proxy.set(Fault::None);
            self.settle("another").await;
            assert!(!self.holds_order(user).await, "busy, and it ran: {reply:?}");
            assert!(Instant::now() < deadline, "never sent: {reply:?}");
        }
    }

    /// Asks until the answer is definite.
    async fn settle(&self, user: &str) -> Reply {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.ask_once(user).await;
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
        run(&mut raw, &["HEXISTS", &buyers, user]).await
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
    let faults = [
        (Fault::CutBefore, false),
        (Fault::CutAfter, true),
        (Fault::Stall, false),
        (Fault::SwallowReply, true),
    ];
    let scenes = faults.map(async |(fault, executed)| {
        let scene = Scene::new().await;
        assert_eq!(scene.ask(Fault::None, "warm").await.result, "grabbed");
        let reply = scene.ask(fault, "x").await;
        assert_unavailable(&reply, "unknown");
        assert_eq!(scene.holds_order("x").await, executed, "{fault:?}");
        scene.proxy.set(Fault::None);
        let settled = scene.settle("x").await;
        let expected = if executed {
            "already_grabbed"
        } else {
            "grabbed"
        };
        assert_eq!(settled.result, expected, "{fault:?}");
        scene.end().await;
    });
    join_all(scenes).await;
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
        assert!(since.elapsed() < TIMEOUT + LATE, "{:?}", since.elapsed());
    }
    app.stop().await;
}

#[tokio::test]
async fn a_connection_that_closed_while_idle_is_noticed_before_the_next_buyer() {
    let scene = Scene::new().await;
    assert_eq!(scene.ask(Fault::None, "before").await.result, "grabbed");
    // As at a restart of Redis, or at its idle timeout.
    scene.proxy.close_all().await;
    let reply = scene.ask(Fault::None, "after").await;
    assert_eq!(reply.result, "grabbed", "{reply:?}");
    scene.end().await;
}

#[tokio::test]
async fn a_redis_that_hangs_is_left_for_a_new_connection() {
    let scene = Scene::new().await;
    assert_eq!(scene.ask(Fault::None, "before").await.result, "grabbed");
    assert_unavailable(&scene.ask(Fault::Stall, "during").await, "unknown");
    scene.proxy.set(Fault::None);
    // The old connection stays silent; only a new one can answer.
    assert_eq!(scene.ask(Fault::None, "after").await.result, "grabbed");
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
    let grab = async |user: &str| {
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        let asked = [attempt(&sale, user, 1)];
        lane.sale_grab(&sale, Door::Seckill, &asked, None, deadline)
            .await
    };
    for user in ["one", "two", "three"] {
        grab(user).await.expect("decided");
    }
    assert_eq!(proxy.connections(), 1);
    proxy.close_all().await;
    grab("four").await.expect("decided");
    assert_eq!(proxy.connections(), 2);
    proxy.set(Fault::Stall);
    for hung in join_all(["five", "six", "seven"].map(&grab)).await {
        assert!(matches!(hung, Err(Failure::Unknown(_))), "{hung:?}");
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
    assert!(matches!(hung, Err(Failure::Busy(_))), "{hung:?}");
    assert!(
        since.elapsed() < TIMEOUT * 2 + LATE,
        "{:?}",
        since.elapsed()
    );
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
    assert!(since.elapsed() < TIMEOUT + LATE);
    assert!(matches!(during.as_str(), "unknown" | "busy"), "{during}");
    crate::support::redis::signal("-CONT", redis.server_id());
    let deadline = Instant::now() + PATIENCE;
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

/// The answer of each who was answered, by his number.
type Answers = BTreeMap<usize, String>;

/// Somebody new asks every few milliseconds, whoever is still waiting.
async fn keep_coming(buyer: Buyer, asked: Arc<AtomicUsize>, answers: Arc<Mutex<Answers>>) {
    loop {
        // No more than a stall makes wait: a slow machine would never catch up.
        let answered = answers.lock().expect("not poisoned").len();
        if asked.load(Ordering::SeqCst) - answered >= 200 {
            tokio::time::sleep(Duration::from_millis(3)).await;
            continue;
        }
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let (buyer, answers) = (buyer.clone(), answers.clone());
        tokio::spawn(async move {
            let user = format!("user-{number}");
            let fields = [("username", user.as_str()), ("purchase", "1")];
            let reply = buyer.try_form("/seckill", &fields).await;
            let answer = reply.map_or_else(|_| "unknown".to_owned(), |reply| reply.result);
            answers.lock().expect("not poisoned").insert(number, answer);
        });
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

async fn until_answers(answers: &Mutex<Answers>, what: &str, are: impl Fn(&Answers) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !are(&answers.lock().expect("not poisoned")) {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_open(answer: &str) -> bool {
    matches!(answer, "busy" | "unknown")
}

/// How many in a row got a definite answer, of those who asked from this number on.
fn longest_run(answers: &Answers, from: usize) -> usize {
    let (mut run, mut longest) = (0, 0);
    for number in from..answers.keys().next_back().map_or(0, |last| last + 1) {
        let is_definite = answers.get(&number).is_some_and(|answer| !is_open(answer));
        run = if is_definite { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// A connect takes time. Under load, each buyer's deadline is nearer than that, and still the
/// lane must come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doors_recover_under_load_when_connecting_takes_long() {
    let scene = Scene::with(Duration::from_millis(400)).await;
    scene.proxy.set_latency(Duration::from_millis(20));
    assert!(scene.settle("warm").await.result.ends_with("grabbed"));
    let (asked, answers) = (Arc::default(), Arc::<Mutex<Answers>>::default());
    let buyer = scene.app.buyer.clone();
    let crowd = tokio::spawn(keep_coming(buyer, Arc::clone(&asked), answers.clone()));
    until_answers(&answers, "nobody is answered", |answers| answers.len() > 50).await;
    scene.proxy.set(Fault::Stall);
    let hit = |answers: &Answers| answers.values().filter(|a| is_open(a)).count() > 50;
    until_answers(&answers, "the stall hit nobody", hit).await;
    scene.proxy.set(Fault::None);
    let from = asked.load(Ordering::SeqCst);
    let recovered = |answers: &Answers| longest_run(answers, from) >= 300;
    until_answers(&answers, "not recovered", recovered).await;
    crowd.abort();
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
            Err(Failure::Busy(_)) => failures += 1,
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
    // Less than half as long as the audits take.
    let patience = Duration::from_secs(3);
    let store = Store::new(&proxy.url(), &world.prefix, patience).expect("a store");
    let audits = join_all((0..4).map(|_| store.recount(&sale, &|_| {})));
    let (seen, late) = (Cell::new(0), Cell::new(0));
    let looking = async {
        loop {
            match store.order(&order).await {
                Ok(order) => {
                    assert!(order.is_some(), "after {} looks", seen.get());
                    seen.set(seen.get() + 1);
                }
                Err(Failure::Busy(_)) => late.set(late.get() + 1),
                Err(other) => panic!("{other}"),
            }
        }
    };
    let judged: Vec<_> = tokio::select! {
        judged = audits => judged,
        () = looking => unreachable!("there is always another look"),
    };
    // One may be late on a machine that stood still; behind the audits, all would be.
    let (seen, late) = (seen.get(), late.get());
    assert!(seen > 10 * late, "{seen} in time, {late} late");
    for judged in judged {
        assert_eq!(
            judged.expect("judged").expect("the sale exists").violations,
            []
        );
    }
}

async fn orders(store: &Store) -> Result<()> {
    let mut pages = store.orders("a").await?;
    while pages.next().await?.is_some() {}
    Ok(())
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
        0 => orders(&store).await,
        1 => store.accounts(&event).await.map(drop),
        _ => recounted(&store, &sale).await,
    };
    for number in 0..3 {
        read(number).await.expect("read");
        proxy.set(Fault::CutWithin);
        let cut = read(number).await;
        let said = matches!(&cut, Err(Failure::Busy(why)) if why.contains("reading"));
        assert!(said, "{number}: {cut:?}");
        proxy.set(Fault::None);
    }
}
