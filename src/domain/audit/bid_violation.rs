//! The ways in which a target, its bids and the accounts of its event can violate the audit.

use std::fmt;
use std::ops::RangeInclusive;

use crate::domain::ids::{OrderId, Username};

/// One violation by a target, a bid or an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BidViolation {
    /// A term of the target is outside its range.
    TermWrong {
        /// The field of the sale.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The values that it can have.
        range: RangeInclusive<u64>,
    },
    /// A target has the keyword of an activity.
    HasKeyword,
    /// The bonus of a bid is not what its target gives.
    BonusWrong {
        /// The order.
        order: OrderId,
        /// Cents, by its record.
        bonus: u64,
        /// Cents that it should be.
        expected: u64,
    },
    /// A bid was cut, but does not say that it filled its target. Only the last bid is cut.
    CutShort {
        /// The order.
        order: OrderId,
        /// Cents that were accepted.
        accepted: u64,
        /// Cents that were requested.
        requested: u64,
    },
    /// A buyer is in the buyers' index of a target, which must be empty.
    Indexed {
        /// Who.
        username: Username,
        /// The order of the index.
        order: OrderId,
    },
    /// Payments were made, but no record says what was paid in.
    PaidInMissing {
        /// By whom.
        username: Username,
    },
    /// A balance is not what was paid in, less what bids took, plus their bonuses.
    BalanceWrong {
        /// Whose.
        username: Username,
        /// Cents of the account; `None` when there is none.
        balance: Option<u64>,
        /// Cents that operators put in, less what they took out.
        paid_in: u64,
        /// Cents that bids took, less their bonuses.
        spent: i128,
    },
}

impl BidViolation {
    /// What an operator can do about it.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::TermWrong { .. } => "it was changed by hand: set it back with HSET",
            Self::HasKeyword => "it was written by hand: delete it with HDEL",
            Self::BonusWrong { .. } | Self::CutShort { .. } => {
                "the record was changed by hand: compare it with the feed, then repair it with HSET"
            }
            Self::Indexed { .. } => "bids do not use this index: delete the entry with HDEL",
            Self::PaidInMissing { .. } => {
                "the entry was deleted by hand: write it back to `accounts:paid_in` with HSET"
            }
            Self::BalanceWrong { .. } => {
                "the balance, what was paid in or the record of a bid was changed by hand: find \
                 out which, and set that back with HSET; change balances with `seckill account \
                 set`"
            }
        }
    }
}

impl fmt::Display for BidViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TermWrong {
                field,
                value,
                range,
            } => {
                let (least, most) = (range.start(), range.end());
                write!(
                    f,
                    "the field {field} of the sale is {value}, and must be {least} to {most}"
                )
            }
            Self::HasKeyword => f.write_str(
                "the target has the field keyword of an activity, which is not shown or sold",
            ),
            Self::BonusWrong {
                order,
                bonus,
                expected,
            } => write!(
                f,
                "order {order} has a bonus of {bonus} instead of {expected}"
            ),
            Self::CutShort {
                order,
                accepted,
                requested,
            } => write!(
                f,
                "order {order} got {accepted} of {requested} cents, but did not fill the target"
            ),
            Self::Indexed { username, order } => {
                let user = username.as_str();
                write!(
                    f,
                    "the buyers' index of the target says that {user:?} holds {order}"
                )
            }
            Self::PaidInMissing { username } => write!(
                f,
                "{:?} has payments, but no record says what was paid in",
                username.as_str()
            ),
            Self::BalanceWrong {
                username,
                balance,
                paid_in,
                spent,
            } => balance_wrong(username, *balance, *paid_in, *spent, f),
        }
    }
}

fn balance_wrong(
    username: &Username,
    balance: Option<u64>,
    paid_in: u64,
    spent: i128,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let user = username.as_str();
    match balance {
        Some(cents) => write!(f, "{user:?} has a balance of {cents}")?,
        None => write!(f, "{user:?} has no account")?,
    }
    let expected = i128::from(paid_in) - spent;
    write!(
        f,
        ", but paid in {paid_in} - spent on bids {spent} = {expected}"
    )
}
