//! The history of a sale: how a server notices that its store went back in time.
//!
//! A sale has a history, `N-word`. `N` grows with each new beginning that an operator decides, and
//! the random word tells two beginnings with the same `N` apart. Within one history the number of
//! granted orders only grows. So a store that shows another word, a smaller `N` or fewer grants
//! than were acknowledged before has lost something.
//!
//! `lua/lib/history.lua` follows the same rule, before it grants anything.

use std::fmt;

use crate::domain::Invalid;
use crate::domain::purchase::standing::Grants;
use crate::domain::whole::whole;

/// Most bytes of the random word.
const WORD_BYTES_MAX: usize = 32;

/// One history of a sale, as its field `history` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    number: u64,
    word: String,
}

impl History {
    /// The history of a sale without the field: an older server made it.
    pub fn unnamed() -> Self {
        Self {
            number: 1,
            word: String::new(),
        }
    }

    /// Accepts `N-word`: a whole number from 1, a dash, and up to 32 lower-case letters and digits.
    ///
    /// # Errors
    /// The rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let parts = text.split_once('-');
        let parsed = parts.and_then(|(number, word)| {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            let is_word = word.len() <= WORD_BYTES_MAX && word.bytes().all(fits);
            let number = whole(number).filter(|&number| number > 0)?;
            let word = is_word.then(|| word.to_owned())?;
            Some(Self { number, word })
        });
        parsed.ok_or(Invalid {
            what: "history",
            rule: "`N-word`, with N from 1 and a word of up to 32 lower-case letters and digits",
        })
    }

    /// How many times the sale began, as far as anybody knew.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, self.word)
    }
}

/// The past of a sale at one instant: which history, and the orders granted in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Which history.
    pub history: History,
    /// The orders granted in it.
    pub grants: Grants,
}

impl Past {
    /// True when a store that shows `found` has lost something of this past.
    pub fn is_lost_in(&self, found: &Self) -> bool {
        let (known, shown) = (&self.history, &found.history);
        if known.number != shown.number {
            return shown.number < known.number;
        }
        let fewer = found.grants.count < self.grants.count;
        let others =
            found.grants.count == self.grants.count && found.grants.last_at != self.grants.last_at;
        known != shown || fewer || others
    }

    /// True when `found` tells more than this past: a newer history, or more grants of this one.
    pub fn is_older_than(&self, found: &Self) -> bool {
        found.history.number > self.history.number
            || found.history == self.history && found.grants.count > self.grants.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(history: &str, count: u64, last_at: u64) -> Past {
        Past {
            history: History::parse(history).expect("valid"),
            grants: Grants { last_at, count },
        }
    }

    #[test]
    fn a_history_is_a_number_and_a_word() {
        for text in ["1-", "1-k3", "999-a"] {
            assert_eq!(History::parse(text).map(|h| h.to_string()), Ok(text.into()));
        }
        for text in ["", "1", "-a", "0-a", "01-a", "x-a", "1-A", "1-a-b", "1-a b"] {
            assert!(History::parse(text).is_err(), "{text:?}");
        }
        assert!(History::parse(&format!("1-{}", "a".repeat(33))).is_err());
        assert_eq!(History::unnamed().to_string(), "1-");
    }

    #[test]
    fn a_past_is_lost_when_the_store_shows_less_or_something_else() {
        let known = past("2-a", 5, 50);
        for (found, lost) in [
            (past("2-a", 5, 50), false),
            (past("2-a", 6, 60), false),
            (past("2-a", 4, 40), true),
            (past("2-a", 5, 51), true),
            (past("2-b", 9, 90), true),
            (past("2-", 9, 90), true),
            (past("1-a", 9, 90), true),
            (past("3-b", 0, 0), false),
        ] {
            assert_eq!(known.is_lost_in(&found), lost, "{found:?}");
        }
    }

    #[test]
    fn a_past_learns_only_what_is_newer() {
        let known = past("2-a", 5, 50);
        for (found, newer) in [
            (past("2-a", 5, 50), false),
            (past("2-a", 6, 60), true),
            (past("2-a", 4, 40), false),
            (past("2-b", 9, 90), false),
            (past("1-a", 9, 90), false),
            (past("3-b", 0, 0), true),
        ] {
            assert_eq!(known.is_older_than(&found), newer, "{found:?}");
        }
    }
}
