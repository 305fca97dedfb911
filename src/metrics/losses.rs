//! What Redis has forgotten.

use prometheus::{IntCounterVec, Registry};

use super::{counters, table};

/// How often Redis has forgotten orders that this server knew, by sale.
pub struct Losses {
    forgot: IntCounterVec,
}

impl Losses {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        let forgot = counters(registry, &table::REDIS_FORGOT)?;
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
