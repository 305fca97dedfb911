//! The figures of a sale: how many of its units are in stock and in orders.

use crate::domain::sale::StockKind;

/// The figures of a sale at one instant, in units, of a target in cents, as the store counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// What is counted.
    pub kind: StockKind,
    /// Ever put into stock.
    pub added: u64,
    /// Ever taken back out by an operator.
    pub removed: u64,
    /// In stock now: the length of the list, or the counter, which is below 0 if it was
    /// decremented by hand.
    pub left: i64,
    /// In orders that wait for confirmation.
    pub held: u64,
    /// In confirmed orders.
    pub confirmed: u64,
    /// In used orders.
    pub used: u64,
    /// Buyers who hold an order.
    pub buyers: u64,
    /// Most units in one order.
    pub purchase_max: u32,
}

impl Figures {
    /// Units in orders, whatever their state. Wider than a figure, as every sum here: broken
    /// figures must be named, so no sum of them may overflow.
    pub fn granted(&self) -> u128 {
        u128::from(self.held) + u128::from(self.confirmed) + u128::from(self.used)
    }

    /// Units that can be sold: none of a stock below 0.
    pub fn for_sale(&self) -> u64 {
        self.left.max(0).unsigned_abs()
    }

    /// Units ever put in, less those taken back.
    pub(super) fn stocked(&self) -> i128 {
        i128::from(self.added) - i128::from(self.removed)
    }

    /// Units that are somewhere: in stock or in orders.
    pub(super) fn accounted(&self) -> i128 {
        i128::from(self.left) + self.granted().cast_signed()
    }
}

/// Figures that add up, for tests: of 10 units 1 was taken back, and 2 buyers have 3.
#[cfg(test)]
pub(super) const GOOD: Figures = Figures {
    kind: StockKind::List,
    added: 10,
    removed: 1,
    left: 6,
    held: 0,
    confirmed: 3,
    used: 0,
    buyers: 2,
    purchase_max: 2,
};
