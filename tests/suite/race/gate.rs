//! Gates (`src/admission/gate/`) under changes: restocks of both kinds, removals, pauses, restarts,
//! in any order. A gate may lag, for a bounded time. It may never refuse a buyer whose order it has
//! seen, and never stay closed. The controls: a gate that never opens again, and the lies that the
//! model must find.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use proptest::prelude::*;
use seckill::config::{Config, OnForgot};
use seckill::domain::audit::figures::Figures;
use seckill::domain::audit::violation::Violation;
use seckill::domain::ids::SaleId;
use seckill::domain::sale::{PURCHASE_MAX_DEFAULT, SaleEdit, StockKind};
use seckill::store::sales::stock::RemoveOutcome;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::crowd::{Door, HttpDoor, ask};
use crate::support::history::{Answer, Entry, History, Promise};
use crate::support::redis::{PrivateRedis, World};
use crate::support::wechat::{office, on_show};

/// How old the news may be by which a gate refuses: its own 100 ms and a margin. News are aged
/// from when a request was sent, so a slow machine makes no gate look slower.
pub(super) const STALE_MAX: Duration = Duration::from_millis(150);
/// From then on after a restock, every attempt gets a unit.
const REOPEN_MAX: Duration = Duration::from_secs(1);
const LIST: StockKind = StockKind::List;

pub(super) fn door(buyer: &Buyer, sale: &SaleId) -> HttpDoor {
    HttpDoor {
        buyers: vec![buyer.clone()],
        path: "/seckill",
        goods: sale.as_str().to_owned(),
    }
}

/// Asks for one unit until it is granted. Fails when a request that was sent later than
/// [`REOPEN_MAX`] after `since`, when stock came back, still got nothing.
async fn keep_asking(door: &impl Door, user: &str, since: Instant) -> Result<Entry, String> {
    loop {
        let entry = ask(door, user, 1).await;
        if entry.answer.code == "grabbed" {
            return Ok(entry);
        }
        let waited = entry.sent.saturating_duration_since(since);
        if waited > REOPEN_MAX {
            let code = entry.answer.code;
            return Err(format!("{user} was told {code} {waited:?} after a restock"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// New buyers ask until the server answers without Redis that the sale is sold out.
pub(super) async fn until_closed(buyer: &Buyer, sale: &SaleId) {
    until_gate_says("sold_out", buyer, sale).await;
}

/// New buyers ask, and all get this answer, until the server gives it without Redis.
async fn until_gate_says(code: &str, buyer: &Buyer, sale: &SaleId) {
    let door = door(buyer, sale);
    let gauge = format!("seckill_gate_buyers{{refusal=\"{code}\",sale=\"{sale}\"}}");
    let deadline = Instant::now() + PATIENCE;
    while !buyer.get("/metrics").await.body.contains(&gauge) {
        assert!(Instant::now() < deadline, "the gate never closed");
        assert_eq!(ask(&door, "stranger", 1).await.answer.code, code);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Adds units behind the back of the store, as consumers of older systems do.
async fn push(world: &mut World, sale: &SaleId, units: impl Iterator<Item = u64>) {
    let key = world.store.keys().stock(sale);
    let mut push = redis::cmd("RPUSH");
    push.arg(key);
    for number in units {
        push.arg(format!("by-hand-{number}"));
    }
    let _: u64 = push.query_async(&mut world.raw).await.expect("pushed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_sell_out_every_server_returns_the_order() {
    let world = World::new().await;
    let sale = world.sale("rush", LIST, 2).await;
    let servers = [TestApp::start(&world).await, TestApp::start(&world).await];
    let doors = servers.each_ref().map(|app| door(&app.buyer, &sale));
    let bought = ask(&doors[0], "buyer", 2).await.answer;
    assert_eq!(bought.code, "grabbed");
    for app in &servers {
        until_closed(&app.buyer, &sale).await;
    }
    for _ in 0..20 {
        for door in &doors {
            let again = ask(door, "buyer", 1).await.answer;
            assert_eq!(again.code, "already_grabbed");
            assert_eq!(again.order, bought.order);
            assert_eq!(ask(door, "stranger", 1).await.answer.code, "sold_out");
        }
    }
    world.assert_holds(&sale).await;
    for app in servers {
        app.stop().await;
    }
}

/// A hundred new users buy the hundred units that came back at `since`.
async fn a_hundred_buy(door: &Arc<HttpDoor>, name: &str, since: Instant) -> Vec<Entry> {
    let tasks = (0..100).map(|number| {
        let (door, user) = (door.clone(), format!("{name}-{number}"));
        tokio::spawn(async move { keep_asking(&*door, &user, since).await })
    });
    let bought = join_all(tasks.collect::<Vec<_>>()).await;
    let bought = bought.into_iter().map(|task| task.expect("a task"));
    bought
        .collect::<Result<_, _>>()
        .unwrap_or_else(|late| panic!("{late}"))
}

/// A sale that granted nothing can become an activity, which another endpoint sells. Buyers keep
/// asking there, so the gate stays up to date; it must not go on refusing at the old endpoint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_gives_way_when_its_sale_moves_to_another_door() {
    let world = World::new().await;
    let sale = world.sale("rush", LIST, 0).await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    until_closed(&app.buyer, &sale).await;
    let mut shown = on_show("key");
    shown.kind = None;
    world.put(&sale, &shown).await;
    // The chat books what the catalogue shows, which was read just now for the metrics.
    let since = Instant::now();
    while app.buyer.get("/sales/rush").await.json()["keyword"] != "key" {
        assert!(since.elapsed() < PATIENCE, "it is not shown");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let door = door(&app.buyer, &sale);
    let hear = async || {
        follower.clicks("BOOKING_ACTIVITY_rush").await;
        ask(&door, "stranger", 1).await.answer.code
    };
    let moved = Instant::now();
    loop {
        let asked = moved.elapsed();
        if hear().await == "wrong_door" {
            break;
        }
        assert!(asked < REOPEN_MAX, "the old endpoint still answers");
    }
    for _ in 0..50 {
        assert_eq!(hear().await, "wrong_door");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_come_back_are_sold_within_a_second() {
    let mut world = World::new().await;
    let sale = world.sale("rush", LIST, 0).await;
    let app = TestApp::start(&world).await;
    let door = Arc::new(door(&app.buyer, &sale));
    let mut history = History::default();
    until_closed(&app.buyer, &sale).await;
    world
        .store
        .stock_add_count(&sale, 100)
        .await
        .expect("added");
    let added = a_hundred_buy(&door, "added", Instant::now()).await;
    history.entries.extend(added);
    until_closed(&app.buyer, &sale).await;
    push(&mut world, &sale, 0..100).await;
    let pushed = a_hundred_buy(&door, "pushed", Instant::now()).await;
    history.entries.extend(pushed);
    assert_eq!(history.violations(200), [""; 0]);
    assert_eq!((history.granted(), world.left(&sale).await), (200, 0));
    app.stop().await;
}

/// A sale whose only unit one buyer got here, where the gate has closed since.
async fn sold_out_by_one(world: &World) -> (SaleId, TestApp, HttpDoor) {
    let sale = world.sale("rush", LIST, 1).await;
    // By default a loss would stop the sale.
    let warn = |config: &mut Config| config.redis.on_forgot = OnForgot::Warn;
    let app = TestApp::with(world, warn).await;
    let door = door(&app.buyer, &sale);
    assert_eq!(ask(&door, "before", 1).await.answer.code, "grabbed");
    until_closed(&app.buyer, &sale).await;
    (sale, app, door)
}

/// Redis is emptied and the same is sold again, to others, as load testers do. As many orders are
/// granted as before, and the gate must not mistake the old buyers for the new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_begins_anew_has_other_buyers() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let (sale, app, door) = sold_out_by_one(&world).await;
    let _: () = world.run(&["FLUSHALL"]).await;
    world.sale("rush", LIST, 1).await;
    let bought = keep_asking(&door, "after", Instant::now()).await;
    let bought = bought.unwrap_or_else(|late| panic!("{late}"));
    for _ in 0..20 {
        let again = ask(&door, "after", 1).await.answer;
        assert_eq!(again.code, "already_grabbed");
        assert_eq!(again.order, bought.answer.order);
    }
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// The same, sold out by others: this server knows nothing of the new buyer until the buyer asks
/// here. Redis loses everything, or only the last orders, as after a failover.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_others_sold_again_has_other_buyers() {
    for all in [true, false] {
        let redis = PrivateRedis::forgetful();
        let mut world = World::at(redis.url()).await;
        let (sale, app, door) = sold_out_by_one(&world).await;
        if all {
            let _: () = world.run(&["FLUSHALL"]).await;
            world.sale("rush", LIST, 1).await;
        } else {
            forget_the_order(&mut world, &sale).await;
        }
        let bought = world.granted(&sale, "after", 1).await;
        tokio::time::sleep(STALE_MAX).await;
        for _ in 0..20 {
            let again = ask(&door, "after", 1).await.answer;
            assert_eq!(again.code, "already_grabbed", "all: {all}");
            let order = again.order.expect("an order").order;
            assert_eq!(order, bought.as_str());
        }
        world.assert_holds(&sale).await;
        app.stop().await;
    }
}

/// The sale as it was before its only order, of one unit.
async fn forget_the_order(world: &mut World, sale: &SaleId) {
    let (key, stock, buyers, orders) = {
        let keys = world.store.keys();
        let event = sale.event();
        (
            keys.sale(sale),
            keys.stock(sale),
            keys.buyers(sale),
            keys.orders(event),
        )
    };
    let _: i64 = world
        .run(&["HDEL", &key, "grants", "granted_at", "confirmed"])
        .await;
    let _: i64 = world.run(&["RPUSH", &stock, "sn-1"]).await;
    let _: i64 = world.run(&["DEL", &buyers, &orders]).await;
}

/// Milliseconds since the epoch by the clock of Redis.
async fn redis_ms(world: &mut World) -> u64 {
    let (seconds, micros): (u64, u64) = world.run(&["TIME"]).await;
    seconds * 1000 + micros / 1000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_opens_with_its_sale_and_closes_when_that_ends() {
    let mut world = World::new().await;
    let sale = world.sale("rush", LIST, 5).await;
    let app = TestApp::start(&world).await;
    let door = door(&app.buyer, &sale);
    let opens = |at| SaleEdit {
        opens_at: Some(Some(at)),
        ..SaleEdit::default()
    };
    let tomorrow = redis_ms(&mut world).await + 86_400_000;
    world.put(&sale, &opens(tomorrow)).await;
    until_gate_says("not_started", &app.buyer, &sale).await;

    // Redis read its clock at some time between.
    let before = Instant::now();
    let soon = redis_ms(&mut world).await + 400;
    let [before, opened] = [before, Instant::now()].map(|at| at + Duration::from_millis(400));
    world.put(&sale, &opens(soon)).await;
    let bought = loop {
        let entry = ask(&door, "x", 1).await;
        if entry.answer.code == "grabbed" {
            break entry;
        }
        assert_eq!(entry.answer.code, "not_started");
        let late = entry.sent.saturating_duration_since(opened);
        assert!(late < STALE_MAX, "not_started {late:?} after the opening");
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    // Both clocks are read to the millisecond.
    let early = before.saturating_duration_since(bought.answered);
    assert!(early <= Duration::from_millis(2), "sold {early:?} early");

    // No sale ends before it opens, and it may have opened in this very millisecond.
    let mut now = redis_ms(&mut world).await;
    while now <= soon {
        now = redis_ms(&mut world).await;
    }
    let closes = SaleEdit {
        closes_at: Some(Some(now - 1)),
        ..SaleEdit::default()
    };
    world.put(&sale, &closes).await;
    until_gate_says("ended", &app.buyer, &sale).await;
    let again = ask(&door, "x", 1).await.answer;
    assert_eq!(again.code, "already_grabbed");
    assert_eq!(again.order, bought.answer.order);
    app.stop().await;
}

/// The control: the same check finds a gate that never opens again.
#[tokio::test]
async fn a_gate_that_never_opens_is_convicted() {
    struct ClosedDoor;
    impl Door for ClosedDoor {
        async fn ask(&self, _: &str, _: u32) -> Answer {
            Answer::refusal("sold_out")
        }
    }
    let late = keep_asking(&ClosedDoor, "x", Instant::now()).await;
    assert!(late.is_err_and(|late| late.contains("x was told sold_out")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_after_the_sell_out_costs_redis_almost_nothing() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.sale("rush", LIST, 0).await;
    let app = TestApp::start(&world).await;
    let door = door(&app.buyer, &sale);
    until_closed(&app.buyer, &sale).await;
    let (before, started) = (world.calls("evalsha").await, Instant::now());
    for tick in 0..100 {
        let users: Vec<_> = (0..20).map(|n| format!("late-{tick}-{n}")).collect();
        for entry in join_all(users.iter().map(|user| ask(&door, user, 1))).await {
            assert_eq!(entry.answer.code, "sold_out");
        }
        let next = started + Duration::from_millis(10) * (tick + 1);
        tokio::time::sleep_until(next.into()).await;
    }
    // A slow machine takes longer than the second, and a gate probes as long as it is asked.
    let allowed = 200 * started.elapsed().as_millis() / 1000;
    let cost = world.calls("evalsha").await - before;
    assert!(cost > 0, "no attempt checked whether stock came back");
    assert!(
        u128::from(cost) <= allowed.max(200),
        "2000 refusals cost {cost} calls, at most {allowed}"
    );
    app.stop().await;
}

/// One attempt of a burst.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    user: u8,
    purchase: u32,
    server: usize,
}

#[derive(Debug, Clone)]
enum Step {
    /// All at once.
    Ask(Vec<Attempt>),
    Add(u64),
    Push(u64),
    Remove(u64),
    Pause(bool),
    /// A new server takes the place of this one.
    Restart(usize),
    WaitMs(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let attempt = (0u8..16, 1u32..=2, 0usize..2);
    let attempt = attempt.prop_map(|(user, purchase, server)| Attempt {
        user,
        purchase,
        server,
    });
    let step = prop_oneof![
        10 => prop::collection::vec(attempt, 1..6).prop_map(Step::Ask),
        2 => (1u64..4).prop_map(Step::Add),
        2 => (1u64..4).prop_map(Step::Push),
        1 => (1u64..4).prop_map(Step::Remove),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => (0usize..2).prop_map(Step::Restart),
        // Before, while and after a gate's news are too old.
        3 => prop_oneof![0u64..30, 60u64..180].prop_map(Step::WaitMs),
    ];
    prop::collection::vec(step, 10..50)
}

/// How the sale stood for some time; a burst of attempts passes through many stocks.
struct Stood {
    from: Instant,
    until: Option<Instant>,
    paused: bool,
    left: RangeInclusive<u64>,
}

impl Stood {
    fn says(&self, code: &str, asked: u32) -> bool {
        match code {
            "paused" => self.paused,
            "sold_out" => !self.paused && self.left.contains(&0),
            "insufficient_stock" => {
                let mut few = 1..u64::from(asked);
                !self.paused && few.any(|few| self.left.contains(&few))
            }
            _ => false,
        }
    }

    fn stood_within(&self, from: Instant, until: Instant) -> bool {
        self.from <= until && self.until.is_none_or(|ended| ended >= from)
    }
}

/// One life of a server process.
#[derive(Debug, Clone, Copy)]
struct Life {
    number: usize,
    began: Instant,
}

/// An order as its buyer knows it, and which servers have shown it since when.
struct Held {
    promise: Promise,
    shown: Vec<(usize, Instant)>,
}

impl Held {
    /// True when this server must return the order to a request sent then.
    fn is_known(&self, server: Life, sent: Instant) -> bool {
        let old = |&(_, at): &(usize, Instant)| at < server.began || at + STALE_MAX < sent;
        let own = |&(number, at): &(usize, Instant)| number == server.number && at < sent;
        self.shown.iter().any(|shown| own(shown) || old(shown))
    }
}

/// The sale, if everything is known.
struct Model {
    paused: bool,
    left: u64,
    stocked: u64,
    stood: Vec<Stood>,
    held: HashMap<String, Held>,
}

impl Model {
    fn new(stock: u64, now: Instant) -> Self {
        let mut model = Self {
            paused: false,
            left: stock,
            stocked: stock,
            stood: Vec::new(),
            held: HashMap::new(),
        };
        model.changed(now, now);
        model
    }

    /// The sale changed at an unknown moment within this time.
    fn changed(&mut self, began: Instant, ended: Instant) {
        if let Some(last) = self.stood.last_mut() {
            last.until = Some(ended);
        }
        self.stood.push(Stood {
            from: began,
            until: None,
            paused: self.paused,
            left: self.left..=self.left,
        });
    }

    fn stock(&mut self, units: u64, began: Instant) {
        self.left += units;
        self.stocked += units;
        self.changed(began, Instant::now());
    }

    /// Takes in the answers of a burst that began then, then checks all of it.
    fn burst(&mut self, began: Instant, seen: &[(Life, Entry)]) -> Result<(), String> {
        let before = self.left;
        for (server, entry) in seen {
            self.shown(*server, entry)?;
        }
        let ended = seen.iter().map(|(_, entry)| entry.answered).max();
        let ended = ended.unwrap_or(began);
        if self.left != before {
            self.stood.push(Stood {
                from: began,
                until: Some(ended),
                paused: self.paused,
                left: self.left..=before,
            });
            // The state before the burst ends with it, too.
            let last = self.stood.len() - 1;
            self.stood[last - 1].until = Some(ended);
            self.changed(began, ended);
        }
        let refused = seen
            .iter()
            .filter(|(_, entry)| entry.answer.order.is_none());
        for (server, entry) in refused {
            self.refused(*server, entry)?;
        }
        Ok(())
    }

    fn shown(&mut self, server: Life, entry: &Entry) -> Result<(), String> {
        let Some(promise) = &entry.answer.order else {
            return Ok(());
        };
        let shown = (server.number, entry.answered);
        if let Some(held) = self.held.get_mut(&entry.user) {
            held.shown.push(shown);
            let same = held.promise == *promise;
            return same
                .then_some(())
                .ok_or(format!("another order: {entry:?}"));
        }
        let units = u64::from(promise.purchase);
        let left = self.left.checked_sub(units);
        self.left = left.ok_or(format!("oversold: {entry:?}"))?;
        let (promise, shown) = (promise.clone(), vec![shown]);
        self.held
            .insert(entry.user.clone(), Held { promise, shown });
        Ok(())
    }

    fn refused(&self, server: Life, entry: &Entry) -> Result<(), String> {
        if let Some(held) = self.held.get(&entry.user)
            && held.is_known(server, entry.sent)
        {
            return Err(format!("a buyer was refused: {entry:?}"));
        }
        let code = &entry.answer.code;
        // Gates give only refusals that are the same for all buyers; the others must be true now.
        let stale = if code == "insufficient_stock" {
            Duration::ZERO
        } else {
            STALE_MAX
        };
        let right = self.stood.iter().any(|stood| {
            stood.says(code, entry.asked) && stood.stood_within(entry.sent - stale, entry.answered)
        });
        right
            .then_some(())
            .ok_or(format!("it was never so: {entry:?}, {} left", self.left))
    }
}

/// Two servers, one sale, and the model that watches them.
struct Case {
    world: World,
    sale: SaleId,
    servers: Vec<(Life, TestApp)>,
    lives: usize,
    model: Model,
    history: History,
    figures: Figures,
    pushed: u64,
}

impl Case {
    async fn start(stock: u64) -> Self {
        let world = World::new().await;
        let sale = world.sale("rush", LIST, stock).await;
        let mut case = Self {
            world,
            sale,
            servers: Vec::new(),
            lives: 0,
            model: Model::new(stock, Instant::now()),
            history: History::default(),
            figures: Figures {
                added: stock,
                purchase_max: PURCHASE_MAX_DEFAULT,
                ..Figures::default()
            },
            pushed: 0,
        };
        for _ in 0..2 {
            let server = case.new_server().await;
            case.servers.push(server);
        }
        case
    }

    async fn new_server(&mut self) -> (Life, TestApp) {
        self.lives += 1;
        let life = Life {
            number: self.lives,
            began: Instant::now(),
        };
        (life, TestApp::start(&self.world).await)
    }

    async fn run(&mut self, step: &Step) -> Result<(), String> {
        let began = Instant::now();
        let (store, sale) = (&self.world.store, &self.sale);
        match step {
            Step::Ask(attempts) => return self.ask(attempts).await,
            Step::Add(units) => {
                store.stock_add_count(sale, *units).await.expect("added");
                self.figures.added += units;
                self.model.stock(*units, began);
            }
            Step::Push(units) => {
                let numbers = self.pushed..self.pushed + units;
                push(&mut self.world, &self.sale, numbers).await;
                self.pushed += units;
                self.model.stock(*units, began);
            }
            Step::Remove(units) => {
                let outcome = store.stock_remove(sale, *units).await.expect("asked");
                let RemoveOutcome::Removed { taken, .. } = outcome else {
                    return Err(format!("not removed: {outcome:?}"));
                };
                if taken != self.model.left.min(*units) {
                    return Err(format!("{taken} of {} removed", self.model.left));
                }
                self.figures.removed += taken;
                self.model.left -= taken;
                self.model.changed(began, Instant::now());
            }
            Step::Pause(paused) => {
                let edit = SaleEdit {
                    paused: Some(*paused),
                    ..SaleEdit::default()
                };
                store.sale_put(sale, &edit).await.expect("put");
                self.model.paused = *paused;
                self.model.changed(began, Instant::now());
            }
            Step::Restart(server) => {
                let (_, old) = self.servers.remove(*server);
                old.stop().await;
                let new = self.new_server().await;
                self.servers.insert(*server, new);
            }
            Step::WaitMs(time) => tokio::time::sleep(Duration::from_millis(*time)).await,
        }
        Ok(())
    }

    async fn ask(&mut self, attempts: &[Attempt]) -> Result<(), String> {
        let began = Instant::now();
        let asked = attempts.iter().map(|attempt| async {
            let (life, app) = &self.servers[attempt.server];
            let (door, user) = (door(&app.buyer, &self.sale), format!("u{}", attempt.user));
            (*life, ask(&door, &user, attempt.purchase).await)
        });
        let seen = join_all(asked).await;
        self.saw(began, &seen)
    }

    fn saw(&mut self, began: Instant, seen: &[(Life, Entry)]) -> Result<(), String> {
        let shown = seen
            .iter()
            .filter(|(_, entry)| entry.answer.order.is_some());
        let shown = shown.map(|(_, entry)| entry.clone());
        self.history.entries.extend(shown);
        self.model.burst(began, seen)
    }

    /// Whatever happened, stock that comes back is sold, by each server, and the audit agrees.
    async fn end(mut self) -> Result<(), String> {
        self.run(&Step::Pause(false)).await?;
        for server in 0..2 {
            self.run(&Step::Push(1)).await?;
            let (life, app) = &self.servers[server];
            let (life, began) = (*life, Instant::now());
            let door = door(&app.buyer, &self.sale);
            let bought = keep_asking(&door, &format!("last-{server}"), began).await?;
            self.saw(began, &[(life, bought)])?;
        }
        // Refusals by a gate that lags are checked above; this checks the orders against each
        // other.
        let violations = self.history.violations(self.model.stocked);
        if !violations.is_empty() {
            return Err(violations.join("; "));
        }
        for (_, app) in self.servers {
            app.stop().await;
        }
        // Pushed units are too many for the audit, and nothing else is wrong.
        let expected = Violation::NotConserved(Figures {
            left: self.model.left.cast_signed(),
            confirmed: self.history.granted(),
            buyers: self.model.held.len() as u64,
            ..self.figures
        });
        let found = self.world.store.recount(&self.sale, &|_| {}).await;
        assert_eq!(
            found.expect("recount").expect("exists").violations,
            [expected]
        );
        assert_eq!(
            self.figures.added + self.pushed,
            self.figures.removed + self.model.left + self.history.granted(),
            "what the audit counts too many is what was pushed"
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20,
        // A case waits for real gates: a smaller one is nice, an hour of search is not.
        max_shrink_iters: 40,
        ..ProptestConfig::default()
    })]

    #[test]
    fn gates_never_lie_for_long_and_never_to_buyers(stock in 0u64..6, steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let done: Result<(), String> = runtime.block_on(async {
            let mut case = Case::start(stock).await;
            for step in &steps {
                case.run(step).await?;
            }
            case.end().await
        });
        done.map_err(TestCaseError::fail)?;
    }
}

/// The control of the model: it finds what a broken gate would say, and only that.
#[test]
fn every_lie_of_a_gate_is_caught() {
    let start = Instant::now() + Duration::from_secs(1);
    let at = |ms| start + Duration::from_millis(ms);
    let [one, two] = [1, 2].map(|number| Life {
        number,
        began: start,
    });
    let entry = |ms, user: &str, answer: Answer| Entry {
        user: user.to_owned(),
        asked: 2,
        sent: at(ms),
        answered: at(ms + 1),
        answer,
    };
    let order = |user: &str| Answer {
        code: "grabbed".to_owned(),
        order: Some(Promise {
            order: format!("o-{user}"),
            purchase: 2,
            units: Vec::new(),
        }),
    };
    // Two units; x takes both at server 1 after 10 ms; one comes back after 1000 ms.
    let model = || {
        let mut model = Model::new(2, start);
        let bought = [(one, entry(10, "x", order("x")))];
        model.burst(at(10), &bought).expect("true");
        model.left += 1;
        model.changed(at(1000), at(1001));
        model
    };
    let restarted = Life {
        number: 3,
        began: at(20),
    };
    let refusal = Answer::refusal;
    for (name, server, seen, caught) in [
        ("sold out", one, entry(500, "y", refusal("sold_out")), false),
        ("stale", one, entry(1100, "y", refusal("sold_out")), false),
        (
            "never opens",
            one,
            entry(1200, "y", refusal("sold_out")),
            true,
        ),
        ("too early", one, entry(5, "y", refusal("sold_out")), true),
        ("not paused", one, entry(500, "y", refusal("paused")), true),
        (
            "too few",
            one,
            entry(1100, "y", refusal("insufficient_stock")),
            false,
        ),
        (
            "not too few",
            one,
            entry(990, "y", refusal("insufficient_stock")),
            true,
        ),
        ("unknown", one, entry(500, "y", refusal("unknown")), true),
        (
            "buyer refused",
            one,
            entry(12, "x", refusal("sold_out")),
            true,
        ),
        ("lags", two, entry(12, "x", refusal("sold_out")), false),
        (
            "lags too long",
            two,
            entry(200, "x", refusal("sold_out")),
            true,
        ),
        (
            "new server",
            restarted,
            entry(30, "x", refusal("sold_out")),
            true,
        ),
        ("oversold", one, entry(1100, "y", order("y")), true),
        ("another order", one, entry(1100, "x", order("y")), true),
    ] {
        let judged = model().burst(seen.sent, &[(server, seen)]);
        assert_eq!(judged.is_err(), caught, "{name}: {judged:?}");
    }
}
