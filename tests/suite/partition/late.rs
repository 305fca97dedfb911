//! The requests in the tests of late effects, and what happened too late.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use redis::Value;
use tokio::time::{Instant, sleep_until};

use super::EFFECT_WITHIN;
use super::shop::Shop;
use super::till::{Till, Way, codes};
use crate::support::PATIENCE;
use crate::support::history::History;
use crate::support::kept::Kept;
use crate::support::redis::sale_id;

/// How long something that is late has time to happen, once it may.
pub const WATCH: Duration = Duration::from_secs(2);
/// Connections that are in use before the fault, for each way to buy.
const WARM: usize = 12;
/// Who ask again and again, at the same time in each way.
const BUYERS: usize = 6;
const SLOW: Duration = Duration::from_millis(800);
const STOCK: u64 = 100_000;
/// Where operators change something; bids of an event with accounts would be paid from them.
const EVENTS: [&str; 6] = ["list", "count", "basket", "loan", "desk", "bank"];

pub fn goods(way: Way) -> &'static str {
    match way {
        Way::List => "list.a",
        Way::Counter => "count.a",
        Way::Basket => "basket.a",
        Way::Bid => "loan.a",
    }
}

/// What buyers and operators were told, and everything that they could change.
pub struct Desk {
    /// Each way to buy at the first server.
    pub tills: [Till; 4],
    /// By the ways.
    pub told: [History; 4],
    before: BTreeMap<String, Value>,
}

impl Desk {
    /// Puts the sales up, and uses each connection that will be in use.
    pub async fn open(shop: &Shop) -> Self {
        for way in Way::ALL {
            shop.sale(way, goods(way), STOCK).await;
        }
        for goods in ["desk.a", "desk.b"] {
            shop.sale(Way::Counter, goods, 10).await;
        }
        shop.sale(Way::Bid, "bank.a", 10).await;
        let desk = Self {
            tills: Way::ALL.map(|way| shop.till(&[0], way, goods(way))),
            told: [(); 4].map(|()| History::default()),
            before: BTreeMap::new(),
        };
        desk.works(shop, "warm").await;
        desk
    }

    /// All get what they ask for in the end: the control of what is late. It leaves all connections
    /// warm.
    pub async fn works(&self, shop: &Shop, name: &str) {
        change_at_last(shop, 0, "resume", 1).await;
        for mut told in self.asked(name, WARM).await.into_iter().zip(&self.tills) {
            told.1.settle(&mut told.0).await;
            assert_eq!(told.0.promises().len(), WARM);
        }
        self.asked(name, WARM).await;
    }

    /// The answers to this many buyers in each way.
    pub async fn asked(&self, name: &str, users: usize) -> Vec<History> {
        join_all(self.tills.iter().map(|till| till.wave(name, users, 1))).await
    }

    /// Remembers what they were told.
    pub fn hear(&mut self, told: Vec<History>) {
        for (all, told) in self.told.iter_mut().zip(told) {
            all.entries.extend(told.entries);
        }
    }

    /// Buyers ask again and again until `end`; the last ones early enough to be late by then, also
    /// where the machine is slow to hand them on.
    pub async fn ask_until(&mut self, end: Instant, name: &str) {
        for number in 0.. {
            let told = self.asked(&format!("{name}-{number}"), BUYERS).await;
            self.hear(told);
            if Instant::now() + EFFECT_WITHIN + SLOW > end {
                break;
            }
        }
        sleep_until(end).await;
    }

    /// From now on nothing may change.
    pub async fn close(&mut self, shop: &mut Shop) {
        self.before = everything(shop).await;
    }

    /// Everything that changed since then.
    pub async fn changed(&self, shop: &mut Shop) -> Vec<String> {
        let after = everything(shop).await.into_iter();
        let changed = after.filter(|(key, now)| self.before.get(key) != Some(now));
        changed.map(|(key, _)| key).collect()
    }

    /// Orders that came later than allowed, of buyers who were not shown them.
    pub async fn late(&self, shop: &mut Shop) -> Vec<String> {
        let mut all = Vec::new();
        for (way, told) in Way::ALL.into_iter().zip(&self.told) {
            let kept = Kept::read(&mut shop.master, &sale_id(goods(way))).await;
            let delays = kept.delays(told);
            let latest = delays.iter().map(|(_, delay)| *delay).max();
            let late = delays.iter().filter(|(_, delay)| *delay > EFFECT_WITHIN);
            let late: Vec<_> = late.map(|(user, by)| format!("{user} {by:?}")).collect();
            let (codes, count) = (codes(told), late.len());
            println!("  {way:?}: {codes}; {count} done late, the latest after {latest:?}");
            all.extend(late);
        }
        all
    }
}

async fn everything(shop: &mut Shop) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for event in EVENTS {
        all.extend(shop.event(event).await);
    }
    all
}

/// What an operator does at a server: stock for one sale, another paused or resumed, and what is
/// in an account. The statuses of the answers.
pub async fn change(shop: &Shop, server: usize, halt: &str, cents: u64) -> [u16; 3] {
    let operator = shop.operator(server);
    let (stock, account) = ("/admin/sales/desk.a/stock", "/admin/accounts/bank/alice");
    let (halt, balance) = (
        format!("/admin/sales/desk.b/{halt}"),
        format!(r#"{{"balance":{cents}}}"#),
    );
    let told = tokio::join!(
        operator.json("POST", stock, r#"{"count":5}"#),
        operator.post(&halt),
        operator.json("PUT", account, &balance),
    );
    [told.0, told.1, told.2].map(|reply| reply.status)
}

/// The same, again and again until all of it is done.
pub async fn change_at_last(shop: &Shop, server: usize, halt: &str, cents: u64) {
    let deadline = Instant::now() + PATIENCE;
    while change(shop, server, halt, cents).await != [200; 3] {
        assert!(Instant::now() < deadline, "operators change nothing");
    }
}
