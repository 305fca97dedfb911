//! Clearing: what may keep a sale from being reset or deleted, or an event from being deleted.

use super::ids::{OrderId, SaleId};

/// What is dropped although it would otherwise keep a sale or an event from being cleared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Force {
    /// Orders that are alive, and the accounts of an event that is deleted.
    pub with_orders: bool,
    /// Entries of the feed that a consumer group has not read.
    pub feed_too: bool,
}

/// What became of a reset or a deletion.
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
    /// Sales that are still stopped: they were before, or Redis has forgotten orders of them.
    pub stopped: Vec<SaleId>,
}

/// Why nothing was reset or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClearRefusal {
    /// There is no such sale.
    NoSuchSale(SaleId),
    /// There is nothing of the event.
    NoSuchEvent,
    /// A sale has orders that are alive.
    OrdersAlive {
        /// The sale.
        sale: SaleId,
        /// Units in these orders, of a target cents.
        units: u64,
    },
    /// An order has lines of other sales, too.
    SharedOrder {
        /// The order.
        order: OrderId,
        /// The other sales.
        others: Vec<SaleId>,
    },
    /// An account paid a bid, and would have to be paid back.
    PaidBid {
        /// The order of the bid.
        order: OrderId,
    },
    /// The event keeps accounts.
    AccountsKept {
        /// How many.
        accounts: u64,
    },
    /// Another command has begun to reset or delete the sale, and must end first.
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
