//! Reset and deletion of sales and events: the result, and what prevents it.

use super::ids::{OrderId, SaleId};

/// What is dropped that would otherwise prevent the reset or deletion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Force {
    /// Living orders, and the accounts of an event that is deleted.
    pub with_orders: bool,
    /// Entries of the feed that a consumer group has not read.
    pub feed_too: bool,
}

/// The result of a reset or a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClearOutcome {
    /// It is done.
    Done(Cleared),
    /// Nothing changed.
    Refused(ClearRefusal),
}

/// What was dropped, and what is left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Orders that were dropped, dead ones included.
    pub orders: u64,
    /// Orders of the event that stay because their records cannot be read.
    pub unreadable: u64,
    /// Sales that are still stopped: they were before, or Redis lost orders of them.
    pub stopped: Vec<SaleId>,
}

/// Why nothing was reset or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClearRefusal {
    /// There is no such sale.
    NoSuchSale(SaleId),
    /// The event has no data.
    NoSuchEvent,
    /// A sale has living orders.
    OrdersAlive {
        /// The sale.
        sale: SaleId,
        /// Units in these orders, for a target cents.
        units: u64,
    },
    /// An order has lines of other sales, too.
    SharedOrder {
        /// The order.
        order: OrderId,
        /// The other sales.
        others: Vec<SaleId>,
    },
    /// A bid was paid from an account, which would have to be paid back.
    PaidBid {
        /// The order of the bid.
        order: OrderId,
    },
    /// The event keeps accounts.
    AccountsKept {
        /// How many.
        accounts: u64,
    },
    /// Another command that resets or deletes the sale has begun and must end first.
    BeingCleared {
        /// `reset` or `delete`, and the ids of its sales.
        command: String,
    },
    /// A consumer group has not read and acknowledged all entries of the feed.
    FeedNeeded {
        /// The group.
        group: String,
    },
}
