//! Looks for what a command is about, and says so when it is not there.

use crate::domain::ids::SaleId;
use crate::domain::sale::EditRefusal;
use crate::error::{Error, Result};
use crate::operation::sale::explain;
use crate::store::Store;
use crate::store::sales::snapshot::Snapshot;

/// The sale, or an error that says that there is none.
pub async fn existing(store: &Store, id: &SaleId) -> Result<Snapshot> {
    let found = store.sale_snapshot(id).await?;
    found.ok_or_else(|| no_such_sale(id))
}

/// Asks whether an event is meant of which nothing was found and which has no sale. A hint must not
/// stop a command: where it cannot be had, there is none.
pub async fn doubt(store: &Store, event: &str) {
    let Ok(sales) = store.sales().await else {
        return;
    };
    if !sales.iter().any(|(id, _)| id.event() == event) {
        eprintln!("seckill: event {event} has no sale: is it the event that you mean?");
    }
}

/// The error that says that there is no such sale.
pub fn no_such_sale(id: &SaleId) -> Error {
    Error::Refused(explain(id, EditRefusal::NoSuchSale))
}
