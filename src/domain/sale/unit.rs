//! A unit of list stock: one thing with an identity (serial number, seat, coupon code).

use std::fmt;

use crate::domain::Invalid;

/// Longest unit, in bytes of UTF-8.
pub const UNIT_BYTES_MAX: usize = 128;

/// One unit of list stock: 1 to 128 bytes of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unit(String);

impl Unit {
    /// Accepts exactly the rule above.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = (1..=UNIT_BYTES_MAX).contains(&text.len());
        if !fits || text.chars().any(char::is_control) {
            return Err(Invalid {
                what: "unit",
                rule: "1 to 128 bytes of UTF-8 without control characters",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The identity as it was loaded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_a_printable_name() {
        assert!(Unit::parse("座位 A-12").is_ok());
        for text in ["", "a\tb", "a\n", &"x".repeat(129)] {
            assert!(Unit::parse(text).is_err(), "{text:?}");
        }
    }
}
