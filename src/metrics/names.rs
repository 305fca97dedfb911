//! Names of sales that nobody has seen.

use prometheus::{IntCounterVec, Registry};

/// Requests for such names by what became of them.
pub struct Names {
    unknown: IntCounterVec,
}

impl Names {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        let unknown = super::counters(
            registry,
            "seckill_unknown_names_total",
            "Requests for sales that no reading has: Redis was asked, or this was the answer",
            "answer",
        )?;
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
