//! The ways in which a sale can violate the audit, each with its sentence and its cure.

use std::fmt;

use super::bid_violation::BidViolation;
use super::figures::Figures;
use super::gone_violation::GoneViolation;
use crate::domain::counted::counted;
use crate::domain::ids::{OrderId, RequestId, SaleId, Username};
use crate::domain::order::OrderState;
use crate::domain::sale::StockKind;
use crate::domain::time::EpochMs;

/// One violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// `added - removed` is not `left + held + confirmed + used`.
    NotConserved(Figures),
    /// The stock is below 0.
    BelowZero {
        /// The stock.
        left: i64,
    },
    /// The number of buyers does not fit the number of units granted.
    BuyersDisagree(Figures),
    /// The sum of the order records differs from the counters.
    RecordsDisagree {
        /// The state of these orders.
        state: OrderState,
        /// The sum of the records: units, for a target cents.
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
    /// An order names more or fewer units than it counts.
    UnitsMiscounted {
        /// The order.
        order: OrderId,
        /// Units that it names.
        named: u64,
        /// Units that it counts.
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
    /// A living order is missing from the buyers' index.
    NotIndexed {
        /// The order.
        order: OrderId,
    },
    /// The buyers' index names an order that is dead, does not exist or belongs to another buyer.
    Dangling {
        /// Who.
        username: Username,
        /// The order of the index.
        order: OrderId,
    },
    /// A held order is missing from the index of deadlines, or has another deadline there.
    HoldMissing {
        /// The order.
        order: OrderId,
        /// Its deadline, by its record.
        deadline: EpochMs,
    },
    /// The index of deadlines names an order that is not held, or has another deadline.
    HoldStale {
        /// The order.
        order: OrderId,
        /// The deadline of the index.
        deadline: EpochMs,
    },
    /// The request of an order is missing from the index of requests.
    RequestMissing {
        /// The order.
        order: OrderId,
    },
    /// The index of requests names an order that does not exist, or that another request or buyer
    /// made.
    RequestStale {
        /// Who sent the request, by the index.
        username: Username,
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
    /// Dead orders are counted wrong.
    Gone(GoneViolation),
    /// Something that only targets, bids and accounts can break.
    Bid(BidViolation),
    /// Redis lost orders of this sale, which is stopped.
    Forgot(SaleId),
    /// A record or key that cannot be read.
    Unreadable {
        /// What it is.
        what: String,
    },
    /// More problems of the kinds above, which are not named.
    More(usize),
}

impl From<BidViolation> for Violation {
    fn from(violation: BidViolation) -> Self {
        Self::Bid(violation)
    }
}

impl From<GoneViolation> for Violation {
    fn from(violation: GoneViolation) -> Self {
        Self::Gone(violation)
    }
}

impl Violation {
    /// What an operator can do about it. Empty if the sentence says it already.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::NotConserved(_) => {
                "the stock was changed by hand: undo the change. Use only `seckill stock add` and \
                 `stock remove`. If nobody changed it, `seckill audit --deep` names what is wrong"
            }
            Self::BelowZero { .. } => {
                "if left + granted is right, more was granted than there was: cancel orders, or \
                 cover them with `seckill stock add`. If not, the stock was changed by hand: undo \
                 the change"
            }
            Self::BuyersDisagree(_) => "`seckill audit --deep` names the orders and buyers",
            Self::RecordsDisagree { .. } => {
                "the records are right: if nothing else is named here, set the counter of the sale \
                 to the recorded number with HSET"
            }
            Self::UnitTwice { .. } => {
                "in stock twice: remove one with LREM before it is sold; in two orders: cancel \
                 the later one with `seckill order cancel`"
            }
            Self::UnitsMiscounted { .. } => {
                "the record was changed by hand: compare it with the feed, then repair it with HSET"
            }
            Self::TooManyUnits { .. } => {
                "the record or the limit was changed by hand: cancel the order with \
                 `seckill order cancel`, or raise the limit with `seckill sale put`"
            }
            Self::NotIndexed { .. } => {
                "the buyer could buy again: run `seckill order show`. If the buyer has no other \
                 order, write the entry back with HSET; if they have one, cancel one of the two"
            }
            Self::Dangling { .. } => {
                "this buyer is refused as if they held an order: delete the entry with HDEL"
            }
            Self::HoldMissing { .. } => {
                "the order would never expire: write the entry back with ZADD, or confirm or \
                 cancel it"
            }
            Self::HoldStale { .. } => "delete the entry with ZREM: it frees nothing",
            Self::RequestMissing { .. } => {
                "a retry of its request would make a new order: write the entry back with HSET"
            }
            Self::RequestStale { .. } => {
                "delete the entry with HDEL: its field is the username, a tab and the request"
            }
            Self::Misfit { .. } => {
                "the record was changed by hand: compare it with the feed, then repair it with HSET"
            }
            Self::Gone(_) => {
                "an older version of the server cancelled, expired or reset orders, or they were \
                 changed by hand: HDEL the fields `gone` and `gone_most` of the sale. It then \
                 counts anew"
            }
            Self::Bid(violation) => violation.cure(),
            Self::Unreadable { .. } => {
                "it was written by hand or by another program: repair or delete it"
            }
            Self::Forgot(_) | Self::More(_) => "",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConserved(figures) => not_conserved(figures, f),
            Self::BelowZero { left } => write!(f, "the stock is {left}, which is below 0"),
            Self::BuyersDisagree(figures) => buyers_disagree(figures, f),
            Self::RecordsDisagree {
                state,
                recorded,
                counted,
            } => write!(
                f,
                "the {state} order records add up to {recorded}, but the counter says {counted}"
            ),
            Self::UnitTwice { unit, places } => write!(f, "unit {unit:?} is {places}"),
            Self::UnitsMiscounted {
                order,
                named,
                purchase,
            } => units_miscounted(order, *named, *purchase, f),
            Self::TooManyUnits {
                order,
                purchase,
                purchase_max,
            } => too_many_units(order, *purchase, *purchase_max, f),
            Self::NotIndexed { order } => write!(
                f,
                "order {order} is alive, but the buyers' index does not name it"
            ),
            Self::Dangling { username, order } => write!(
                f,
                "the buyers' index says that {:?} holds {order}, which is not a living order of \
                 that buyer in this sale",
                username.as_str()
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
            Self::RequestStale {
                username,
                request,
                order,
            } => write!(
                f,
                "the index of requests says that request {:?} of {:?} made {order}, whose record \
                 does not say so",
                request.as_str(),
                username.as_str()
            ),
            Self::Misfit { order, kind } => {
                write!(f, "order {order} does not fit a {kind} sale")
            }
            Self::Gone(violation) => violation.fmt(f),
            Self::Bid(violation) => violation.fmt(f),
            Self::Unreadable { what } => write!(f, "cannot be read: {what}"),
            Self::Forgot(sale) => f.write_str(&forgot(sale)),
            Self::More(count) => write!(f, "and {count} more of these"),
        }
    }
}

fn units_miscounted(
    order: &OrderId,
    named: u64,
    purchase: u64,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let named = counted(named, "unit");
    write!(f, "order {order} names {named} but counts {purchase}")
}

fn too_many_units(
    order: &OrderId,
    purchase: u64,
    purchase_max: u32,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let has = counted(purchase, "unit");
    write!(
        f,
        "order {order} has {has}, but the sale allows {purchase_max}"
    )
}

fn buyers_disagree(figures: &Figures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let buyers = counted(figures.buyers, "buyer");
    let granted = i128::try_from(figures.granted()).unwrap_or(i128::MAX);
    let (units, most) = (counted(granted, "unit"), figures.purchase_max);
    match figures.kind {
        StockKind::List | StockKind::Counter => write!(
            f,
            "the buyers' index names {buyers} for {units}, and one buyer can have 1 to {most}"
        ),
        StockKind::Target => write!(f, "the buyers' index of a target names {buyers}"),
    }
}

fn not_conserved(figures: &Figures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (stocked, accounted) = (figures.stocked(), figures.accounted());
    let (added, removed) = (figures.added, figures.removed);
    if removed > added {
        let surplus = removed - added;
        return write!(
            f,
            "added {added}, but removed {removed}, which is {surplus} more; {accounted} are left \
             or granted: the counters are wrong"
        );
    }
    write!(f, "added {added} - removed {removed} = {stocked}, but ")?;
    write!(
        f,
        "left {} + granted {} = {accounted}: ",
        figures.left,
        figures.granted()
    )?;
    if accounted > stocked {
        write!(f, "{} too many", accounted - stocked)
    } else {
        write!(f, "{} missing", stocked - accounted)
    }
}
/// What to do about a sale of which Redis lost orders.
fn forgot(sale: &SaleId) -> String {
    format!(
        "Redis lost orders of this sale, so it is stopped: compare the orders that are left \
         (`seckill orders {sale}`) with your own records, then run `seckill sale resume {sale} \
         --after-loss`"
    )
}
