//! Whole waves of buyers, each with demands that are met or not: `make bench-million` and
//! `make bench-overload`. They ask whether the engine does its duty, not how fast it is.

mod crowd;
mod link;
mod resident;

pub mod million;
pub mod overload;

use std::ops::RangeInclusive;
use std::path::Path as File;

use hdrhistogram::Histogram;

use crate::line::{Answer, Tally};
use crate::servers::Programs;
use crate::{RESULTS, Result, machine, report};

/// One thing that must hold.
struct Demand {
    what: &'static str,
    asked: String,
    got: String,
    met: bool,
}

/// What a wave found.
struct Findings {
    /// The name of the report, and of the command behind `make bench-`.
    name: &'static str,
    /// What was done, in a few lines.
    story: String,
    demands: Vec<Demand>,
    /// Names and values that nothing is demanded of.
    figures: Vec<(&'static str, String)>,
}

impl Demand {
    /// A number that must be exactly this.
    fn exactly(what: &'static str, asked: u64, got: u64) -> Self {
        Self {
            what,
            asked: asked.to_string(),
            got: got.to_string(),
            met: got == asked,
        }
    }

    /// A number that must be at most this, shown with so many digits.
    fn at_most(what: &'static str, asked: f64, got: f64, digits: usize) -> Self {
        Self {
            what,
            asked: format!("≤ {asked:.digits$}"),
            got: format!("{got:.digits$}"),
            met: got <= asked,
        }
    }

    /// A number that must be at least this, shown with so many digits.
    fn at_least(what: &'static str, asked: f64, got: f64, digits: usize) -> Self {
        Self {
            what,
            asked: format!("≥ {asked:.digits$}"),
            got: format!("{got:.digits$}"),
            met: got >= asked,
        }
    }

    /// An audit that must hold and find so many units sold.
    fn audit(asked: RangeInclusive<u64>, audited: &Result<u64>) -> Self {
        let got = match audited {
            Ok(sold) => sold.to_string(),
            Err(error) => error.to_string(),
        };
        let (least, most) = (asked.start(), asked.end());
        Self {
            what: "`seckill audit --deep` holds; units sold",
            asked: if least == most {
                least.to_string()
            } else {
                format!("{least} to {most}")
            },
            got,
            met: audited.as_ref().is_ok_and(|sold| asked.contains(sold)),
        }
    }
}

impl Findings {
    /// Prints the report and writes it down.
    ///
    /// An error when a demand is not met.
    fn publish(&self, programs: &Programs) -> Result<()> {
        let text = self.text(&machine::facts(programs.target()));
        println!("{text}");
        std::fs::create_dir_all(RESULTS)?;
        std::fs::write(
            File::new(RESULTS).join(format!("{}.md", self.name)),
            text + "\n",
        )?;
        match self.demands.iter().filter(|demand| !demand.met).count() {
            0 => Ok(()),
            missed => Err(format!("{missed} demands are not met").into()),
        }
    }

    fn text(&self, machine: &[(&'static str, String)]) -> String {
        let mut demands = vec![
            ["demand", "asked", "measured", "met"]
                .map(str::to_owned)
                .to_vec(),
        ];
        demands.extend(self.demands.iter().map(|demand| {
            let met = if demand.met { "yes" } else { "**no**" };
            let cells = [demand.what, &demand.asked, &demand.got, met];
            cells.map(str::to_owned).to_vec()
        }));
        let list = |facts: &[(&'static str, String)]| {
            let facts = facts
                .iter()
                .map(|(name, value)| format!("- {name}: {value}"));
            facts.collect::<Vec<_>>().join("\n")
        };
        format!(
            "# `make bench-{}`\n\n{}\n\n{}\n\n{}\n\n## Machine\n\n{}",
            self.name,
            self.story,
            report::table(&demands),
            list(&self.figures),
            list(machine),
        )
    }
}

/// Answers with this code.
fn told(answers: &Tally, code: &str) -> u64 {
    answers.count(|answer: &Answer| answer.code == code)
}

/// Bytes as megabytes.
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Latencies, for people.
fn took(latency: &Histogram<u64>) -> String {
    let millis = |percentile| latency.value_at_percentile(percentile) as f64 / 1e6;
    let (p50, p99, most) = (millis(50.0), millis(99.0), millis(100.0));
    format!("p50 {p50:.1} ms, p99 {p99:.1} ms, at most {most:.1} ms")
}
