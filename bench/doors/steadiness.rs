//! The row of latency: bare and seckill at one and the same constant rate.

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::runtime::Runtime;

use crate::Result;
use crate::figures::Spread;
use crate::plan::{Path, Plan};
use crate::run::Stage;
use crate::servers::Programs;
use crate::steady::Load;

/// Connections that share the load.
pub const CONNECTIONS: usize = 64;
/// The percentiles of the table.
pub const PERCENTILES: [f64; 3] = [50.0, 99.0, 99.9];

/// Latencies of one server in microseconds, one spread for each percentile.
pub type Latencies = [Spread; 3];

/// What was measured.
pub struct Steadiness {
    /// Requests a second of both.
    pub rate: f64,
    /// The limit.
    pub bare: Latencies,
    /// The project.
    pub seckill: Latencies,
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
            found.push(PERCENTILES.map(|percentile| micros(&seen.latency, percentile)));
            pacing.push(micros(&seen.pacing, 99.0));
        }
    }
    let ratios = seckill
        .iter()
        .zip(&bare)
        .map(|(own, other)| own[1] / other[1]);
    let none = "no round of the open loop";
    Ok(Steadiness {
        rate,
        pacing: Spread::of(pacing).ok_or(none)?.median,
        p99_ratio: Spread::of(ratios.collect()).ok_or(none)?,
        bare: latencies(&bare).ok_or(none)?,
        seckill: latencies(&seckill).ok_or(none)?,
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

fn latencies(rounds: &[[f64; 3]]) -> Option<Latencies> {
    let spread = |column: usize| Spread::of(rounds.iter().map(|round| round[column]).collect());
    Some([spread(0)?, spread(1)?, spread(2)?])
}
