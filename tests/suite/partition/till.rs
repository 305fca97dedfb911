//! Ways to buy, and crowds that go on buying until they are told to stop.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::buyer::{Buyer, Reply};
use crate::support::crowd::{Door, ask};
use crate::support::history::{Answer, Entry, History, Promise};

/// One of the ways to buy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    List,
    Counter,
    Basket,
    Bid,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::List, Self::Counter, Self::Basket, Self::Bid];
}

/// Refusals that are only true while no buyer cancels.
const STOCK_REFUSALS: [&str; 3] = ["sold_out", "insufficient_stock", "target_reached"];
/// Of every ten requests, this many are from new users.
const NEW_OF_TEN: u32 = 6;
/// Buyers who ask at the same time for the outcome of their requests.
const ASKING_AGAIN: usize = 8;
const PAUSE: Duration = Duration::from_millis(20);

/// Buys something in one way, at one of some servers.
#[derive(Clone)]
pub struct Till {
    way: Way,
    goods: String,
    buyers: Vec<Buyer>,
    /// How long a buyer waits before giving up.
    patience: Duration,
}

impl Till {
    pub fn new(way: Way, goods: &str, buyers: Vec<Buyer>) -> Self {
        Self {
            way,
            goods: goods.to_owned(),
            buyers,
            patience: PATIENCE,
        }
    }

    /// The same for buyers who give up and close the connection.
    pub fn giving_up_after(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Asks once at one server. A basket and a bid are named as their user.
    async fn reply(&self, user: &str, purchase: u32) -> reqwest::Result<Reply> {
        let buyer = &self.buyers[rand::random_range(0..self.buyers.len())];
        let (goods, number) = (self.goods.as_str(), purchase.to_string());
        let door = [
            ("username", user),
            ("goods", goods),
            ("purchase", number.as_str()),
        ];
        let bid = [
            ("username", user),
            ("goods", goods),
            ("amount", number.as_str()),
            ("request_id", user),
        ];
        match self.way {
            Way::List => buyer.try_form("/seckill", &door).await,
            Way::Counter => buyer.try_form("/incr", &door).await,
            Way::Basket => buyer.try_place(user, user, &[(goods, purchase)]).await,
            Way::Bid => buyer.try_form("/bids", &bid).await,
        }
    }

    /// This many new users ask at the same time.
    pub async fn wave(&self, name: &str, users: usize, purchase: u32) -> History {
        let users = (0..users).map(|number| format!("{name}-{number}"));
        let asks = users.map(|user| async move { ask(self, &user, purchase).await });
        History {
            entries: join_all(asks).await,
        }
    }

    /// All users without a known outcome ask until they know it. The history has these answers,
    /// too.
    pub async fn settle(&self, history: &mut History) {
        let mut open: Vec<(String, u32)> = Vec::new();
        for entry in &history.entries {
            open.retain(|(user, _)| *user != entry.user);
            if entry.answer.is_open() {
                open.push((entry.user.clone(), entry.asked));
            }
        }
        for some in open.chunks(ASKING_AGAIN) {
            let settled = some.iter().map(|(user, asked)| self.settled(user, *asked));
            let settled = join_all(settled).await;
            history.entries.extend(settled.into_iter().flatten());
        }
    }

    async fn settled(&self, user: &str, asked: u32) -> Vec<Entry> {
        let deadline = Instant::now() + PATIENCE;
        let mut entries = Vec::new();
        loop {
            let entry = ask(self, user, asked).await;
            let open = entry.answer.is_open();
            entries.push(entry);
            if !open {
                return entries;
            }
            assert!(Instant::now() < deadline, "{user} never gets an answer");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Door for Till {
    async fn ask(&self, user: &str, purchase: u32) -> Answer {
        let reply = tokio::time::timeout(self.patience, self.reply(user, purchase)).await;
        let Ok(Ok(reply)) = reply else {
            return Answer::refusal("no_answer");
        };
        Answer {
            order: promise(&reply.json()),
            code: reply.result,
        }
    }
}

/// The order that an answer shows.
fn promise(body: &Value) -> Option<Promise> {
    let granted = !body["code"].is_null() && body["order"].is_string();
    let refused = body["status"].is_number();
    let line = match &body["lines"][0] {
        Value::Null => body,
        line => line,
    };
    let number = [&line["purchase"], &line["accepted"]];
    let number = number.iter().find_map(|number| number.as_u64());
    (granted && !refused).then(|| Promise {
        order: body["order"].as_str().unwrap_or_default().to_owned(),
        purchase: number.and_then(|n| n.try_into().ok()).unwrap_or(0),
        units: serde_json::from_value(line["units"].clone()).unwrap_or_default(),
    })
}

/// A crowd that buys until it is told to stop: some are new, some ask again.
pub struct Rush {
    stop: Arc<AtomicBool>,
    heard: Arc<Mutex<History>>,
    buyers: Vec<tokio::task::JoinHandle<()>>,
}

impl Rush {
    pub fn start(till: &Till, name: &'static str, buyers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let heard = Arc::new(Mutex::new(History::default()));
        let users = Arc::new(AtomicUsize::new(0));
        let buyer = || {
            let (till, stop) = (till.clone(), stop.clone());
            let (heard, users) = (heard.clone(), users.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let user = format!("{name}-{}", next_user(&users));
                    let entry = ask(&till, &user, 1).await;
                    let refused = entry.answer.order.is_none();
                    heard.lock().expect("not poisoned").entries.push(entry);
                    if refused {
                        // As refused buyers do.
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            })
        };
        let buyers = (0..buyers).map(|_| buyer()).collect();
        Self {
            stop,
            heard,
            buyers,
        }
    }

    /// The answers so far.
    pub fn heard(&self) -> History {
        self.heard.lock().expect("not poisoned").clone()
    }

    /// Waits until this many requests that were sent since then got an order; returns when the
    /// first of them was answered.
    pub async fn until_served(&self, orders: usize, since: Instant) -> Instant {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let heard = self.heard();
            let good = heard.entries.iter();
            let good = good.filter(|e| e.answer.order.is_some() && e.sent >= since);
            let good: Vec<_> = good.map(|entry| entry.answered).collect();
            if let (Some(first), true) = (good.iter().min(), good.len() >= orders) {
                return *first;
            }
            assert!(Instant::now() < deadline, "no buyer gets anything");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn end(self) -> History {
        self.stop.store(true, Ordering::SeqCst);
        for buyer in self.buyers {
            buyer.await.expect("a buyer");
        }
        std::mem::take(&mut self.heard.lock().expect("not poisoned"))
    }
}

fn next_user(users: &AtomicUsize) -> usize {
    let known = users.load(Ordering::SeqCst);
    if known == 0 || rand::random_range(0..10) < NEW_OF_TEN {
        return users.fetch_add(1, Ordering::SeqCst);
    }
    rand::random_range(0..known)
}

/// Ignores refusals for stock that came until then, and returns how many there were.
pub fn disbelieved(history: &mut History, until: Instant) -> usize {
    let heard = history.entries.iter_mut();
    let refusals = heard.filter(|heard| {
        let code = heard.answer.code.as_str();
        heard.answered <= until && STOCK_REFUSALS.contains(&code)
    });
    let refusals = refusals.map(|heard| heard.answer.code = "unknown".to_owned());
    refusals.count()
}

/// How often each code came, for people.
pub fn codes(history: &History) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for entry in &history.entries {
        *counts.entry(entry.answer.code.as_str()).or_insert(0) += 1;
    }
    let counts = counts.iter().map(|(code, count)| format!("{count} {code}"));
    counts.collect::<Vec<_>>().join(", ")
}
