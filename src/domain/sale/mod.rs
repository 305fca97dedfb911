//! A sale: what is sold, in a window, with a stock.

pub mod activity;
mod edit;
pub mod history;
pub mod offer;
pub mod terms;
pub mod unit;
pub mod values;

use std::fmt;

pub use self::edit::{EditOutcome, EditRefusal, ResumeOutcome};
use self::offer::Offer;
pub use self::terms::SaleEdit;
use super::Invalid;
use super::ids::SaleId;
use super::time::EpochMs;

/// Units that one buyer may ask for when the sale does not say otherwise.
pub const PURCHASE_MAX_DEFAULT: u32 = 2;
/// Orders that one buyer may have had of a sale when it does not say otherwise.
pub const ORDERS_MAX_DEFAULT: u32 = 20;
/// The smallest bid of a target that does not say otherwise, in cents.
pub const BID_MIN_DEFAULT: u64 = 1;
/// The most units that one sale may ever be stocked with; a target: [`CENTS_MAX`] cents.
///
/// [`CENTS_MAX`]: super::money::CENTS_MAX
pub const STOCK_UNITS_MAX: u64 = 1_000_000_000;

/// How the stock is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StockKind {
    /// Units with an identity, in a list.
    #[default]
    List,
    /// A number of equal units.
    Counter,
    /// An amount in cents that bids fill up.
    Target,
}

impl StockKind {
    /// The word in Redis, in Lua and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Counter => "counter",
            Self::Target => "target",
        }
    }

    /// Accepts `list`, `counter` and `target`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "list" => Ok(Self::List),
            "counter" => Ok(Self::Counter),
            "target" => Ok(Self::Target),
            _ => Err(Invalid {
                what: "kind",
                rule: "`list`, `counter` or `target`",
            }),
        }
    }
}

impl fmt::Display for StockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl StockKind {
    /// The door that sells this stock, unless it is that of an activity.
    pub fn door(self) -> Door {
        match self {
            Self::List => Door::Seckill,
            Self::Counter => Door::Incr,
            Self::Target => Door::Bids,
        }
    }
}

/// Where a sale is sold: each sale at one door only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `POST /seckill`, and `POST /orders`.
    Seckill,
    /// `POST /incr`, and `POST /orders`.
    Incr,
    /// `POST /bids`.
    Bids,
    /// The ticket office, which knows who asks; the other doors take a username on trust.
    Office,
}

impl Door {
    /// The word in Lua: the kind of stock that is sold here, or `office`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seckill => "list",
            Self::Incr => "counter",
            Self::Bids => "target",
            Self::Office => "office",
        }
    }
}

/// Why a sale is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// An operator paused it.
    Paused,
    /// Redis lost orders of it. Only an operator who resumes it after the loss ends this.
    Forgot,
    /// It is being reset or deleted.
    BeingCleared,
}

impl Stop {
    /// The stop that the field `paused` in Redis names; `None` for any other value.
    pub fn parse(paused: &str) -> Option<Self> {
        match paused {
            "1" => Some(Self::Paused),
            "forgot" => Some(Self::Forgot),
            _ => None,
        }
    }
}

/// What the operator decides about a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// Its name.
    pub id: SaleId,
    /// What people read.
    pub title: String,
    /// First millisecond of the window; `None` is open from the start.
    pub opens_at: Option<EpochMs>,
    /// Last millisecond of the window; `None` never closes.
    pub closes_at: Option<EpochMs>,
    /// Why it is stopped; `None`: it is not.
    pub stop: Option<Stop>,
    /// How long an order waits for its confirmation, in ms; `None`: it needs none.
    pub hold: Option<u64>,
    /// Last millisecond in which a confirmed order may be cancelled; `None`: it may not.
    pub cancel_until: Option<EpochMs>,
    /// Whether what happens to orders is written to the feed of the event.
    pub feed: bool,
    /// What it offers.
    pub offer: Offer,
}

impl Sale {
    /// What the doors do at `now`. A stop wins over the window.
    pub fn phase(&self, now: EpochMs) -> Phase {
        if self.stop.is_some() {
            return Phase::Paused;
        }
        self.window(now)
    }

    /// Where `now` is in the window, whether the sale is stopped or not: both ends are inclusive.
    pub fn window(&self, now: EpochMs) -> Phase {
        if self.opens_at.is_some_and(|opens| now < opens) {
            Phase::Upcoming
        } else if self.closes_at.is_some_and(|closes| now > closes) {
            Phase::Ended
        } else {
            Phase::Open
        }
    }
}

/// Where a sale stands in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the window.
    Upcoming,
    /// Inside the window.
    Open,
    /// Stopped.
    Paused,
    /// After the window.
    Ended,
}

impl Phase {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upcoming => "upcoming",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }
}

#[cfg(test)]
impl Sale {
    /// A sale with no more terms than it must have.
    pub(crate) fn new(id: SaleId, offer: Offer) -> Self {
        Self {
            id,
            title: String::new(),
            opens_at: None,
            closes_at: None,
            stop: None,
            hold: None,
            cancel_until: None,
            feed: true,
            offer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_includes_both_ends_and_a_pause_wins() {
        let id = SaleId::parse("a").expect("valid");
        let mut sale = Sale {
            opens_at: Some(10),
            closes_at: Some(20),
            ..Sale::new(id, Offer::new(StockKind::List))
        };
        let phases = [
            (9, Phase::Upcoming),
            (10, Phase::Open),
            (20, Phase::Open),
            (21, Phase::Ended),
        ];
        for (now, phase) in phases {
            assert_eq!(sale.phase(now), phase, "at {now}");
        }
        for stop in [Stop::Paused, Stop::Forgot, Stop::BeingCleared] {
            sale.stop = Some(stop);
            assert_eq!(sale.phase(9), Phase::Paused);
        }
        assert_eq!(Stop::parse("0"), None);
    }
}
