//! Changes of an order that somebody asks for, and the closed set of answers.

use super::Order;
use crate::domain::ids::Username;
use crate::domain::sale::Door;

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

/// A buyer who asks for an order of his.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker<'a> {
    /// Somebody names this buyer, and is believed. That is too little for a ticket: whoever saw
    /// one knows its number, too.
    Named(&'a Username),
    /// The ticket office knows that it is this buyer.
    Known(&'a Username),
}

impl<'a> Asker<'a> {
    /// Whose order it must be.
    pub fn username(self) -> &'a Username {
        match self {
            Self::Named(username) | Self::Known(username) => username,
        }
    }

    /// The word in Lua for where he asks: `office`, or nothing for anywhere else.
    pub fn door(self) -> &'static str {
        match self {
            Self::Named(_) => "",
            Self::Known(_) => Door::Office.as_str(),
        }
    }
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
    /// No such order, or not one of this buyer; or it is a ticket, and he is only named.
    NoSuchOrder,
}

/// Why an order was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeRefusal {
    /// It expired first: who paid for it gets a refund.
    Expired,
    /// It was cancelled first: who paid for it gets a refund.
    Cancelled,
    /// It was handed out.
    Used,
    /// It is held: only a confirmed order is handed out.
    NotConfirmed,
    /// It is confirmed, and one of its sales does not take confirmed orders back, or not any more;
    /// or it is a bid, and its target is full.
    NotCancellable,
    /// It is a bid, accepted when it was made: there is nothing to confirm.
    NotConfirmable,
    /// It is a bid: there is nothing to hand out.
    NotUsable,
}

impl ChangeRefusal {
    /// Every refusal, for tables and tests.
    pub const ALL: [Self; 7] = [
        Self::Expired,
        Self::Cancelled,
        Self::Used,
        Self::NotConfirmed,
        Self::NotCancellable,
        Self::NotConfirmable,
        Self::NotUsable,
    ];

    /// The word in Lua, in answers and in logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Used => "used",
            Self::NotConfirmed => "not_confirmed",
            Self::NotCancellable => "not_cancellable",
            Self::NotConfirmable => "not_confirmable",
            Self::NotUsable => "not_usable",
        }
    }

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

    /// The refusal of a Lua word; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_found_by_its_word() {
        for refusal in ChangeRefusal::ALL {
            assert_eq!(ChangeRefusal::parse(refusal.code()), Some(refusal));
        }
        assert_eq!(ChangeRefusal::parse("changed"), None);
    }
}
