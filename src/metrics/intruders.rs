//! Metrics of wrong tokens.

use prometheus::{IntCounterVec, Registry};

use super::{counters, table};

/// How often a wrong operators' token was sent, by endpoint.
pub struct Intruders {
    wrong_tokens: IntCounterVec,
}

impl Intruders {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        let wrong_tokens = counters(registry, &table::WRONG_TOKENS)?;
        Ok(Self { wrong_tokens })
    }

    /// A wrong token was sent.
    pub fn wrong_token(&self, door: &str) {
        self.wrong_tokens.with_label_values(&[door]).inc();
    }

    /// Shows a row for this endpoint from the start.
    pub fn expect(&self, door: &str) {
        self.wrong_tokens.with_label_values(&[door]);
    }
}
