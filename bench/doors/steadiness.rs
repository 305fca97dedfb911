//! The row of latency: bare and seckill at one and the same constant rate.

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::runtime::Runtime;

use crate::Result;
use crate::figures::Spread;
use crate::plan::{Path, Plan};
use crate::run::Stage;
use crate::servers::Programs;
use crate::steady::{Load, Seen};

/// Connections that share the load.
pub const CONNECTIONS: usize = 64;
/// The percentiles of the table.
pub const PERCENTILES: [f64; 3] = [50.0, 99.0, 99.9];

/// Latencies of one server in microseconds, one spread for each percentile.
pub type Latencies = [Spread; 3];

/// What was measured of one server.
pub struct Side {
    /// How long its answers took.
    pub latencies: Latencies,
    /// Answers that were not 2xx, in all rounds.
    pub refused: u64,
}

/// What was measured.
pub struct Steadiness {
    /// Requests a second of both.
    pub rate: f64,
    /// The limit.
    pub bare: Side,
    /// The project.
    pub seckill: Side,
    /// The generator's own share: the 99th percentile of how late it handed a request over.
    pub pacing: f64,
    /// p99 of seckill against p99 of bare, in each round.
    pub p99_ratio: Spread,
}

/// Measures both in turn, several rounds.
pub fn measure(
    programs: &Programs,
    runtime: &Runtime,
    plan: Plan,
    rate: f64,
) -> Result<Steadiness> {
    let (mut bare, mut seckill, mut pacing) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        for (path, found) in [(Path::Bare, &mut bare), (Path::Grab, &mut seckill)] {
            let stage = Stage::set(programs, runtime, path, plan.steady.as_secs())?;
            let seen = stage.steady(load(rate, plan.steady))?;
            pacing.push(micros(&seen.pacing, 99.0));
            found.push(seen);
        }
    }
    let p99 = |seen: &Seen| micros(&seen.latency, 99.0);
    let rounds = seckill.iter().zip(&bare);
    let ratios = rounds.map(|(own, other)| p99(own) / p99(other));
    let none = "no round of the open loop";
    Ok(Steadiness {
        rate,
        pacing: Spread::of(pacing).ok_or(none)?.median,
        p99_ratio: Spread::of(ratios.collect()).ok_or(none)?,
        bare: Side::of(&bare).ok_or(none)?,
        seckill: Side::of(&seckill).ok_or(none)?,
    })
}

fn load(rate: f64, time: Duration) -> Load {
    Load {
        rate,
        time,
        connections: CONNECTIONS,
        run: "steady",
    }
}

fn micros(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    histogram.value_at_percentile(percentile) as f64 / 1e3
}

impl Side {
    fn of(rounds: &[Seen]) -> Option<Self> {
        let spread = |percentile| {
            let rounds = rounds.iter();
            Spread::of(
                rounds
                    .map(|seen| micros(&seen.latency, percentile))
                    .collect(),
            )
        };
        let [p50, p99, p999] = PERCENTILES.map(spread);
        let refused = rounds
            .iter()
            .map(|seen| seen.answers.count(|a| !a.is_granted()));
        Some(Self {
            latencies: [p50?, p99?, p999?],
            refused: refused.sum(),
        })
    }
}
