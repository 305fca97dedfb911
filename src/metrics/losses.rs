//! What Redis has forgotten.

use prometheus::{IntCounterVec, Registry};

/// How often Redis has forgotten orders that this server knew, by sale.
pub struct Losses {
    forgot: IntCounterVec,
}

impl Losses {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        let forgot = super::counters(
            registry,
            "seckill_redis_forgot_total",
            "Times that Redis had forgotten orders of a sale which this server knew",
            "sale",
        )?;
        Ok(Self { forgot })
    }

    /// Redis has forgotten orders of a sale.
    pub fn another(&self, sale: &str) {
        self.forgot.with_label_values(&[sale]).inc();
    }

    /// How often that happened.
    pub fn count(&self, sale: &str) -> u64 {
        self.forgot.with_label_values(&[sale]).get()
    }
}
