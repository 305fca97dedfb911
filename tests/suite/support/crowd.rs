//! A crowd: many users, several requests each, over many connections, in random order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::buyer::Buyer;
use super::history::{Answer, Entry, History, Promise};

/// Does all of this at the same time, each in a task of its own.
pub async fn at_once<F>(asks: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let tasks: Vec<_> = asks.into_iter().map(tokio::spawn).collect();
    let done = join_all(tasks).await.into_iter();
    done.map(|task| task.expect("a task")).collect()
}

/// Anything that a user can ask.
pub trait Door: Send + Sync + 'static {
    fn ask(&self, user: &str, purchase: u32) -> impl Future<Output = Answer> + Send;
}

/// The doors of running servers, taken in turn by user.
pub struct HttpDoor {
    pub buyers: Vec<Buyer>,
    pub path: &'static str,
    pub goods: String,
}

impl Door for HttpDoor {
    async fn ask(&self, user: &str, purchase: u32) -> Answer {
        let turn: usize = rand::random_range(0..self.buyers.len());
        let purchase = purchase.to_string();
        let fields = [
            ("username", user),
            ("purchase", &purchase),
            ("goods", &self.goods),
        ];
        let Ok(reply) = self.buyers[turn].try_form(self.path, &fields).await else {
            return Answer::refusal("no_answer");
        };
        let body = reply.json();
        let order = body["order"].as_str().map(|order| Promise {
            order: order.to_owned(),
            purchase: body["purchase"]
                .as_u64()
                .and_then(|n| n.try_into().ok())
                .unwrap_or(0),
            units: serde_json::from_value(body["units"].clone()).unwrap_or_default(),
        });
        Answer {
            code: reply.result,
            order,
        }
    }
}

/// How many, how often, how wide.
#[derive(Clone, Copy)]
pub struct Crowd {
    /// What its users are called, before their number.
    pub name: &'static str,
    pub users: usize,
    pub requests_each: usize,
    pub connections: usize,
    /// The most that a user asks for; 1 or 2 at random when 2.
    pub purchase_max: u32,
    /// Ask again while the answer is open, for so long.
    pub patience: Duration,
}

impl Crowd {
    pub const SPEC: Self = Self {
        name: "user",
        users: 1000,
        requests_each: 5,
        connections: 200,
        purchase_max: 1,
        patience: Duration::ZERO,
    };

    pub fn user(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    /// Lets everybody ask, and writes down what they saw.
    pub async fn storm(self, door: Arc<impl Door>) -> History {
        let seed: u64 = rand::random();
        println!("crowd seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut asks: Vec<(usize, u32)> = (0..self.users * self.requests_each)
            .map(|number| {
                (
                    number % self.users,
                    random.random_range(1..=self.purchase_max),
                )
            })
            .collect();
        asks.shuffle(&mut random);
        let share = asks.len().div_ceil(self.connections);
        let tasks: Vec<_> = asks
            .chunks(share)
            .map(|asks| tokio::spawn(self.one_connection(door.clone(), asks.to_vec())))
            .collect();
        let mut history = History::default();
        for task in tasks {
            history
                .entries
                .extend(task.await.expect("a connection's task"));
        }
        history
    }

    async fn one_connection(self, door: Arc<impl Door>, asks: Vec<(usize, u32)>) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(asks.len());
        for (number, asked) in asks {
            let user = self.user(number);
            let give_up = Instant::now() + self.patience;
            loop {
                let entry = ask(&*door, &user, asked).await;
                let leave = !entry.answer.is_open() || entry.answered > give_up;
                entries.push(entry);
                if leave {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        entries
    }

    /// Everybody asks for one unit: what they see must agree with what they saw.
    pub async fn ask_once_more(self, door: &impl Door) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.users);
        for number in 0..self.users {
            entries.push(ask(door, &self.user(number), 1).await);
        }
        entries
    }
}

/// Asks, and writes down what came of it.
pub async fn ask(door: &impl Door, user: &str, asked: u32) -> Entry {
    let sent = Instant::now();
    let answer = door.ask(user, asked).await;
    Entry {
        user: user.to_owned(),
        asked,
        sent,
        answered: Instant::now(),
        answer,
    }
}
