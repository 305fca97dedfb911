//! Every metric, declared once. Counting is a few atomic additions on the hot path; what Redis
//! holds is read from the truth ([`figures`]), never counted along.

mod chat;
pub mod connections;
mod deliveries;
mod expiry;
pub mod figures;
mod intruders;
mod losses;
mod memory;
mod names;
pub mod table;

use std::time::Duration;

use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use self::chat::Chat;
use self::connections::Connections;
use self::deliveries::Deliveries;
use self::expiry::Expiry;
use self::intruders::Intruders;
use self::losses::Losses;
use self::memory::MemoryGauges;
use self::names::Names;
use self::table::Metric;
use crate::domain::purchase::bid::BidOutcome;
use crate::domain::purchase::outcome::{Outcome, Refusal};
use crate::domain::purchase::place::PlaceOutcome;
use crate::failure::{Failure, Result};

/// Seconds: from an answer of a gate to the longest wait of a buyer.
const SECONDS: [f64; 14] = [
    0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0,
];
/// Attempts in a batch.
const BATCH_SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// The metrics of a process.
pub struct Metrics {
    registry: Registry,
    grabbed: IntCounter,
    already_grabbed: IntCounter,
    refused: Vec<IntCounter>,
    busy: IntCounter,
    unknown: IntCounter,
    unreadable: IntCounter,
    gate_refused: Vec<IntCounter>,
    placements: IntCounterVec,
    bids: IntCounterVec,
    attempts: IntCounterVec,
    queue_depth: IntGauge,
    queue_seconds: Histogram,
    redis_seconds: Histogram,
    decision_seconds: Histogram,
    batch_attempts: Histogram,
    redis_errors: IntCounterVec,
    gate_learning_seconds: Histogram,
    /// What the expirer does.
    pub expiry: Expiry,
    /// What the relay delivers.
    pub deliveries: Deliveries,
    /// What users of the chat platform ask.
    pub chat: Chat,
    /// The connections of clients.
    pub connections: Connections,
    /// Who shows a wrong token.
    pub intruders: Intruders,
    /// What Redis has forgotten.
    pub losses: Losses,
    /// How much memory Redis uses.
    pub memory: MemoryGauges,
    /// Names of sales that nobody has seen.
    pub names: Names,
}

impl Metrics {
    /// All metrics, at zero.
    ///
    /// # Errors
    /// Two metrics have one name, which a test would see first.
    pub fn new() -> prometheus::Result<Self> {
        let metrics = Self::registered()?;
        // Shown from the start, before anybody sends one.
        for code in ["invalid_request", "invalid_purchase"] {
            metrics.attempts.with_label_values(&[code, "server"]);
        }
        Ok(metrics)
    }

    fn registered() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let outcomes = counters(&registry, &table::ATTEMPTS)?;
        let by = |by: &'static str| {
            let outcomes = outcomes.clone();
            move |outcome: &str| outcomes.with_label_values(&[outcome, by])
        };
        let (redis, gate, server) = (by("redis"), by("gate"), by("server"));
        let counters = |metric| counters(&registry, metric);
        let placements = counters(&table::PLACEMENTS)?;
        let redis_errors = counters(&table::REDIS_ERRORS)?;
        let queue_depth = gauge_of(&registry, &table::QUEUE_ATTEMPTS)?;
        let seconds = |metric| histogram(&registry, metric, &SECONDS);
        Ok(Self {
            grabbed: redis("grabbed"),
            already_grabbed: redis("already_grabbed"),
            refused: Refusal::ALL.map(|refusal| redis(refusal.code())).to_vec(),
            busy: server("busy"),
            unknown: server("unknown"),
            unreadable: server("unreadable"),
            gate_refused: Refusal::ALL.map(|refusal| gate(refusal.code())).to_vec(),
            attempts: outcomes.clone(),
            queue_seconds: seconds(&table::QUEUE_SECONDS)?,
            redis_seconds: seconds(&table::REDIS_SECONDS)?,
            decision_seconds: seconds(&table::DECISION_SECONDS)?,
            batch_attempts: histogram(&registry, &table::BATCH_ATTEMPTS, &BATCH_SIZES)?,
            gate_learning_seconds: seconds(&table::GATE_LEARNING_SECONDS)?,
            expiry: Expiry::registered(&registry)?,
            placements,
            bids: counters(&table::BIDS)?,
            connections: Connections::registered(&registry)?,
            intruders: Intruders::registered(&registry)?,
            losses: Losses::registered(&registry)?,
            memory: MemoryGauges::registered(&registry)?,
            names: Names::registered(&registry)?,
            deliveries: Deliveries::registered(&registry)?,
            chat: Chat::registered(&registry)?,
            redis_errors,
            queue_depth,
            registry,
        })
    }

    /// An attempt was decided, or failed to be, after asking Redis.
    pub fn decided(&self, decided: &Result<Outcome>, took: Duration) {
        self.decision_seconds.observe(took.as_secs_f64());
        match decided {
            Ok(Outcome::Grabbed(_)) => self.grabbed.inc(),
            Ok(Outcome::AlreadyGrabbed(_)) => self.already_grabbed.inc(),
            Ok(Outcome::Refused(refusal)) => self.refused[refusal.index()].inc(),
            Err(Failure::Busy(_)) => self.busy.inc(),
            Err(Failure::Unknown(_)) => self.unknown.inc(),
            Err(Failure::Unreadable(_)) => self.unreadable.inc(),
        }
    }

    /// A placement was decided, or failed to be.
    pub fn placed(&self, placed: &Result<PlaceOutcome>) {
        let outcome = match placed {
            Ok(outcome) => outcome.code(),
            Err(failure) => failure.label(),
        };
        self.placements.with_label_values(&[outcome]).inc();
    }

    /// A bid was decided, or failed to be.
    pub fn bid(&self, decided: &Result<BidOutcome>) {
        let outcome = match decided {
            Ok(outcome) => outcome.code(),
            Err(failure) => failure.label(),
        };
        self.bids.with_label_values(&[outcome]).inc();
    }

    /// A bid was wrong, and was told this code.
    pub fn wrong_bid(&self, code: &str) {
        self.bids.with_label_values(&[code]).inc();
    }

    /// A gate answered.
    pub fn gate_refused(&self, refusal: Refusal) {
        self.gate_refused[refusal.index()].inc();
    }

    /// An attempt was wrong, and was told this code.
    pub fn wrong_attempt(&self, code: &str) {
        self.attempts.with_label_values(&[code, "server"]).inc();
    }

    /// A placement was wrong, and was told this code.
    pub fn wrong_placement(&self, code: &str) {
        self.placements.with_label_values(&[code]).inc();
    }

    /// An attempt began to wait.
    pub fn entered_queue(&self) {
        self.queue_depth.inc();
    }

    /// An attempt waited so long, and does no more.
    pub fn left_queue(&self, waited: Duration) {
        self.queue_depth.dec();
        self.queue_seconds.observe(waited.as_secs_f64());
    }

    /// A batch of so many attempts took so long in Redis.
    pub fn batch(&self, attempts: usize, took: Duration) {
        self.batch_attempts.observe(attempts as f64);
        self.redis_seconds.observe(took.as_secs_f64());
    }

    /// A call to Redis failed.
    pub fn redis_error(&self, error: &Failure) {
        self.redis_errors.with_label_values(&[error.label()]).inc();
    }

    /// The buyers of a sale were learned.
    pub fn gate_learned(&self, took: Duration) {
        self.gate_learning_seconds.observe(took.as_secs_f64());
    }

    /// What this process counted, in the text format of Prometheus.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn counter(registry: &Registry, metric: &Metric) -> prometheus::Result<IntCounter> {
    let counter = IntCounter::new(metric.name, metric.help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

/// Counters, one for each value of the labels.
fn counters(registry: &Registry, metric: &Metric) -> prometheus::Result<IntCounterVec> {
    let counters = IntCounterVec::new(Opts::new(metric.name, metric.help), metric.labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

fn gauge_of(registry: &Registry, metric: &Metric) -> prometheus::Result<IntGauge> {
    let gauge = IntGauge::new(metric.name, metric.help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

/// A gauge of parts of a second.
fn seconds_of(registry: &Registry, metric: &Metric) -> prometheus::Result<Gauge> {
    let gauge = Gauge::new(metric.name, metric.help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn histogram(
    registry: &Registry,
    metric: &Metric,
    buckets: &[f64],
) -> prometheus::Result<Histogram> {
    let options = HistogramOpts::new(metric.name, metric.help).buckets(buckets.to_vec());
    let histogram = Histogram::with_opts(options)?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}

/// Gauges, one for each value of the labels; none at first.
fn gauges(registry: &Registry, metric: &Metric) -> prometheus::Result<IntGaugeVec> {
    let gauges = IntGaugeVec::new(Opts::new(metric.name, metric.help), metric.labels)?;
    registry.register(Box::new(gauges.clone()))?;
    Ok(gauges)
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::new().expect("registered");
        metrics.decided(
            &Ok(Outcome::Refused(Refusal::SoldOut)),
            Duration::from_millis(1),
        );
        metrics.gate_refused(Refusal::SoldOut);
        metrics.entered_queue();
        metrics.expiry.expired(2, 1, Duration::from_millis(300));
        metrics.expiry.overdue(7);
        metrics.deliveries.delivered(4);
        metrics.chat.answered("book", "answered");
        let text = metrics.text().expect("text");
        for line in [
            "seckill_attempts_total{by=\"redis\",outcome=\"sold_out\"} 1",
            "seckill_attempts_total{by=\"gate\",outcome=\"sold_out\"} 1",
            "seckill_queue_attempts 1",
            "seckill_feed_delivered_total 4",
            "seckill_wechat_messages_total{command=\"book\",outcome=\"answered\"} 1",
            "seckill_decision_seconds_count 1",
            "seckill_expired_orders_total 2",
            "seckill_broken_orders_total 1",
            "seckill_expiry_lag_seconds 0.3",
            "seckill_overdue_orders 7",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
