//! The closed set of answers to an attempt that the store decided.

use crate::domain::ids::OrderId;
use crate::domain::order::Line;
use crate::domain::words::words;

/// What an attempt got, or had got before: an order, and what that order has of this sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The order.
    pub order: OrderId,
    /// What it has of the sale that was asked for.
    pub line: Line,
}

/// What became of an attempt. Failures to decide are errors, not outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Units taken, order written.
    Grabbed(Grant),
    /// The buyer holds an order of this sale already: here it is.
    AlreadyGrabbed(Grant),
    /// Nothing was taken.
    Refused(Refusal),
}

/// What an answer rests on. It is true only as long as Redis does not forget that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestsOn {
    /// An order that exists.
    Order,
    /// What others got, or what this buyer did before: stock that is gone, money that is spent,
    /// orders that died, a request that was for something else.
    Stock,
    /// What an operator decided, the request itself, or the time.
    Terms,
}

impl Outcome {
    /// What the answer rests on.
    pub fn rests_on(&self) -> RestsOn {
        match self {
            Self::Grabbed(_) | Self::AlreadyGrabbed(_) => RestsOn::Order,
            Self::Refused(refusal) => refusal.rests_on(),
        }
    }

    /// True when this attempt was granted.
    pub fn is_grabbed(&self) -> bool {
        match self {
            Self::Grabbed(_) => true,
            Self::AlreadyGrabbed(_) | Self::Refused(_) => false,
        }
    }

    /// True when the buyer learns of an order.
    pub fn shows_an_order(&self) -> bool {
        match self {
            Self::Grabbed(_) | Self::AlreadyGrabbed(_) => true,
            Self::Refused(_) => false,
        }
    }
}

words! {
    /// Why nothing was taken. A refusal changes nothing in the store.
    pub enum Refusal, word: {
        /// No units left, or the sale was never stocked.
        SoldOut = "sold_out",
        /// Some units left, but fewer than asked for.
        InsufficientStock = "insufficient_stock",
        /// Before the window.
        NotStarted = "not_started",
        /// After the window.
        Ended = "ended",
        /// Stopped by an operator.
        Paused = "paused",
        /// Stopped because Redis has lost orders of the sale.
        Forgot = "forgot",
        /// The sale does not allow this many units.
        InvalidPurchase = "invalid_purchase",
        /// There is no such sale.
        NoSuchSale = "no_such_sale",
        /// The sale's stock is of the other kind.
        WrongDoor = "wrong_door",
        /// The buyer has had as many orders of the sale as it allows, and all of them are dead.
        TooManyOrders = "too_many_orders",
    }
}

impl Refusal {
    /// What the refusal rests on.
    pub fn rests_on(self) -> RestsOn {
        match self {
            Self::SoldOut | Self::InsufficientStock | Self::TooManyOrders => RestsOn::Stock,
            Self::NotStarted
            | Self::Ended
            | Self::Paused
            | Self::Forgot
            | Self::InvalidPurchase
            | Self::NoSuchSale
            | Self::WrongDoor => RestsOn::Terms,
        }
    }

    /// Its place in [`Refusal::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Why the sale refuses with this code, when the code alone does not say it.
    pub fn reason(self) -> Option<&'static str> {
        matches!(self, Self::Forgot).then_some("forgot")
    }

    /// The code in answers, logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Forgot => Self::Paused.word(),
            other => other.word(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_found_by_its_place_and_by_its_word() {
        for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal.index(), place);
            assert_eq!(Refusal::parse(refusal.word()), Some(refusal));
        }
        assert_eq!(Refusal::parse("grabbed"), None);
    }
}
