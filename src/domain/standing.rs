//! A standing: what a sale says to someone who holds nothing, at one instant.

use super::outcome::Refusal;

/// What a sale says to someone who holds nothing, at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Units in stock.
    pub left: u64,
    /// Orders ever granted: it differs whenever somebody may hold an order who did not before.
    pub grants: u64,
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
