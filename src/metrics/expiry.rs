//! What the expirer does, in numbers.

use std::time::Duration;

use prometheus::{Gauge, IntCounter, IntGauge, Registry};

use super::{counter, gauge, gauge_of, seconds_of, table};

/// What the expirer does.
pub struct Expiry {
    expired: IntCounter,
    broken: IntCounter,
    overdue: IntGauge,
    lag_seconds: Gauge,
    clock_steps: IntCounter,
    paused: IntGauge,
}

impl Expiry {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            expired: counter(registry, &table::EXPIRED_ORDERS)?,
            broken: counter(registry, &table::BROKEN_ORDERS)?,
            overdue: gauge_of(registry, &table::OVERDUE_ORDERS)?,
            lag_seconds: seconds_of(registry, &table::EXPIRY_LAG_SECONDS)?,
            clock_steps: counter(registry, &table::REDIS_CLOCK_STEPS)?,
            paused: gauge_of(registry, &table::EXPIRY_PAUSED)?,
        })
    }

    /// So many overdue orders expired, the latest of them so late, and so many could not.
    pub fn expired(&self, orders: u64, broken: usize, late: Duration) {
        self.expired.inc_by(orders);
        self.broken.inc_by(broken as u64);
        self.lag_seconds.set(late.as_secs_f64());
    }

    /// The clock of Redis stepped: no order expires until [`Expiry::resumed`].
    pub fn clock_stepped(&self) {
        self.clock_steps.inc();
        self.paused.set(1);
    }

    /// Orders expire again.
    pub fn resumed(&self) {
        self.paused.set(0);
    }

    /// So many orders are overdue and still hold their units.
    pub fn overdue(&self, orders: u64) {
        self.overdue.set(gauge(orders));
    }
}
