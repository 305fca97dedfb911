//! A flood of invented names: it costs Redis little, and a new sale is sold all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seckill::admission::Admission;
use seckill::admission::memory::Memory;
use seckill::admission::names::Names;
use seckill::config::OnForgot;
use seckill::domain::ids::{RequestId, SaleId, Username};
use seckill::domain::purchase::attempt::Purchase;
use seckill::domain::purchase::bid::{BidOutcome, BidRefusal};
use seckill::domain::purchase::outcome::{Outcome, Refusal};
use seckill::domain::purchase::place::{Basket, PlaceOutcome, Wish};
use seckill::domain::sale::{Door, StockKind};
use seckill::failure::{Failure, Result};
use seckill::metrics::Metrics;

use crate::support::app::TestApp;
use crate::support::bids::a_bid;
use crate::support::buyer::Buyer;
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::World;
use crate::support::{PATIENCE, TIMEOUT};

/// Questions for unknown names that a server asks in any second.
const ASKS_PER_SECOND: usize = 50;
/// The longest time that a buyer of a new sale may hear `busy`, by the documents.
const NEW_SALE_WAIT_MAX: Duration = Duration::from_secs(1);
/// The walk over the keys as it is sent. What the server asks about its permissions names it, too.
const WALK: &str = "\r\nSCAN\r\n";

/// Buyers who ask for a name after the other that no sale has, until they are told to stop.
struct Flood {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Flood {
    async fn start(buyer: &Buyer) -> Self {
        let (stop, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let one = |_| {
            let (buyer, stop, asked) = (buyer.clone(), stop.clone(), Arc::clone(&asked));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    let code = buyer
                        .code("/seckill", &format!("invented-{number}"), "x", "1")
                        .await;
                    assert!(["busy", "no_such_sale"].contains(&code.as_str()), "{code}");
                }
            })
        };
        let tasks = (0..8).map(one).collect();
        let flood = Self { stop, asked, tasks };
        flood.goes_on_for(200).await;
        flood
    }

    /// Waits until so many more have asked.
    async fn goes_on_for(&self, more: usize) {
        let deadline = Instant::now() + PATIENCE;
        let asked = self.asked.load(Ordering::Relaxed) + more;
        while self.asked.load(Ordering::Relaxed) < asked {
            assert!(Instant::now() < deadline, "the flood stands still");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in join_all(self.tasks).await {
            task.expect("every answer is one of two");
        }
        self.asked.load(Ordering::Relaxed)
    }
}

/// How many requests for unknown names a server has seen that it answered so. It tells so without
/// Redis, too.
async fn unknown(buyer: &Buyer, answers: &[&str]) -> usize {
    let is_told = |told: &str| told.contains("seckill_batch_attempts_count");
    let metrics = buyer.metrics_that(is_told).await;
    let rows = answers.iter().filter_map(|answer| {
        let row = format!("seckill_unknown_names_total{{answer=\"{answer}\"}} ");
        let mut lines = metrics.lines();
        lines.find_map(|line| line.strip_prefix(&row)?.parse::<usize>().ok())
    });
    rows.sum()
}

/// How many questions for unknown names a server has asked.
async fn questions(buyer: &Buyer) -> usize {
    unknown(buyer, &["asked"]).await
}

/// How many requests a server has seen for names that it took for unknown.
async fn requests(buyer: &Buyer) -> usize {
    unknown(buyer, &["asked", "no_such_sale", "busy"]).await
}

#[tokio::test]
async fn invented_names_are_asked_for_so_often_and_a_new_sale_is_sold_within_the_time_stated() {
    let world = World::new().await;
    let known = world.sale("known", StockKind::List, 1_000).await;
    let app = TestApp::start(&world).await;
    let flood = Flood::start(&app.buyer).await;
    let began = Instant::now();
    let before = questions(&app.buyer).await;
    for number in 0..20 {
        let name = format!("new-{number}");
        let sale = world.sale(&name, StockKind::List, 1).await;
        let made_at = Instant::now();
        loop {
            let asked_at = Instant::now();
            let code = app.buyer.code("/seckill", &name, "honest", "1").await;
            if code == "grabbed" {
                break;
            }
            assert_eq!(code, "busy");
            let waited = asked_at.duration_since(made_at);
            assert!(waited <= NEW_SALE_WAIT_MAX, "{name} is not sold");
        }
        world.assert_holds(&sale).await;
        let user = format!("user-{number}");
        let code = app.buyer.code("/seckill", "known", &user, "1").await;
        assert_eq!(code, "grabbed", "what is known is not disturbed");
    }
    let asked = questions(&app.buyer).await - before;
    let seconds = usize::try_from(began.elapsed().as_secs()).expect("few") + 1;
    let flooded = flood.end().await;
    println!("{flooded} invented names, {asked} questions in {seconds} s");
    assert!(
        asked <= ASKS_PER_SECOND * (seconds + 1),
        "{asked} questions"
    );
    world.assert_holds(&known).await;
    app.stop().await;
}

/// What one worker answers to more unknown names at once than may be asked for: how many heard that
/// there is no such sale, and how many that it is busy.
async fn answers<T, F: Future<Output = Result<T>>>(
    ask: impl Fn(SaleId, usize) -> F,
    is_denied: impl Fn(&T) -> bool,
) -> (usize, usize) {
    let names = (0..ASKS_PER_SECOND + 10).map(|number| {
        let sale = SaleId::parse(&format!("e{number}")).expect("valid");
        ask(sale, number)
    });
    let (mut denied, mut busy) = (0, 0);
    // All are asked for before the first answer: there is one thread, and it is here.
    for outcome in join_all(names).await {
        match outcome {
            Ok(outcome) if is_denied(&outcome) => denied += 1,
            Err(Failure::Busy(_)) => busy += 1,
            Ok(_) | Err(_) => panic!("another answer"),
        }
    }
    (denied, busy)
}

#[tokio::test]
async fn every_door_asks_so_often_and_says_that_others_are_busy() {
    let world = World::new().await;
    let worker = || {
        let metrics = Arc::new(Metrics::new().expect("registered"));
        let memory = Arc::new(Memory::new(OnForgot::Stop, metrics.clone()));
        let names = Arc::new(Names::new(|_| Some(false), metrics.clone(), TIMEOUT));
        Admission::start(
            &world.store,
            Arc::default(),
            memory,
            names,
            metrics,
            TIMEOUT,
        )
    };
    let user = |number| Username::parse(format!("user-{number}")).expect("valid");
    let request = |number| RequestId::parse(format!("r{number}")).expect("valid");
    let expected = (ASKS_PER_SECOND, 10);

    for door in [Door::Seckill, Door::Incr, Door::Office] {
        let doors = worker();
        let doors = &doors;
        let grab = |sale: SaleId, number| async move {
            doors.grab(&sale, door, user(number), Purchase::ONE).await
        };
        let denied = |outcome: &_| *outcome == Outcome::Refused(Refusal::NoSuchSale);
        assert_eq!(answers(grab, denied).await, expected, "{door:?}");
    }

    let baskets = worker();
    let baskets = &baskets;
    let place = |sale: SaleId, number| async move {
        let basket = Basket::new(vec![Wish {
            goods: sale,
            purchase: Purchase::ONE,
        }]);
        let basket = basket.expect("a basket");
        baskets.place(user(number), request(number), basket).await
    };
    let denied = |outcome: &PlaceOutcome| outcome.code() == "no_such_sale";
    assert_eq!(answers(place, denied).await, expected);

    let bids = worker();
    let bids = &bids;
    let bid = |sale: SaleId, number| async move {
        let bid = a_bid("x", &format!("r{number}"), &sale, 100);
        bids.bid(bid.username, bid.request, sale, bid.amount).await
    };
    let denied = |outcome: &_| *outcome == BidOutcome::Refused(BidRefusal::NoSuchSale);
    assert_eq!(answers(bid, denied).await, expected);
}

#[tokio::test]
async fn a_sale_put_at_this_server_is_sold_at_once() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let flood = Flood::start(&app.buyer).await;
    for number in 0..20 {
        let name = format!("new-{number}");
        // Somebody was too early: at other servers that may be repeated for a moment.
        app.buyer.code("/incr", &name, "early", "1").await;
        let operator = app.operator();
        let path = format!("/admin/sales/{name}");
        let put = operator.json("PUT", &path, r#"{"kind":"counter"}"#).await;
        assert_eq!(put.status, 201, "{put:?}");
        let path = format!("{path}/stock");
        let stocked = operator.json("POST", &path, r#"{"count":1}"#).await;
        assert_eq!(stocked.status, 200, "{stocked:?}");
        let code = app.buyer.code("/incr", &name, "honest", "1").await;
        assert_eq!(code, "grabbed");
    }
    flood.end().await;
    app.stop().await;
}

#[tokio::test]
async fn a_redis_that_cannot_be_read_makes_no_name_unknown() {
    let world = World::new().await;
    let proxy = Proxy::to_shared_redis().await;
    let timeout = Duration::from_millis(300);
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(proxy.url());
        config.redis.timeout = timeout;
    })
    .await;
    // There is a reading from the first question on that is counted.
    let deadline = Instant::now() + PATIENCE;
    while requests(&app.buyer).await == 0 {
        app.buyer.code("/seckill", "nothing", "x", "1").await;
        assert!(Instant::now() < deadline, "nothing was ever unknown");
    }
    proxy.set(Fault::CutBefore);
    // From the first reading that fails on, nothing is unknown: every request goes to Redis.
    let deadline = Instant::now() + PATIENCE;
    let counted = loop {
        let before = requests(&app.buyer).await;
        for number in 0..100 {
            let name = format!("silent-{number}");
            let code = app.buyer.code("/seckill", &name, "x", "1").await;
            assert!(["busy", "unknown"].contains(&code.as_str()), "{code}");
        }
        let counted = requests(&app.buyer).await - before;
        if counted == 0 || Instant::now() > deadline {
            break counted;
        }
    };
    assert_eq!(
        counted, 0,
        "a name is unknown although Redis cannot be read"
    );
    proxy.set(Fault::None);
    app.stop().await;
}

/// Only the walk over the keys hangs, and everything else is answered: the last reading grows old.
#[tokio::test]
async fn a_reading_that_hangs_lets_no_flood_through_before_it_is_old() {
    let world = World::new().await;
    let proxy = Proxy::to_shared_redis().await;
    let app = TestApp::with(&world, |config| config.redis.url = Some(proxy.url())).await;
    let flood = Flood::start(&app.buyer).await;
    flood.end().await;
    proxy.hold(WALK);
    let since = Instant::now();
    let mut before = requests(&app.buyer).await;
    let aged = loop {
        let began = since.elapsed();
        for number in 0..100 {
            let name = format!("old-{before}-{number}");
            let code = app.buyer.code("/seckill", &name, "x", "1").await;
            assert!(["busy", "no_such_sale"].contains(&code.as_str()), "{code}");
        }
        let seen = requests(&app.buyer).await;
        if seen == before {
            break began;
        }
        assert!(began < PATIENCE, "names are unknown for ever");
        before = seen;
    };
    // What it lacks of the documents' five seconds is its age when the walk was held.
    assert!(aged > Duration::from_secs(2), "no reading after {aged:?}");
    world.sale("new", StockKind::List, 1).await;
    let code = app.buyer.code("/seckill", "new", "honest", "1").await;
    assert_eq!(code, "grabbed");
    proxy.let_go().await;
    app.stop().await;
}
