//! What the relay delivers, in numbers.

use prometheus::{IntCounter, Registry};

use super::{counter, table};

/// What the relay delivers.
pub struct Deliveries {
    delivered: IntCounter,
    retried: IntCounter,
    dead: IntCounter,
}

impl Deliveries {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            delivered: counter(registry, &table::FEED_DELIVERED)?,
            retried: counter(registry, &table::FEED_RETRIED)?,
            dead: counter(registry, &table::FEED_DEAD)?,
        })
    }

    /// The receiver accepted so many entries.
    pub fn delivered(&self, entries: usize) {
        self.delivered.inc_by(entries as u64);
    }

    /// So many entries have to be delivered again.
    pub fn retried(&self, entries: usize) {
        self.retried.inc_by(entries as u64);
    }

    /// An entry became a dead letter.
    pub fn dead(&self) {
        self.dead.inc();
    }
}
