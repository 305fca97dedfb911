//! What a sale offers: units, tickets or a target.

use super::activity::Activity;
use super::{BID_MIN_DEFAULT, Door, Sale, StockKind};

/// What a sale offers, with the terms that only such a sale has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// Units, at `/seckill` or `/incr`.
    Units(Units),
    /// Units that the ticket office sells: tickets of an activity.
    Tickets(Units, Activity),
    /// An amount that bids fill up.
    Target(Target),
}

/// Units of list or counter stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// Whether each unit has an identity, in a list. If not, the stock is a number.
    pub listed: bool,
    /// Most units in one attempt.
    pub purchase_max: u32,
    /// Most orders that one buyer may have had, dead ones included; `None`: any number.
    pub orders_max: Option<u32>,
}

/// A target, as Redis keeps it: an audit names terms that no operator can have decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Smallest bid, in cents, unless it is all that is left; `None`: nobody set it, so it is
    /// [`BID_MIN_DEFAULT`].
    pub bid_min: Option<u64>,
    /// Bonus on what is accepted, in basis points.
    pub bonus_bp: u32,
    /// Whether it has the keyword of an activity, which only a hand can have written.
    pub has_keyword: bool,
}

impl Target {
    /// The smallest bid, in cents, set or not.
    pub fn smallest_bid(&self) -> u64 {
        self.bid_min.unwrap_or(BID_MIN_DEFAULT)
    }
}

impl Sale {
    /// How its stock is kept.
    pub fn kind(&self) -> StockKind {
        match &self.offer {
            Offer::Units(units) | Offer::Tickets(units, _) if units.listed => StockKind::List,
            Offer::Units(_) | Offer::Tickets(..) => StockKind::Counter,
            Offer::Target(_) => StockKind::Target,
        }
    }

    /// Where it is sold.
    pub fn door(&self) -> Door {
        match &self.offer {
            Offer::Tickets(..) => Door::Office,
            Offer::Units(_) | Offer::Target(_) => self.kind().door(),
        }
    }

    /// Its units; `None` of a target.
    pub fn units(&self) -> Option<&Units> {
        match &self.offer {
            Offer::Units(units) | Offer::Tickets(units, _) => Some(units),
            Offer::Target(_) => None,
        }
    }

    /// Most units in one attempt: none of a target.
    pub fn purchase_max(&self) -> u32 {
        self.units().map_or(0, |units| units.purchase_max)
    }

    /// The target that it is; `None` of units and tickets.
    pub fn target(&self) -> Option<&Target> {
        match &self.offer {
            Offer::Target(target) => Some(target),
            Offer::Units(_) | Offer::Tickets(..) => None,
        }
    }

    /// The activity that its tickets are for; `None`: it sells something else.
    pub fn activity(&self) -> Option<&Activity> {
        match &self.offer {
            Offer::Tickets(_, activity) => Some(activity),
            Offer::Units(_) | Offer::Target(_) => None,
        }
    }
}

#[cfg(test)]
impl Offer {
    /// An offer of this kind with the terms of a new sale.
    pub(crate) fn new(kind: StockKind) -> Self {
        let units = |listed| Units {
            listed,
            purchase_max: super::PURCHASE_MAX_DEFAULT,
            orders_max: Some(super::ORDERS_MAX_DEFAULT),
        };
        match kind {
            StockKind::List => Self::Units(units(true)),
            StockKind::Counter => Self::Units(units(false)),
            StockKind::Target => Self::Target(Target {
                bid_min: None,
                bonus_bp: 0,
                has_keyword: false,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::SaleId;

    #[test]
    fn an_offer_has_one_door_and_one_set_of_terms() {
        let id = SaleId::parse("a").expect("valid");
        for kind in [StockKind::List, StockKind::Counter, StockKind::Target] {
            let mut sale = Sale::new(id.clone(), Offer::new(kind));
            assert_eq!((sale.kind(), sale.door()), (kind, kind.door()));
            assert_eq!(sale.units().is_none(), sale.target().is_some());
            assert_eq!(sale.activity(), None);
            if let Offer::Units(units) = sale.offer {
                sale.offer = Offer::Tickets(units, Activity::default());
                assert_eq!((sale.kind(), sale.door()), (kind, Door::Office));
                assert!(sale.activity().is_some());
            }
        }
    }
}
