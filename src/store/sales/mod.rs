//! Sales: create, change, read, list.

pub mod clear;
pub(super) mod history;
pub mod snapshot;
pub mod stock;

use std::collections::BTreeSet;
use std::time::Instant;

use futures_util::future::try_join_all;
use futures_util::{StreamExt, stream};
use redis::Value;

use self::history::new_word;
use self::snapshot::{Snapshot, broken, is_broken, snapshots};
use super::Store;
use super::connection::live::Live;
use super::connection::scan::{Scan, Scanner};
use super::decode::{unexpected, word};
use super::script::{SALE_PUT, SALE_SNAPSHOT};
use crate::domain::ids::{SaleId, Username};
use crate::domain::sale::terms::TERMS;
use crate::domain::sale::values::{Form, TermValue};
use crate::domain::sale::{EditOutcome, EditRefusal, SaleEdit};
use crate::domain::time::EpochMs;
use crate::failure::{Failure, Result};

/// Everybody who holds an order of a sale.
#[derive(Debug)]
pub struct Buyers<T> {
    /// One for each of them, in any order, rarely two.
    pub buyers: Vec<T>,
    /// The sale after they were read.
    pub snapshot: Snapshot,
    /// When the snapshot was asked for.
    pub asked_at: Instant,
}

/// A sale that was read, or why it cannot be.
pub type SaleRead = (SaleId, Result<Snapshot>);

/// Sales of one event, and what the clock showed meanwhile.
type OfEvent = (Vec<SaleRead>, Option<Clock>);

/// Sales that are asked for at once: less than a millisecond of Redis.
const PIECE_SALES: usize = 100;
/// Pieces that are under way: while some are decoded here, Redis reads the next. It takes them one
/// by one, and answers buyers in between.
const PIECES_AT_ONCE: usize = 4;

/// What the clock of Redis showed, and when that was heard here.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    now: EpochMs,
    at: Instant,
}

impl Clock {
    /// What a snapshot says, which was heard `at`.
    pub fn of(snapshot: &Snapshot, at: Instant) -> Self {
        let now = snapshot.now;
        Self { now, at }
    }

    /// What it shows now, at the least.
    pub fn now(self) -> EpochMs {
        self.shows(Instant::now())
    }

    fn shows(self, at: Instant) -> EpochMs {
        let since = at.saturating_duration_since(self.at).as_millis();
        self.now
            .saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// The one that was heard with less delay.
    fn ahead(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let (Some(first), Some(second)) = (one, other) else {
            return one.or(other);
        };
        let at = first.at.max(second.at);
        let second_is = second.shows(at) > first.shows(at);
        Some(if second_is { second } else { first })
    }
}

impl Store {
    /// Creates or changes a sale.
    pub async fn sale_put(&self, id: &SaleId, edit: &SaleEdit) -> Result<EditOutcome> {
        let keys = self.keys.of_put(id);
        let mut call = SALE_PUT.on(&keys).arg(id.as_str()).arg(new_word());
        for term in TERMS {
            if let Some(value) = term.decided(edit) {
                call = call.arg(term.name).arg(stored(term.form, value));
            }
        }
        let changes = |outcome: &EditOutcome| !matches!(outcome, EditOutcome::Refused(_));
        self.change_as(call, |reply| edited(&reply), changes).await
    }

    /// Reads a sale in one instant; `None` when there is no such sale.
    pub async fn sale_snapshot(&self, id: &SaleId) -> Result<Option<Snapshot>> {
        let connection = self.connection().await?;
        self.snapshot_on(&connection.live, id).await
    }

    async fn snapshot_on(&self, live: &Live, id: &SaleId) -> Result<Option<Snapshot>> {
        let keys = self.keys.of_snapshot(id);
        let reply = self.look(live, SALE_SNAPSHOT.on(&keys)).await;
        let reply = reply.map_err(|error| match error {
            Failure::Unreadable(why) => Failure::Unreadable(format!("sale {id}: {why}")),
            other => other,
        })?;
        let mut found = snapshots(reply, 1)?;
        snapshot::snapshot(id, found.swap_remove(0))
    }

    /// All sales, in the order of their ids. Walks the key space.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer.
    pub async fn sale_ids(&self) -> Result<BTreeSet<SaleId>> {
        let pattern = self.keys.sales_pattern();
        let sale_id = |key: &str| self.keys.sale_id(key);
        self.walk(&pattern, "hash", sale_id).await
    }

    /// All sales with their figures, each at one instant, in the order of their ids. A sale with
    /// broken figures is an error of its own: it must not hide the others.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer.
    pub async fn sales(&self) -> Result<Vec<SaleRead>> {
        Ok(self.sales_and_clock().await?.0)
    }

    /// The same, with what the clock of Redis showed; `None` when there was no sale. Redis answers
    /// others between the pieces.
    ///
    /// # Errors
    /// As [`Store::sales`].
    pub async fn sales_and_clock(&self) -> Result<(Vec<SaleRead>, Option<Clock>)> {
        let ids: Vec<SaleId> = self.sale_ids().await?.into_iter().collect();
        let connection = self.connection().await?;
        let pieces = ids.chunks(PIECE_SALES);
        let pieces = pieces.map(|piece| self.piece_of_sales(&connection.live, piece));
        let pieces: Vec<_> = pieces.collect();
        let mut pieces = stream::iter(pieces).buffered(PIECES_AT_ONCE);
        let (mut sales, mut clock) = (Vec::with_capacity(ids.len()), None);
        while let Some(read) = pieces.next().await {
            for (of_event, shown) in read? {
                sales.extend(of_event);
                clock = Clock::ahead(clock, shown);
            }
        }
        Ok((sales, clock))
    }

    /// Sales of several events: one call for each event, all sent at once.
    async fn piece_of_sales(&self, live: &Live, ids: &[SaleId]) -> Result<Vec<OfEvent>> {
        let events = ids.chunk_by(|one, next| one.event() == next.event());
        try_join_all(events.map(|ids| self.sales_of_event(live, ids))).await
    }

    async fn sales_of_event(&self, live: &Live, ids: &[SaleId]) -> Result<OfEvent> {
        let keys = self.keys.of_snapshots(ids);
        let found = match ids {
            // Alone, a sale that cannot be read says why: so it is read below.
            [_] => vec![broken()],
            ids => {
                let reply = self.look(live, SALE_SNAPSHOT.on(&keys)).await?;
                snapshots(reply, ids.len())?
            }
        };
        let mut at = Instant::now();
        let (mut sales, mut clock) = (Vec::with_capacity(ids.len()), None);
        for (id, found) in ids.iter().zip(found) {
            let read = if is_broken(&found) {
                let read = self.snapshot_on(live, id).await;
                at = Instant::now();
                read
            } else {
                snapshot::snapshot(id, found)
            };
            if let Err(away @ Failure::Busy(_)) = read {
                return Err(away);
            }
            if let Ok(Some(Snapshot { now, .. })) = read {
                clock = Clock::ahead(clock, Some(Clock { now, at }));
            }
            sales.extend(read.transpose().map(|read| (id.clone(), read)));
        }
        Ok((sales, clock))
    }

    /// Everybody who holds an order of the sale, as `read` tells of a name, and how the sale stood
    /// after they were read. If no order was granted since the reading began, nobody is missing.
    /// Replicas have all of it, where they are waited for.
    /// `None` when there are more than `at_most`, or no such sale.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer.
    pub async fn buyers<T>(
        &self,
        id: &SaleId,
        at_most: usize,
        read: impl Fn(&Username) -> T,
    ) -> Result<Option<Buyers<T>>> {
        let key = self.keys.buyers(id);
        let buyers = |mut scan: Scan| async {
            let mut buyers = Vec::new();
            let mut cursor = Some(0);
            while let Some(at) = cursor {
                let (next, entries) = scan.page("HSCAN", &key, at).await?;
                let names = entries.into_iter().map(|(name, _)| String::from_utf8(name));
                // A field that is no username was not written by the doors: nobody can ask as it.
                let names = names.filter_map(|name| Username::parse(name.ok()?).ok());
                buyers.extend(names.map(|name| read(&name)));
                if buyers.len() > at_most {
                    return Ok((scan, None));
                }
                cursor = next;
            }
            let asked_at = Instant::now();
            let snapshot = scan.sale_snapshot(id).await?;
            scan.wait_for_replicas().await?;
            let read = snapshot.map(|snapshot| Buyers {
                buyers,
                snapshot,
                asked_at,
            });
            Ok((scan, read))
        };
        self.read_whole(Scanner::Gate, buyers).await
    }
}

impl Scan {
    /// [`Store::sale_snapshot`], by the server of this scan.
    pub(super) async fn sale_snapshot(&mut self, id: &SaleId) -> Result<Option<Snapshot>> {
        self.store().snapshot_on(self.live(), id).await
    }
}

/// A value as Redis keeps it. A number that is not set is 0; all else that is not set is an empty
/// text.
fn stored(form: Form, value: TermValue) -> String {
    match (form, value) {
        (_, TermValue::Text(text)) => text,
        (_, TermValue::Number(number)) => number.to_string(),
        (_, TermValue::Switch(on)) => u8::from(on).to_string(),
        (Form::Whole, TermValue::Nothing) => "0".to_owned(),
        (_, TermValue::Nothing) => String::new(),
    }
}

/// Decodes the reply of `sale_put`.
fn edited(reply: &Value) -> Result<EditOutcome> {
    match word("sale_put", reply)?.as_str() {
        "created" => Ok(EditOutcome::Created),
        "updated" => Ok(EditOutcome::Updated),
        word => match EditRefusal::parse(word) {
            Some(refusal) => Ok(EditOutcome::Refused(refusal)),
            None => Err(unexpected("sale_put", word)),
        },
    }
}
