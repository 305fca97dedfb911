//! The bench of the doors: every row of the contract on speed, measured side by side with the
//! limit and with what people write. `make bench` and `make bench-quick` run it; bench/README.md
//! says how to read it.

mod backend;
mod contract;
mod counts;
mod cpu;
mod figures;
mod line;
mod machine;
mod plan;
mod report;
mod run;
mod script;
mod servers;
mod steadiness;
mod steady;
mod svg;
mod waves;
mod wrk;

use std::path::Path as File;
use std::process::ExitCode;

use seckill::domain::sale::StockKind;
use tokio::runtime::Runtime;

use self::contract::Measured;
use self::figures::Figures;
use self::plan::{Case, Path, Plan, Terms};
use self::run::Stage;
use self::servers::Programs;

/// Anything that keeps the bench from a figure it can stand behind.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where the report and the picture go.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/results");

fn main() -> ExitCode {
    // cargo adds `--bench` of its own.
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    let done = if asked("million") {
        waves::million::run()
    } else if asked("overload") {
        waves::overload::run()
    } else {
        bench(if asked("--quick") {
            Plan::QUICK
        } else {
            Plan::FULL
        })
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(plan: Plan) -> Result<()> {
    let programs = Programs::find();
    programs.expect_references()?;
    let runtime = runtime()?;
    let figures = closed_loop(&programs, &runtime, plan)?;
    let steadiness = steadiness::measure(&programs, &runtime, plan, half_rate(&figures)?)?;
    eprintln!("the script alone");
    let cost = |kind, terms| script::measure(&programs, &runtime, kind, terms, plan.orders);
    let measured = Measured {
        figures,
        steadiness,
        list: cost(StockKind::List, Terms::Plain)?,
        counter: cost(StockKind::Counter, Terms::Plain)?,
        full: cost(StockKind::List, Terms::Full)?,
    };
    let rows = contract::rows(&measured);
    let text = report::text(&measured, &rows, plan, &machine::facts(programs.target()));
    println!("{text}");
    std::fs::create_dir_all(RESULTS)?;
    let folder = File::new(RESULTS);
    std::fs::write(folder.join("latest.md"), &text)?;
    std::fs::write(folder.join("latest.svg"), svg::picture(&measured.figures))?;
    Ok(())
}

/// For calls that wait for each other.
fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

/// All rounds of wrk, with a line of progress for each run.
fn closed_loop(programs: &Programs, runtime: &Runtime, plan: Plan) -> Result<Figures> {
    let mut figures = Figures::default();
    for round in 0..plan.rounds {
        for case in Plan::round(round) {
            let Case { path, connections } = case;
            let (name, round, rounds) = (path.name(), round + 1, plan.rounds);
            let failed = |e| format!("{name}, {connections} connections: {e}");
            let sample = Stage::set(programs, runtime, path, plan.seconds.into())
                .and_then(|stage| stage.closed(case, plan.seconds))
                .map_err(failed)?;
            let wrk::Seen { rate, refused, .. } = sample.seen;
            eprintln!(
                "round {round}/{rounds}: {name}, {connections} connections: {rate:.0}/s, \
                 {refused} refused"
            );
            figures.add(case, sample);
        }
    }
    Ok(figures)
}

/// Half of the most that seckill grants, for the open loop.
fn half_rate(figures: &Figures) -> Result<f64> {
    let connections = u32::try_from(steadiness::CONNECTIONS)?;
    let case = Case {
        path: Path::Grab,
        connections,
    };
    let rate = figures.spread(case, |sample| Some(sample.seen.rate));
    let half = rate.ok_or("no rate of seckill")?.median / 2.0;
    eprintln!("open loop: bare and seckill at {half:.0}/s");
    Ok(half)
}
