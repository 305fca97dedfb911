//! Confirm, cancel and expire the same orders at the same time: exactly one of them wins, all
//! clients are told so, and each unit comes back once. The controls: the same checks find a cancel
//! that ignores the state and an expiry that ignores the deadline.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rand::seq::SliceRandom;
use seckill::domain::caller::Caller;
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::order::{Order, OrderState};
use seckill::domain::purchase::outcome::Outcome;
use seckill::domain::sale::{Door, StockKind};
use seckill::expirer::Expirer;
use seckill::metrics::Metrics;
use seckill::store::Store;
use seckill::store::orders::holds::Slice;
use seckill::store::script::{ORDER_CANCEL, ORDER_EXPIRE, Script};
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep_until};

use crate::fault::rounds;
use crate::support::orders::{expire, held_for};
use crate::support::redis::{World, connect};
use crate::support::{PATIENCE, TIMEOUT};

/// What a client was told about an order.
type Told = (OrderId, ChangeOutcome);

/// A store of its own: no client waits for the connections of another.
fn store(world: &World) -> Store {
    Store::new(&world.url, &world.prefix, TIMEOUT).expect("a store")
}

/// This many orders of one unit, held for this long.
async fn crowd(
    world: &World,
    sale: &SaleId,
    kind: StockKind,
    wave: &str,
    count: u64,
) -> Vec<OrderId> {
    let users: Vec<String> = (0..count).map(|user| format!("{wave}-{user}")).collect();
    let mut ids = Vec::new();
    for some in users.chunks(500) {
        let asks: Vec<_> = some.iter().map(|user| (user.as_str(), 1)).collect();
        let batch = world.grab_all(sale, kind.door(), &asks).await;
        ids.extend(batch.outcomes.into_iter().map(|outcome| match outcome {
            Outcome::Grabbed(grant) => grant.order,
            other => panic!("not grabbed: {other:?}"),
        }));
    }
    ids
}

/// Everything wrong with how these orders ended. `hold_ms` is how long they were held for at least.
async fn crimes(
    world: &mut World,
    sale: &SaleId,
    hold_ms: u64,
    ids: &[OrderId],
    told: &[Told],
) -> Vec<String> {
    let mut crimes = Vec::new();
    let mut winners: HashMap<&OrderId, usize> = HashMap::new();
    let mut orders: HashMap<&OrderId, Order> = HashMap::new();
    for id in ids {
        orders.insert(id, world.order(id).await);
    }
    for (id, outcome) in told {
        let state = orders[id].state;
        let told = match outcome {
            ChangeOutcome::Changed(order) => {
                *winners.entry(id).or_default() += 1;
                order.state
            }
            ChangeOutcome::Repeated(order) | ChangeOutcome::Refused(_, order) => order.state,
            ChangeOutcome::NoSuchOrder => {
                crimes.push(format!("{id} was said not to exist"));
                continue;
            }
        };
        if told != state {
            crimes.push(format!("{id} was said to be {told} and is {state}"));
        }
    }
    for (id, order) in &orders {
        let expired = usize::from(order.state == OrderState::Expired);
        let winners = winners.get(id).copied().unwrap_or(0) + expired;
        if winners != 1 {
            crimes.push(format!("{id}: {winners} won"));
        }
        let early = order.changed_at.unwrap_or(0) <= order.created_at + hold_ms;
        if expired == 1 && early {
            crimes.push(format!("{id} expired before its deadline"));
        }
    }
    let feed = world.feed(sale.event()).await;
    if feed.len() != 2 * ids.len() {
        crimes.push(format!("{} entries for {} orders", feed.len(), ids.len()));
    }
    let judged = world.store.recount(sale, &|_| {}).await.expect("recount");
    let violations = judged.expect("the sale exists").violations;
    crimes.extend(violations.iter().map(ToString::to_string));
    crimes
}

/// Runs until told to stop: expires whatever is overdue, as often as it can.
async fn sweep(store: Store, event: String, stop: Arc<AtomicBool>, expired: Arc<AtomicU64>) {
    while !stop.load(Ordering::SeqCst) {
        let outcome = expire(&store, &event, 20, Slice::Anywhere).await;
        let outcome = outcome.expect("expired");
        assert_eq!(outcome.broken, [""; 0]);
        expired.fetch_add(outcome.expired, Ordering::SeqCst);
        if outcome.handled() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[derive(Clone, Copy)]
enum Ask {
    Confirm,
    Cancel,
}

/// Waits until all racers are ready.
async fn meet(start: &Barrier) {
    let met = tokio::time::timeout(PATIENCE, start.wait()).await;
    met.expect("all come to the start");
}

/// Asks for all of these in random order, some of them twice. The race starts after the first.
async fn ask_all(store: Store, ask: Ask, mut ids: Vec<OrderId>, start: Arc<Barrier>) -> Vec<Told> {
    ids.extend(ids.clone().into_iter().take(ids.len() / 4));
    ids.shuffle(&mut rand::rng());
    let mut told = Vec::new();
    for id in ids {
        let outcome = match ask {
            Ask::Confirm => store.order_confirm(&id).await,
            Ask::Cancel => store.order_cancel(&id, &Caller::Operator).await,
        };
        told.push((id, outcome.expect("decided")));
        if told.len() == 1 {
            meet(&start).await;
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_of_confirm_cancel_and_expire_wins() {
    for kind in [StockKind::List, StockKind::Counter] {
        let mut world = World::new().await;
        let sale = world.sale("rush", kind, 400).await;
        world.hold_for(&sale, 1).await;
        let ids = crowd(&world, &sale, kind, "u", 400).await;
        let (stop, expired) = (Arc::default(), Arc::default());
        let start = Arc::new(Barrier::new(6));
        let sweeps = (0..2).map(|_| {
            let (stop, expired) = (Arc::clone(&stop), Arc::clone(&expired));
            let (store, start) = (store(&world), Arc::clone(&start));
            tokio::spawn(async move {
                meet(&start).await;
                sweep(store, "rush".to_owned(), stop, expired).await;
            })
        });
        let asks = [Ask::Confirm, Ask::Cancel, Ask::Confirm, Ask::Cancel].map(|ask| {
            let start = Arc::clone(&start);
            tokio::spawn(ask_all(store(&world), ask, ids.clone(), start))
        });
        let sweeps: Vec<_> = sweeps.collect();
        let told: Vec<Told> = join_all(asks)
            .await
            .into_iter()
            .flat_map(|told| told.expect("a task"))
            .collect();
        stop.store(true, Ordering::SeqCst);
        join_all(sweeps).await;
        assert_eq!(crimes(&mut world, &sale, 1, &ids, &told).await, [""; 0]);
        for state in [
            OrderState::Confirmed,
            OrderState::Cancelled,
            OrderState::Expired,
        ] {
            let mut won = 0;
            for id in &ids {
                won += u64::from(world.order(id).await.state == state);
            }
            assert!(won > 0, "{state} never won: the race was none");
            if state == OrderState::Expired {
                assert_eq!(expired.load(Ordering::SeqCst), won);
            }
        }
    }
}

/// Payments that come in around the deadlines, while two expirers sweep all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_and_an_expiry_never_both_win() {
    const WAVE: u64 = 250;
    let waves = 4 * rounds().min(10);
    let mut world = World::new().await;
    let sale = world
        .sale("rush", StockKind::List, WAVE * waves as u64)
        .await;
    world.hold_for(&sale, 200).await;
    let (stop, expired) = (Arc::default(), Arc::default());
    let sweeps = (0..2).map(|_| {
        let (stop, expired) = (Arc::clone(&stop), Arc::clone(&expired));
        tokio::spawn(sweep(store(&world), "rush".to_owned(), stop, expired))
    });
    let sweeps: Vec<_> = sweeps.collect();
    let (mut ids, mut told) = (Vec::new(), Vec::new());
    for wave in 0..waves {
        let wave = crowd(&world, &sale, StockKind::List, &format!("w{wave}"), WAVE).await;
        let granted_at = Instant::now();
        let payments = wave.chunks(32).map(|some| {
            let (store, some) = (store(&world), some.to_vec());
            tokio::spawn(async move {
                let mut told = Vec::new();
                for (place, id) in some.into_iter().enumerate() {
                    // From well before the deadline to well after it.
                    sleep_until(granted_at + Duration::from_millis(12 * place as u64)).await;
                    let outcome = store.order_confirm(&id).await.expect("decided");
                    told.push((id, outcome));
                }
                told
            })
        });
        for payment in join_all(payments).await {
            told.extend(payment.expect("a task"));
        }
        ids.extend(wave);
    }
    stop.store(true, Ordering::SeqCst);
    join_all(sweeps).await;
    assert_eq!(crimes(&mut world, &sale, 200, &ids, &told).await, [""; 0]);
    let paid = told
        .iter()
        .filter(|(_, outcome)| matches!(outcome, ChangeOutcome::Changed(_)))
        .count();
    assert!(
        paid > 0 && paid < ids.len(),
        "{paid} of {} paid: no race",
        ids.len()
    );
    assert_eq!(expired.load(Ordering::SeqCst), (ids.len() - paid) as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_expirers_five_times_return_each_unit_once() {
    for kind in [StockKind::List, StockKind::Counter] {
        let mut world = World::new().await;
        let sale = world.sale("rush", kind, 500).await;
        world.hold_for(&sale, 1).await;
        let ids = crowd(&world, &sale, kind, "u", 500).await;
        let last = world.order(&ids[499]).await.deadline.expect("held");
        while world.now().await <= last {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut expired = 0;
        for _ in 0..5 {
            let workers = (0..8).map(|worker| {
                let store = store(&world);
                let slice = if worker % 2 == 0 {
                    Slice::First
                } else {
                    Slice::Anywhere
                };
                tokio::spawn(async move {
                    let mut expired = 0;
                    loop {
                        let outcome = expire(&store, "rush", 7, slice).await;
                        let outcome = outcome.expect("expired");
                        expired += outcome.expired;
                        if outcome.handled() == 0 {
                            return expired;
                        }
                    }
                })
            });
            for worker in join_all(workers).await {
                expired += worker.expect("a task");
            }
        }
        assert_eq!((expired, world.left(&sale).await), (500, 500));
        assert_eq!(crimes(&mut world, &sale, 1, &ids, &[]).await, [""; 0]);
    }
}

/// Buyers take the units while they come back: neither slows the other down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_buyers_are_served_within_one_sweep() {
    let mut world = World::new().await;
    let sale = world.sale("rush", StockKind::List, 1000).await;
    world.hold_for(&sale, 1).await;
    let before = crowd(&world, &sale, StockKind::List, "before", 1000).await;
    let last = world.order(&before[999]).await.deadline.expect("held");
    world.put(&sale, &held_for(3_600_000)).await;
    while world.now().await <= last {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let served = (0..8).map(|door| {
        let (store, sale) = (store(&world), sale.clone());
        tokio::spawn(async move {
            let lane = store.lane();
            for buyer in 0..125 {
                let ask = crate::support::orders::attempt(&sale, &format!("{door}-{buyer}"), 1);
                loop {
                    let deadline = Instant::now() + TIMEOUT;
                    let asked = std::slice::from_ref(&ask);
                    let batch = lane
                        .sale_grab(&sale, Door::Seckill, asked, None, deadline)
                        .await;
                    if matches!(batch.expect("decided").outcomes[0], Ok(Outcome::Grabbed(_))) {
                        break;
                    }
                }
            }
        })
    });
    let served: Vec<_> = served.collect();
    let mut batches = 0;
    while expire(&world.store, "rush", 100, Slice::First)
        .await
        .expect("expired")
        .left
        > 0
    {
        batches += 1;
    }
    assert_eq!(batches, 9, "a batch did less than it could");
    for door in join_all(served).await {
        door.expect("every buyer was served");
    }
    assert_eq!(world.left(&sale).await, 0);
    world.assert_holds(&sale).await;
}

/// The role itself, two of it, with nothing but a deadline to start from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_expirers_work_a_backlog_off() {
    let mut world = World::new().await;
    let sale = world.sale("rush", StockKind::List, 3000).await;
    world.hold_for(&sale, 1).await;
    let ids = crowd(&world, &sale, StockKind::List, "u", 3000).await;
    let roles = [0, 1].map(|_| {
        let metrics = Arc::new(Metrics::new().expect("metrics"));
        Expirer::start(&store(&world), metrics)
    });
    let deadline = Instant::now() + PATIENCE;
    while world.left(&sale).await < 3000 {
        assert!(Instant::now() < deadline, "not worked off");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for role in roles {
        role.stop().await;
    }
    assert_eq!(crimes(&mut world, &sale, 1, &ids, &[]).await, [""; 0]);
}

/// Runs a script with a bug in it: `from` must be there.
async fn run_with_bug(
    world: &World,
    script: &'static Script,
    bugs: &[(&str, &str)],
    keys: &[String],
    args: &[&str],
) -> redis::Value {
    let mut source = script.source.to_owned();
    for (from, to) in bugs {
        assert!(source.contains(from), "{} has no {from}", script.name);
        source = source.replace(from, to);
    }
    let mut raw = connect(&world.url).await;
    let mut eval = redis::cmd("EVAL");
    eval.arg(source).arg(keys.len()).arg(keys).arg(args);
    if script.has_deadline {
        eval.arg("");
    }
    eval.query_async(&mut raw).await.expect("it runs")
}

/// The control: what comes of a cancel that returns units whatever the state.
#[tokio::test]
async fn a_cancel_that_does_not_look_at_the_state_is_convicted() {
    let mut world = World::new().await;
    let sale = world.sale("rush", StockKind::List, 20).await;
    world.put(&sale, &held_for(3_600_000)).await;
    let ids = crowd(&world, &sale, StockKind::List, "u", 20).await;
    let keys = world.store.keys().of_return("rush", &[&sale]);
    let blind = [
        ("if before[order.state] then", "if false then"),
        ("if order.state == \"confirmed\" then", "if false then"),
        ("change_of(order.state,", "change_of(\"held\","),
    ];
    let mut told = Vec::new();
    for id in &ids[..5] {
        let confirmed = world.store.order_confirm(id).await.expect("decided");
        told.push((id.clone(), confirmed));
        for _ in 0..2 {
            let args = [id.as_str(), "0", "", "", "rush"];
            let reply = run_with_bug(&world, &ORDER_CANCEL, &blind, &keys, &args).await;
            let outcome = seckill::store::orders::changed("order_cancel", id, &reply);
            told.push((id.clone(), outcome.expect("understood")));
        }
    }
    let crimes = crimes(&mut world, &sale, 1, &ids[..5], &told).await;
    for words in [
        "3 won",
        "was said to be confirmed and is cancelled",
        "in stock twice",
        "units",
    ] {
        let found = crimes.iter().any(|crime| crime.contains(words));
        assert!(found, "{words} was not seen: {crimes:#?}");
    }
}

/// The control: the result of an expiry that ignores the deadline.
#[tokio::test]
async fn an_expiry_that_does_not_look_at_the_deadline_is_convicted() {
    let mut world = World::new().await;
    let sale = world.sale("rush", StockKind::List, 20).await;
    world.put(&sale, &held_for(3_600_000)).await;
    let ids = crowd(&world, &sale, StockKind::List, "u", 20).await;
    let keys = world.store.keys().of_return("rush", &[&sale]);
    let early = [
        ("if order.at >= now then", "if false then"),
        ("late = math.max(late, now - order.at)", ""),
    ];
    let mut args = vec!["60000", "rush"];
    args.extend(ids.iter().map(OrderId::as_str));
    run_with_bug(&world, &ORDER_EXPIRE, &early, &keys, &args).await;
    let crimes = crimes(&mut world, &sale, 3_600_000, &ids, &[]).await;
    assert_eq!(crimes.len(), 20, "{crimes:#?}");
    assert!(crimes[0].contains("before its deadline"), "{crimes:#?}");
}
