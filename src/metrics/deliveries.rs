//! What the relay delivers, in numbers.

use prometheus::{IntCounter, Registry};

use super::counter;

/// What the relay delivers.
pub struct Deliveries {
    delivered: IntCounter,
    retried: IntCounter,
    dead: IntCounter,
}

impl Deliveries {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            delivered: counter(
                registry,
                "seckill_feed_delivered_total",
                "Entries of feeds that the receiver accepted from this relay",
            )?,
            retried: counter(
                registry,
                "seckill_feed_retried_total",
                "Entries of feeds in deliveries of this relay that were refused or failed",
            )?,
            dead: counter(
                registry,
                "seckill_feed_dead_total",
                "Entries of feeds that this relay gave up",
            )?,
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
