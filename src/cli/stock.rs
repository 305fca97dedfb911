//! `seckill stock`: adds units to a sale or removes unsold ones, also while the sale runs.

use std::fs::File;
use std::io::Read;
use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand};
use indicatif::ProgressBar;
use serde_json::json;

use super::lookup::existing;
use super::print::{Output, one_line, progress};
use crate::domain::counted::{counted, plural};
use crate::domain::ids::SaleId;
use crate::domain::money::CENTS_MAX;
use crate::domain::sale::StockKind;
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::operation;
use crate::operation::stock::{Load, check_count, step, unit_of};
use crate::operation::units::{UnitList, UnitReader};
use crate::store::Store;
use crate::store::sales::stock::RemoveOutcome;

/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// `seckill stock ...`
#[derive(Debug, Subcommand)]
pub enum StockCommand {
    /// Put units into stock
    Add(AddCommand),
    /// Take unsold units out of stock, the last added first, and print them. Exit code 1 if there
    /// are fewer than requested
    Remove {
        /// The sale
        #[arg(value_parser = SaleId::parse)]
        id: SaleId,
        /// How many units, or cents of a target. If fewer are left, all of them are taken
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=CENTS_MAX))]
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
    /// How many units, which list stock numbers itself, or how many cents of a target
    #[arg(long, group = "what", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=CENTS_MAX))]
    count: Option<u64>,
    /// A file with one unit per line; `-` is standard input
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

async fn add(store: &Store, id: &SaleId, load: &Load, output: Output) -> Result<ExitCode> {
    let what = unit_of(checked_kind(store, id, load.len()).await?);
    let bar = progress(&plural(what), load.len(), output);
    let added = operation::stock::add(store, id, load, &|done| bar.set_position(done)).await;
    let left = added.map_err(Error::from)?;
    bar.finish_and_clear();
    let added = counted(load.len(), what);
    let line = format!("added {added} to sale {id}: {left} left");
    output.result(
        line,
        &json!({"sale": id.as_str(), "added": load.len(), "left": left}),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The kind of a sale. Fails if no sale of this kind can have so much.
async fn checked_kind(store: &Store, id: &SaleId, count: u64) -> Result<StockKind> {
    let kind = existing(store, id).await?.sale.kind();
    check_count(id, kind, count).map_err(Error::Config)?;
    Ok(kind)
}

async fn remove(store: &Store, id: &SaleId, count: u64, output: Output) -> Result<ExitCode> {
    let kind = checked_kind(store, id, count).await?;
    let (step, what) = (step(kind, count), unit_of(kind));
    let bar = progress(&plural(what), count, output);
    let mut removed = Removed::default();
    let ended = removed.take(store, id, count, step, &bar).await;
    bar.finish_and_clear();
    if ended.is_ok() || removed.done > 0 {
        // Also before an error: only this program knows which units were taken.
        removed.print(id, what, count, ended.is_err(), output)?;
    }
    let is_all = removed.done == count;
    ended.map_err(|e| removed.partly(id, &counted(count, what), e))?;
    Ok(if is_all {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What was taken out of stock so far.
#[derive(Default)]
struct Removed {
    done: u64,
    left: i64,
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

    /// Prints the summary, then the units of list stock, one a line.
    fn print(
        &self,
        id: &SaleId,
        what: &str,
        count: u64,
        failed: bool,
        output: Output,
    ) -> Result<()> {
        let Self { done, left, units } = self;
        let asked = counted(count, what);
        let mut lines = match (*done < count, failed) {
            (false, _) => format!("removed {asked} from sale {id}: {left} left"),
            (true, true) => {
                format!("removed {done} of {asked} from sale {id}, then failed: {left} left")
            }
            (true, false) => {
                format!("removed {done} of {asked} from sale {id}: no more are unsold, {left} left")
            }
        };
        for unit in units {
            lines.push('\n');
            lines.push_str(&one_line(unit));
        }
        let value = json!({
            "sale": id.as_str(), "removed": done, "asked": count, "left": left, "units": units,
        });
        output.result(lines, &value)
    }

    /// An error after some units were taken must say so: they are not in stock any more.
    fn partly(&self, id: &SaleId, asked: &str, error: Error) -> Error {
        let done = self.done;
        let so_far = match &error {
            Error::Store(Failure::Unknown(_)) => format!(
                "removed {done} of {asked}, as printed; the next ones perhaps: compare `removed` \
                 in `seckill sale show {id}` before you remove the rest"
            ),
            _ if done > 0 => {
                format!("removed {done} of {asked}, as printed; the rest not")
            }
            _ => return error,
        };
        error.and(&so_far)
    }
}

/// Reads all units before any is sent, so that a wrong line changes nothing.
fn read_units(file: &str) -> Result<UnitList> {
    let failed = |e: std::io::Error| Error::Config(format!("--units {file}: {e}"));
    let mut source: Box<dyn Read> = match file {
        "-" => Box::new(std::io::stdin().lock()),
        path => Box::new(File::open(path).map_err(failed)?),
    };
    let wrong = |line| Error::Config(format!("--units {file}: {line}; nothing was added"));
    let (mut reader, mut piece) = (UnitReader::default(), vec![0; PIECE_BYTES]);
    loop {
        match source.read(&mut piece).map_err(failed)? {
            0 => return reader.finish().map_err(wrong),
            bytes => reader.read(&piece[..bytes]).map_err(wrong)?,
        }
    }
}
