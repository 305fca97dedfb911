//! Orders: read, confirm, cancel, use, list.

pub mod accounts;
pub mod bids;
pub mod grab;
pub(super) mod held;
pub mod holds;
mod payments;
pub mod place;
pub(super) mod standing;

use std::collections::BTreeSet;

use redis::Value;
use tokio::time::Instant;

use super::connection::lane::{Decided, Needs};
use super::connection::scan::{Scan, Scanner};
use super::decode::{unexpected, word};
use super::script::{Call, ORDER_CANCEL, ORDER_CONFIRM, ORDER_USE, Script};
use super::{Store, record};
use crate::domain::caller::Caller;
use crate::domain::ids::{OrderId, SaleId, Username};
use crate::domain::order::Order;
use crate::domain::order::change::{Change, ChangeOutcome, ChangeRefusal};
use crate::failure::{Failure, Result};

impl Store {
    /// An order; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] when its record cannot be read, [`Failure::Busy`] when there is no
    /// answer within the timeout.
    pub async fn order(&self, id: &OrderId) -> Result<Option<Order>> {
        self.order_read(id, self.deadline()).await
    }

    /// The same, after replicas have what was read, if required.
    ///
    /// # Errors
    /// As [`Store::order`]; [`Failure::Busy`] also if too few replicas have it.
    pub async fn order_kept(&self, id: &OrderId) -> Result<Option<Order>> {
        self.order_read_kept(id, self.deadline()).await
    }

    /// The same as `caller` may see it; `None` also when it is another buyer's, or a ticket whose
    /// holder was only named.
    ///
    /// # Errors
    /// As [`Store::order_kept`].
    pub async fn order_seen_by(&self, id: &OrderId, caller: &Caller) -> Result<Option<Order>> {
        let deadline = self.deadline();
        let order = self.order_read_kept(id, deadline).await?;
        let is_theirs = |order: &Order| caller.buyer().is_none_or(|own| *own == order.username);
        match (order.filter(is_theirs), caller) {
            (Some(order), Caller::Named(_)) if self.is_ticket(&order, deadline).await? => Ok(None),
            (found, Caller::Named(_) | Caller::Known(_) | Caller::Operator) => Ok(found),
        }
    }

    /// Whether a sale of this order is an activity: it has a `keyword` field, even an empty one.
    async fn is_ticket(&self, order: &Order, deadline: Instant) -> Result<bool> {
        let sales = order.lines.iter().map(|line| self.keys.sale(&line.goods));
        let asked: Vec<_> = sales.map(|sale| (sale, "keyword")).collect();
        let keywords = self.reads.hash_fields(&asked, deadline).await?;
        Ok(keywords.iter().any(Option::is_some))
    }

    /// What a buyer holds of each of these sales, in their order: a held, confirmed or used order,
    /// or `None`. Orders are read a moment after the index, so one of them may be dead by then. A
    /// record that cannot be read is an error of its own and does not hide the others.
    ///
    /// # Errors
    /// Redis cannot be reached or not read, or an index has another type.
    pub async fn orders_of_buyer(
        &self,
        sales: &[&SaleId],
        buyer: &Username,
    ) -> Result<Vec<Result<Option<Order>>>> {
        if sales.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = self.deadline();
        let index = sales.iter().map(|sale| self.keys.buyers(sale));
        let index: Vec<_> = index.map(|buyers| (buyers, buyer.as_str())).collect();
        let ids = self.reads.hash_fields(&index, deadline).await?;
        let text = |id: Vec<u8>| String::from_utf8_lossy(&id).into_owned();
        let ids: Vec<_> = ids.into_iter().map(|id| id.map(text)).collect();
        let orders = sales.iter().zip(&ids).map(|(sale, id)| {
            // No order has an empty id.
            let id = id.as_deref().unwrap_or_default();
            (self.keys.orders(sale.event()), id)
        });
        let orders: Vec<_> = orders.collect();
        let records = self.reads.hash_fields(&orders, deadline).await?;
        let held = ids.iter().zip(&records);
        let held = held.map(|(id, record)| match (id, record) {
            (Some(id), Some(record)) => record::decode(id, record).map(Some),
            (Some(id), None) => Err(Failure::Unreadable(format!("order {id:?} has no record"))),
            (None, _) => Ok(None),
        });
        Ok(held.collect())
    }

    /// What a buyer holds of one sale, as [`Store::orders_of_buyer`] tells it.
    ///
    /// # Errors
    /// As [`Store::order`].
    pub async fn order_of_buyer(&self, sale: &SaleId, buyer: &Username) -> Result<Option<Order>> {
        let mut held = self.orders_of_buyer(&[sale], buyer).await?;
        held.pop().unwrap_or(Ok(None))
    }

    /// # Errors
    /// As [`Store::order`].
    async fn order_read(&self, id: &OrderId, deadline: Instant) -> Result<Option<Order>> {
        let asked = [(self.keys.orders(id.event()), id.as_str())];
        only_order(id, self.reads.hash_fields(&asked, deadline).await?)
    }

    async fn order_read_kept(&self, id: &OrderId, deadline: Instant) -> Result<Option<Order>> {
        if !self.replicas.are_waited_for() {
            return self.order_read(id, deadline).await;
        }
        let asked = [(self.keys.orders(id.event()), id.as_str())];
        only_order(id, self.changes.hash_fields_kept(&asked, deadline).await?)
    }

    /// Confirms a held order. Safe to repeat.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn order_confirm(&self, id: &OrderId) -> Result<ChangeOutcome> {
        self.order_change(Change::Confirm, id, &Caller::Operator)
            .await
    }

    /// Gives back an order or a bid that `caller` may change. Safe to repeat.
    ///
    /// # Errors
    /// As [`Store::order_confirm`].
    pub async fn order_cancel(&self, id: &OrderId, caller: &Caller) -> Result<ChangeOutcome> {
        self.order_change(Change::Cancel, id, caller).await
    }

    /// Marks a confirmed order as used. Safe to repeat.
    ///
    /// # Errors
    /// As [`Store::order_confirm`].
    pub async fn order_use(&self, id: &OrderId) -> Result<ChangeOutcome> {
        self.order_change(Change::Use, id, &Caller::Operator).await
    }

    async fn order_change(
        &self,
        change: Change,
        id: &OrderId,
        caller: &Caller,
    ) -> Result<ChangeOutcome> {
        let deadline = self.deadline();
        let Some(order) = self.order_read(id, deadline).await? else {
            return Ok(ChangeOutcome::NoSuchOrder);
        };
        let buyer = caller.buyer();
        // The scripts read the order again; its sales never change.
        if let (Change::Cancel, Some((line, _))) = (change, order.bid()) {
            let goods = &line.goods;
            return self.bid_cancel(id, goods, buyer, deadline).await;
        }
        let sales = sales_of(id.event(), [&order]);
        let names: Vec<&str> = sales.iter().map(|sale| sale.as_str()).collect();
        let (script, keys) = self.script_of(change, id.event(), &sales);
        let mut call = script.on(&keys).arg(id.as_str()).arg(self.waits());
        if change == Change::Cancel {
            call = call.arg(buyer.map_or("", Username::as_str));
            call = call.arg(caller.door());
        }
        let call = call.arg(names);
        self.settle(call, id, deadline).await
    }

    /// The argument of scripts about replicas: 1 if changes are answered only when replicas have
    /// them.
    pub(super) fn waits(&self) -> u8 {
        self.changes.waits()
    }

    /// Sends a call that changes order `id`, and waits for replicas if required.
    pub(super) async fn settle(
        &self,
        call: Call<'_>,
        id: &OrderId,
        deadline: Instant,
    ) -> Result<ChangeOutcome> {
        let script = call.name();
        let decode = |reply: Value| changed(script, id, &reply);
        let needs = |outcome: &ChangeOutcome| match outcome {
            ChangeOutcome::NoSuchOrder => Needs::Nothing,
            _ => Needs::LastWrite,
        };
        let decided = self.changes.decide(call, deadline, decode, needs).await;
        decided.and_then(Decided::if_kept)
    }

    fn script_of(
        &self,
        change: Change,
        event: &str,
        sales: &[&SaleId],
    ) -> (&'static Script, Vec<String>) {
        match change {
            Change::Confirm => (&ORDER_CONFIRM, self.keys.of_confirm(event, sales)),
            Change::Cancel => (&ORDER_CANCEL, self.keys.of_return(event, sales)),
            Change::Use => (&ORDER_USE, self.keys.of_use(event, sales)),
        }
    }

    /// Begins to read all orders of the event, page by page.
    ///
    /// # Errors
    /// [`Failure::Busy`]: Redis cannot be reached or is a replica, or too many scans run already.
    pub async fn orders(&self, event: &str) -> Result<OrderPages> {
        Ok(OrderPages {
            key: self.keys.orders(event),
            place: Some((self.scan(Scanner::Operator).await?, 0)),
        })
    }
}

/// All orders of an event, page by page, over a connection of their own.
pub struct OrderPages {
    key: String,
    /// Where the next page begins; `None` after the last one and after a failure.
    place: Option<(Scan, u64)>,
}

impl OrderPages {
    /// The next page; `None` after the last one. An order that exists all the time is on one page,
    /// rarely on two. A record that cannot be read is an error of its own and does not hide the
    /// others.
    ///
    /// # Errors
    /// [`Failure::Busy`]: the connection broke, or the server is no master any more. Some orders
    /// may be missing then, and there is no next page.
    pub async fn next(&mut self) -> Result<Option<Vec<Result<Order>>>> {
        let Some((mut scan, cursor)) = self.place.take() else {
            return Ok(None);
        };
        let (next, entries) = scan.page("HSCAN", &self.key, cursor).await?;
        match next {
            Some(next) => self.place = Some((scan, next)),
            None => scan.end().await?,
        }
        let orders = entries
            .iter()
            .map(|(id, found)| record::decode(&String::from_utf8_lossy(id), found));
        Ok(Some(orders.collect()))
    }
}

/// Decodes the reply of `order_confirm`, `order_cancel`, `order_use` and `bid_cancel` to a change
/// of order `id`.
pub fn changed(script: &str, id: &OrderId, reply: &Value) -> Result<ChangeOutcome> {
    let Value::Array(parts) = reply else {
        return Err(unexpected(script, &format!("{reply:?}")));
    };
    let [first, rest @ ..] = parts.as_slice() else {
        return Err(unexpected(script, "nothing"));
    };
    let first = word(script, first)?;
    let order = match rest {
        [] if first == "no_such_order" => return Ok(ChangeOutcome::NoSuchOrder),
        [Value::BulkString(found)] => record::decode(id.as_str(), found)?,
        other => return Err(unexpected(script, &format!("{first} {other:?}"))),
    };
    match (first.as_str(), ChangeRefusal::parse(&first)) {
        ("changed", _) => Ok(ChangeOutcome::Changed(order)),
        ("repeated", _) => Ok(ChangeOutcome::Repeated(order)),
        (_, Some(refusal)) => Ok(ChangeOutcome::Refused(refusal, order)),
        (other, None) => Err(unexpected(script, other)),
    }
}

/// The order with this id, whose field was read.
fn only_order(id: &OrderId, found: Vec<Option<Vec<u8>>>) -> Result<Option<Order>> {
    let found = found.into_iter().next().flatten();
    let order = found.map(|found| record::decode(id.as_str(), &found));
    order.transpose()
}

/// The sales of these orders, each once. Scripts refuse sales of another event: their keys would be
/// in another slot.
pub(super) fn sales_of<'a>(
    event: &str,
    orders: impl IntoIterator<Item = &'a Order>,
) -> Vec<&'a SaleId> {
    let lines = orders.into_iter().flat_map(|order| &order.lines);
    let sales = lines.map(|line| &line.goods);
    let sales: BTreeSet<_> = sales.filter(|sale| sale.event() == event).collect();
    sales.into_iter().collect()
}
