//! A storm of bids: 64 clients bid for four targets of one event, cancel, raise and lower the
//! targets, set balances, pay in and out and create accounts, at two servers, while Redis is
//! killed.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use super::bid_judge::{Books, judge};
use super::{Act, Desk, Servers, Waves, storms};
use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::buyer::Reply;
use crate::support::redis::{PrivateRedis, World, sale_id};

pub const EVENT: &str = "p";
/// Targets, each with its bonus in basis points.
pub const TARGETS: [(&str, i64); 4] = [
    ("p.plain", 0),
    ("p.odd", 33),
    ("p.even", 50),
    ("p.double", 10_000),
];
const BID_MIN: u64 = 10;
const CLIENTS: usize = 64;
const ACCOUNTS: usize = 43;
/// Accounts whose balance is stated without a look: what was paid in by that, only Redis knows.
const STATED: [&str; 2] = ["stated-0", "stated-1"];
/// What there is at least between two kills.
const EACH_PHASE: [(&str, usize); 11] = [
    ("bid_accepted", 400),
    ("already_bid", 30),
    ("target_reached", 20),
    ("cancelled", 60),
    ("not_cancellable", 3),
    ("added", 25),
    ("removed", 5),
    ("set", 25),
    ("deposited", 25),
    ("withdrawn", 15),
    ("an account was made", 5),
];

/// One thing that a client does. Cents of a payment are below 0 when they are taken out.
#[derive(Debug, Clone)]
pub enum Deed {
    Bid {
        user: String,
        request: String,
        goods: &'static str,
        cents: u64,
    },
    Cancel {
        user: String,
        order: String,
    },
    Raise {
        goods: &'static str,
        cents: u64,
    },
    Lower {
        goods: &'static str,
        cents: u64,
    },
    Pay {
        user: String,
        request: String,
        cents: i64,
    },
    /// Sets the balance of a new account, which no other client knows yet.
    Open {
        user: String,
        cents: u64,
    },
    /// States the balance of an account, whatever it was.
    Overwrite {
        user: String,
        cents: u64,
    },
    /// States a balance, if it is the one that was seen.
    SetIf {
        user: String,
        seen: u64,
        cents: u64,
    },
}

impl Act for Deed {
    async fn send(&self, desk: &Desk) -> Reply {
        let stock = |goods: &str| format!("/admin/sales/{goods}/stock");
        let account = |user: &str| format!("/admin/accounts/{EVENT}/{user}");
        let (method, path, body) = match self {
            Self::Bid {
                user,
                request,
                goods,
                cents,
            } => return desk.buyer.bid(user, request, goods, *cents).await,
            Self::Cancel { user, order } => {
                let path = format!("/orders/{order}/cancel");
                return desk.buyer.form(&path, &[("username", user)]).await;
            }
            Self::Raise { goods, cents } => ("POST", stock(goods), json!({ "count": cents })),
            Self::Lower { goods, cents } => ("POST", stock(goods), json!({ "remove": cents })),
            Self::Pay {
                user,
                request,
                cents,
            } => {
                let door = if *cents < 0 { "withdraw" } else { "deposit" };
                let body = json!({ "amount": cents.unsigned_abs(), "request_id": request });
                ("POST", format!("{}/{door}", account(user)), body)
            }
            Self::Open { user, cents } | Self::Overwrite { user, cents } => {
                ("PUT", account(user), json!({ "balance": cents }))
            }
            Self::SetIf { user, seen, cents } => {
                let body = json!({ "balance": cents, "if_balance": seen });
                ("PUT", account(user), body)
            }
        };
        desk.operator.json(method, &path, &body.to_string()).await
    }

    fn is_repeatable(&self) -> bool {
        matches!(
            self,
            Self::Bid { .. } | Self::Cancel { .. } | Self::Pay { .. } | Self::Open { .. }
        )
    }
}

impl Deed {
    /// True for an answer that this may get.
    pub fn expects(&self, reply: &Reply) -> bool {
        let known: &[&str] = match self {
            Self::Bid { .. } => &[
                "bid_accepted",
                "already_bid",
                "target_reached",
                "insufficient_balance",
                "invalid_amount",
            ],
            Self::Cancel { .. } => &["cancelled", "already_cancelled", "not_cancellable"],
            Self::Raise { .. } => &["added"],
            Self::Lower { .. } => &["removed", "insufficient_stock"],
            Self::Pay { cents: 0.., .. } => &["deposited"],
            Self::Pay { .. } => &["withdrawn", "insufficient_balance"],
            Self::Open { .. } | Self::Overwrite { .. } => &["set"],
            Self::SetIf { .. } => &["set", "balance_changed"],
        };
        let result = reply.result.as_str();
        known.contains(&result) || ["busy", "unknown"].contains(&result)
    }
}

/// What was asked, and all that came back.
#[derive(Debug, Clone)]
pub struct Asked {
    pub deed: Deed,
    pub waves: Waves,
}

impl Asked {
    /// The order that this was to cancel.
    pub fn cancels(&self) -> Option<&str> {
        match &self.deed {
            Deed::Cancel { order, .. } => Some(order),
            _ => None,
        }
    }
}

/// Where the clients ask, and what they know together.
#[derive(Clone)]
pub struct Event {
    servers: Servers,
    /// Accounts that exist.
    users: Arc<Mutex<Vec<String>>>,
}

impl Event {
    pub fn new(apps: &[TestApp; 2]) -> Self {
        Self {
            servers: Servers::of(apps),
            users: Arc::default(),
        }
    }

    /// Makes the first accounts and stocks the targets.
    pub async fn begin(&self, world: &World) -> Vec<Asked> {
        for (goods, bonus_bp) in TARGETS {
            let bonus_bp = u32::try_from(bonus_bp).expect("small");
            world.target(goods, 0, &terms(BID_MIN, bonus_bp)).await;
        }
        let names = (0..ACCOUNTS - STATED.len()).map(|number| format!("user-{number}"));
        let names: Vec<_> = names.chain(STATED.map(str::to_owned)).collect();
        let accounts = names.iter().map(|user| Deed::Open {
            user: user.clone(),
            cents: 5_000,
        });
        let stocks = TARGETS.map(|(goods, _)| Deed::Raise {
            goods,
            cents: 5_000,
        });
        let mut begun = Vec::new();
        for deed in accounts.chain(stocks) {
            let waves = Waves(vec![self.servers.send(&deed, false).await]);
            begun.push(Asked { deed, waves });
        }
        self.users.lock().expect("no panic").extend(names);
        begun
    }

    /// Lets the clients loose until the storm is over.
    pub async fn storm(&self) -> Vec<Asked> {
        let seed: u64 = rand::random();
        println!("storm seed {seed}");
        let clients = (0..CLIENTS).map(|number| {
            let mut event = self.clone();
            event.servers.desks.rotate_left(number % 2);
            let client = Client {
                event,
                number,
                random: StdRng::seed_from_u64(seed.wrapping_add(number as u64)),
                asked: Vec::new(),
                bids: Vec::new(),
            };
            tokio::spawn(client.run())
        });
        let asked = join_all(clients.collect::<Vec<_>>()).await.into_iter();
        asked.flat_map(|asked| asked.expect("a client")).collect()
    }

    /// Ends the storm without any fault, when there is enough of everything.
    pub async fn end_soon(&self) {
        self.servers.tally.until(&EACH_PHASE, 1).await;
        self.servers.tally.end();
    }

    /// Repeats each bid, cancel and payment that may have been executed.
    async fn everybody_asks_again(&self, asked: &mut [Asked]) {
        let again = asked.iter_mut();
        let again = again.filter(|a| a.deed.is_repeatable() && a.waves.may_be_done());
        // To open an account again would overwrite what came since.
        let again = again.filter(|asked| !matches!(asked.deed, Deed::Open { .. }));
        let mut again: Vec<_> = again.collect();
        for asked in again.chunks_mut(CLIENTS) {
            let settled = asked.iter_mut().map(|asked| {
                let Asked { deed, waves } = &mut **asked;
                self.servers.settle(deed, waves, false)
            });
            join_all(settled).await;
        }
    }
}

/// One client, and what it saw.
struct Client {
    event: Event,
    number: usize,
    random: StdRng,
    asked: Vec<Asked>,
    /// Accepted bids with their bidders.
    bids: Vec<(String, String)>,
}

impl Client {
    async fn run(mut self) -> Vec<Asked> {
        while !self.event.servers.tally.is_over() {
            self.step().await;
        }
        self.asked
    }

    async fn step(&mut self) {
        let (goods, _) = *TARGETS.choose(&mut self.random).expect("a target");
        match self.random.random_range(0..100) {
            0..60 => self.bid(goods).await,
            60..74 => self.cancel().await,
            74..82 => {
                let cents = self.random.random_range(1..=1_500);
                self.ask(Deed::Raise { goods, cents }).await;
            }
            82..86 => {
                let cents = self.random.random_range(1..=100);
                self.ask(Deed::Lower { goods, cents }).await;
            }
            86..90 => self.pay(1..=1_000).await,
            90..94 => self.pay(-300..=-1).await,
            94..97 => self.set_what_was_seen().await,
            97..99 => self.make_account().await,
            _ => {
                let user = STATED[self.number % STATED.len()].to_owned();
                let cents = self.random.random_range(0..=2_000);
                self.ask(Deed::Overwrite { user, cents }).await;
            }
        }
    }

    async fn ask(&mut self, deed: Deed) -> Reply {
        let waves = self.event.servers.ask(&deed, &mut self.random).await;
        let done = waves.done().next();
        let reply = done.or_else(|| waves.all().last()).expect("an answer");
        let reply = reply.clone();
        self.asked.push(Asked { deed, waves });
        reply
    }

    fn user(&mut self) -> String {
        let users = self.event.users.lock().expect("no panic");
        users.choose(&mut self.random).expect("an account").clone()
    }

    /// A name that was never used.
    fn new_name(&self, kind: &str) -> String {
        format!("{kind}-{}-{}", self.number, self.asked.len())
    }

    async fn bid(&mut self, goods: &'static str) {
        let (user, request) = (self.user(), self.new_name("bid"));
        let cents = self.random.random_range(1..=300);
        let bid = Deed::Bid {
            user: user.clone(),
            request,
            goods,
            cents,
        };
        let reply = self.ask(bid).await;
        self.bids.extend(reply.order().map(|order| (user, order)));
    }

    async fn cancel(&mut self) {
        if self.bids.is_empty() {
            return;
        }
        let chosen = self.random.random_range(0..self.bids.len());
        let (user, order) = self.bids.swap_remove(chosen);
        self.ask(Deed::Cancel { user, order }).await;
    }

    async fn pay(&mut self, cents: std::ops::RangeInclusive<i64>) {
        let (user, request) = (self.user(), self.new_name("payment"));
        let cents = self.random.random_range(cents);
        let pay = Deed::Pay {
            user,
            request,
            cents,
        };
        self.ask(pay).await;
    }

    /// Guesses a balance, and sets another one if no other client was faster.
    async fn set_what_was_seen(&mut self) {
        let (user, mut seen, mut cents) = (self.user(), 0, 0);
        for _ in 0..3 {
            let user = user.clone();
            let reply = self.ask(Deed::SetIf { user, seen, cents }).await;
            if reply.result != "balance_changed" {
                return;
            }
            seen = reply.json()["balance"].as_u64().expect("cents");
            cents = self.random.random_range(0..=3_000);
        }
    }

    /// Makes an account, by its balance or by a payment.
    async fn make_account(&mut self) {
        let user = self.new_name("new");
        let opens = Deed::Open {
            user: user.clone(),
            cents: 1_000,
        };
        let pays = Deed::Pay {
            user: user.clone(),
            request: "the first".to_owned(),
            cents: 1_000,
        };
        let deed = if self.random.random() { opens } else { pays };
        let reply = self.ask(deed).await;
        if reply.status == 200 {
            self.event.users.lock().expect("no panic").push(user);
            self.event.servers.tally.note("an account was made");
        }
    }
}

/// The audit of each target by the product, too.
async fn assert_all_hold(world: &World) {
    for (goods, _) in TARGETS {
        world.assert_holds(&sale_id(goods)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_in_a_storm_of_bids() {
    for kills in storms() {
        let redis = PrivateRedis::durable();
        let world = World::at(redis.url()).await;
        let apps = [TestApp::start(&world).await, TestApp::start(&world).await];
        let event = Event::new(&apps);
        let tally = &event.servers.tally;
        let mut asked = event.begin(&world).await;
        let kills = tally.kill_in_between(&redis, kills, &EACH_PHASE, &[]);
        let (storm, ()) = tokio::join!(event.storm(), kills);
        asked.extend(storm);
        assert!(tally.open() > 0, "the kill hit no client");

        let mut after = World::at(redis.url()).await;
        after.use_prefix(&world.prefix);
        assert_eq!(judge(&asked, &Books::read(&mut after).await), [""; 0]);
        event.everybody_asks_again(&mut asked).await;
        assert_eq!(judge(&asked, &Books::read(&mut after).await), [""; 0]);
        assert_all_hold(&after).await;
        drop(event);
        for app in apps {
            app.stop().await;
        }
    }
}
