//! Who shows a wrong token.

use prometheus::{IntCounterVec, Registry};

use super::{counters, table};

/// How often a wrong operators' token was shown, by the door.
pub struct Intruders {
    wrong_tokens: IntCounterVec,
}

impl Intruders {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        let wrong_tokens = counters(registry, &table::WRONG_TOKENS)?;
        Ok(Self { wrong_tokens })
    }

    /// A wrong token was shown.
    pub fn wrong_token(&self, door: &str) {
        self.wrong_tokens.with_label_values(&[door]).inc();
    }

    /// From the start there is a row for this door.
    pub fn expect(&self, door: &str) {
        self.wrong_tokens.with_label_values(&[door]);
    }
}
