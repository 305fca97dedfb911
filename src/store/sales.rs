//! Sales: create, change, read, list.

use std::collections::BTreeSet;
use std::time::Instant;

use redis::Value;

use super::Store;
use super::history::new_word;
use super::reply::{self, Snapshot};
use super::scan::{Scan, Scanner};
use super::script::{SALE_PUT, SALE_SNAPSHOT};
use crate::domain::activity::Keyword;
use crate::domain::ids::{SaleId, Username};
use crate::domain::sale::{EditOutcome, EpochMs, SaleEdit};
use crate::error::{Error, Result};

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

impl Store {
    /// Creates or changes a sale.
    pub async fn sale_put(&self, id: &SaleId, edit: &SaleEdit) -> Result<EditOutcome> {
        let ms = |ms: Option<EpochMs>| ms.map_or_else(String::new, |ms| ms.to_string());
        let bit = |bit: bool| u8::from(bit).to_string();
        let activity = &edit.activity;
        let word = |keyword: &Option<Keyword>| {
            let text = keyword.as_ref().map_or("", Keyword::as_str);
            text.to_owned()
        };
        let fields = [
            ("kind", edit.kind.map(|kind| kind.as_str().to_owned())),
            ("title", edit.title.clone()),
            ("opens_at", edit.opens_at.map(ms)),
            ("closes_at", edit.closes_at.map(ms)),
            (
                "purchase_max",
                edit.purchase_max.map(|units| units.to_string()),
            ),
            ("paused", edit.paused.map(bit)),
            ("hold", edit.hold.map(ms)),
            ("cancel_until", edit.cancel_until.map(ms)),
            ("feed", edit.feed.map(bit)),
            ("bid_min", edit.bid_min.map(|cents| cents.to_string())),
            ("bonus_bp", edit.bonus_bp.map(|points| points.to_string())),
            ("keyword", activity.keyword.as_ref().map(word)),
            ("place", activity.place.clone()),
            ("starts_at", activity.starts_at.map(ms)),
            ("ends_at", activity.ends_at.map(ms)),
            ("picture", activity.picture.clone()),
            ("description", activity.description.clone()),
        ];
        let keys = self.keys.of_put(id);
        let mut call = SALE_PUT.on(&keys).arg(id.as_str()).arg(new_word());
        for (field, value) in fields {
            if let Some(value) = value {
                call = call.arg(field).arg(value);
            }
        }
        let changes = |outcome: &EditOutcome| !matches!(outcome, EditOutcome::Refused(_));
        self.change_as(call, |reply| reply::edit(&reply), changes)
            .await
    }

    /// Reads a sale in one instant; `None` when there is no such sale.
    pub async fn sale_snapshot(&self, id: &SaleId) -> Result<Option<Snapshot>> {
        let keys = self.keys.of_snapshot(id);
        snapshot(id, self.look(SALE_SNAPSHOT.on(&keys)).await)
    }

    /// All sales, in the order of their ids. Walks the key space.
    pub(super) async fn sale_ids(&self) -> Result<BTreeSet<SaleId>> {
        let pattern = self.keys.sales_pattern();
        let sale_id = |key: &str| self.keys.sale_id(key);
        self.walk(&pattern, "hash", sale_id).await
    }

    /// All sales with their figures, each at one instant, in the order of their ids. A sale with
    /// broken figures is an error of its own: it must not hide the others.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer.
    pub async fn sales(&self) -> Result<Vec<(SaleId, Result<Snapshot>)>> {
        let mut sales = Vec::new();
        for id in self.sale_ids().await? {
            match self.sale_snapshot(&id).await {
                Err(away @ Error::Busy(_)) => return Err(away),
                read => sales.extend(read.transpose().map(|read| (id, read))),
            }
        }
        Ok(sales)
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
        let keys = self.store().keys.of_snapshot(id);
        snapshot(id, self.look(SALE_SNAPSHOT.on(&keys)).await)
    }
}

fn snapshot(id: &SaleId, reply: Result<Value>) -> Result<Option<Snapshot>> {
    let reply = reply.map_err(|error| match error {
        Error::Contract(why) => Error::Contract(format!("sale {id}: {why}")),
        other => other,
    })?;
    reply::snapshot(id, reply)
}
