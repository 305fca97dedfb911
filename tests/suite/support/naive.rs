//! The seeded bug: an endpoint that checks and acts in separate commands, as many systems do. The
//! crowd must find the bug, or the crowd proves nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;

use super::crowd::Door;
use super::history::{Answer, Promise};
use super::redis::run;

pub struct NaiveDoor {
    pub connection: MultiplexedConnection,
    pub prefix: String,
    /// How many have checked so far, and how many do before the first one acts: such a system has
    /// something to do in between, and a crowd does not wait for it.
    pub checked: AtomicUsize,
    pub crowd: usize,
}

impl Door for NaiveDoor {
    async fn ask(&self, user: &str, purchase: u32) -> Answer {
        let mut connection = self.connection.clone();
        let (stock, buyers) = (
            format!("{}stock", self.prefix),
            format!("{}buyers", self.prefix),
        );
        let known: Option<String> = run(&mut connection, &["HGET", &buyers, user]).await;
        if known.is_some() {
            return Answer::refusal("already_grabbed_somehow");
        }
        let left: Option<i64> = run(&mut connection, &["GET", &stock]).await;
        if left.unwrap_or(0) < i64::from(purchase) {
            return Answer::refusal("sold_out");
        }
        self.checked.fetch_add(1, Ordering::SeqCst);
        while self.checked.load(Ordering::SeqCst) < self.crowd {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let _: i64 = run(&mut connection, &["DECRBY", &stock, &purchase.to_string()]).await;
        let order = format!("naive-{:016x}", rand::random::<u64>());
        let _: i64 = run(&mut connection, &["HSET", &buyers, user, &order]).await;
        let order = Some(Promise {
            order,
            purchase,
            units: Vec::new(),
        });
        Answer {
            code: "grabbed".to_owned(),
            order,
        }
    }
}
