//! Holds: the orders that wait for their confirmation, and what becomes of those that waited too
//! long.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::Value;

use super::sales_of;
use crate::domain::order::{Order, POSTPONED_MS};
use crate::domain::time::EpochMs;
use crate::failure::Result;
use crate::store::connection::live::Live;
use crate::store::decode::{array, number, unexpected, word};
use crate::store::script::ORDER_EXPIRE;
use crate::store::{Store, record};

/// Which of the overdue orders a batch takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// Those that are overdue the longest.
    First,
    /// Neighbours somewhere among them: several expirers then do not all try the same.
    Anywhere,
}

/// What became of a batch of overdue orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpireOutcome {
    /// Orders that expired just now.
    pub expired: u64,
    /// How late the latest of them was.
    pub late: Duration,
    /// Orders that somebody else settled meanwhile.
    pub settled: u64,
    /// Orders whose hold said too early.
    pub not_due: u64,
    /// Orders of a sale that is stopped because Redis has forgotten orders of it. They come up
    /// again in a minute.
    pub stopped: u64,
    /// Orders that cannot be expired, and why. They come up again in a minute.
    pub broken: Vec<String>,
    /// Orders that were overdue, too, and are not of this batch.
    pub left: u64,
}

impl ExpireOutcome {
    /// Orders of the batch: none of them is overdue any more, whatever became of them.
    pub fn handled(&self) -> u64 {
        self.expired + self.settled + self.not_due + self.stopped + self.broken.len() as u64
    }
}

impl Store {
    /// Asks Redis for a sign of life.
    ///
    /// # Errors
    /// `busy`: there is none.
    pub async fn ping(&self) -> Result<()> {
        // Not PING: scripts need TIME anyway, so access rules allow it.
        self.clock().await.map(|_| ())
    }

    /// Events that have held orders. Walks the key space.
    pub async fn events_with_holds(&self) -> Result<BTreeSet<String>> {
        let pattern = self.keys.holds_pattern();
        let event = |key: &str| self.keys.event_of_holds(key);
        self.walk(&pattern, "zset", event).await
    }

    /// Expires up to `at_most` orders of the event, at most 1000, whose deadline is before `due`
    /// and has passed by the clock of Redis. Safe to repeat.
    ///
    /// # Errors
    /// Redis is not there, or what it has as orders, holds or feed of the event is none.
    pub async fn order_expire(
        &self,
        event: &str,
        due: EpochMs,
        at_most: usize,
        slice: Slice,
    ) -> Result<ExpireOutcome> {
        let mut connection = self.connection().await?;
        let overdue = self.overdue(&mut connection.live, event, due, at_most, slice);
        let (overdue, ids) = overdue.await?;
        if ids.is_empty() {
            return Ok(ExpireOutcome {
                left: overdue, // more than none when others were quicker
                ..ExpireOutcome::default()
            });
        }
        let orders = self.readable(&mut connection.live, event, &ids).await?;
        let sales = sales_of(event, &orders);
        let names: Vec<&str> = sales.iter().map(|sale| sale.as_str()).collect();
        let keys = self.keys.of_return(event, &sales);
        let call = ORDER_EXPIRE.on(&keys).arg(POSTPONED_MS).arg(names);
        let reply = self.work_on(&mut connection.live, call.arg(&ids)).await?;
        let (late, expiries) = expiries(reply)?;
        let mut outcome = ExpireOutcome {
            late,
            left: overdue.saturating_sub(ids.len() as u64),
            ..ExpireOutcome::default()
        };
        for (id, expiry) in ids.iter().zip(expiries) {
            match expiry {
                Expiry::Expired => outcome.expired += 1,
                Expiry::NotDue => outcome.not_due += 1,
                Expiry::Settled => outcome.settled += 1,
                Expiry::Stopped => outcome.stopped += 1,
                Expiry::Broken(why) => {
                    let id = String::from_utf8_lossy(id);
                    outcome.broken.push(format!("{id}: {why}"));
                }
            }
        }
        Ok(outcome)
    }

    /// How many holds are overdue, and the ids of some of them.
    async fn overdue(
        &self,
        connection: &mut Live,
        event: &str,
        due: EpochMs,
        at_most: usize,
        slice: Slice,
    ) -> Result<(u64, Vec<Vec<u8>>)> {
        let holds = self.keys.holds(event);
        let mut count = redis::cmd("ZCOUNT");
        count.arg(&holds).arg("-inf").arg(format!("({due}"));
        let overdue: u64 = self.read(&[&holds], count.query_async(connection)).await?;
        if overdue == 0 {
            return Ok((0, Vec::new()));
        }
        let at_most = overdue.min(at_most as u64);
        let start = match slice {
            Slice::First => 0,
            Slice::Anywhere => rand::random_range(0..=overdue - at_most),
        };
        // By rank, not by score: an offset into scores is walked, however long the backlog. Ranks
        // move while others expire, too, so the scores are looked at.
        let mut range = redis::cmd("ZRANGE");
        range.arg(&holds).arg(start).arg(start + at_most - 1);
        range.arg("WITHSCORES");
        let found = self.read(&[&holds], range.query_async(connection)).await?;
        let found: Vec<(Vec<u8>, f64)> = found;
        let found = found.into_iter();
        let ids = found.filter_map(|(id, deadline)| (deadline < due as f64).then_some(id));
        let ids = ids.collect();
        Ok((overdue, ids))
    }

    /// The orders among `ids` that can be read; the script says what is wrong with the others.
    async fn readable(
        &self,
        connection: &mut Live,
        event: &str,
        ids: &[Vec<u8>],
    ) -> Result<Vec<Order>> {
        let orders = self.keys.orders(event);
        let mut get = redis::cmd("HMGET");
        get.arg(&orders).arg(ids);
        let records = get.query_async(connection);
        let records: Vec<Option<Vec<u8>>> = self.read(&[&orders], records).await?;
        let orders = ids
            .iter()
            .zip(records)
            .filter_map(|(id, found)| record::decode(&String::from_utf8_lossy(id), &found?).ok());
        Ok(orders.collect())
    }
}

/// What `order_expire` says of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// It expired just now.
    Expired,
    /// Its deadline has not passed.
    NotDue,
    /// It is not held any more.
    Settled,
    /// A sale of it is stopped because Redis has forgotten orders of it.
    Stopped,
    /// It cannot be expired, and why.
    Broken(String),
}

/// Decodes the reply of `order_expire`: how late the latest order was, and what became of each.
pub fn expiries(reply: Value) -> Result<(Duration, Vec<Expiry>)> {
    let parts = array("order_expire", reply)?;
    let [late, answers @ ..] = parts.as_slice() else {
        return Err(unexpected("order_expire", "nothing"));
    };
    let late = Duration::from_millis(number("order_expire", late)?);
    let expiries = answers.iter().map(|answer| {
        let answer = word("order_expire", answer)?;
        match (answer.as_str(), answer.strip_prefix("broken: ")) {
            ("expired", _) => Ok(Expiry::Expired),
            ("not_due", _) => Ok(Expiry::NotDue),
            ("settled", _) => Ok(Expiry::Settled),
            ("stopped", _) => Ok(Expiry::Stopped),
            (_, Some(why)) => Ok(Expiry::Broken(why.to_owned())),
            (other, None) => Err(unexpected("order_expire", other)),
        }
    });
    Ok((late, expiries.collect::<Result<_>>()?))
}
