//! Every metric, one line each: what registers it, what `docs/METRICS.md` says of it.

use std::fmt::Write;

/// What Prometheus calls the type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often a value was within each bound.
    Histogram,
}

impl Kind {
    /// The word of the text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The labels that tell its values apart.
    pub labels: &'static [&'static str],
    /// What it counts, in which unit.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($heading:literal { $($id:ident $kind:ident $name:literal [$($label:literal),*] $help:literal)* })*) => {
        $($(
            #[doc = $help]
            pub const $id: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*)*
        /// All metrics by subject.
        const GROUPS: &[(&str, &[Metric])] = &[$(($heading, &[$($id),*])),*];
    };
}

metrics! {
    "Attempts" {
        ATTEMPTS Counter "seckill_attempts_total" ["outcome", "by"]
            "Attempts by outcome and by who decided them: redis, a gate, or the server itself"
        PLACEMENTS Counter "seckill_placements_total" ["outcome"]
            "Requests for an order over several sales by outcome"
        BIDS Counter "seckill_bids_total" ["outcome"]
            "Bids by outcome"
        UNKNOWN_NAMES Counter "seckill_unknown_names_total" ["answer"]
            "Requests for sales that no reading has: Redis was asked, or this was the answer"
    }
    "Speed" {
        QUEUE_ATTEMPTS Gauge "seckill_queue_attempts" []
            "Attempts that wait for a batch"
        QUEUE_SECONDS Histogram "seckill_queue_seconds" []
            "Time of an attempt in the queue"
        REDIS_SECONDS Histogram "seckill_redis_seconds" []
            "Time of a batch in Redis"
        DECISION_SECONDS Histogram "seckill_decision_seconds" []
            "Time from an attempt to its outcome, when Redis was asked"
        BATCH_ATTEMPTS Histogram "seckill_batch_attempts" []
            "Attempts in a script call"
        GATE_LEARNING_SECONDS Histogram "seckill_gate_learning_seconds" []
            "Time to read the buyers of a sale before its gate closes"
        GATE_BUYERS Gauge "seckill_gate_buyers" ["refusal", "sale"]
            "Buyers that a closed gate lets pass; absent while the gate is open"
    }
    "Sales and orders" {
        FIGURES_UP Gauge "seckill_figures_up" []
            "Whether all figures of sales and feeds were read (1) or are left out (0)"
        UNREADABLE Gauge "seckill_unreadable" []
            "Sales and feeds that have no figures because their data are broken"
        UNITS Gauge "seckill_units" ["sale", "state"]
            "Units of a sale, or cents of a target, by where they are"
        BUYERS Gauge "seckill_buyers" ["sale"]
            "Buyers who hold an order"
        DEAD_ORDERS Gauge "seckill_dead_orders" ["sale"]
            "Orders of a sale that were cancelled or expired and are kept in Redis"
        EXPIRED_ORDERS Counter "seckill_expired_orders_total" []
            "Orders that this server expired because nobody confirmed them in time"
        BROKEN_ORDERS Counter "seckill_broken_orders_total" []
            "Times that an overdue order could not expire because its data is broken"
        OVERDUE_ORDERS Gauge "seckill_overdue_orders" []
            "Orders whose deadline has passed and that have not expired yet"
        EXPIRY_LAG_SECONDS Gauge "seckill_expiry_lag_seconds" []
            "How long after its deadline the latest order of the last batch expired"
        EXPIRY_PAUSED Gauge "seckill_expiry_paused" []
            "1 while no order expires because the clock of Redis stepped"
    }
    "Feed" {
        FEED_ENTRIES Gauge "seckill_feed_entries" ["event"]
            "Entries that a feed has in Redis"
        FEED_UNDELIVERED Gauge "seckill_feed_undelivered" ["event"]
            "Entries of a feed that no relay has delivered yet"
        FEED_OLDEST_SECONDS Gauge "seckill_feed_oldest_seconds" ["event"]
            "Age of the oldest entry of a feed that no relay has delivered yet"
        FEED_DEAD_LETTERS Gauge "seckill_feed_dead_letters" ["event"]
            "Entries of a feed that were given up"
        FEED_DELIVERED Counter "seckill_feed_delivered_total" []
            "Entries of feeds that the receiver accepted from this relay"
        FEED_RETRIED Counter "seckill_feed_retried_total" []
            "Entries of feeds in deliveries of this relay that were refused or failed"
        FEED_DEAD Counter "seckill_feed_dead_total" []
            "Entries of feeds that this relay gave up"
    }
    "Redis" {
        REDIS_ERRORS Counter "seckill_redis_errors_total" ["kind"]
            "Failed calls to Redis: busy, unknown or unreadable"
        REDIS_FORGOT Counter "seckill_redis_forgot_total" ["sale"]
            "Times that Redis had lost orders of a sale which this server knew"
        REDIS_CLOCK_STEPS Counter "seckill_redis_clock_steps_total" []
            "Times that the clock of Redis stepped by more than 5 seconds"
        REDIS_MEMORY Gauge "seckill_redis_memory_bytes" []
            "Memory that Redis uses"
        REDIS_MEMORY_MAX Gauge "seckill_redis_memory_max_bytes" []
            "Memory that Redis may use; 0 is no limit"
    }
    "Clients" {
        CONNECTIONS Gauge "seckill_connections" []
            "Open connections of clients"
        CONNECTIONS_CLOSED Counter "seckill_connections_closed_total" ["reason"]
            "Connections that the server closed, or refused for their address, by the reason"
        WRONG_TOKENS Counter "seckill_wrong_tokens_total" ["door"]
            "Requests with a wrong operators' token by where it was shown"
        WECHAT_MESSAGES Counter "seckill_wechat_messages_total" ["command", "outcome"]
            "Messages of the chat platform by what they ask for and what became of them"
    }
}

/// The page `docs/METRICS.md`.
pub fn page() -> String {
    let mut page = "\
# Metrics

`GET /metrics` returns these in the text format of Prometheus. Counters and histograms belong to one process and begin
at 0 when it starts. Figures of sales and feeds are read from Redis, so every server shows the same.
[Operations](OPERATIONS.md) says which of them to alert on.

This page is made from the table of metrics in the code: `make docs` writes it.
"
    .to_owned();
    for (heading, metrics) in GROUPS {
        // Writing to a text cannot fail.
        let _ = write!(
            page,
            "\n## {heading}\n\n| metric | type | labels | what it is |\n|---|---|---|---|\n"
        );
        for metric in *metrics {
            let Metric { name, help, .. } = metric;
            let kind = metric.kind.as_str();
            let labels = metric.labels.iter().map(|label| format!("`{label}`"));
            let labels = labels.collect::<Vec<_>>().join(", ");
            let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {help} |");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_the_table() {
        let written = include_str!("../../docs/METRICS.md");
        assert!(written == page(), "docs/METRICS.md is old: run `make docs`");
    }

    #[test]
    fn no_name_is_twice_in_the_table() {
        let mut names: Vec<_> = GROUPS.iter().flat_map(|(_, metrics)| *metrics).collect();
        names.sort_by_key(|metric| metric.name);
        for pair in names.windows(2) {
            assert_ne!(pair[0].name, pair[1].name);
        }
    }
}
