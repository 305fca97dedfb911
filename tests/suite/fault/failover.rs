//! The master is killed under load and the replica takes over. At `replicated:1` and
//! `replicated:all` no order that anybody saw is lost; without them, the same fault must show
//! losses, or the test proves nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use seckill::domain::caller::Caller;
use seckill::domain::durability::Durability;
use seckill::domain::ids::OrderId;
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::sale::StockKind;
use seckill::failure::Failure;
use seckill::private_redis::{Options, Persistence};
use seckill::store::Store;
use seckill::store::wechat::bindings::BindOutcome;

use super::promoted::{forgot, until_ready};
use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::bindings::{number, openid};
use crate::support::crowd::{Crowd, HttpDoor};
use crate::support::history::History;
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{PrivateRedis, World, connect, run, signal};
use crate::support::{PATIENCE, TIMEOUT};

/// More rounds tell nothing new.
pub(super) const ROUNDS_MAX: usize = 20;
/// More than all who come before the failover can buy, less than all who come.
const STOCK: u64 = 1_700;
const CROWD: Crowd = Crowd {
    name: "user",
    users: 800,
    requests_each: 1,
    connections: 100,
    purchase_max: 2,
    patience: Duration::ZERO,
};
/// They come when the replica hears no more: the crowd may have asked for all it wants by then.
const LATE: Crowd = Crowd {
    name: "late",
    users: 20,
    connections: 20,
    patience: PATIENCE,
    ..CROWD
};
/// They come after the failover.
const LAST: Crowd = Crowd {
    name: "last",
    users: 500,
    ..CROWD
};

/// A master and a replica, each behind a proxy that can be told to fail.
pub struct Pair {
    pub master: PrivateRedis,
    pub replica: PrivateRedis,
    /// Between the replica and its master.
    pub link: Proxy,
    /// Between the server and whoever is master.
    pub front: Proxy,
}

impl Pair {
    pub async fn start() -> Self {
        let master = with_arguments(&[]);
        let link = Proxy::start(master.socket()).await;
        let replica = follower_of(&link);
        let front = Proxy::start(master.socket()).await;
        until_linked(&master).await;
        Self {
            master,
            replica,
            link,
            front,
        }
    }

    /// What the replica knows of this world.
    fn replicated(&self, world: &World) -> Store {
        Store::new(&self.replica.url(), &world.prefix, TIMEOUT).expect("a store")
    }

    /// Waits until the replica hears no more of the storm, and gives back how far it has come.
    async fn until_deaf(&self, world: &World) -> u128 {
        let store = self.replicated(world);
        let mut before = granted(&store).await;
        loop {
            // Longer than a batch of the storm takes.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = granted(&store).await;
            if now == before {
                return now;
            }
            before = now;
        }
    }

    /// Waits until the replica has this order, too.
    pub(super) async fn until_replicated(&self, world: &World, order: &OrderId) {
        let store = self.replicated(world);
        let deadline = Instant::now() + PATIENCE;
        while store.order(order).await.expect("read").is_none() {
            assert!(Instant::now() < deadline, "the replica lags");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Leads the replica to a master that is not there: it answers nothing any more.
    async fn cut_off(&self) {
        let mut raw = connect(&self.replica.url()).await;
        let () = run(
            &mut raw,
            &["CONFIG", "SET", "replica-serve-stale-data", "no"],
        )
        .await;
        let () = run(&mut raw, &["REPLICAOF", "127.0.0.1", "1"]).await;
    }

    /// A planned failover: the master becomes the replica, and the other way round. Connections
    /// that are open stay where they are; the front leads new ones to the new master.
    pub async fn swap_roles(&self) {
        let mut replica = connect(&self.replica.url()).await;
        let mut master = connect(&self.master.url()).await;
        let () = run(&mut replica, &["REPLICAOF", "NO", "ONE"]).await;
        let link = Proxy::start(self.replica.socket()).await;
        self.front.lead_next_to(self.replica.socket());
        let port = link.address.port().to_string();
        let () = run(&mut master, &["REPLICAOF", "127.0.0.1", &port]).await;
    }

    /// Kills the master, promotes the replica, gives it a replica of its own (without one,
    /// `replicated:1` rightly acknowledges nothing), leads everybody there.
    pub(super) async fn fail_over(&self) -> PrivateRedis {
        // First: the old master is started again, empty, and would answer for itself.
        self.front.lead_next_to(self.replica.socket());
        self.master.kill();
        self.front.close_all().await;
        let mut raw = connect(&self.replica.url()).await;
        let () = run(&mut raw, &["REPLICAOF", "NO", "ONE"]).await;
        let link = Proxy::start(self.replica.socket()).await;
        let second = follower_of(&link);
        until_linked(&self.replica).await;
        second
    }
}

/// A server in memory that sends its data to a new replica at once.
pub(super) fn with_arguments(arguments: &[&str]) -> PrivateRedis {
    let at_once = ["--repl-diskless-sync-delay", "0"];
    let extra = at_once
        .iter()
        .chain(arguments)
        .map(|&argument| argument.to_owned())
        .collect();
    PrivateRedis::start(Options {
        persistence: Persistence::Memory,
        extra,
    })
}

pub(super) fn follower_of(link: &Proxy) -> PrivateRedis {
    with_arguments(&["--replicaof", "127.0.0.1", &link.address.port().to_string()])
}

/// Waits until what is written to `master` comes to its replica, and the master hears of it. That
/// it calls the replica online is too early: it sends it nothing before the first acknowledgement,
/// which may take a second.
pub async fn until_linked(master: &PrivateRedis) {
    until_linked_to(master, 1).await;
}

/// The same for so many replicas, when there are no others.
pub(super) async fn until_linked_to(master: &PrivateRedis, replicas: usize) {
    let mut raw = connect(&master.url()).await;
    until_in_step(&mut raw, replicas).await;
}

/// The same, on a connection to the master.
pub async fn until_in_step(raw: &mut MultiplexedConnection, replicas: usize) {
    until_online(raw, replicas).await;
    let () = run(raw, &["SET", "linked", "?"]).await;
    let () = run(raw, &["DEL", "linked"]).await;
    let (wanted, patience) = (replicas.to_string(), PATIENCE.as_millis().to_string());
    let linked: usize = run(raw, &["WAIT", &wanted, &patience]).await;
    assert_eq!(linked, replicas, "a replica hears nothing");
}

/// Waits until so many replicas are attached and in step, and no others.
pub(super) async fn until_online(raw: &mut MultiplexedConnection, replicas: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let online = online(raw).await;
        if online == replicas {
            return;
        }
        assert!(Instant::now() < deadline, "{online} replicas online");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Replicas that this master calls online.
pub(super) async fn online(raw: &mut MultiplexedConnection) -> usize {
    let info: String = run(raw, &["INFO", "replication"]).await;
    info.matches("state=online").count()
}

/// Runs the whole scene at this level, and gives back what the crowd saw, and whether the server
/// found that Redis had forgotten orders.
async fn scene(durability: Option<Durability>) -> (History, bool) {
    let pair = Pair::start().await;
    let mut world = World::at(pair.master.url()).await;
    let sale = world.sale("rush", StockKind::List, STOCK).await;
    until_linked(&pair.master).await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(pair.front.url());
        config.redis.timeout = Duration::from_secs(2);
        config.durability = durability;
    });
    let app = app.await;
    until_ready(&app.buyer).await;
    // A storm that is not over before anybody notices that it has begun.
    pair.front.set_latency(Duration::from_millis(50));
    let buyers = vec![app.buyer.clone()];
    let door = Arc::new(HttpDoor {
        buyers,
        path: "/seckill",
        goods: "rush".to_owned(),
    });
    let storm = tokio::spawn(CROWD.storm(door.clone()));
    until_granted(&world.store, 200).await;
    pair.link.set(Fault::Stall);
    // Grants that nobody may hear of at `replicated:1`, and that everybody hears of without it.
    let replicated = pair.until_deaf(&world).await;
    let late = tokio::spawn(LATE.storm(door.clone()));
    until_granted(&world.store, replicated + 1).await;
    while durability.is_none() && !late.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let _second = pair.fail_over().await;
    pair.front.set_latency(Duration::ZERO);
    let mut history = storm.await.expect("the storm ends");
    let late = late.await.expect("the late ones end");
    until_ready(&app.buyer).await;
    let last = LAST.storm(door.clone()).await;
    history.entries.extend(late.entries);
    history.entries.extend(last.entries);
    for crowd in [CROWD, LATE] {
        history.entries.extend(crowd.ask_once_more(&*door).await);
    }
    let forgot = forgot("rush", &app.buyer).await;
    app.stop().await;
    let prefix = world.prefix.clone();
    world = World::at(pair.replica.url()).await;
    world.use_prefix(&prefix);
    if durability.is_some() {
        world.assert_holds(&sale).await;
    }
    (history, forgot)
}

async fn granted(store: &Store) -> u128 {
    let sale = crate::support::redis::sale_id("rush");
    let snapshot = store
        .sale_snapshot(&sale)
        .await
        .expect("read")
        .expect("exists");
    snapshot.figures.granted()
}

async fn until_granted(store: &Store, units: u128) {
    let deadline = Instant::now() + PATIENCE;
    while granted(store).await < units {
        assert!(
            Instant::now() < deadline,
            "the storm never granted {units} units"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn nothing_is_lost_at(level: Durability) {
    for _ in 0..super::rounds().min(ROUNDS_MAX) {
        let (history, forgot) = scene(Some(level)).await;
        assert_eq!(history.violations(STOCK), [""; 0]);
        assert!(!forgot, "an alarm at a level that held");
        let unheard = history.count("unknown");
        assert!(unheard > 0, "the stalled link held nothing back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_order_is_lost_when_a_replica_has_it() {
    nothing_is_lost_at(Durability::Replicated(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_order_is_lost_when_all_replicas_have_it() {
    nothing_is_lost_at(Durability::ReplicatedAll).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_waiting_for_the_replica_the_loss_is_seen() {
    let (history, forgot) = scene(None).await;
    assert!(forgot, "the server obeys a Redis that forgot");
    assert_ne!(
        history.violations(STOCK),
        [""; 0],
        "the same fault must show losses"
    );
}

/// A server that was a master keeps its connections open, and says only that it is none any more.
/// When the address leads to the new master, everybody must leave for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_no_master_is_left_for_the_one_that_is() {
    for code in ["ReadOnly", "MasterDown"] {
        let pair = Pair::start().await;
        let world = World::at(pair.master.url()).await;
        let sale = world.held_sale("a", StockKind::List, 5).await;
        let held = world.granted(&sale, "x", 1).await;
        pair.until_replicated(&world, &held).await;
        if code == "MasterDown" {
            pair.cut_off().await;
        }
        let front = Proxy::start(pair.replica.socket()).await;
        let since = Instant::now();
        let app = TestApp::with(&world, |config| {
            config.redis.url = Some(front.url());
            config.http.workers = 1;
        });
        let app = app.await;
        let store = Store::new(&front.url(), &world.prefix, TIMEOUT);
        let store = store.expect("a store");
        // There is no other server yet, so there is no point in a new connection for each call.
        for _ in 0..100 {
            assert_eq!(app.buyer.code("/seckill", "a", "y", "1").await, "busy");
        }
        let at_most = 20 + since.elapsed().as_millis() / 50;
        let opened = front.connections() as u128;
        assert!(opened < at_most, "{opened} connections, not {at_most}");
        for _ in 0..3 {
            assert_eq!(app.buyer.code("/seckill", "a", "y", "1").await, "busy");
            let (written, read) = (
                store.stock_add_count(&sale, 1).await,
                store.sale_snapshot(&sale).await,
            );
            let refused = match code {
                "ReadOnly" => written.err(),
                _ => read.err(),
            };
            let Some(Failure::Busy(why)) = refused else {
                panic!("{code}: {refused:?}");
            };
            let word = if code == "ReadOnly" {
                "is a replica"
            } else {
                code
            };
            assert!(why.contains(word), "{why}");
        }

        front.lead_next_to(pair.master.socket());
        let deadline = Instant::now() + PATIENCE;
        while app.buyer.code("/seckill", "a", "y", "1").await == "busy" {
            assert!(Instant::now() < deadline, "{code}: the door stays busy");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let confirmed = loop {
            match store.order_confirm(&held).await {
                Ok(outcome) => break outcome,
                Err(error) => assert!(Instant::now() < deadline, "{code}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let changed = matches!(confirmed, ChangeOutcome::Changed(_));
        assert!(changed, "{code}: {confirmed:?}");
        assert_eq!(world.left(&sale).await, 3);
        world.assert_holds(&sale).await;
        app.stop().await;
    }
}

#[tokio::test]
async fn readiness_tells_whether_the_replica_is_there() {
    let pair = Pair::start().await;
    let world = World::at(pair.master.url()).await;
    let durability = Some(Durability::Replicated(1));
    let app = TestApp::with(&world, |config| config.durability = durability).await;
    let ready = app.operator().get("/readyz").await;
    assert_eq!(
        ready.body,
        r#"{"status":"ready","durability":"replicated:1"}"#
    );
    app.stop().await;

    let two = Some(Durability::Replicated(2));
    let app = TestApp::with(&world, |config| config.durability = two).await;
    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains("has 1 replica online"),
        "{}",
        ready.body
    );
    app.stop().await;

    let fsync = Some(Durability::Fsync);
    let app = TestApp::with(&world, |config| config.durability = fsync).await;
    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("appendonly no"), "{}", ready.body);
    app.stop().await;
}

/// Much sooner than the master closes the connection of a replica that hangs: after a minute.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_replica_that_stands_still_does_not_count() {
    let pair = Pair::start().await;
    let world = World::at(pair.master.url()).await;
    let durability = Some(Durability::Replicated(1));
    let app = TestApp::with(&world, |config| config.durability = durability).await;
    for (what, status) in [("-CONT", 200), ("-STOP", 503), ("-CONT", 200)] {
        signal(what, pair.replica.server_id());
        let since = Instant::now();
        let ready = loop {
            let ready = app.operator().get("/readyz").await;
            if ready.status == status {
                break ready;
            }
            assert!(since.elapsed() < SEEN_WITHIN, "{what}: {}", ready.body);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let stopped = "has 0 replicas online";
        assert_eq!(
            ready.body.contains(stopped),
            status == 503,
            "{}",
            ready.body
        );
    }
    app.stop().await;
}

/// Orders that a writable replica takes are lost at its next resync, so it is never sold there.
#[tokio::test]
async fn a_writable_replica_does_not_sell() {
    let pair = Pair::start().await;
    let mut writable = World::at(pair.replica.url()).await;
    let () = writable
        .run(&["CONFIG", "SET", "replica-read-only", "no"])
        .await;
    let mut world = World::at(pair.master.url()).await;
    world.use_prefix(&writable.prefix);
    let sale = world.sale("a", StockKind::Counter, 5).await;
    let held = world.granted(&sale, "x", 1).await;
    pair.until_replicated(&world, &held).await;

    let app = TestApp::with(&writable, |config| config.http.workers = 1).await;
    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("is a replica"), "{}", ready.body);
    assert_eq!(app.buyer.code("/incr", "a", "y", "1").await, "busy");
    let added = writable.store.stock_add_count(&sale, 1).await;
    assert!(matches!(added, Err(Failure::Busy(_))), "{added:?}");
    assert_eq!(writable.left(&sale).await, 4);
    app.stop().await;

    // A master that becomes one, while its connections are open.
    let () = world
        .run(&["CONFIG", "SET", "replica-read-only", "no"])
        .await;
    let app = TestApp::with(&world, |config| config.http.workers = 1).await;
    assert_eq!(app.buyer.code("/incr", "a", "z", "1").await, "grabbed");
    let () = world.run(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let ready = app.operator().get("/readyz").await;
    assert!(ready.body.contains("is a replica"), "{}", ready.body);
    assert_eq!(app.buyer.code("/incr", "a", "y", "1").await, "busy");
    let () = world.run(&["REPLICAOF", "NO", "ONE"]).await;
    assert_eq!(app.operator().get("/readyz").await.status, 200);
    let since = Instant::now();
    while app.buyer.code("/incr", "a", "y", "1").await != "grabbed" {
        assert!(since.elapsed() < PATIENCE, "it does not sell again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.stop().await;
}

/// What was changed is acknowledged when a replica has it, also when it was changed before.
#[tokio::test]
async fn a_change_of_an_order_is_answered_when_a_replica_has_it() {
    let pair = Pair::start().await;
    let mut world = World::at(pair.master.url()).await;
    let sale = world.held_sale("a", StockKind::List, 5).await;
    let store = |patience| {
        let store = Store::new(&world.url, &world.prefix, patience).expect("a store");
        store
            .with_durability(Some(Durability::Replicated(1)))
            .expect("a store")
    };
    // A replica may take its time, unless it is known that it will never answer.
    let (patient, store) = (store(TIMEOUT), store(Duration::from_secs(2)));
    let id = world.granted(&sale, "x", 1).await;
    let other = world.granted(&sale, "y", 1).await;
    let confirmed = patient.order_confirm(&id).await.expect("a replica has it");
    assert!(
        matches!(confirmed, ChangeOutcome::Changed(_)),
        "{confirmed:?}"
    );

    pair.link.set(Fault::Stall);
    let mut changing = Box::pin(patient.order_confirm(&id));
    let looking = async {
        until_blocked(&mut world).await;
        patient.order(&id).await
    };
    tokio::select! {
        biased;
        outcome = &mut changing => panic!("whoever looks waits for it: {outcome:?}"),
        seen = looking => assert!(seen.expect("read").is_some()),
    }
    drop(changing);
    // The first two say that it happened here and nowhere else yet; the others must not say more.
    for outcome in [
        store.order_confirm(&id).await,
        store.order_cancel(&other, &Caller::Operator).await,
        store.order_cancel(&other, &Caller::Operator).await,
        store.order_confirm(&other).await,
        store.order_use(&other).await,
        store.order_use(&id).await,
    ] {
        assert!(matches!(outcome, Err(Failure::Unknown(_))), "{outcome:?}");
    }
    pair.link.set(Fault::None);
    pair.link.close_all().await;
    until_linked(&pair.master).await;
    let cancelled = patient
        .order_cancel(&other, &Caller::Operator)
        .await
        .expect("a replica has it");
    assert!(
        matches!(cancelled, ChangeOutcome::Repeated(_)),
        "{cancelled:?}"
    );
    world.assert_holds(&sale).await;
}

/// Waits until somebody waits for replicas.
async fn until_blocked(world: &mut World) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let info: String = world.run(&["INFO", "clients"]).await;
        if !info.contains("blocked_clients:0") {
            return;
        }
        assert!(Instant::now() < deadline, "nobody waits: {info}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// From Redis 7.2 on, `WAIT` waits for what this connection wrote: without a write, for nothing.
#[tokio::test]
async fn with_replicas_to_wait_for_an_answer_about_the_past_writes() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.held_sale("a", StockKind::List, 5).await;
    let id = world.granted(&sale, "x", 1).await;
    let loan = world.target("loan", 100, &terms(1, 0)).await;
    let bid = world.accepted("x", "r", &loan, 10).await;
    for changed in [
        world.store.order_confirm(&id).await,
        world.store.order_use(&id).await,
        world.store.order_cancel(&bid.id, &Caller::Operator).await,
    ] {
        assert!(matches!(changed, Ok(ChangeOutcome::Changed(_))));
    }
    for (waits, patience) in [(false, TIMEOUT), (true, Duration::from_secs(3))] {
        let durability = waits.then_some(Durability::Replicated(1));
        // Each has a connection of its own, so that all wait for the replica at the same time.
        let [one, two, three, four] = [(); 4].map(|()| {
            let store = Store::new(&world.url, &world.prefix, patience);
            store
                .expect("a store")
                .with_durability(durability)
                .expect("a store")
        });
        let before = (world.dump().await, writes(&mut world).await);
        let told = tokio::join!(
            one.order_confirm(&id),
            two.order_cancel(&id, &Caller::Operator),
            three.order_use(&id),
            four.order_cancel(&bid.id, &Caller::Operator),
        );
        for told in [told.0, told.1, told.2, told.3] {
            assert_eq!(told.is_err(), waits, "no replica is there: {told:?}");
        }
        let after = (world.dump().await, writes(&mut world).await);
        assert_eq!(after.0, before.0, "what is stored stays as it was");
        assert_eq!(after.1 - before.1, if waits { 4 } else { 0 });
    }
    let (openid, number) = (openid("o-1"), number("2019010001"));
    for told in [BindOutcome::Bound, BindOutcome::Repeated] {
        let before = writes(&mut world).await;
        let bound = world.store.number_bind(&openid, &number).await;
        assert_eq!(bound.expect("answered"), told);
        assert_eq!(writes(&mut world).await - before, 2, "{told:?}");
    }
}

/// Changes that Redis ever made.
async fn writes(world: &mut World) -> u64 {
    let info: String = world.run(&["INFO", "persistence"]).await;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
    line.expect("a count").trim().parse().expect("a number")
}
