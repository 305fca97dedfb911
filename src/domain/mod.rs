//! What is true: the words of a flash sale as pure types. No I/O, no clock, nothing but `std`.
//!
//! Every type here is parsed once, at the edge; after that nothing checks it again.

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
mod words;

use std::fmt;

/// A text that is not what it claims to be: which thing, and the rule that it breaks.
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
