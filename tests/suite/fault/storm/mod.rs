//! Storms over HTTP, while the private Redis is killed with `-9` and comes back. Afterwards the
//! sums are checked from the raw keys and the answers, without the code of the product, which could
//! be wrong in the same way twice. This module has the parts that both storms share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::RngExt;
use rand::rngs::StdRng;

use super::rounds;
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::{Buyer, Reply};
use crate::support::operator::{Operator, TOKEN};
use crate::support::redis::{PrivateRedis, World};

mod basket_judge;
mod basket_tampered;
mod baskets;
mod bid_judge;
mod bid_tampered;
mod bids;

/// Most kills in one storm: a server that dies often is started again later each time.
const KILLS_MAX: usize = 5;
/// How long a client rests after an answer that says nothing.
const OPEN_PAUSE: Duration = Duration::from_millis(10);

/// Storms, by how often Redis is killed in each: once for each round.
fn storms() -> impl Iterator<Item = usize> {
    let starts = (0..rounds()).step_by(KILLS_MAX);
    starts.map(|start| KILLS_MAX.min(rounds() - start))
}

/// Answers that say that something happened, now or before.
const DONE: [&str; 13] = [
    "bid_accepted",
    "already_bid",
    "grabbed",
    "already_grabbed",
    "confirmed",
    "already_confirmed",
    "cancelled",
    "already_cancelled",
    "deposited",
    "withdrawn",
    "added",
    "removed",
    "set",
];

fn is_done(reply: &Reply) -> bool {
    // A refusal can be called like a success: `cancelled` is also why a confirmation is refused.
    reply.status < 300 && DONE.contains(&reply.result.as_str())
}

fn is_unknown(reply: &Reply) -> bool {
    reply.result == "unknown"
}

/// One server, as a buyer and as an operator.
#[derive(Clone)]
struct Desk {
    buyer: Buyer,
    operator: Operator,
}

impl Desk {
    fn of(app: &TestApp) -> Self {
        let buyer = app.buyer.clone();
        let operator = Operator::new(&buyer, TOKEN);
        Self { buyer, operator }
    }
}

/// One thing that a client asks for.
trait Act: Sync {
    fn send(&self, desk: &Desk) -> impl Future<Output = Reply> + Send;

    /// True when the same again has no second effect.
    fn is_repeatable(&self) -> bool;
}

/// Where the clients ask.
#[derive(Clone)]
struct Servers {
    desks: [Desk; 2],
    tally: Arc<Tally>,
}

impl Servers {
    fn of(apps: &[TestApp; 2]) -> Self {
        Self {
            desks: apps.each_ref().map(Desk::of),
            tally: Arc::default(),
        }
    }

    /// Sends it once, to the first server or to both at once.
    async fn send(&self, act: &impl Act, to_both: bool) -> Vec<Reply> {
        let asked: &[Desk] = if to_both {
            &self.desks
        } else {
            &self.desks[..1]
        };
        let replies = join_all(asked.iter().map(|desk| act.send(desk))).await;
        for reply in &replies {
            self.tally.note(&reply.result);
        }
        replies
    }

    /// Sends it until its outcome is known, as far as it may be sent again.
    async fn settle(&self, act: &impl Act, waves: &mut Waves, to_both: bool) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let wave = self.send(act, to_both).await;
            let is_over = wave.iter().any(is_unknown) && !act.is_repeatable();
            waves.0.push(wave);
            if is_over || !waves.is_open() || Instant::now() > give_up {
                return;
            }
            tokio::time::sleep(OPEN_PAUSE).await;
        }
    }

    /// Asks as people do: one of five gives up after the first answer, one of eight asks both
    /// servers at once, and one of eight repeats what is known already.
    async fn ask(&self, act: &impl Act, random: &mut StdRng) -> Waves {
        let mut waves = Waves::default();
        let to_both = act.is_repeatable() && random.random_ratio(1, 8);
        let repeats = act.is_repeatable() && random.random_ratio(1, 8);
        if random.random_ratio(4, 5) {
            self.settle(act, &mut waves, to_both).await;
        } else {
            waves.0.push(self.send(act, to_both).await);
        }
        if waves.is_open() {
            tokio::time::sleep(OPEN_PAUSE).await;
        }
        if repeats && waves.is_done() {
            self.settle(act, &mut waves, false).await;
        }
        waves
    }
}

/// What came back to one request: a wave for each time that it was sent, with two replies when two
/// servers were asked at once.
#[derive(Debug, Clone, Default)]
struct Waves(Vec<Vec<Reply>>);

impl Waves {
    fn all(&self) -> impl Iterator<Item = &Reply> {
        self.0.iter().flatten()
    }

    fn done(&self) -> impl Iterator<Item = &Reply> {
        self.all().filter(|reply| is_done(reply))
    }

    /// How many of the answers that say that it happened have this result.
    fn count(&self, result: &str) -> usize {
        self.done().filter(|reply| reply.result == result).count()
    }

    fn is_done(&self) -> bool {
        self.done().next().is_some()
    }

    /// False if all answers are certain that nothing happened: `busy` is not executed.
    fn may_be_done(&self) -> bool {
        self.all().any(|reply| is_done(reply) || is_unknown(reply))
    }

    /// True while the last wave says nothing.
    fn is_open(&self) -> bool {
        let last = self.0.last();
        last.is_none_or(|wave| wave.iter().all(|reply| reply.status == 503))
    }

    /// True when the last wave says that nothing happened.
    fn is_refused(&self) -> bool {
        let is_refusal = |reply: &Reply| reply.status != 503 && !is_done(reply);
        let last = self.0.last();
        last.is_some_and(|wave| wave.iter().all(is_refusal))
    }

    /// A refusal that was sent for after a success.
    fn forgotten(&self) -> Option<&Reply> {
        let is_done = |wave: &Vec<Reply>| wave.iter().any(is_done);
        let waves = self.0.iter().skip_while(|wave| !is_done(wave));
        let mut later = waves.skip(1).flatten();
        later.find(|reply| reply.status != 503 && !self::is_done(reply))
    }
}

/// What is wrong with this many answers that said that it happened just then.
fn wrongly_new(waves: &Waves, new: usize) -> Option<&'static str> {
    let is_missing = new == 0 && waves.is_done() && !waves.all().any(is_unknown);
    match new {
        2.. => Some("done twice"),
        _ if is_missing => Some("repeated, but it was never executed"),
        _ => None,
    }
}

/// How often each result came, and whether the storm is over.
#[derive(Default)]
struct Tally {
    counts: Mutex<BTreeMap<String, usize>>,
    is_over: AtomicBool,
}

impl Tally {
    fn note(&self, result: &str) {
        let mut counts = self.counts.lock().expect("no panic");
        *counts.entry(result.to_owned()).or_default() += 1;
    }

    fn count(&self, result: &str) -> usize {
        let counts = self.counts.lock().expect("no panic");
        counts.get(result).copied().unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// How often a server answered that an outcome is unknown.
    fn open(&self) -> usize {
        self.count("busy") + self.count("unknown")
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Waits until each of these results came so often, so that a fault hits the storm on every
    /// machine.
    async fn until(&self, results: &[(&str, usize)], times: usize) {
        let deadline = Instant::now() + PATIENCE;
        let is_there = |&(result, count): &(&str, usize)| self.count(result) >= count * times;
        while !results.iter().all(is_there) {
            assert!(
                Instant::now() < deadline,
                "the storm never got so far: {results:?} {times} times, {:?}",
                self.counts
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Kills Redis this often, each time after this many results. Ends the storm after as many
    /// more, and these at last.
    async fn kill_in_between(
        &self,
        redis: &PrivateRedis,
        kills: usize,
        results: &[(&str, usize)],
        at_last: &[(&str, usize)],
    ) {
        for kill in 1..=kills {
            self.until(results, kill).await;
            redis.kill_and_wait().await;
        }
        self.until(results, kills + 1).await;
        self.until(at_last, 1).await;
        self.end();
        println!("killed {kills} times: {:?}", self.counts);
    }
}

/// Fields of a hash, as Redis has them.
type Fields = BTreeMap<String, String>;

/// A key of an event, named here once more: the documents say it, the product does not.
fn key(world: &World, event: &str, name: &str) -> String {
    format!("{}{{{event}}}:{name}", world.prefix)
}

async fn fields(world: &mut World, event: &str, name: &str) -> Fields {
    let key = key(world, event, name);
    world.run(&["HGETALL", &key]).await
}

/// A number of a hash; absent is 0.
fn number(fields: &Fields, name: &str) -> i64 {
    fields
        .get(name)
        .map_or(0, |text| text.parse().expect("a number"))
}

/// The first line of the record of an order that a request made, and its other lines.
#[derive(Debug, Clone, PartialEq)]
struct Record<'a> {
    state: &'a str,
    user: &'a str,
    request: &'a str,
    lines: Vec<Vec<&'a str>>,
}

impl<'a> Record<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut lines = text.split('\n').map(|line| line.split('\t').collect());
        let head: Vec<&str> = lines.next()?;
        let [state, created, user, at, request] = head[..] else {
            return None;
        };
        created.parse::<u64>().ok()?;
        let is_time = at.is_empty() || at.parse::<u64>().is_ok();
        is_time.then_some(Self {
            state,
            user,
            request,
            lines: lines.collect(),
        })
    }

    fn is_living(&self) -> bool {
        ["held", "confirmed", "used"].contains(&self.state)
    }
}

/// What of the feed differs from these states, which orders came into once each.
fn wrong_feed(told: &[(String, String)], states: Vec<(&str, &str)>) -> Vec<String> {
    let entries = told
        .iter()
        .map(|(what, order)| (what.as_str(), order.as_str()));
    let entries: Vec<_> = entries.collect();
    let (told, right): (BTreeSet<_>, BTreeSet<_>) = (
        entries.iter().copied().collect(),
        states.into_iter().collect(),
    );
    let mut wrong = Vec::new();
    if told.len() < entries.len() {
        wrong.push("the feed tells something twice".to_owned());
    }
    let differs = told.symmetric_difference(&right);
    wrong.extend(differs.map(|(what, order)| format!("the feed is wrong: {order} {what}")));
    wrong
}

/// The same answer with another result, for the controls.
fn named(reply: &Reply, result: &str) -> Reply {
    Reply {
        result: result.to_owned(),
        ..reply.clone()
    }
}

fn busy() -> Reply {
    Reply {
        status: 503,
        result: "busy".to_owned(),
        retry_after: None,
        content_type: String::new(),
        body: "{}".to_owned(),
    }
}

/// Adds to a number of a hash.
fn add(fields: &mut Fields, name: &str, more: i64) {
    let sum = number(fields, name) + more;
    fields.insert(name.to_owned(), sum.to_string());
}
