//! A bid: an amount towards a target. What is accepted of it never passes what is left.

use super::outcome::RestsOn;
use crate::domain::ids::{OrderId, RequestId, SaleId, Username};
use crate::domain::money::Amount;
use crate::domain::order::Order;
use crate::domain::sale::BID_MIN_DEFAULT;
use crate::domain::time::EpochMs;

/// Memory of Redis that a bid takes, roughly, in bytes.
pub const BID_BYTES: u64 = 308;
/// One buyer's bid, with the id that its order gets if it is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bid {
    /// The buyer.
    pub username: Username,
    /// The client's name for this request. A repeat gets the same answer.
    pub request: RequestId,
    /// The target.
    pub goods: SaleId,
    /// How much is offered.
    pub amount: Amount,
    /// The id for the order, if the bid is accepted.
    pub order: OrderId,
}

/// The result of a bid. A failure to decide is an error, not an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BidOutcome {
    /// Accepted, wholly or up to what was left to the target.
    Accepted(Order),
    /// This request was accepted before: the order, with the state that it has now.
    Repeated(Order),
    /// Nothing was accepted.
    Refused(BidRefusal),
}

impl BidOutcome {
    /// What the answer depends on.
    pub fn rests_on(&self) -> RestsOn {
        match self {
            Self::Accepted(_) | Self::Repeated(_) => RestsOn::Order,
            Self::Refused(
                BidRefusal::RequestIdReused
                | BidRefusal::TargetReached
                | BidRefusal::NoSuchAccount
                | BidRefusal::InsufficientBalance,
            ) => RestsOn::Stock,
            Self::Refused(
                BidRefusal::NoSuchSale
                | BidRefusal::WrongDoor
                | BidRefusal::Paused
                | BidRefusal::Forgot
                | BidRefusal::NotStarted { .. }
                | BidRefusal::Ended
                | BidRefusal::BelowMinimum { .. },
            ) => RestsOn::Terms,
        }
    }

    /// The word in answers and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "bid_accepted",
            Self::Repeated(_) => "already_bid",
            Self::Refused(refusal) => refusal.code(),
        }
    }
}

/// Why nothing was accepted. A refusal changes nothing, and the request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BidRefusal {
    /// There is no such sale.
    NoSuchSale,
    /// The sale is not a target.
    WrongDoor,
    /// This request id of this buyer belongs to a different request.
    RequestIdReused,
    /// Stopped by an operator.
    Paused,
    /// Stopped because Redis lost bids for the target.
    Forgot,
    /// Before the window.
    NotStarted {
        /// When it opens.
        opens_at: EpochMs,
    },
    /// After the window.
    Ended,
    /// Nothing is left to the target, or it never had stock.
    TargetReached,
    /// Below the smallest bid, and not all that is left.
    BelowMinimum {
        /// The smallest bid, in cents.
        bid_min: u64,
    },
    /// The event keeps accounts, and this buyer has none.
    NoSuchAccount,
    /// The account has less than would be accepted.
    InsufficientBalance,
}

impl BidRefusal {
    /// Every refusal, for tables and tests.
    pub const ALL: [Self; 11] = [
        Self::NoSuchSale,
        Self::WrongDoor,
        Self::RequestIdReused,
        Self::Paused,
        Self::Forgot,
        Self::NotStarted { opens_at: 0 },
        Self::Ended,
        Self::TargetReached,
        Self::BelowMinimum {
            bid_min: BID_MIN_DEFAULT,
        },
        Self::NoSuchAccount,
        Self::InsufficientBalance,
    ];

    /// The word in Lua.
    fn word(self) -> &'static str {
        match self {
            Self::Forgot => "forgot",
            other => other.code(),
        }
    }

    /// The code in answers, logs and metrics. An amount below the minimum is `invalid_amount`, like
    /// a text that is not an amount.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSuchSale => "no_such_sale",
            Self::WrongDoor => "wrong_door",
            Self::RequestIdReused => "request_id_reused",
            Self::Paused | Self::Forgot => "paused",
            Self::NotStarted { .. } => "not_started",
            Self::Ended => "ended",
            Self::TargetReached => "target_reached",
            Self::BelowMinimum { .. } => "invalid_amount",
            Self::NoSuchAccount => "no_such_account",
            Self::InsufficientBalance => "insufficient_balance",
        }
    }

    /// The refusal of a Lua word, and the number that some have: when the target opens, or its
    /// smallest bid. `None` if the word is unknown.
    pub fn parse(word: &str, number: Option<u64>) -> Option<Self> {
        let refusal = Self::ALL
            .into_iter()
            .find(|refusal| refusal.word() == word)?;
        match (refusal, number) {
            (Self::NotStarted { .. }, Some(opens_at)) => Some(Self::NotStarted { opens_at }),
            (Self::BelowMinimum { .. }, Some(bid_min)) => Some(Self::BelowMinimum { bid_min }),
            (Self::NotStarted { .. } | Self::BelowMinimum { .. }, None) | (_, Some(_)) => None,
            (refusal, None) => Some(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_found_by_its_word() {
        for refusal in BidRefusal::ALL {
            let mut numbers = [None, Some(7)].into_iter();
            let found = numbers.find_map(|number| BidRefusal::parse(refusal.word(), number));
            assert_eq!(found.map(BidRefusal::word), Some(refusal.word()));
        }
        let (early, low) = ("not_started", "invalid_amount");
        let opens = BidRefusal::NotStarted { opens_at: 7 };
        let minimum = BidRefusal::BelowMinimum { bid_min: 7 };
        assert_eq!(BidRefusal::parse(early, Some(7)), Some(opens));
        assert_eq!(BidRefusal::parse(low, Some(7)), Some(minimum));
        assert_eq!(BidRefusal::parse("invalid_amount", None), None);
        assert_eq!(BidRefusal::parse("not_started", None), None);
        assert_eq!(BidRefusal::parse("paused", Some(1)), None);
        assert_eq!(BidRefusal::parse("bid_accepted", None), None);
    }
}
