//! Names of sales that nobody has seen.

use prometheus::{IntCounterVec, Registry};

use super::{counters, table};

/// Requests for such names by what became of them.
pub struct Names {
    unknown: IntCounterVec,
}

impl Names {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        let unknown = counters(registry, &table::UNKNOWN_NAMES)?;
        Ok(Self { unknown })
    }

    /// One more: `asked`, `no_such_sale` or `busy`.
    pub fn another(&self, answer: &str) {
        self.unknown.with_label_values(&[answer]).inc();
    }

    /// How many there were.
    pub fn count(&self, answer: &str) -> u64 {
        self.unknown.with_label_values(&[answer]).get()
    }
}
