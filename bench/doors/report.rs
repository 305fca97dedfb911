//! The tables, as text that is Markdown too.

use crate::contract::{Measured, Row};
use crate::figures::{Figures, Spread};
use crate::plan::{Case, Path, Plan};
use crate::steadiness::{CONNECTIONS, PERCENTILES, Side, Steadiness};

/// The whole report.
pub fn text(
    measured: &Measured,
    rows: &[Row],
    plan: Plan,
    machine: &[(&'static str, String)],
) -> String {
    let Plan {
        command,
        rounds,
        seconds,
        ..
    } = plan;
    let machine: Vec<String> = machine
        .iter()
        .map(|(name, value)| format!("- {name}: {value}"))
        .collect();
    format!(
        "# Bench of the doors\n\n`{command}`: medians of {rounds} interleaved rounds of {seconds} s \
         for each line. Load generator, server and Redis\nshare the cores: read the ratios, not \
         the figures. Every run of a server that sells was audited.\n\n{machine}\n\n\
         ## The contract\n\n{contract}\n\n\
         ## Closed loop: wrk, one thread, distinct users, form POST\n\n{closed}\n\n{legend}\n\n\
         ## Open loop: the same constant rate for both\n\n{open}\n\n\
         ![throughput and latency against connections](latest.svg)\n",
        machine = machine.join("\n"),
        contract = contract(rows),
        closed = closed(&measured.figures),
        legend = LEGEND,
        open = open(&measured.steadiness),
    )
}

const LEGEND: &str = "`× bare` and `× per-request`: median of the ratios within each round. CPU: \
    user and system time of the process for\neach answer. Commands: sent to Redis for 1,000 \
    answers (in parentheses: with those inside scripts).\nRefused: answers that were not 2xx (the \
    server was busy, or does not know), in all rounds together; rates, CPU and\ncommands are those \
    of the other answers.";

fn contract(rows: &[Row]) -> String {
    let mut lines = vec![
        ["path", "asked", "measured", "met"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for row in rows {
        let sign = if row.limit.at_least { "≥" } else { "≤" };
        let met = match (row.is_met(), row.margin()) {
            (Some(true), Some(margin)) => format!("yes ({:+.0} %)", margin * 100.0),
            (Some(false), Some(margin)) => format!("**no** ({:+.0} %)", margin * 100.0),
            _ => "–".to_owned(),
        };
        lines.push(vec![
            row.what.clone(),
            format!("{sign} {} {}", row.limit.value, row.limit.unit),
            row.measured
                .map_or("not measured".to_owned(), |got| number(got, 2)),
            met,
        ]);
    }
    table(&lines)
}

fn closed(figures: &Figures) -> String {
    let header = [
        "server",
        "conn.",
        "req/s",
        "min–max",
        "× bare",
        "× per-request",
        "p50 ms",
        "p99 ms",
        "server CPU µs",
        "Redis CPU µs",
        "commands",
        "refused",
    ];
    let mut lines = vec![header.map(str::to_owned).to_vec()];
    lines.extend(figures.cases().map(|case| line(figures, case)));
    table(&lines)
}

fn line(figures: &Figures, case: Case) -> Vec<String> {
    let rate = figures.spread(case, |sample| Some(sample.seen.rate));
    let range = rate.map(|rate| format!("{:.0}–{:.0}", rate.min, rate.max));
    let millis = |spread: Option<Spread>| shown(spread.map(|s| s.median / 1e3), 2);
    let sent = figures.spread(case, |sample| sample.sent);
    let executed = figures.spread(case, |sample| sample.executed);
    let commands = sent.zip(executed).map(|(sent, executed)| {
        format!(
            "{} ({})",
            number(sent.median, 2),
            number(executed.median, 2)
        )
    });
    vec![
        case.path.name().to_owned(),
        case.connections.to_string(),
        shown(rate.map(|rate| rate.median), 0),
        range.unwrap_or_else(|| "–".to_owned()),
        shown(figures.ratio(case, Path::Bare).map(|s| s.median), 2),
        shown(figures.ratio(case, Path::PerRequest).map(|s| s.median), 2),
        millis(figures.spread(case, |sample| Some(sample.seen.p50))),
        millis(figures.spread(case, |sample| Some(sample.seen.p99))),
        shown(
            figures
                .spread(case, |sample| Some(sample.server_cpu))
                .map(|s| s.median),
            1,
        ),
        shown(
            figures
                .spread(case, |sample| sample.redis_cpu)
                .map(|s| s.median),
            1,
        ),
        commands.unwrap_or_else(|| "–".to_owned()),
        figures.refused(case).to_string(),
    ]
}

fn open(steadiness: &Steadiness) -> String {
    let mut header = vec!["server".to_owned(), "req/s".to_owned()];
    header.extend(PERCENTILES.map(|percentile| format!("p{percentile} ms (min–max)")));
    header.push("refused".to_owned());
    let row = |name: &str, side: &Side| {
        let mut row = vec![name.to_owned(), format!("{:.0}", steadiness.rate)];
        row.extend(side.latencies.iter().map(|Spread { median, min, max }| {
            format!("{:.2} ({:.2}–{:.2})", median / 1e3, min / 1e3, max / 1e3)
        }));
        row.push(side.refused.to_string());
        row
    };
    let bare = row(Path::Bare.name(), &steadiness.bare);
    let seckill = row(Path::Grab.name(), &steadiness.seckill);
    format!(
        "{}\n\nHalf of seckill's rate in the closed loop, over {CONNECTIONS} connections. Latency \
         counts from the intended start. The\ngenerator itself handed 99 % of the requests over \
         within {:.2} ms.",
        table(&[header, bare, seckill]),
        steadiness.pacing / 1e3,
    )
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| number(value, digits))
}

/// Large numbers need no digits after the point.
fn number(value: f64, digits: usize) -> String {
    let digits = if value >= 100.0 { 0 } else { digits };
    format!("{value:.digits$}")
}

/// A Markdown table whose columns are aligned in plain text as well.
pub fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let row = |line: &Vec<String>| {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"));
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut text: Vec<String> = lines.iter().map(row).collect();
    let dashes: Vec<String> = widths.iter().map(|&width| "-".repeat(width + 2)).collect();
    text.insert(1.min(text.len()), format!("|{}|", dashes.join("|")));
    text.join("\n")
}
