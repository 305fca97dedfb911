//! A standing: what a sale says to someone who holds nothing, at one instant.

use super::outcome::Refusal;
use crate::domain::sale::Door;
use crate::domain::time::EpochMs;

/// Which orders a sale has ever granted. It differs whenever somebody may hold an order who did not
/// before; also when the store forgot orders, or all of the sale, and as many were granted since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grants {
    /// When the last one was granted; 0 when none was, or nobody wrote it down.
    pub last_at: EpochMs,
    /// How many there were.
    pub count: u64,
}

/// What a sale says to someone who holds nothing, at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The door that was asked. It is the sale's own, unless it is closed with
    /// [`Refusal::WrongDoor`] or [`Refusal::NoSuchSale`].
    pub door: Door,
    /// Units in stock.
    pub left: u64,
    /// Orders ever granted.
    pub grants: Grants,
    /// Why nobody gets anything, whatever is left; `None` while the sale is open.
    pub closed: Option<Refusal>,
    /// Most units in one attempt.
    pub purchase_max: u32,
    /// Milliseconds until the window opens; 0 when it has.
    pub opens_in: u64,
}

impl Standing {
    /// What everybody is told who holds nothing and asks for an allowed quantity; `None` when
    /// that depends on the quantity.
    pub fn refusal(&self) -> Option<Refusal> {
        let sold_out = (self.left == 0).then_some(Refusal::SoldOut);
        self.closed.or(sold_out)
    }
}
