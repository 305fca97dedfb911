//! An attempt: one buyer asks for units of one sale.

use crate::domain::Invalid;
use crate::domain::ids::{OrderId, Username};

/// How many units a buyer asks for: a whole number from 1. Each sale sets its own maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Purchase(u32);

impl Purchase {
    /// One unit.
    pub const ONE: Self = Self(1);

    /// Accepts decimal digits without sign, leading zero or spaces. A number that is too large for
    /// any sale is kept as the largest one, which every sale refuses.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let bytes = text.as_bytes();
        let whole = bytes.iter().all(u8::is_ascii_digit);
        if !whole || !matches!(bytes.first(), Some(b'1'..=b'9')) {
            return Err(Invalid {
                what: "purchase",
                rule: "a whole number from 1, in digits",
            });
        }
        Ok(Self(text.parse().unwrap_or(u32::MAX)))
    }

    /// The number of units.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The sum of both, or the largest number, which every sale refuses.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// One buyer's attempt, with the id that its order gets if it is granted.
///
/// The id is chosen before the store is asked, so an attempt never depends on a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The buyer.
    pub username: Username,
    /// How many units.
    pub purchase: Purchase,
    /// The id for the order, if units are granted.
    pub order: OrderId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purchase_is_plain_digits_from_one() {
        for (text, units) in [("1", 1), ("2", 2), ("10", 10), ("99999999999999", u32::MAX)] {
            assert_eq!(Purchase::parse(text).map(Purchase::get), Ok(units));
        }
        for text in [
            "", "0", "01", " 1", "1 ", "+1", "-1", "1.0", "1e0", "１", "二", "0x1",
        ] {
            assert!(Purchase::parse(text).is_err(), "{text:?}");
        }
    }
}
