//! Changes of an order that somebody asks for, and the closed set of answers.

use super::Order;
use crate::domain::words::words;

/// A change of an order that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was paid: a held order becomes a sold one.
    Confirm,
    /// The buyer or the shop gives it back.
    Cancel,
    /// It was handed out.
    Use,
}

/// What became of it. Failures to decide are errors, not outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The order came into the state just now.
    Changed(Order),
    /// It had come into it before: the first result again. A used order had been confirmed.
    Repeated(Order),
    /// Its state, or the sale, does not allow it. Nothing changed.
    Refused(ChangeRefusal, Order),
    /// No such order, or not one of this buyer; or it is a ticket, and the
    /// caller only gave the name of its holder.
    NoSuchOrder,
}

words! {
    /// Why an order was not changed.
    pub enum ChangeRefusal, code: {
        /// It expired first: a buyer who paid for it gets a refund.
        Expired = "expired",
        /// It was cancelled first: a buyer who paid for it gets a refund.
        Cancelled = "cancelled",
        /// It was handed out.
        Used = "used",
        /// It is held: only a confirmed order is handed out.
        NotConfirmed = "not_confirmed",
        /// It is confirmed, and one of its sales does not take confirmed orders back, or not any
        /// more; or it is a bid, and its target is full.
        NotCancellable = "not_cancellable",
        /// It is a bid, accepted when it was made: there is nothing to confirm.
        NotConfirmable = "not_confirmable",
        /// It is a bid: there is nothing to hand out.
        NotUsable = "not_usable",
    }
}

impl ChangeRefusal {
    /// Whether money must go back: a confirmation means that somebody paid, and the order is dead.
    /// A bid is nothing that a confirmation pays for.
    pub fn refund_due(self, change: Change) -> bool {
        match self {
            Self::Expired | Self::Cancelled => change == Change::Confirm,
            Self::Used
            | Self::NotConfirmed
            | Self::NotCancellable
            | Self::NotConfirmable
            | Self::NotUsable => false,
        }
    }
}
