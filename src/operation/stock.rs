//! Puts a load into stock in small steps, so that attempts do not wait.

use std::fmt;

use super::units::UnitList;
use crate::domain::counted::{counted, plural};
use crate::domain::ids::SaleId;
use crate::domain::money::CENTS_MAX;
use crate::domain::sale::{STOCK_UNITS_MAX, StockKind};
use crate::error::Error;
use crate::failure::{Failure, Result};
use crate::store::Store;
use crate::store::sales::stock::{AddOutcome, UNITS_PER_CALL_MAX};

/// What is put into stock.
#[derive(Debug)]
pub enum Load {
    /// This many. List stock numbers them itself.
    Count(u64),
    /// These units.
    Units(UnitList),
}

impl Load {
    /// How many units.
    pub fn len(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Units(units) => units.len() as u64,
        }
    }

    /// True if there is nothing to add.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Units in one call. Counter stock takes any number at once.
pub fn step(kind: StockKind, count: u64) -> u64 {
    match kind {
        StockKind::List => UNITS_PER_CALL_MAX as u64,
        StockKind::Counter | StockKind::Target => count.max(1),
    }
}

/// The most that can ever be put into stock of this kind. Only a target counts cents.
pub fn limit(kind: StockKind) -> u64 {
    match kind {
        StockKind::List | StockKind::Counter => STOCK_UNITS_MAX,
        StockKind::Target => CENTS_MAX,
    }
}

/// The noun for one of what this stock counts.
pub fn unit_of(kind: StockKind) -> &'static str {
    match kind {
        StockKind::List | StockKind::Counter => "unit",
        StockKind::Target => "cent",
    }
}

/// Checks that a sale of this kind can have so much.
///
/// # Errors
/// The allowed range, with the number.
pub fn check_count(id: &SaleId, kind: StockKind, count: u64) -> Result<(), String> {
    let (most, what) = (limit(kind), plural(unit_of(kind)));
    if (1..=most).contains(&count) {
        return Ok(());
    }
    Err(format!(
        "{count} is not in 1..={most}: the {what} that sale {id} can have"
    ))
}

/// A load that failed. An error after some units were added must say so: the operator decides how
/// to go on.
#[derive(Debug)]
pub struct Stopped {
    /// The sale.
    pub id: SaleId,
    /// Units that are in stock already.
    pub done: u64,
    /// Units of the whole load.
    pub of: u64,
    /// What stopped it.
    pub why: StopReason,
}

/// What stopped a load.
#[derive(Debug)]
pub enum StopReason {
    /// There is no such sale.
    NoSuchSale,
    /// Only list stock has named units.
    NeedsCount,
    /// The sale would have got more than its kind allows in all: [`STOCK_UNITS_MAX`] units, or
    /// [`CENTS_MAX`] cents.
    LimitPassed(StockKind),
    /// Redis did not execute the call, or the outcome is unknown.
    Failed(Failure),
}

impl Stopped {
    /// What stopped it, as a failure.
    fn reason(&self) -> Error {
        let id = &self.id;
        let refused = match &self.why {
            StopReason::NoSuchSale => format!("there is no sale {id}"),
            StopReason::NeedsCount => {
                format!("the stock of sale {id} is a number without named units: give a count")
            }
            StopReason::LimitPassed(kind) => {
                let most = counted(limit(*kind), unit_of(*kind));
                format!("sale {id} can get {most} in all, including removed ones: see its `added`")
            }
            StopReason::Failed(failure) => return failure.clone().into(),
        };
        Error::Refused(refused)
    }

    /// How much was added.
    fn progress(&self) -> Option<String> {
        let Self { id, done, of, why } = self;
        let units = counted(*of, "unit");
        match why {
            StopReason::Failed(Failure::Unknown(_)) => Some(format!(
                "added {done} of {units}; the next ones perhaps: compare `added` of sale {id} \
                 before you load the rest"
            )),
            _ if *done > 0 => Some(format!("added {done} of {units}, the rest not")),
            _ => None,
        }
    }
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        match stopped.progress() {
            Some(progress) => stopped.reason().and(&progress),
            None => stopped.reason(),
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason())?;
        match self.progress() {
            Some(progress) => write!(f, "; {progress}"),
            None => Ok(()),
        }
    }
}

/// Adds a load and returns how many units are left then. `progress` is told how many have been
/// added.
///
/// # Errors
/// What stopped it, and how far it came.
pub async fn add(
    store: &Store,
    id: &SaleId,
    load: &Load,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<i64, Stopped> {
    let (mut done, mut left) = (0, 0);
    let stopped = |done, why| Stopped {
        id: id.clone(),
        done,
        of: load.len(),
        why,
    };
    let found = store.sale_snapshot(id).await;
    let found = found.map_err(|error| stopped(done, StopReason::Failed(error)))?;
    let sale = found.ok_or_else(|| stopped(done, StopReason::NoSuchSale))?;
    let step = step(sale.sale.kind(), load.len());
    let later = store.for_steps();
    while done < load.len() {
        let count = step.min(load.len() - done);
        let store = if done == 0 { store } else { &later };
        let added = match load {
            Load::Count(_) => store.stock_add_count(id, count).await,
            Load::Units(units) => {
                let units = units.slice(done as usize, count as usize);
                store.stock_add_units(id, &units).await
            }
        };
        left = left_after(sale.sale.kind(), added).map_err(|why| stopped(done, why))?;
        done += count;
        progress(done);
    }
    Ok(left)
}

fn left_after(kind: StockKind, added: Result<AddOutcome>) -> Result<i64, StopReason> {
    match added.map_err(StopReason::Failed)? {
        AddOutcome::Added { left, .. } => Ok(left),
        AddOutcome::NoSuchSale => Err(StopReason::NoSuchSale),
        AddOutcome::NeedsCount => Err(StopReason::NeedsCount),
        AddOutcome::LimitPassed => Err(StopReason::LimitPassed(kind)),
    }
}
