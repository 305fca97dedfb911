//! What the expirer does, in numbers.

use std::time::Duration;

use prometheus::{Gauge, IntCounter, IntGauge, Registry};

use super::gauge;

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
        let expiry = Self {
            expired: IntCounter::new(
                "seckill_expired_orders_total",
                "Orders that this server expired because nobody confirmed them in time",
            )?,
            broken: IntCounter::new(
                "seckill_broken_orders_total",
                "Times that an overdue order could not expire because its data is broken",
            )?,
            overdue: IntGauge::new(
                "seckill_overdue_orders",
                "Orders whose deadline has passed and that have not expired yet",
            )?,
            lag_seconds: Gauge::new(
                "seckill_expiry_lag_seconds",
                "How long after its deadline the latest order of the last batch expired",
            )?,
            clock_steps: IntCounter::new(
                "seckill_redis_clock_steps_total",
                "Times that the clock of Redis stepped by more than 5 seconds",
            )?,
            paused: IntGauge::new(
                "seckill_expiry_paused",
                "1 while no order expires because the clock of Redis stepped",
            )?,
        };
        registry.register(Box::new(expiry.expired.clone()))?;
        registry.register(Box::new(expiry.broken.clone()))?;
        registry.register(Box::new(expiry.overdue.clone()))?;
        registry.register(Box::new(expiry.lag_seconds.clone()))?;
        registry.register(Box::new(expiry.clock_steps.clone()))?;
        registry.register(Box::new(expiry.paused.clone()))?;
        Ok(expiry)
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
