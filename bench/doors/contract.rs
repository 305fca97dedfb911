//! The rows of the contract in docs, each with what was measured and whether that meets it.

use crate::figures::{Figures, Spread};
use crate::plan::{Case, JUDGED, Path};
use crate::script::Cost;
use crate::steadiness::Steadiness;

/// Everything that was measured.
pub struct Measured {
    /// Closed loop.
    pub figures: Figures,
    /// Open loop.
    pub steadiness: Steadiness,
    /// The script alone on a list.
    pub list: Cost,
    /// The script alone on a counter.
    pub counter: Cost,
    /// The script alone on a list, with hold and feed.
    pub full: Cost,
}

/// One demand.
pub struct Row {
    /// What is measured.
    pub what: String,
    /// The limit, with its unit or reference.
    pub limit: Limit,
    /// What came out; `None` when it was not measured.
    pub measured: Option<f64>,
}

/// A bound.
pub struct Limit {
    /// The number.
    pub value: f64,
    /// True: at least. False: at most.
    pub at_least: bool,
    /// What it is a number of.
    pub unit: &'static str,
}

impl Row {
    /// Whether it is met; `None` when it was not measured.
    pub fn is_met(&self) -> Option<bool> {
        let Limit {
            value, at_least, ..
        } = self.limit;
        self.measured
            .map(|got| if at_least { got >= value } else { got <= value })
    }

    /// By how much of the limit, as a fraction: positive is better than asked for.
    pub fn margin(&self) -> Option<f64> {
        let Limit {
            value, at_least, ..
        } = self.limit;
        let above = self.measured.map(|got| got / value - 1.0);
        above.map(|above| if at_least { above } else { -above })
    }
}

/// All rows, in the order of the contract.
pub fn rows(measured: &Measured) -> Vec<Row> {
    let mut rows = grabs(&measured.figures);
    rows.extend(sold_out(&measured.figures));
    rows.extend(redis(measured));
    rows.push(Row {
        what: "latency at half of the maximum rate, open loop, p99".into(),
        limit: at_most(2.0, "× bare"),
        measured: Some(measured.steadiness.p99_ratio.median),
    });
    rows
}

fn grabs(figures: &Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    for connections in JUDGED {
        let ratio = |path, reference| median(figures.ratio(Case { path, connections }, reference));
        rows.push(Row {
            what: format!("grab accepted, no hold, {connections} connections"),
            limit: at_least(0.70, "× bare"),
            measured: ratio(Path::Grab, Path::Bare),
        });
        rows.push(Row {
            what: format!("grab accepted, no hold, {connections} connections"),
            limit: at_least(3.0, "× per-request"),
            measured: ratio(Path::Grab, Path::PerRequest),
        });
    }
    for (path, what, limit) in [
        (Path::Held, "hold + order record + feed entry", 0.60),
        (Path::HeldFsync, "the same at durability fsync", 0.50),
    ] {
        rows.extend(JUDGED.map(|connections| Row {
            what: format!("grab accepted, {what}, {connections} connections"),
            limit: at_least(limit, "× bare"),
            measured: median(figures.ratio(Case { path, connections }, Path::Bare)),
        }));
    }
    rows
}

fn sold_out(figures: &Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    for connections in JUDGED {
        let case = Case {
            path: Path::SoldOut,
            connections,
        };
        rows.push(Row {
            what: format!("sold out, new users, {connections} connections"),
            limit: at_least(0.95, "× bare"),
            measured: median(figures.ratio(case, Path::Bare)),
        });
        rows.push(Row {
            what: format!("sold out, new users, {connections} connections"),
            limit: at_most(1.0, "Redis commands for 1,000 requests"),
            measured: median(figures.spread(case, |sample| sample.sent)),
        });
    }
    rows
}

fn redis(measured: &Measured) -> Vec<Row> {
    let cpu = |what: &str, most: f64, cost: Cost| Row {
        what: format!("Redis CPU per accepted order, batches of 64, {what}"),
        limit: at_most(most, "µs"),
        measured: Some(cost.cpu),
    };
    let bytes = |what: &str, bytes: f64| Row {
        what: format!("Redis memory per held order{what}"),
        limit: at_most(400.0, "bytes"),
        measured: Some(bytes),
    };
    vec![
        cpu("everything, list", 4.0, measured.full),
        cpu("no hold, no feed, list", 2.0, measured.list),
        cpu("no hold, no feed, counter", 2.0, measured.counter),
        bytes("", measured.full.bytes),
        bytes(
            ", its entry in the feed included",
            measured.full.bytes + measured.full.feed_bytes,
        ),
    ]
}

fn at_least(value: f64, unit: &'static str) -> Limit {
    Limit {
        value,
        at_least: true,
        unit,
    }
}

fn at_most(value: f64, unit: &'static str) -> Limit {
    Limit {
        value,
        at_least: false,
        unit,
    }
}

fn median(spread: Option<Spread>) -> Option<f64> {
    spread.map(|spread| spread.median)
}
