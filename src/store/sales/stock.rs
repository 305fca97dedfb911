//! Stock: put units in, take unsold ones out, also while the sale runs.

use redis::Value;

use crate::domain::ids::SaleId;
use crate::domain::money::CENTS_MAX;
use crate::domain::sale::STOCK_UNITS_MAX;
use crate::domain::sale::unit::Unit;
use crate::failure::Result;
use crate::store::Store;
use crate::store::decode::{array, left_over, number, unexpected, word};
use crate::store::script::{STOCK_ADD, STOCK_REMOVE};

/// Most list units in one call: a few milliseconds of Redis, so that doors never wait long.
pub const UNITS_PER_CALL_MAX: usize = 5_000;

/// The closed set of answers to adding units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddOutcome {
    /// The units are in stock.
    Added {
        /// Units ever added to the sale.
        total: u64,
        /// Units in stock now; below 0 when a counter was further below it than was added.
        left: i64,
    },
    /// There is no such sale.
    NoSuchSale,
    /// Refused: only list stock has identities.
    NeedsCount,
    /// Refused: more than [`STOCK_UNITS_MAX`] units in one sale, or [`CENTS_MAX`] cents in a
    /// target.
    LimitPassed,
}

/// The closed set of answers to taking units out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoveOutcome {
    /// So many units came out, perhaps fewer than asked for.
    Removed {
        /// Units taken.
        taken: u64,
        /// Units still in stock; below 0 when somebody decremented a counter by hand.
        left: i64,
        /// Which ones, for list stock; the last added first.
        units: Vec<String>,
    },
    /// There is no such sale.
    NoSuchSale,
}

impl Store {
    /// Adds `count` equal units, or cents to a target; list stock numbers them `sn-1`, `sn-2`, ...
    /// itself. At most [`UNITS_PER_CALL_MAX`] for list stock.
    pub async fn stock_add_count(&self, id: &SaleId, count: u64) -> Result<AddOutcome> {
        let limits = [STOCK_UNITS_MAX, CENTS_MAX];
        self.stock_add(id, limits, "count", &[count.to_string()])
            .await
    }

    /// Adds `count` equal units to a sale that never had any; [`AddOutcome::LimitPassed`]
    /// otherwise. So it may be repeated.
    pub async fn stock_add_first(&self, id: &SaleId, count: u64) -> Result<AddOutcome> {
        self.stock_add(id, [count; 2], "count", &[count.to_string()])
            .await
    }

    /// Adds these units to list stock, at most [`UNITS_PER_CALL_MAX`].
    pub async fn stock_add_units(&self, id: &SaleId, units: &[Unit]) -> Result<AddOutcome> {
        let units: Vec<&str> = units.iter().map(Unit::as_str).collect();
        let limits = [STOCK_UNITS_MAX, CENTS_MAX];
        self.stock_add(id, limits, "units", &units).await
    }

    /// `limits`: of units, and of cents in a target.
    async fn stock_add(
        &self,
        id: &SaleId,
        limits: [u64; 2],
        mode: &str,
        rest: &[impl redis::ToRedisArgs],
    ) -> Result<AddOutcome> {
        let keys = [self.keys.sale(id), self.keys.stock(id)];
        let call = STOCK_ADD.on(&keys).arg(mode).arg(&limits).arg(rest);
        let changes = |outcome: &AddOutcome| matches!(outcome, AddOutcome::Added { .. });
        self.change_as(call, |reply| added(&reply), changes).await
    }

    /// Takes up to `count` unsold units out, at most [`UNITS_PER_CALL_MAX`] for list stock.
    pub async fn stock_remove(&self, id: &SaleId, count: u64) -> Result<RemoveOutcome> {
        let keys = [self.keys.sale(id), self.keys.stock(id)];
        let call = STOCK_REMOVE.on(&keys).arg(count);
        let changes = |outcome: &RemoveOutcome| matches!(outcome, RemoveOutcome::Removed { .. });
        self.change_as(call, removed, changes).await
    }
}

fn added(reply: &Value) -> Result<AddOutcome> {
    if let Value::Array(parts) = reply {
        return match parts.as_slice() {
            [total, left] => Ok(AddOutcome::Added {
                total: number("stock_add", total)?,
                left: left_over("stock_add", left)?,
            }),
            _ => Err(unexpected("stock_add", &format!("{parts:?}"))),
        };
    }
    match word("stock_add", reply)?.as_str() {
        "no_such_sale" => Ok(AddOutcome::NoSuchSale),
        "needs_count" => Ok(AddOutcome::NeedsCount),
        "limit_passed" => Ok(AddOutcome::LimitPassed),
        other => Err(unexpected("stock_add", other)),
    }
}

fn removed(reply: Value) -> Result<RemoveOutcome> {
    if !matches!(reply, Value::Array(_)) {
        return match word("stock_remove", &reply)?.as_str() {
            "no_such_sale" => Ok(RemoveOutcome::NoSuchSale),
            other => Err(unexpected("stock_remove", other)),
        };
    }
    let parts = array("stock_remove", reply)?;
    let [taken, left, units @ ..] = parts.as_slice() else {
        return Err(unexpected("stock_remove", &format!("{parts:?}")));
    };
    Ok(RemoveOutcome::Removed {
        taken: number("stock_remove", taken)?,
        left: left_over("stock_remove", left)?,
        units: units.iter().map(removed_unit).collect(),
    })
}

/// A unit that came out of stock. Never an error: the unit is nowhere else any more, and units
/// that were pushed by hand may hold any byte.
fn removed_unit(unit: &Value) -> String {
    match unit {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("{other:?}"),
    }
}
