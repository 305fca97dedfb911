//! Puts a load into stock in steps that keep no door waiting.

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
    /// So many; list stock numbers them itself.
    Count(u64),
    /// These.
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

    /// True when there is nothing to add.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Units in one call: a number takes any number at once.
pub fn step(kind: StockKind, count: u64) -> u64 {
    match kind {
        StockKind::List => UNITS_PER_CALL_MAX as u64,
        StockKind::Counter | StockKind::Target => count.max(1),
    }
}

/// The most that a sale of this kind can ever be stocked with: only a target counts cents.
pub fn limit(kind: StockKind) -> u64 {
    match kind {
        StockKind::List | StockKind::Counter => STOCK_UNITS_MAX,
        StockKind::Target => CENTS_MAX,
    }
}

/// What the stock of such a sale is counted in: one of it.
pub fn unit_of(kind: StockKind) -> &'static str {
    match kind {
        StockKind::List | StockKind::Counter => "unit",
        StockKind::Target => "cent",
    }
}

/// Checks that some sale of this kind could have so much.
///
/// # Errors
/// The rule and how this number breaks it.
pub fn check_count(id: &SaleId, kind: StockKind, count: u64) -> Result<(), String> {
    let (most, what) = (limit(kind), plural(unit_of(kind)));
    if (1..=most).contains(&count) {
        return Ok(());
    }
    Err(format!(
        "{count} is not in 1..={most}: the {what} that sale {id} can have"
    ))
}

/// A load that did not end well. An error after some units were added must say so: the operator
/// decides how to go on.
#[derive(Debug)]
pub struct Stopped {
    /// The sale.
    pub id: SaleId,
    /// Units that are in stock all the same.
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
    /// Only list stock has identities.
    NeedsCount,
    /// More would ever have been added than a sale of this kind gets: [`STOCK_UNITS_MAX`] units, or
    /// [`CENTS_MAX`] cents.
    LimitPassed(StockKind),
    /// Redis did not do it, or nobody knows.
    Failed(Failure),
}

impl Stopped {
    /// What stopped it, as a failure.
    fn reason(&self) -> Error {
        let id = &self.id;
        let refused = match &self.why {
            StopReason::NoSuchSale => format!("there is no sale {id}"),
            StopReason::NeedsCount => {
                format!("the stock of sale {id} is a number, without identities: give a count")
            }
            StopReason::LimitPassed(kind) => {
                let most = counted(limit(*kind), unit_of(*kind));
                format!(
                    "sale {id} can get {most} in all, also if some were removed: see its `added`"
                )
            }
            StopReason::Failed(failure) => return failure.clone().into(),
        };
        Error::Refused(refused)
    }

    /// How far it came.
    fn progress(&self) -> Option<String> {
        let Self { id, done, of, why } = self;
        let units = counted(*of, "unit");
        match why {
            StopReason::Failed(Failure::Unknown(_)) => Some(format!(
                "added {done} of {units}; the next ones perhaps: compare `added` of sale {id} before \
                 you load the rest"
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

/// Adds a load and gives back how many units are left then; `progress` is told how many have
/// been added.
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
