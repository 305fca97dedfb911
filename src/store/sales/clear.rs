//! Clearing: resets and deletes sales, and deletes events.
//!
//! Sales are cleared in steps, however many orders they have. They are stopped, their orders are
//! searched for one that prevents it, the orders are dropped in batches, and one last step begins
//! all of these sales anew or deletes them. Each sale keeps the command that began. After a crash
//! the command is run again, and no other one is accepted meanwhile.

use std::collections::BTreeSet;

use redis::Value;

use super::history::new_word;
use crate::domain::clear::{ClearOutcome, ClearRefusal, Cleared, Force};
use crate::domain::ids::SaleId;
use crate::domain::order::{Order, OrderState};
use crate::error::{Error, Result};
use crate::failure::{self, Failure};
use crate::store::connection::scan::{Scan, Scanner};
use crate::store::decode::{number, unexpected, word, words};
use crate::store::feed::{self, Row};
use crate::store::script::{
    CLEAR_BEGIN, CLEAR_ORDERS, CLEAR_UNDO, EVENT_CLOSE, EVENT_DELETE, FEED_DROP, SALE_DELETE,
    SALE_RESET,
};
use crate::store::{Store, record};

/// Orders dropped in one script call: a few milliseconds of Redis.
const BATCH_ORDERS: usize = 500;
/// Entries of a feed that are read at once.
const PAGE_ENTRIES: usize = 1000;

/// What happens to a sale whose orders were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clear {
    /// It begins anew, with its terms and all its units.
    Reset,
    /// It is deleted.
    Delete,
}

impl Clear {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Delete => "delete",
        }
    }
}

impl Store {
    /// Resets or deletes sales of one event, all of them in one command because an order may have
    /// lines of several. `progress` is told how many orders were dropped.
    ///
    /// # Errors
    /// Redis cannot be reached or not read: the sales may be stopped, and some orders gone. A
    /// repeat goes on.
    pub async fn sales_clear(
        &self,
        sales: &[&SaleId],
        clear: Clear,
        force: Force,
        progress: &dyn Fn(u64),
    ) -> Result<ClearOutcome> {
        let sales: BTreeSet<&SaleId> = sales.iter().copied().collect();
        let sales: Vec<&SaleId> = sales.into_iter().collect();
        let sales = sales.as_slice();
        let begun = self.clear_begin(sales, clear, force).await;
        let stopped =
            |error: Error| error.and("the sales may stay stopped until the same command has ended");
        // A command that was not begun stops no sale.
        let begun = begun.map_err(|error| match error {
            Error::Store(Failure::Unknown(_)) => stopped(error),
            other => other,
        });
        if let Some(refusal) = begun? {
            return Ok(ClearOutcome::Refused(refusal));
        }
        let ended = self.clear_begun(sales, clear, force, progress).await;
        ended.map_err(stopped)
    }

    /// The steps after the sales are stopped.
    async fn clear_begun(
        &self,
        sales: &[&SaleId],
        clear: Clear,
        force: Force,
        progress: &dyn Fn(u64),
    ) -> Result<ClearOutcome> {
        if let Some(refusal) = self.what_keeps(sales).await? {
            self.clear_undo(sales).await?;
            return Ok(ClearOutcome::Refused(refusal));
        }
        if force.feed_too {
            self.feed_drop(sales).await?;
        }
        let mut cleared = self.clear_orders(sales, progress).await?;
        match clear {
            Clear::Reset => cleared.stopped = self.sale_reset(sales).await?,
            Clear::Delete => self.sale_delete(sales).await?,
        }
        Ok(ClearOutcome::Done(cleared))
    }

    /// Deletes everything of an event in one step, except the record of which sales it had. No sale
    /// is created in it while this searches for its sales.
    ///
    /// # Errors
    /// As [`Failure`] says. A repeat is
    /// safe.
    pub async fn event_delete(&self, event: &str, force: Force) -> Result<ClearOutcome> {
        let deleted = self.event_delete_whole(event, force).await;
        deleted.map_err(|error| {
            error.and("the event may take no new sales until the same command has ended")
        })
    }

    async fn event_delete_whole(&self, event: &str, force: Force) -> Result<ClearOutcome> {
        self.event_close(event).await?;
        let sales = self.sale_ids().await?;
        let sales: Vec<&SaleId> = sales.iter().filter(|id| id.event() == event).collect();
        let ids: Vec<&str> = sales.iter().map(|sale| sale.as_str()).collect();
        let keys = self.keys.of_event_delete(event, &sales);
        let call = EVENT_DELETE.on(&keys);
        let call = call.arg(bit(force.with_orders)).arg(bit(force.feed_too));
        let told = words("event_delete", self.change(call.arg(ids)).await?)?;
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        match told.as_slice() {
            ["deleted"] => Ok(ClearOutcome::Done(Cleared::default())),
            told => refusal("event_delete", told).map(ClearOutcome::Refused),
        }
    }

    /// Prevents that a sale is created in an event, until [`Store::event_delete`] or
    /// [`Store::event_archive`] has answered.
    pub(in crate::store) async fn event_close(&self, event: &str) -> failure::Result<()> {
        let keys = [self.keys.deleted(event)];
        match word("event_close", &self.change(EVENT_CLOSE.on(&keys)).await?)?.as_str() {
            "closed" => Ok(()),
            other => Err(unexpected("event_close", other)),
        }
    }

    /// Stops the sales, or returns why they stay as they are.
    async fn clear_begin(
        &self,
        sales: &[&SaleId],
        clear: Clear,
        force: Force,
    ) -> Result<Option<ClearRefusal>> {
        let event = event_of(sales)?;
        let ids: Vec<&str> = sales.iter().map(|sale| sale.as_str()).collect();
        let keys = self.keys.of_clear_begin(event, sales);
        let command = format!("{} {}", clear.as_str(), ids.join(" "));
        let call = CLEAR_BEGIN.on(&keys).arg(command);
        let call = call.arg(bit(force.with_orders)).arg(bit(force.feed_too));
        let told = words("clear_begin", self.change(call.arg(ids)).await?)?;
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        match told.as_slice() {
            ["begun"] => Ok(None),
            told => refusal("clear_begin", told).map(Some),
        }
    }

    /// The first order that prevents clearing these sales. They are stopped, so no order is added
    /// meanwhile.
    async fn what_keeps(&self, sales: &[&SaleId]) -> Result<Option<ClearRefusal>> {
        let orders = self.keys.orders(event_of(sales)?);
        let mut scan = self.scan(Scanner::Operator).await?;
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, pairs) = scan.page("HSCAN", &orders, at).await?;
            let readable = pairs
                .iter()
                .filter_map(|(id, found)| record::decode(&String::from_utf8_lossy(id), found).ok());
            if let Some(refusal) = readable.filter_map(|order| keeps(&order, sales)).next() {
                return Ok(Some(refusal));
            }
            cursor = next;
        }
        scan.end().await?;
        Ok(None)
    }

    async fn clear_orders(&self, sales: &[&SaleId], progress: &dyn Fn(u64)) -> Result<Cleared> {
        let event = event_of(sales)?;
        let orders = self.keys.orders(event);
        let keys = self.keys.of_clear_orders(event, sales);
        let names: Vec<&str> = sales.iter().map(|sale| sale.as_str()).collect();
        let mut cleared = Cleared::default();
        let mut scan = self.scan(Scanner::Operator).await?;
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, pairs) = scan.page("HSCAN", &orders, at).await?;
            let ids: Vec<&[u8]> = pairs.iter().map(|(id, _)| id.as_slice()).collect();
            for batch in ids.chunks(BATCH_ORDERS) {
                let call = CLEAR_ORDERS.on(&keys).arg(&names).arg(batch);
                let reply = self.change(call).await?;
                let (dropped, unreadable) = counts(&reply)?;
                cleared.orders += dropped;
                cleared.unreadable += unreadable;
                progress(cleared.orders);
            }
            cursor = next;
        }
        scan.end().await?;
        Ok(cleared)
    }

    /// Lets sales go on that are not cleared after all.
    async fn clear_undo(&self, sales: &[&SaleId]) -> Result<()> {
        let keys: Vec<String> = sales.iter().map(|sale| self.keys.sale(sale)).collect();
        self.change(CLEAR_UNDO.on(&keys)).await?;
        Ok(())
    }

    /// Begins sales without orders anew; returns those that are still stopped.
    async fn sale_reset(&self, sales: &[&SaleId]) -> Result<Vec<SaleId>> {
        let ids: Vec<&str> = sales.iter().map(|sale| sale.as_str()).collect();
        let keys = self.keys.of_clear_end(event_of(sales)?, sales);
        let call = SALE_RESET.on(&keys).arg(new_word()).arg(ids);
        let told = words("sale_reset", self.change(call).await?)?;
        match told.as_slice() {
            [word, stopped @ ..] if word == "reset" => {
                let stopped = stopped.iter().map(|id| SaleId::parse(id));
                let stopped = stopped.collect::<Result<_, _>>();
                Ok(stopped.map_err(|e| unexpected("sale_reset", &e.to_string()))?)
            }
            other => Err(not_cleared("sale_reset", other)),
        }
    }

    /// Deletes sales without orders.
    async fn sale_delete(&self, sales: &[&SaleId]) -> Result<()> {
        let ids: Vec<&str> = sales.iter().map(|sale| sale.as_str()).collect();
        let keys = self.keys.of_clear_end(event_of(sales)?, sales);
        let told = words(
            "sale_delete",
            self.change(SALE_DELETE.on(&keys).arg(ids)).await?,
        )?;
        match told.as_slice() {
            [word] if word == "deleted" => Ok(()),
            other => Err(not_cleared("sale_delete", other)),
        }
    }

    /// Removes the entries about orders of these sales from the feed of the event.
    async fn feed_drop(&self, sales: &[&SaleId]) -> Result<()> {
        let event = event_of(sales)?;
        let key = self.keys.feed(event);
        let mut scan = self.scan(Scanner::Operator).await?;
        let mut after = "-".to_owned();
        loop {
            let rows = scan.entries(&key, &after, PAGE_ENTRIES).await?;
            let Some((last, _)) = rows.last() else {
                return Ok(scan.end().await?);
            };
            after = format!("({last}");
            let ids = scan.about(event, sales, &rows).await?;
            if !ids.is_empty() {
                self.change(FEED_DROP.on(std::slice::from_ref(&key)).arg(ids))
                    .await?;
            }
        }
    }
}

impl Scan {
    /// A page of a feed or of its dead letters, with at most this many entries.
    pub(in crate::store) async fn entries(
        &mut self,
        feed: &str,
        after: &str,
        at_most: usize,
    ) -> failure::Result<Vec<Row>> {
        let mut range = redis::cmd("XRANGE");
        range.arg(feed).arg(after).arg("+");
        range.arg("COUNT").arg(at_most);
        self.ask(&[feed], &range).await
    }

    /// The ids of those entries that are about orders of these sales.
    async fn about(&mut self, event: &str, sales: &[&SaleId], rows: &[Row]) -> Result<Vec<String>> {
        let order = |row: &Row| feed::text(row.1.as_deref().unwrap_or_default(), "order");
        let names: Vec<String> = rows.iter().map(order).collect();
        let orders = self.store().keys.orders(event);
        let records = self.fields(&orders, &names).await?;
        let found = rows.iter().zip(names.iter().zip(records));
        let of_these = found.filter_map(|((id, _), (name, record))| {
            let order = record::decode(name, &record?).ok()?;
            let is_one = order.lines.iter().any(|line| sales.contains(&&line.goods));
            is_one.then(|| id.clone())
        });
        Ok(of_these.collect())
    }
}

/// Why an order prevents clearing these sales; `None`: it does not.
fn keeps(order: &Order, sales: &[&SaleId]) -> Option<ClearRefusal> {
    let is_one = |goods: &SaleId| sales.contains(&goods);
    let (these, others): (Vec<_>, Vec<_>) = order
        .lines
        .iter()
        .map(|line| &line.goods)
        .partition(|goods| is_one(goods));
    if these.is_empty() {
        return None;
    }
    let id = order.id.clone();
    if !others.is_empty() {
        let others = others.into_iter().cloned().collect();
        return Some(ClearRefusal::SharedOrder { order: id, others });
    }
    let is_paid = order.bid().is_some_and(|(_, bid)| bid.paid);
    let keeps = is_paid && order.state == OrderState::Confirmed;
    keeps.then_some(ClearRefusal::PaidBid { order: id })
}

/// Decodes a refusal of `clear_begin` or `event_delete`.
fn refusal(script: &str, told: &[&str]) -> Result<ClearRefusal> {
    let nothing = || unexpected(script, &format!("{told:?}"));
    let sale = |id: &str| SaleId::parse(id).map_err(|_| nothing());
    let count = |text: &str| text.parse::<u64>().map_err(|_| nothing());
    match told {
        ["no_such_sale", id] => Ok(ClearRefusal::NoSuchSale(sale(id)?)),
        ["no_such_event"] => Ok(ClearRefusal::NoSuchEvent),
        ["orders_alive", id, units] => Ok(ClearRefusal::OrdersAlive {
            sale: sale(id)?,
            units: count(units)?,
        }),
        ["accounts_kept", accounts] => Ok(ClearRefusal::AccountsKept {
            accounts: count(accounts)?,
        }),
        ["being_cleared", command] => Ok(ClearRefusal::BeingCleared {
            command: (*command).to_owned(),
        }),
        ["feed_needed", group] => Ok(ClearRefusal::FeedNeeded {
            group: (*group).to_owned(),
        }),
        _ => Err(nothing().into()),
    }
}

/// The error of a last step that found nothing to end.
fn not_cleared(script: &str, told: &[String]) -> Error {
    match told {
        [word, id] if word == "not_cleared" => Error::Refused(format!(
            "another command has reset or deleted sale {id} meanwhile: look at it with `seckill \
             sale show {id}`"
        )),
        other => unexpected(script, &format!("{other:?}")).into(),
    }
}

/// The two numbers of a reply of `clear_orders`.
fn counts(reply: &Value) -> Result<(u64, u64)> {
    match reply {
        Value::Array(told) if told.len() == 2 => Ok((
            number("clear_orders", &told[0])?,
            number("clear_orders", &told[1])?,
        )),
        other => Err(unexpected("clear_orders", &format!("{other:?}")).into()),
    }
}

/// The one event of these sales.
fn event_of<'a>(sales: &[&'a SaleId]) -> Result<&'a str> {
    let Some(first) = sales.first() else {
        return Err(Error::Refused("no sale is named".to_owned()));
    };
    match sales.iter().find(|sale| sale.event() != first.event()) {
        None => Ok(first.event()),
        Some(other) => Err(Error::Refused(format!(
            "{first} and {other} are of two events: run the command once for each event"
        ))),
    }
}

fn bit(is_set: bool) -> u8 {
    u8::from(is_set)
}
