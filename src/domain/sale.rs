//! A sale: what is sold, in a window, with a stock.

use std::fmt;

use super::Invalid;
use super::activity::{Activity, ActivityEdit};
use super::bid::{BID_MIN_DEFAULT, BONUS_BP_MAX, CENTS_MAX};
use super::bid_violation::BidViolation;
use super::ids::SaleId;
use super::violation::Violation;

/// Units that one buyer may ask for when the sale does not say otherwise.
pub const PURCHASE_MAX_DEFAULT: u32 = 2;
/// The most that a sale may allow one buyer.
pub const PURCHASE_MAX_LIMIT: u32 = 100;
/// Orders that one buyer may have had of a sale when it does not say otherwise.
pub const ORDERS_MAX_DEFAULT: u32 = 20;
/// The most that a sale may allow one buyer, unless it has no limit.
pub const ORDERS_MAX_LIMIT: u32 = 1_000_000;
/// The most units that one sale may ever be stocked with; a target: [`CENTS_MAX`] cents.
///
/// [`CENTS_MAX`]: super::bid::CENTS_MAX
pub const STOCK_UNITS_MAX: u64 = 1_000_000_000;

/// The shortest hold, in ms: the expirer promises to be at most a second late.
pub const HOLD_MS_MIN: u64 = 1_000;
/// The longest hold, in ms: a year.
pub const HOLD_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1_000;

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

/// Milliseconds since the Unix epoch.
pub type EpochMs = u64;

/// Why a sale is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// An operator paused it.
    Paused,
    /// Redis has forgotten orders of it. Only an operator who resumes it after the loss ends this.
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
    /// How the stock is kept.
    pub kind: StockKind,
    /// First millisecond of the window; `None` is open from the start.
    pub opens_at: Option<EpochMs>,
    /// Last millisecond of the window; `None` never closes.
    pub closes_at: Option<EpochMs>,
    /// Most units in one attempt.
    pub purchase_max: u32,
    /// Orders that one buyer may have had, dead ones included; `None`: any number. A target has no
    /// limit.
    pub orders_max: Option<u32>,
    /// Why it is stopped; `None`: it is not.
    pub stop: Option<Stop>,
    /// How long an order waits for its confirmation, in ms; `None`: it needs none.
    pub hold: Option<u64>,
    /// Last millisecond in which a confirmed order may be cancelled; `None`: it may not.
    pub cancel_until: Option<EpochMs>,
    /// Whether what happens to orders is written to the feed of the event.
    pub feed: bool,
    /// Smallest bid, in cents, unless it is all that is left; `None`: nobody set it, so it is
    /// [`BID_MIN_DEFAULT`]. Of targets only.
    pub bid_min: Option<u64>,
    /// Bonus on what is accepted, in basis points. Of targets only.
    pub bonus_bp: u32,
    /// What the tickets are for; `None`: it sells something else. Never of targets, never with a
    /// hold, and always with one unit for each buyer.
    pub activity: Option<Activity>,
}

impl Sale {
    /// Where it is sold.
    pub fn door(&self) -> Door {
        match self.activity {
            Some(_) => Door::Office,
            None => self.kind.door(),
        }
    }

    /// The smallest bid, in cents, whoever decided it.
    pub fn smallest_bid(&self) -> u64 {
        self.bid_min.unwrap_or(BID_MIN_DEFAULT)
    }

    /// The terms of a target that no operator can have decided. Scripts refuse each bid for some of
    /// them; no other sale has any.
    pub fn broken_terms(&self) -> Vec<BidViolation> {
        if self.kind != StockKind::Target {
            return Vec::new();
        }
        let terms = [
            ("bid_min", self.smallest_bid(), 1..=CENTS_MAX),
            ("bonus_bp", self.bonus_bp.into(), 0..=BONUS_BP_MAX.into()),
        ];
        let broken = terms
            .into_iter()
            .filter(|(_, value, range)| !range.contains(value));
        let named = broken.map(|(field, value, range)| BidViolation::TermWrong {
            field,
            value,
            range,
        });
        named.collect()
    }

    /// What is wrong with the sale, whatever its figures say.
    pub fn violations(&self) -> Vec<Violation> {
        let terms = self.broken_terms().into_iter().map(Violation::from);
        let forgot = self.stop == Some(Stop::Forgot);
        let forgot = forgot.then(|| Violation::Forgot(self.id.clone()));
        terms.chain(forgot).collect()
    }

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

/// What `sale put` changes: every field that is `Some`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SaleEdit {
    /// Needed to create a sale; can never change.
    pub kind: Option<StockKind>,
    /// New title.
    pub title: Option<String>,
    /// New opening; `Some(None)` removes the bound.
    pub opens_at: Option<Option<EpochMs>>,
    /// New closing; `Some(None)` removes the bound.
    pub closes_at: Option<Option<EpochMs>>,
    /// New limit for one attempt.
    pub purchase_max: Option<u32>,
    /// New limit of orders for one buyer; `Some(None)` removes it.
    pub orders_max: Option<Option<u32>>,
    /// Stop or go on.
    pub paused: Option<bool>,
    /// New hold in ms, for orders granted from then on; `Some(None)` grants confirmed ones.
    pub hold: Option<Option<u64>>,
    /// New end of cancelling confirmed orders; `Some(None)` forbids it.
    pub cancel_until: Option<Option<EpochMs>>,
    /// Write what happens to orders to the feed, or do not.
    pub feed: Option<bool>,
    /// New smallest bid of a target, in cents.
    pub bid_min: Option<u64>,
    /// New bonus of a target, in basis points of what is accepted.
    pub bonus_bp: Option<u32>,
    /// What changes about the activity, at any time; but a sale becomes one before its first order.
    pub activity: ActivityEdit,
}

/// The closed set of answers to a [`SaleEdit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditOutcome {
    /// The sale did not exist and does now.
    Created,
    /// The sale existed and was changed.
    Updated,
    /// Nothing changed.
    Refused(EditRefusal),
}

/// What became of resuming a sale after a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeOutcome {
    /// It sells again, with a new history.
    Resumed,
    /// There is no such sale.
    NoSuchSale,
    /// It is being reset or deleted.
    BeingCleared,
}

/// Why a [`SaleEdit`] changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditRefusal {
    /// The sale does not exist and the edit names no kind, so it cannot be created.
    NoSuchSale,
    /// The kind of a sale never changes.
    KindIsFixed,
    /// The sale has opened; its opening time is a fact now.
    AlreadyOpen,
    /// Orders exist, and a lower limit would turn a buyer's retry into a refusal.
    PurchaseMaxLowered,
    /// The sale would close before it opens.
    WindowIsEmpty,
    /// Orders were granted, and a feed that knows only some of them would mislead.
    FeedIsFixed,
    /// Bids were accepted on these terms, and all bids have the same.
    TermsAreFixed,
    /// Targets have a smallest bid and a bonus, other sales a limit, a hold and an activity.
    NotOfThisKind,
    /// A ticket is granted at once: an activity has no hold.
    HoldAndKeyword,
    /// An activity gives one ticket to each number.
    OneTicketEach,
    /// Orders were granted at another door than that of an activity.
    SoldElsewhere,
    /// Tickets were granted: without a keyword nobody would find them.
    TicketsAreOut,
    /// Only an activity has a place, times, a picture and a description.
    NotAnActivity,
    /// The activity would end before it starts.
    EndsBeforeStart,
    /// The activity would be over while it can still be booked.
    EndsBeforeClosing,
    /// Redis has forgotten orders of the sale.
    Forgot,
    /// The sale is being reset or deleted.
    BeingCleared,
    /// The event was archived: no sale is created in it, and none opens again.
    Archived,
}

impl EditRefusal {
    /// Every refusal, for tables and tests.
    pub const ALL: [Self; 18] = [
        Self::NoSuchSale,
        Self::KindIsFixed,
        Self::AlreadyOpen,
        Self::PurchaseMaxLowered,
        Self::WindowIsEmpty,
        Self::FeedIsFixed,
        Self::TermsAreFixed,
        Self::NotOfThisKind,
        Self::HoldAndKeyword,
        Self::OneTicketEach,
        Self::SoldElsewhere,
        Self::TicketsAreOut,
        Self::NotAnActivity,
        Self::EndsBeforeStart,
        Self::EndsBeforeClosing,
        Self::Forgot,
        Self::BeingCleared,
        Self::Archived,
    ];

    /// The word in Lua and in answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSuchSale => "no_such_sale",
            Self::KindIsFixed => "kind_is_fixed",
            Self::AlreadyOpen => "already_open",
            Self::PurchaseMaxLowered => "purchase_max_lowered",
            Self::WindowIsEmpty => "window_is_empty",
            Self::FeedIsFixed => "feed_is_fixed",
            Self::TermsAreFixed => "terms_are_fixed",
            Self::NotOfThisKind => "not_of_this_kind",
            Self::HoldAndKeyword => "hold_and_keyword",
            Self::OneTicketEach => "one_ticket_each",
            Self::SoldElsewhere => "sold_elsewhere",
            Self::TicketsAreOut => "tickets_are_out",
            Self::NotAnActivity => "not_an_activity",
            Self::EndsBeforeStart => "ends_before_start",
            Self::EndsBeforeClosing => "ends_before_closing",
            Self::Forgot => "forgot",
            Self::BeingCleared => "being_cleared",
            Self::Archived => "archived",
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
        for refusal in EditRefusal::ALL {
            assert_eq!(EditRefusal::parse(refusal.code()), Some(refusal));
        }
        assert_eq!(EditRefusal::parse("created"), None);
    }

    #[test]
    fn the_window_includes_both_ends_and_a_pause_wins() {
        let mut sale = Sale {
            id: SaleId::parse("a").expect("valid"),
            title: String::new(),
            kind: StockKind::List,
            opens_at: Some(10),
            closes_at: Some(20),
            purchase_max: 2,
            orders_max: Some(ORDERS_MAX_DEFAULT),
            stop: None,
            hold: None,
            cancel_until: None,
            feed: true,
            bid_min: None,
            bonus_bp: 0,
            activity: None,
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
