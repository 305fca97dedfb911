//! The master loses its replica in the middle of a sale: nobody is told that anything is sold out,
//! and sales go on as soon as the replica is back.

use std::time::{Duration, Instant};

use super::lab::{Host, Lab, in_lab};
use super::shop::Shop;
use super::till::{Rush, Way, codes, disbelieved};
use crate::fault::rounds;
use crate::support::PATIENCE;
use crate::support::history::History;
use crate::support::redis::sale_id;

const FEW: (&str, u64) = ("few.a", 60);
const MANY: (&str, u64) = ("many.a", 100_000);
/// Buyers at the same time; those of the few take all that is there.
const BUYERS: [usize; 2] = [40, 4];
const SERVED_WITHIN: Duration = Duration::from_secs(1);

fn outage() -> Duration {
    Duration::from_secs(if rounds() > 1 { 30 } else { 10 })
}

/// What was answered before this moment.
fn before(history: &History, end: Instant) -> History {
    let entries = history.entries.iter();
    let entries = entries.filter(|entry| entry.answered < end);
    History {
        entries: entries.cloned().collect(),
    }
}

/// Waits until the last message of the replica to the master is at least a second old.
async fn until_heard_of(shop: &mut Shop) -> Instant {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told: String = shop.master.run(&["INFO", "replication"]).await;
        let mut replicas = told.lines().filter(|line| line.starts_with("slave0:"));
        let heard = |line: &str| {
            let lag = line.trim_end().rsplit("lag=").next();
            let lag = lag.and_then(|lag| lag.parse::<u64>().ok());
            line.contains("state=online") && lag.is_some_and(|lag| lag <= 1)
        };
        if replicas.any(heard) {
            return Instant::now();
        }
        assert!(Instant::now() < deadline, "never back: {told}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sells through an outage of the replica. Returns the answers in each sale until it was over and
/// in the end, and how long it took from the return of the replica until a buyer was served.
async fn sold_through(shop: &mut Shop) -> ([(History, History); 2], Duration) {
    for (goods, stock) in [FEW, MANY] {
        shop.sale(Way::List, goods, stock).await;
    }
    let tills = [FEW.0, MANY.0].map(|goods| shop.till(&[0, 1], Way::List, goods));
    shop.lab.cut(Host::M, Host::R);
    let [few, many] = [0, 1].map(|at| Rush::start(&tills[at], "user", BUYERS[at]));
    tokio::time::sleep(outage()).await;
    let left = shop.master.left(&sale_id(FEW.0)).await;
    assert_eq!(left, 0, "the stock was not sold out");
    let end = Instant::now();
    shop.lab.heal();
    let back = until_heard_of(shop).await;
    let served = many.until_served(1, end).await;
    let served = served.saturating_duration_since(back);
    let (away, later) = (outage(), back - end);
    println!("away for {away:?}, back {later:?} after that, sold {served:?} after that");
    let mut all = [few.end().await, many.end().await];
    let told = all.each_ref().map(|history| before(history, end));
    for (history, till) in all.iter_mut().zip(&tills) {
        till.settle(history).await;
    }
    let [few, many] = told;
    let [few_all, many_all] = all;
    ([(few, few_all), (many, many_all)], served)
}

#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn while_the_replica_is_away_nothing_is_sold_out() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "replicated:1").await;
        let (told, served) = sold_through(&mut shop).await;
        let mut lies = 0;
        for ((goods, _), (away, mut all)) in [FEW, MANY].into_iter().zip(told) {
            println!(
                "{goods} until it was back: {}; in the end: {}",
                codes(&away),
                codes(&all)
            );
            let open = away.entries.iter().filter(|told| told.answer.is_open());
            lies += away.entries.len() - open.count();
            let last = away.entries.iter().map(|told| told.answered).max();
            disbelieved(&mut all, last.expect("a buyer asked"));
            for world in [&mut shop.master, &mut shop.replica] {
                assert_eq!(Shop::wrong(world, goods, &all).await, [""; 0]);
            }
        }
        assert_eq!(lies, 0, "told while no replica had it");
        assert!(served < SERVED_WITHIN, "{served:?}");
    });
}

/// The control: if only the master counts, the same buyers are told that everything is sold.
#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn where_the_master_alone_counts_it_sells_out_without_the_replica() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "fsync").await;
        let (told, _) = sold_through(&mut shop).await;
        let [(away, all), _] = told;
        println!("until it was back: {}", codes(&away));
        assert_eq!(away.granted(), FEW.1);
        assert!(away.count("sold_out") > 0, "{}", codes(&away));
        let wrong = Shop::wrong(&mut shop.master, FEW.0, &all).await;
        assert_eq!(wrong, [""; 0]);
    });
}
