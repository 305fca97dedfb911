//! Requested changes of an order, and all possible answers.

use super::Order;
use crate::domain::ids::Username;
use crate::domain::sale::Door;

/// A requested change of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was paid: a held order becomes a confirmed one.
    Confirm,
    /// The buyer or the shop cancels it.
    Cancel,
    /// It was handed out.
    Use,
}

/// A buyer who asks for an order of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker<'a> {
    /// The request names this buyer, and the name is believed. That is not enough for a ticket:
    /// anyone who saw one knows its number, too.
    Named(&'a Username),
    /// The ticket office knows that it is this buyer.
    Known(&'a Username),
}

impl<'a> Asker<'a> {
    /// The buyer whose order it must be.
    pub fn username(self) -> &'a Username {
        match self {
            Self::Named(username) | Self::Known(username) => username,
        }
    }

    /// The word in Lua for where the request came from: `office`, or empty for anywhere else.
    pub fn door(self) -> &'static str {
        match self {
            Self::Named(_) => "",
            Self::Known(_) => Door::Office.as_str(),
        }
    }
}

/// The result of a change. A failure to decide is an error, not an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The order changed to the state now.
    Changed(Order),
    /// It had the state before: the first result again. A used order had been confirmed.
    Repeated(Order),
    /// Its state, or the sale, does not allow it. Nothing changed.
    Refused(ChangeRefusal, Order),
    /// The order does not exist, or does not belong to this buyer; or it is a ticket, and the
    /// buyer is only named.
    NoSuchOrder,
}

/// Why an order was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeRefusal {
    /// It expired first. If it was paid, a refund is due.
    Expired,
    /// It was cancelled first. If it was paid, a refund is due.
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

    /// Whether a refund is due: a confirmation means that the order was paid, and it is dead. A bid
    /// is not paid by a confirmation.
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
