//! Sales: create, change, read, list.

use std::collections::BTreeSet;

use super::Store;
use super::recount::Pair;
use super::reply::{self, Snapshot};
use super::script::{SALE_PUT, SALE_SNAPSHOT};
use crate::domain::activity::Keyword;
use crate::domain::ids::{SaleId, Username};
use crate::domain::sale::{EditOutcome, EpochMs, SaleEdit};
use crate::error::{Error, Result};

/// Buyers read in one step.
const PAGE_BUYERS: usize = 1000;

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
        let keys = [self.keys.sale(id), self.keys.buyers(id)];
        let mut call = SALE_PUT.on(&keys);
        for (field, value) in fields {
            if let Some(value) = value {
                call = call.arg(field).arg(value);
            }
        }
        reply::edit(&self.send(call).await?)
    }

    /// Reads a sale in one instant; `None` when there is no such sale.
    pub async fn sale_snapshot(&self, id: &SaleId) -> Result<Option<Snapshot>> {
        let keys = self.keys.of_snapshot(id);
        let reply = self.look(SALE_SNAPSHOT.on(&keys)).await;
        let reply = reply.map_err(|error| match error {
            Error::Contract(why) => Error::Contract(format!("sale {id}: {why}")),
            other => other,
        })?;
        reply::snapshot(id, reply)
    }

    /// All sales, in the order of their ids. Walks the key space.
    async fn sale_ids(&self) -> Result<BTreeSet<SaleId>> {
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

    /// One page of the buyers who hold an order, and where the next page starts, if there is
    /// one. A buyer who holds an order from the first page to the last is on one of them.
    pub async fn buyers_page(
        &self,
        id: &SaleId,
        cursor: u64,
    ) -> Result<(Option<u64>, Vec<Username>)> {
        let mut connection = self.connection().await?;
        let buyers = self.keys.buyers(id);
        let mut scan = redis::cmd("HSCAN");
        scan.arg(&buyers).arg(cursor).arg("COUNT").arg(PAGE_BUYERS);
        let page = scan.query_async(&mut *connection);
        let (next, pairs): (u64, Vec<Pair>) = self.read(&[&buyers], page).await?;
        let names = pairs
            .into_iter()
            .map(|(name, _)| String::from_utf8_lossy(&name).into_owned());
        // A field that is no username was not written by the doors: nobody can ask as it.
        let names = names
            .filter_map(|name| Username::parse(name).ok())
            .collect();
        Ok(((next != 0).then_some(next), names))
    }
}
