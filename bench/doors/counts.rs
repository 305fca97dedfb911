//! What a server counted itself, from its `/metrics`.

/// The figures that an audit needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Attempts that were granted.
    pub grabbed: u64,
    /// Attempts that were certainly not executed.
    pub busy: u64,
    /// Attempts that may have been executed.
    pub unknown: u64,
    /// Attempts that wait for a batch now.
    pub queue: u64,
}

impl Counts {
    /// From the text format of Prometheus.
    pub fn read(metrics: &str) -> Self {
        let outcome = |name: &str| {
            let label = format!("outcome=\"{name}\"");
            sum(metrics, "seckill_attempts_total{", &label)
        };
        Self {
            grabbed: outcome("grabbed"),
            busy: outcome("busy"),
            unknown: outcome("unknown"),
            queue: sum(metrics, "seckill_queue_attempts ", ""),
        }
    }

    /// Whether so many units may be sold: all that were granted, and some whose fate it does not
    /// know.
    pub fn allow(self, sold: u64) -> bool {
        (self.grabbed..=self.grabbed + self.unknown).contains(&sold)
    }

    /// Attempts that it refused for its own reasons.
    pub fn refused(self) -> u64 {
        self.busy + self.unknown
    }
}

/// The values of all lines that start so and have this label.
fn sum(metrics: &str, start: &str, label: &str) -> u64 {
    let lines = metrics.lines();
    let lines = lines.filter(|line| line.starts_with(start) && line.contains(label));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}
