//! Pure types of a flash sale. No I/O, no clock, only `std`.
//!
//! Every value is parsed once, where it enters the program. Nothing checks it again.

#[macro_use]
mod words;

pub mod archive;
pub mod audit;
pub mod bytes;
pub mod caller;
pub mod clear;
pub mod counted;
pub mod durability;
pub mod feed;
pub mod ids;
pub mod memory;
pub mod money;
pub mod order;
pub mod payment;
pub mod purchase;
pub mod sale;
pub mod time;
pub mod whole;

use std::fmt;

/// A text that cannot be parsed: what it should be, and the rule that it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid {
    /// What was being parsed, for instance `sale id`.
    pub what: &'static str,
    /// The rule, as the end of a sentence that starts with "must be".
    pub rule: &'static str,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} must be {}", self.what, self.rule)
    }
}

impl std::error::Error for Invalid {}
