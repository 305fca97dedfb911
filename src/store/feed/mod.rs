//! The feed as consumers read it: a consumer group for the relays, one consumer for each worker.
//!
//! Redis keeps what was given to whom until it is acknowledged, so nothing here is lost with a
//! reply: a worker finds with [`Store::feed_keep`] what it was given and never saw.
//!
//! At `replicated:K`, a worker is shown an entry when K replicas have it: what a failover forgets
//! was never delivered, so its `seq` is not given to two orders in the eyes of the receiver.

pub mod dead_letters;
mod state;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use redis::{RedisError, RedisResult};

pub use self::state::{FeedState, Lag};
use super::connection::pool::Connection;
use super::connection::scan::Pair;
use super::decode::{number, unexpected, word};
use super::script::{FEED_LEAVE, FEED_TRIM};
use super::{Store, record};
use crate::domain::feed::{Entry, Letter};
use crate::domain::ids::OrderId;
use crate::domain::order::{Order, OrderState};
use crate::failure::{Failure, Result};

/// The consumer group that all relays share.
pub const GROUP: &str = "relay";
/// Idle time of entries that a worker gave back: longer than any time to take over.
const GIVEN_BACK: Duration = Duration::from_secs(24 * 3600);

/// An entry of a stream: its id, and its fields unless somebody deleted it.
pub(super) type Row = (String, Option<Vec<Pair>>);

/// What a worker was given to deliver, in the order of the feed.
#[derive(Debug, Default)]
pub struct Taken {
    /// Entries with their orders.
    pub letters: Vec<Letter>,
    /// Entries that nobody can deliver.
    pub broken: Vec<Broken>,
}

/// An entry that nobody can deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its id in the stream.
    pub id: String,
    /// Why, for people.
    pub why: String,
}

/// What a worker has of a feed.
#[derive(Debug, Default)]
pub struct Kept {
    /// Ids of all entries that it was given and did not acknowledge.
    pub ids: HashSet<String>,
    /// Those of them that it did not know of.
    pub found: Taken,
}

impl Store {
    /// Events that have a feed. Walks the key space.
    pub async fn events_with_feeds(&self) -> Result<BTreeSet<String>> {
        let pattern = self.keys.feeds_pattern();
        let event = |key: &str| self.keys.event_of_feed(key);
        self.walk(&pattern, "stream", event).await
    }

    /// Makes the group of the relays, from the first entry on, unless it exists. False when there
    /// is no such feed: one that an operator deleted is not made again.
    pub async fn feed_open(&self, event: &str) -> Result<bool> {
        let mut connection = self.connection().await?;
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATE").arg(self.keys.feed(event));
        create.arg(GROUP).arg("0");
        match create.query_async::<()>(&mut connection.live).await {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(true),
            Err(error) if error.to_string().contains("requires the key to exist") => Ok(false),
            Err(error) => Err(Failure::Busy(format!("XGROUP CREATE: {error}"))),
        }
    }

    /// Gives `worker` up to `at_most` entries that nobody was given before; `None` when the feed
    /// or its group is gone.
    ///
    /// # Errors
    /// [`Failure::Unknown`] also when too few replicas have them: they are given, and found again
    /// with [`Store::feed_keep`].
    pub async fn feed_take(
        &self,
        event: &str,
        worker: &str,
        at_most: usize,
    ) -> Result<Option<Taken>> {
        let mut connection = self.connection().await?;
        let read = self.group_read(&mut connection, event, worker, ">", at_most);
        let Some(rows) = read.await? else {
            return Ok(None);
        };
        self.replicated(&mut connection, &rows).await?;
        self.joined(&mut connection, event, rows).await.map(Some)
    }

    /// Gives `worker` up to `at_most` entries that others were given and showed no interest in
    /// for `idle`.
    ///
    /// # Errors
    /// As [`Store::feed_take`].
    pub async fn feed_take_over(
        &self,
        event: &str,
        worker: &str,
        idle: Duration,
        at_most: usize,
    ) -> Result<Taken> {
        let mut connection = self.connection().await?;
        let mut rows: Vec<Row> = Vec::new();
        let mut start = "0-0".to_owned();
        loop {
            let mut claim = redis::cmd("XAUTOCLAIM");
            claim.arg(self.keys.feed(event)).arg(GROUP).arg(worker);
            claim.arg(ms(idle)).arg(&start);
            claim.arg("COUNT").arg(at_most - rows.len());
            let reply = claim.query_async::<(String, Vec<Row>, Vec<String>)>(&mut connection.live);
            let Some((next, claimed, _deleted)) = self.unless_gone(event, reply).await? else {
                return Ok(Taken::default());
            };
            rows.extend(claimed);
            if next == "0-0" || rows.len() >= at_most {
                self.replicated(&mut connection, &rows).await?;
                return self.joined(&mut connection, event, rows).await;
            }
            start = next;
        }
    }

    /// Shows interest in all that `worker` was given, up to `at_most` entries, so that nobody
    /// takes it over, and reads those that are not among the `known` ids.
    ///
    /// # Errors
    /// As [`Store::feed_take`].
    pub async fn feed_keep(
        &self,
        event: &str,
        worker: &str,
        at_most: usize,
        known: &HashSet<String>,
    ) -> Result<Kept> {
        let mut connection = self.connection().await?;
        let read = self.group_read(&mut connection, event, worker, "0", at_most);
        let mut rows = read.await?.unwrap_or_default();
        let ids = rows.iter().map(|(id, _)| id.clone()).collect();
        rows.retain(|(id, _)| !known.contains(id));
        if self.replicas.are_waited_for() {
            // Reading again writes nothing that replicas could be waited for with.
            let there = rows.iter().filter(|(_, fields)| fields.is_some());
            let there: Vec<String> = there.map(|(id, _)| id.clone()).collect();
            let claim = self.claim(&mut connection, event, worker, Duration::ZERO, &there);
            claim.await?;
        }
        self.replicated(&mut connection, &rows).await?;
        let found = self.joined(&mut connection, event, rows).await?;
        Ok(Kept { ids, found })
    }

    /// The group is done with these entries.
    pub async fn feed_acknowledge(&self, event: &str, ids: &[String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut connection = self.connection().await?;
        let mut acknowledge = redis::cmd("XACK");
        let feed = self.keys.feed(event);
        acknowledge.arg(&feed).arg(GROUP).arg(ids);
        let acknowledged = acknowledge.query_async(&mut connection.live);
        self.read(&[&feed], acknowledged).await
    }

    /// Lets any other worker take over these entries at once.
    pub async fn feed_give_back(&self, event: &str, worker: &str, ids: &[String]) -> Result<()> {
        let mut connection = self.connection().await?;
        self.claim(&mut connection, event, worker, GIVEN_BACK, ids)
            .await
    }

    /// Takes `worker` out of the group, unless it was given entries that it did not acknowledge.
    pub async fn feed_leave(&self, event: &str, worker: &str) -> Result<()> {
        let keys = [self.keys.feed(event)];
        let call = FEED_LEAVE.on(&keys).arg(GROUP).arg(worker);
        match word("feed_leave", &self.work(call).await?)?.as_str() {
            "left" | "pending" | "no_such_group" => Ok(()),
            other => Err(unexpected("feed_leave", other)),
        }
    }

    /// Drops what every group has settled, and says how many entries those were.
    pub async fn feed_trim(&self, event: &str) -> Result<u64> {
        let call = FEED_TRIM.on(&[self.keys.feed(event)]);
        number("feed_trim", &self.work(call).await?)
    }

    /// `XREADGROUP`: entries from `start` on, `>` for new ones and `0` for the worker's own.
    async fn group_read(
        &self,
        connection: &mut Connection,
        event: &str,
        worker: &str,
        start: &str,
        at_most: usize,
    ) -> Result<Option<Vec<Row>>> {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(worker);
        read.arg("COUNT").arg(at_most);
        read.arg("STREAMS").arg(self.keys.feed(event)).arg(start);
        let reply = read.query_async::<Option<HashMap<String, Vec<Row>>>>(&mut connection.live);
        let streams = self.unless_gone(event, reply).await?;
        Ok(streams.map(|streams| {
            streams
                .into_iter()
                .flatten()
                .flat_map(|(_, rows)| rows)
                .collect()
        }))
    }

    /// `XCLAIM`: these entries are `worker`'s, which was last interested in them so long ago.
    async fn claim(
        &self,
        connection: &mut Connection,
        event: &str,
        worker: &str,
        idle: Duration,
        ids: &[String],
    ) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut claim = redis::cmd("XCLAIM");
        claim.arg(self.keys.feed(event)).arg(GROUP).arg(worker);
        claim.arg(0).arg(ids);
        claim.arg("IDLE").arg(ms(idle)).arg("JUSTID");
        let claimed = claim.query_async::<Vec<String>>(&mut connection.live);
        self.unless_gone(event, claimed).await?;
        Ok(())
    }

    /// Waits until enough replicas have these entries, if there are any. Giving them to a worker
    /// is a write of this connection, which comes after them.
    async fn replicated(&self, connection: &mut Connection, rows: &[Row]) -> Result<()> {
        match rows.is_empty() {
            true => Ok(()),
            false => connection.wait_for_last_write(self.deadline()).await,
        }
    }

    /// Waits for a reply about the feed that may be lost; `None` when it or its group is gone.
    async fn unless_gone<T>(
        &self,
        event: &str,
        reply: impl Future<Output = RedisResult<T>>,
    ) -> Result<Option<T>> {
        let gone = |error: RedisError| match error.code() {
            Some("NOGROUP") => Ok(None),
            _ => Err(error),
        };
        let reply = async { reply.await.map(Some).or_else(gone) };
        self.read(&[&self.keys.feed(event)], reply).await
    }

    /// Adds to each entry the order that it tells of.
    async fn joined(
        &self,
        connection: &mut Connection,
        event: &str,
        rows: Vec<Row>,
    ) -> Result<Taken> {
        let mut taken = Taken::default();
        let mut entries = Vec::with_capacity(rows.len());
        for (id, fields) in rows {
            match entry(event, &id, fields.as_deref()) {
                Ok(entry) => entries.push(entry),
                Err(why) => taken.broken.push(Broken { id, why }),
            }
        }
        if entries.is_empty() {
            return Ok(taken);
        }
        let orders = self.keys.orders(event);
        let mut get = redis::cmd("HMGET");
        get.arg(&orders);
        for entry in &entries {
            get.arg(entry.order.as_str());
        }
        let records = get.query_async(&mut connection.live);
        let records: Vec<Option<Vec<u8>>> = self.read(&[&orders], records).await?;
        for (entry, record) in entries.into_iter().zip(records) {
            match order(&entry, record) {
                Ok(order) => taken.letters.push(Letter { entry, order }),
                Err(why) => taken.broken.push(Broken {
                    id: entry_id(entry.seq),
                    why,
                }),
            }
        }
        Ok(taken)
    }
}

/// The id of an entry in the stream.
pub fn entry_id(seq: u64) -> String {
    format!("0-{seq}")
}

/// Reads an entry, or says what is wrong with it.
pub(super) fn entry(event: &str, id: &str, fields: Option<&[Pair]>) -> Result<Entry, String> {
    let fields = fields.ok_or("the entry was deleted from the feed")?;
    let seq = id.strip_prefix("0-").and_then(|seq| seq.parse().ok());
    let wrong = |name: &str| format!("the entry has no valid {name}: {:?}", text(fields, name));
    Ok(Entry {
        seq: seq.ok_or_else(|| format!("the id {id:?} is not 0-<seq>"))?,
        what: OrderState::parse(&text(fields, "what")).ok_or_else(|| wrong("what"))?,
        order: OrderId::parse(&text(fields, "order"))
            .ok()
            .filter(|order| order.event() == event)
            .ok_or_else(|| wrong("order"))?,
        at: text(fields, "at").parse().map_err(|_| wrong("at"))?,
    })
}

/// The order that an entry tells of, from its record, or why there is none.
pub(super) fn order(entry: &Entry, record: Option<Vec<u8>>) -> Result<Order, String> {
    let record =
        record.ok_or_else(|| format!("there is no record of the order {}", entry.order))?;
    record::decode(entry.order.as_str(), &record).map_err(|error| error.to_string())
}

/// A field as text; empty when there is none.
pub(super) fn text(fields: &[Pair], name: &str) -> String {
    let found = fields.iter().find(|(field, _)| field == name.as_bytes());
    found.map_or_else(String::new, |(_, value)| {
        String::from_utf8_lossy(value).into_owned()
    })
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
