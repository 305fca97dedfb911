//! The ways in which a sale can break the law, each with its name and its cure.

use std::fmt;

use super::bid_violation::BidViolation;
use super::figures::Figures;
use super::gone_violation::GoneViolation;
use crate::domain::counted::counted;
use crate::domain::ids::{OrderId, RequestId, SaleId, Username};
use crate::domain::order::OrderState;
use crate::domain::sale::StockKind;
use crate::domain::time::EpochMs;

/// One way in which a sale breaks the law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// `added - removed` is not `left + held + confirmed + used`.
    NotConserved(Figures),
    /// The stock is below 0.
    BelowZero {
        /// What it says.
        left: i64,
    },
    /// The number of buyers cannot hold the number of units granted.
    BuyersDisagree(Figures),
    /// The order records add up to something else than the counters.
    RecordsDisagree {
        /// Of the orders in this state.
        state: OrderState,
        /// What they add up to, in units, of a target in cents.
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
    /// Redis has forgotten orders of this sale, which is stopped.
    Forgot(SaleId),
    /// A record or key that cannot be read.
    Unreadable {
        /// What it is.
        what: String,
    },
    /// More problems of the kinds above than are worth naming.
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
    /// What an operator can do about it; empty when the text says it already.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::NotConserved(_) => {
                "the stock was changed by hand: undo it, and use `seckill stock add` and \
                 `stock remove`; else `seckill audit --deep` names what is wrong"
            }
            Self::BelowZero { .. } => {
                "if the sum of the figures is right, more was granted than there was: cancel orders or cover \
                 them with `seckill stock add`; else the stock was changed by hand: undo it"
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
            Self::RequestStale { .. } => {
                "delete the entry with HDEL: its field is the username, a tab and the request"
            }
            Self::Misfit { .. } => {
                "the record was changed by hand: compare with the feed, then mend it with HSET"
            }
            Self::Gone(_) => {
                "a server of the version before has cancelled, expired or reset orders, or they were \
                 changed by hand: HDEL the fields `gone` and `gone_most` of the sale, and it counts anew"
            }
            Self::Bid(violation) => violation.cure(),
            Self::Unreadable { .. } => {
                "it was written by hand or by another program: mend or delete it"
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
                "the {state} order records add up to {recorded}, the counter says {counted}"
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
                "the buyers' index says that {:?} holds {order}, which is no living order of that \
                 buyer in this sale",
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
                write!(f, "order {order} is none that a {kind} sale can have")
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
    write!(f, "order {order} names {named} and counts {purchase}")
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
        "order {order} has {has} of a sale that allows {purchase_max}"
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
        StockKind::Target => write!(f, "the buyers' index names {buyers}, and bids have none"),
    }
}

fn not_conserved(figures: &Figures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (stocked, accounted) = (figures.stocked(), figures.accounted());
    let (added, removed) = (figures.added, figures.removed);
    if removed > added {
        let surplus = removed - added;
        return write!(
            f,
            "added {added}, but removed {removed}, which is {surplus} more than there ever were; \
             {accounted} are left or granted: the counters are wrong"
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
/// What to do about a sale of which Redis has forgotten orders.
fn forgot(sale: &SaleId) -> String {
    format!(
        "Redis has forgotten orders of this sale, so it is stopped: compare the orders that are left \
         (`seckill orders {sale}`) with your own records, then run `seckill sale resume {sale} \
         --after-loss`"
    )
}
