//! An order: the units that a buyer got, and where it stands in its life.
//!
//! ```text
//! held ──→ confirmed ──→ used
//!   ├──→ cancelled ←──┘ (while the sale allows it)
//!   └──→ expired
//! ```

pub mod change;

use std::fmt;

use super::ids::{OrderId, RequestId, SaleId, Username};
use super::time::EpochMs;
use super::words::words;

/// How long the expirer leaves an overdue order alone that cannot be expired now, in ms. It writes
/// a later deadline into the index of deadlines, not into the record.
pub const POSTPONED_MS: u64 = 60_000;

words! {
    /// Where an order stands in its life.
    pub enum OrderState, as_str: {
        /// Waits for its confirmation until its deadline.
        Held = "held",
        /// Sold.
        Confirmed = "confirmed",
        /// Handed out: the ticket was checked, the coupon redeemed.
        Used = "used",
        /// Given back by the buyer or the shop.
        Cancelled = "cancelled",
        /// Given back because nobody confirmed it in time.
        Expired = "expired",
    }
}

impl OrderState {
    /// True while the buyer has the units; a dead order stays dead.
    pub fn is_alive(self) -> bool {
        match self {
            Self::Held | Self::Confirmed | Self::Used => true,
            Self::Cancelled | Self::Expired => false,
        }
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the order of a bid says of it, beside how many cents were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Cents that were offered: at least as many as were accepted.
    pub requested: u64,
    /// Cents of the bonus on what was accepted.
    pub bonus: u64,
    /// It was paid from an account of the event, which got the bonus.
    pub paid: bool,
    /// It was the one that filled the target.
    pub filled: bool,
}

/// What an order has of one sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The sale.
    pub goods: SaleId,
    /// How many units; of a target, how many cents were accepted.
    pub purchase: u64,
    /// Which units, in the order in which they left the list; empty for other stock.
    pub units: Vec<String>,
    /// What else there is to say of a bid; `None` for units.
    pub bid: Option<Accepted>,
}

/// The units that a buyer got, of one sale or of several of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its name.
    pub id: OrderId,
    /// Where it stands.
    pub state: OrderState,
    /// When the units were granted. All times are by the clock of Redis.
    pub created_at: EpochMs,
    /// Who holds it.
    pub username: Username,
    /// Until when a held order waits; `None` for others.
    pub deadline: Option<EpochMs>,
    /// When it came into its state; `None` for an order that is as it was granted.
    pub changed_at: Option<EpochMs>,
    /// The client's name for the request that made it, if it had one.
    pub request: Option<RequestId>,
    /// What it has, one line for each sale; never empty.
    pub lines: Vec<Line>,
}

impl Order {
    /// The target of a bid, and what was accepted; `None` for an order of units.
    pub fn bid(&self) -> Option<(&Line, Accepted)> {
        let [line] = self.lines.as_slice() else {
            return None;
        };
        Some((line, line.bid?))
    }

    /// What it has of `goods`, if anything.
    pub fn line(&self, goods: &SaleId) -> Option<&Line> {
        self.lines.iter().find(|line| line.goods == *goods)
    }

    /// Which units it has of a sale; empty when they have no names, or when it has none.
    pub fn units(&self, goods: &SaleId) -> &[String] {
        self.line(goods).map_or(&[], |line| &line.units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_found_by_its_word() {
        for state in OrderState::ALL {
            assert_eq!(OrderState::parse(state.as_str()), Some(state));
        }
        assert_eq!(OrderState::parse("paid"), None);
    }
}
