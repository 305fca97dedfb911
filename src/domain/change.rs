//! Changes of an order that somebody asks for, and the closed set of answers.

use super::order::Order;

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
    /// No such order, or not one of this buyer.
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
    /// It is a bid: there is nothing to hand out.
    NotUsable,
}

impl ChangeRefusal {
    /// Every refusal, for tables and tests.
    pub const ALL: [Self; 6] = [
        Self::Expired,
        Self::Cancelled,
        Self::Used,
        Self::NotConfirmed,
        Self::NotCancellable,
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
            Self::NotUsable => "not_usable",
        }
    }

    /// The refusal of a Lua word; `None` for a word that is none.
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
