//! The memory of Redis.

use prometheus::{IntGaugeVec, Registry};

use super::{gauge, gauges, table};
use crate::domain::memory::Memory;

/// How much memory Redis uses, and how much it may use. There is no figure while nobody knows it.
pub struct MemoryGauges {
    used: IntGaugeVec,
    max: IntGaugeVec,
}

impl MemoryGauges {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        let gauges = |metric| gauges(registry, metric);
        Ok(Self {
            used: gauges(&table::REDIS_MEMORY)?,
            max: gauges(&table::REDIS_MEMORY_MAX)?,
        })
    }

    /// Redis was asked; `None`: it did not say it.
    pub fn seen(&self, memory: Option<Memory>) {
        match memory {
            Some(memory) => {
                self.used
                    .with_label_values::<&str>(&[])
                    .set(gauge(memory.used));
                self.max
                    .with_label_values::<&str>(&[])
                    .set(gauge(memory.max));
            }
            None => {
                self.used.reset();
                self.max.reset();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn what_is_not_known_has_no_figure() {
        let metrics = Metrics::new().expect("registered");
        for (memory, is_known) in [(Some(Memory { used: 7, max: 0 }), true), (None, false)] {
            metrics.memory.seen(memory);
            let text = metrics.text().expect("text");
            for line in [
                "seckill_redis_memory_bytes 7",
                "seckill_redis_memory_max_bytes 0",
            ] {
                assert_eq!(text.contains(line), is_known, "{line}: {text}");
            }
        }
    }
}
