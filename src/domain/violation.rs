//! The ways in which a sale can break the law, each with its name and its cure.

use std::fmt;

use super::ids::{OrderId, RequestId, Username};
use super::ledger::Figures;
use super::order::OrderState;
use super::sale::{EpochMs, StockKind};

/// One way in which a sale breaks the law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// `added - removed` is not `left + held + confirmed + used`.
    NotConserved(Figures),
    /// The number of buyers cannot hold the number of units granted.
    BuyersDisagree(Figures),
    /// The order records add up to something else than the counters.
    RecordsDisagree {
        /// Of the orders in this state.
        state: OrderState,
        /// Their units, by the records.
        recorded: u128,
        /// The same, by the counter of the sale.
        counted: u64,
    },
    /// A unit is in two orders, in an order and in stock, or in stock twice.
    UnitTwice {
        /// The unit.
        unit: String,
        /// Where it was found, in words.
        places: String,
    },
    /// The units of an order are not as many as it says.
    UnitsMiscounted {
        /// The order.
        order: OrderId,
        /// Units that it names.
        named: u64,
        /// Units that it says it has.
        purchase: u64,
    },
    /// An order has more units than the sale allows one buyer.
    TooManyUnits {
        /// The order.
        order: OrderId,
        /// Its units.
        purchase: u64,
        /// What the sale allows.
        purchase_max: u32,
    },
    /// The buyers' index does not know an order that is alive.
    NotIndexed {
        /// The order.
        order: OrderId,
    },
    /// The buyers' index names an order that is dead, does not exist or is somebody else's.
    Dangling {
        /// Who.
        username: Username,
        /// The order that is not there.
        order: OrderId,
    },
    /// A held order is not in the index of deadlines, or with another deadline.
    HoldMissing {
        /// The order.
        order: OrderId,
        /// Its deadline, by its record.
        deadline: EpochMs,
    },
    /// The index of deadlines names an order that is not held, or another deadline than its own.
    HoldStale {
        /// The order.
        order: OrderId,
        /// The deadline of the index.
        deadline: EpochMs,
    },
    /// The index of requests does not know the request of an order.
    RequestMissing {
        /// The order.
        order: OrderId,
    },
    /// The index of requests names an order that another request or buyer made, or none.
    RequestStale {
        /// The request.
        request: RequestId,
        /// The order of the index.
        order: OrderId,
    },
    /// An order does not fit the kind of its sale: units of a target, or a bid for something else.
    Misfit {
        /// The order.
        order: OrderId,
        /// What the sale is.
        kind: StockKind,
    },
    /// The bonus of a bid is not what its target gives.
    BonusWrong {
        /// The order.
        order: OrderId,
        /// Cents, by its record.
        bonus: u64,
        /// Cents that it should be.
        expected: u64,
    },
    /// A balance is not what was paid in, less what bids took, plus their bonuses.
    BalanceWrong {
        /// Whose.
        username: Username,
        /// Cents of the account; `None` when there is none.
        balance: Option<u64>,
        /// Cents that it should be.
        expected: i128,
    },
    /// A record or key that cannot be read.
    Unreadable {
        /// What it is.
        what: String,
    },
    /// More problems of the kinds above than are worth naming.
    More(usize),
}

impl Violation {
    /// What an operator can do about it; empty when the text says it already.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::NotConserved(_) => {
                "units pushed or popped by hand: undo it, or book it with `seckill stock add` and \
                 `stock remove`; else `seckill audit --deep` names what is wrong"
            }
            Self::BuyersDisagree(_) => "`seckill audit --deep` names the orders and buyers",
            Self::RecordsDisagree { .. } => {
                "the records are the truth: when nothing else is named here, set the counter of \
                 the sale to the recorded number with HSET"
            }
            Self::UnitTwice { .. } => {
                "in stock twice: remove one with LREM before it is sold; in two orders: cancel \
                 the later one with `seckill order cancel`"
            }
            Self::UnitsMiscounted { .. } => {
                "the record was changed by hand: compare with the feed, then mend it with HSET"
            }
            Self::TooManyUnits { .. } => {
                "the record or the limit was changed by hand: cancel the order with \
                 `seckill order cancel`, or raise the limit with `seckill sale put`"
            }
            Self::NotIndexed { .. } => {
                "the buyer could grab again: look at `seckill order show`; write the entry back \
                 with HSET if the buyer has no other order, else cancel one of the two"
            }
            Self::Dangling { .. } => {
                "this buyer is refused as if holding an order: delete the entry with HDEL"
            }
            Self::HoldMissing { .. } => {
                "it would never expire: write it back with ZADD, or confirm or cancel the order"
            }
            Self::HoldStale { .. } => "delete the entry with ZREM: it frees nothing",
            Self::RequestMissing { .. } => {
                "its request sent again would be a new order: write the entry back with HSET"
            }
            Self::RequestStale { .. } => "delete the entry with HDEL",
            Self::Misfit { .. } | Self::BonusWrong { .. } => {
                "the record was changed by hand: compare with the feed, then mend it with HSET"
            }
            Self::BalanceWrong { .. } => {
                "the account was changed by hand: `seckill account set` is how to change it; set \
                 the balance back with HSET"
            }
            Self::Unreadable { .. } => {
                "it was written by hand or by another program: mend or delete it"
            }
            Self::More(_) => "",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConserved(figures) => not_conserved(figures, f),
            Self::BuyersDisagree(figures) => buyers_disagree(figures, f),
            Self::RecordsDisagree {
                state,
                recorded,
                counted,
            } => write!(
                f,
                "the {state} order records hold {recorded} units, the counter says {counted}"
            ),
            Self::UnitTwice { unit, places } => write!(f, "unit {unit:?} is {places}"),
            Self::UnitsMiscounted {
                order,
                named,
                purchase,
            } => write!(f, "order {order} names {named} units and counts {purchase}"),
            Self::TooManyUnits {
                order,
                purchase,
                purchase_max,
            } => write!(
                f,
                "order {order} has {purchase} units of a sale that allows {purchase_max}"
            ),
            Self::NotIndexed { order } => write!(
                f,
                "order {order} is alive, but the buyers' index does not name it"
            ),
            Self::Dangling { username, order } => write!(
                f,
                "the buyers' index says that {username:?} holds {order}, which is no living order \
                 of that buyer in this sale"
            ),
            Self::HoldMissing { order, deadline } => write!(
                f,
                "order {order} is held until {deadline}, but the index of deadlines does not say so"
            ),
            Self::HoldStale { order, deadline } => write!(
                f,
                "the index of deadlines says that {order} is held until {deadline}, which its \
                 record does not say"
            ),
            Self::RequestMissing { order } => {
                write!(f, "the index of requests does not name order {order}")
            }
            Self::RequestStale { request, order } => write!(
                f,
                "the index of requests says that {request:?} made {order}, whose record does not \
                 say so"
            ),
            Self::Misfit { order, kind } => {
                write!(f, "order {order} is none that a {kind} sale can have")
            }
            Self::BonusWrong {
                order,
                bonus,
                expected,
            } => write!(f, "order {order} has a bonus of {bonus}, not of {expected}"),
            Self::BalanceWrong {
                username,
                balance,
                expected,
            } => balance_wrong(username, *balance, *expected, f),
            Self::Unreadable { what } => write!(f, "cannot be read: {what}"),
            Self::More(count) => write!(f, "and {count} more of these"),
        }
    }
}

fn buyers_disagree(figures: &Figures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (buyers, granted, most) = (figures.buyers, figures.granted(), figures.purchase_max);
    match figures.kind {
        StockKind::List | StockKind::Counter => write!(
            f,
            "{buyers} buyers hold {granted} units, with 1 to {most} units each"
        ),
        StockKind::Target => write!(
            f,
            "the buyers' index has {buyers} entries, and bids have none"
        ),
    }
}

fn balance_wrong(
    username: &Username,
    balance: Option<u64>,
    expected: i128,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let user = username.as_str();
    match balance {
        Some(cents) => write!(f, "{user:?} has a balance of {cents}, not of {expected}"),
        None => write!(
            f,
            "{user:?} has no account, and should have {expected} in it"
        ),
    }
}

fn not_conserved(figures: &Figures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let accounted = figures.accounted();
    let (added, removed) = (u128::from(figures.added), u128::from(figures.removed));
    if removed > added {
        let surplus = removed - added;
        return write!(
            f,
            "added {added}, but removed {removed}, which is {surplus} more than there ever were; \
             {accounted} are left or granted: the counters are wrong"
        );
    }
    let stocked = added - removed;
    write!(f, "added {added} - removed {removed} = {stocked}, but ")?;
    write!(
        f,
        "left {} + granted {} = {accounted}: ",
        figures.left,
        figures.granted()
    )?;
    if accounted > stocked {
        write!(f, "{} units too many", accounted - stocked)
    } else {
        write!(f, "{} units missing", stocked - accounted)
    }
}
