//! The feed: what happened to the orders of an event, one entry for each thing.

use super::ids::OrderId;
use super::order::{Order, OrderState};
use super::time::EpochMs;

/// One thing that happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Counts the entries of the event from 1 without gaps. Receivers tell a repeated delivery
    /// by the event and this number.
    pub seq: u64,
    /// The state that the order came into.
    pub what: OrderState,
    /// Which order.
    pub order: OrderId,
    /// When, by the clock of Redis.
    pub at: EpochMs,
}

/// An entry ready for its delivery, with the order that it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// What happened.
    pub entry: Entry,
    /// The order as it is now: only the parts that never change belong to the entry.
    pub order: Order,
}
