//! `seckill stock`: preload, restock or take back, also while the sale runs.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand};
use indicatif::ProgressBar;
use serde_json::json;

use super::print::{Output, one_line, progress};
use super::sale::existing;
use crate::domain::ids::SaleId;
use crate::domain::sale::{STOCK_UNITS_MAX, StockKind};
use crate::domain::unit::Unit;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::stock::{AddOutcome, RemoveOutcome, UNITS_PER_CALL_MAX};

/// `seckill stock ...`
#[derive(Debug, Subcommand)]
pub enum StockCommand {
    /// Put units into stock
    Add(AddCommand),
    /// Take unsold units out of stock, the last added first, and print which ones
    Remove {
        /// The sale
        #[arg(value_parser = SaleId::parse)]
        id: SaleId,
        /// How many; fewer are taken when fewer are left
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=STOCK_UNITS_MAX))]
        count: u64,
    },
}

/// `seckill stock add`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub struct AddCommand {
    /// The sale
    #[arg(value_parser = SaleId::parse)]
    id: SaleId,
    /// So many; list stock numbers them itself
    #[arg(long, group = "what", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=STOCK_UNITS_MAX))]
    count: Option<u64>,
    /// The units of a file, one a line; `-` is standard input
    #[arg(long, group = "what", value_name = "FILE")]
    units: Option<String>,
}

impl StockCommand {
    /// Runs the command.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        match self {
            Self::Add(AddCommand {
                id,
                count: Some(count),
                ..
            }) => add(store, id, &Load::Count(*count), output).await,
            Self::Add(AddCommand { id, units, .. }) => {
                let units = read_units(units.as_deref().unwrap_or("-"))?;
                add(store, id, &Load::Units(units), output).await
            }
            Self::Remove { id, count } => remove(store, id, *count, output).await,
        }
    }
}

/// What is put into stock.
enum Load {
    Count(u64),
    Units(Vec<Unit>),
}

impl Load {
    fn len(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Units(units) => units.len() as u64,
        }
    }
}

async fn add(store: &Store, id: &SaleId, load: &Load, output: Output) -> Result<ExitCode> {
    let step = step(existing(store, id).await?.sale.kind, load.len());
    let bar = progress("units", load.len(), output);
    let (mut done, mut left) = (0, 0);
    while done < load.len() {
        let count = step.min(load.len() - done);
        let added = match load {
            Load::Count(_) => store.stock_add_count(id, count).await,
            Load::Units(units) => {
                let start = done as usize;
                store
                    .stock_add_units(id, &units[start..start + count as usize])
                    .await
            }
        };
        left = added
            .and_then(|outcome| left_after(id, outcome))
            .map_err(|e| partly(id, done, load.len(), e))?;
        done += count;
        bar.set_position(done);
    }
    bar.finish_and_clear();
    let line = format!("added {done} units to sale {id}: {left} left");
    output.result(
        line,
        &json!({"sale": id.as_str(), "added": done, "left": left}),
    );
    Ok(ExitCode::SUCCESS)
}

fn left_after(id: &SaleId, outcome: AddOutcome) -> Result<u64> {
    Err(Error::Refused(match outcome {
        AddOutcome::Added { left, .. } => return Ok(left),
        AddOutcome::NoSuchSale => format!("there is no sale {id}"),
        AddOutcome::NeedsCount => format!("sale {id} has counter stock: use --count"),
        AddOutcome::LimitPassed => format!("sale {id} can have {STOCK_UNITS_MAX} units at most"),
    }))
}

/// An error after some units were added must say so: the operator decides how to go on.
fn partly(id: &SaleId, done: u64, of: u64, error: Error) -> Error {
    let so_far = match &error {
        Error::Unknown(_) => format!(
            "{done} of {of} units were added; the next ones perhaps: compare `added` in \
             `seckill sale show {id}` before you load the rest"
        ),
        _ if done > 0 => format!("{done} of {of} units were added, the rest was not"),
        _ => return error,
    };
    Error::Refused(format!("{error}; {so_far}"))
}

async fn remove(store: &Store, id: &SaleId, count: u64, output: Output) -> Result<ExitCode> {
    let step = step(existing(store, id).await?.sale.kind, count);
    let bar = progress("units", count, output);
    let mut removed = Removed::default();
    let ended = removed.take(store, id, count, step, &bar).await;
    bar.finish_and_clear();
    if ended.is_ok() || removed.done > 0 {
        // Also before an error: this is the last place that knows these units.
        removed.print(id, count, ended.is_err(), output);
    }
    ended
        .map(|()| ExitCode::SUCCESS)
        .map_err(|e| removed.partly(id, count, e))
}

/// What came out of stock so far.
#[derive(Default)]
struct Removed {
    done: u64,
    left: u64,
    units: Vec<String>,
}

impl Removed {
    /// Takes up to `count` units, `step` at a time.
    async fn take(
        &mut self,
        store: &Store,
        id: &SaleId,
        count: u64,
        step: u64,
        bar: &ProgressBar,
    ) -> Result<()> {
        while self.done < count {
            let asked = step.min(count - self.done);
            match store.stock_remove(id, asked).await? {
                RemoveOutcome::NoSuchSale => {
                    return Err(Error::Refused(format!("there is no sale {id}")));
                }
                RemoveOutcome::Removed { taken, left, units } => {
                    self.done += taken;
                    self.left = left;
                    self.units.extend(units);
                    bar.set_position(self.done);
                    if taken < asked {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The summary, then the units of list stock, one a line.
    fn print(&self, id: &SaleId, count: u64, failed: bool, output: Output) {
        let Self { done, left, units } = self;
        let short = match (*done < count, failed) {
            (false, _) => String::new(),
            (true, true) => format!(" of {count}, then failed,"),
            (true, false) => format!(" of {count}: no more are unsold"),
        };
        let mut lines = format!("removed {done} units{short} from sale {id}: {left} left");
        for unit in units {
            lines.push('\n');
            lines.push_str(&one_line(unit));
        }
        let value = json!({
            "sale": id.as_str(), "removed": done, "asked": count, "left": left, "units": units,
        });
        output.result(lines, &value);
    }

    /// An error after some units were taken must say so: they are not in stock any more.
    fn partly(&self, id: &SaleId, count: u64, error: Error) -> Error {
        let done = self.done;
        let so_far = match &error {
            Error::Unknown(_) => format!(
                "{done} of {count} units were removed, and are printed; the next ones perhaps: \
                 compare `removed` in `seckill sale show {id}` before you remove the rest"
            ),
            _ if done > 0 => {
                format!("{done} of {count} units were removed, and are printed; the rest was not")
            }
            _ => return error,
        };
        Error::Refused(format!("{error}; {so_far}"))
    }
}

/// Units in one call: a counter takes any number at once.
fn step(kind: StockKind, count: u64) -> u64 {
    match kind {
        StockKind::List => UNITS_PER_CALL_MAX as u64,
        StockKind::Counter => count.max(1),
    }
}

/// Reads all units before any is sent, so that a wrong line changes nothing.
fn read_units(file: &str) -> Result<Vec<Unit>> {
    let failed = |e: std::io::Error| Error::Config(format!("--units {file}: {e}"));
    if file == "-" {
        return parse_units(file, std::io::stdin().lock());
    }
    let opened = std::fs::File::open(Path::new(file)).map_err(failed)?;
    parse_units(file, BufReader::new(opened))
}

fn parse_units(file: &str, lines: impl BufRead) -> Result<Vec<Unit>> {
    let mut units: Vec<Unit> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let wrong = |why: String| {
            Error::Config(format!(
                "--units {file}, line {number}: {why}; nothing was added"
            ))
        };
        let line = line.map_err(|e| wrong(e.to_string()))?;
        let text = line.strip_suffix('\r').unwrap_or(&line);
        let unit = Unit::parse(text).map_err(|e| wrong(e.to_string()))?;
        if let Some(first) = seen.insert(text.to_owned(), number) {
            return Err(wrong(format!(
                "unit {text:?} stands in line {first} already"
            )));
        }
        units.push(unit);
    }
    if units.is_empty() {
        return Err(Error::Config(format!("--units {file}: no units in it")));
    }
    Ok(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_one_a_line() {
        let units = parse_units("f", "a 1\r\n座位 2\nlast".as_bytes()).expect("valid");
        let texts: Vec<_> = units.iter().map(Unit::as_str).collect();
        assert_eq!(texts, ["a 1", "座位 2", "last"]);
    }

    #[test]
    fn a_wrong_line_is_named_and_nothing_is_loaded() {
        for (text, named) in [
            ("a\nb\na\n", "line 3: unit \"a\" stands in line 1"),
            ("a\n\nb", "line 2"),
            ("a\tb", "line 1"),
            ("", "no units"),
        ] {
            let error = parse_units("f", text.as_bytes())
                .expect_err(text)
                .to_string();
            assert!(error.contains(named), "{text:?} gives {error}");
        }
        assert!(parse_units("f", &b"\xff\n"[..]).is_err());
    }
}
