//! The standing of a sale: its answer to a buyer without an order, at one instant.

use super::outcome::Refusal;
use crate::domain::sale::Door;
use crate::domain::time::EpochMs;

/// Identifies the orders that a sale has ever granted. It differs if a buyer may hold an order who
/// did not before. It also differs if the store lost orders, or the whole sale, and as many were
/// granted since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grants {
    /// When the last one was granted; 0 if there was none, or it was not recorded.
    pub last_at: EpochMs,
    /// How many there were.
    pub count: u64,
}

/// The answer of a sale to a buyer without an order, at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The endpoint that was asked. It sells the sale, unless the sale is closed with
    /// [`Refusal::WrongDoor`] or [`Refusal::NoSuchSale`].
    pub door: Door,
    /// Units in stock.
    pub left: u64,
    /// Orders ever granted.
    pub grants: Grants,
    /// Why no buyer gets anything, even if units are left; `None` while the sale is open.
    pub closed: Option<Refusal>,
    /// Most units in one attempt.
    pub purchase_max: u32,
    /// Milliseconds until the window opens; 0 if it has opened.
    pub opens_in: u64,
}

impl Standing {
    /// The answer to every buyer without an order who asks for an allowed number of units; `None`
    /// if it depends on the number.
    pub fn refusal(&self) -> Option<Refusal> {
        let sold_out = (self.left == 0).then_some(Refusal::SoldOut);
        self.closed.or(sold_out)
    }
}
