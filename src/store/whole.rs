//! Whole numbers in Redis: what is none is named.

use std::fmt::Display;

use crate::domain::whole::whole;
use crate::failure::{Failure, Result};

/// The whole number of bytes that are `what`.
///
/// # Errors
/// [`Failure::Unreadable`] with what it is and says.
pub fn whole_of(what: impl Display, bytes: &[u8]) -> Result<u64> {
    let text = String::from_utf8_lossy(bytes);
    let wrong = || Failure::Unreadable(format!("{what} is {text:?}, not a whole number"));
    whole(&text).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_none_is_named_with_its_value() {
        let error = whole_of("held", b"many\xff")
            .expect_err("no number")
            .to_string();
        assert!(
            error.contains("held is \"many\u{fffd}\", not a whole number"),
            "{error}"
        );
    }
}
