//! The feed: one entry for each change of an order of an event.

use super::ids::OrderId;
use super::order::{Order, OrderState};
use super::time::EpochMs;

/// One change of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Numbers the entries of the event from 1 without gaps. Receivers recognise a repeated
    /// delivery by the event and this number.
    pub seq: u64,
    /// The new state of the order.
    pub what: OrderState,
    /// Which order.
    pub order: OrderId,
    /// When, by the clock of Redis.
    pub at: EpochMs,
}

/// An entry that is ready for delivery, with its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The entry.
    pub entry: Entry,
    /// The order as it is now. Only the parts that never change belong to the entry.
    pub order: Order,
}
