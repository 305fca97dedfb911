//! An order: the units that a buyer got.

use super::ids::{OrderId, SaleId, Username};
use super::sale::EpochMs;

/// Where an order stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderState {
    /// Sold.
    Confirmed,
}

impl OrderState {
    /// The word in records and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
        }
    }

    /// The state of a record's word; `None` for a word that is no state.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "confirmed" => Some(Self::Confirmed),
            _ => None,
        }
    }
}

/// The units that a buyer got from one sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its name.
    pub id: OrderId,
    /// Where it stands.
    pub state: OrderState,
    /// When the units were granted, by the clock of Redis.
    pub created_at: EpochMs,
    /// Who holds it.
    pub username: Username,
    /// The sale that it was granted from.
    pub goods: SaleId,
    /// How many units.
    pub purchase: u32,
    /// Which units, in the order in which they left the list; empty for counter stock.
    pub units: Vec<String>,
}
