//! Money: amounts and bonuses, in cents.

use super::Invalid;
use super::whole::whole;

/// The most cents of one amount, one balance and one target. Such numbers are exact in Lua.
pub const CENTS_MAX: u64 = 100_000_000_000_000;
/// The highest bonus, in basis points: 100 % of what was accepted. So a bid never makes an account
/// richer, and the refund of a cancelled bid always covers its bonus.
pub const BONUS_BP_MAX: u32 = 10_000;

/// How much a bid offers, in cents: from 1 to [`CENTS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(u64);

impl Amount {
    /// Accepts a [`whole`] number in these bounds.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let offered = whole(text).filter(|cents| (1..=CENTS_MAX).contains(cents));
        offered.map(Self).ok_or(Invalid {
            what: "amount",
            rule: "a whole number of cents from 1 to 100000000000000, in digits",
        })
    }

    /// The number of cents.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// The bonus on `accepted` cents, in cents, rounded down.
pub fn bonus(accepted: u64, bonus_bp: u32) -> u64 {
    let bonus = u128::from(accepted) * u128::from(bonus_bp) / u128::from(BONUS_BP_MAX);
    u64::try_from(bonus).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_whole_number_of_cents_in_bounds() {
        for (text, cents) in [("1", 1), ("30", 30), ("100000000000000", CENTS_MAX)] {
            assert_eq!(Amount::parse(text).map(Amount::get), Ok(cents));
        }
        for text in ["0", "01", "1.0", "1,000", "100000000000001"] {
            assert!(Amount::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_bonus_is_rounded_down_and_never_more_than_everything() {
        for (accepted, bp, cents) in [
            (0, 100, 0),
            (99, 100, 0),
            (100, 100, 1),
            (12_345, 250, 308),
            (7, BONUS_BP_MAX, 7),
            (CENTS_MAX - 1, BONUS_BP_MAX - 1, 99_989_999_999_999),
            (CENTS_MAX, BONUS_BP_MAX, CENTS_MAX),
        ] {
            assert_eq!(bonus(accepted, bp), cents, "{accepted} at {bp}");
        }
    }
}
