//! The demo sales.

use crate::domain::ids::SaleId;
use crate::domain::sale::values::{Checked, TermValue, Title};
use crate::domain::sale::{SaleEdit, StockKind};
use crate::failure::{Failure, Result};
use crate::store::Store;

/// Title by which a demo sale is known.
const DEMO_TITLE: &str = "demo";
/// Units that each demo sale is stocked with.
const DEMO_UNITS: u64 = 50;

/// Creates and stocks a demo sale, unless it exists.
///
/// # Errors
/// Redis cannot be reached, or refuses the change.
pub async fn put(store: &Store, id: &SaleId, kind: StockKind) -> Result<()> {
    let found = store.sale_snapshot(id).await?;
    let is_demo = found
        .as_ref()
        .is_none_or(|found| found.sale.title == DEMO_TITLE);
    if found.is_none() {
        let edit = SaleEdit {
            kind: Some(kind),
            title: Title::check("title", TermValue::Text(DEMO_TITLE.to_owned())).ok(),
            ..SaleEdit::default()
        };
        unless_unknown(store.sale_put(id, &edit).await)?;
    }
    let was_stocked = found.is_some_and(|found| found.figures.added > 0);
    if is_demo && !was_stocked {
        // Adds nothing if another server was faster.
        unless_unknown(store.stock_add_first(id, DEMO_UNITS).await)?;
    }
    Ok(())
}

/// A server also starts, and is not ready, while replicas are missing.
fn unless_unknown<T>(done: Result<T>) -> Result<()> {
    match done {
        Err(Failure::Unknown(why)) => {
            tracing::warn!(why, "replicas may not have the demo sales");
            Ok(())
        }
        done => done.map(|_| ()),
    }
}
