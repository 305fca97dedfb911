//! Looks up the sale or event of a command, and says so if it does not exist.

use crate::domain::ids::SaleId;
use crate::domain::sale::EditRefusal;
use crate::error::{Error, Result};
use crate::operation::sale::explain;
use crate::store::Store;
use crate::store::sales::snapshot::Snapshot;

/// The sale, or the error that it does not exist.
pub async fn existing(store: &Store, id: &SaleId) -> Result<Snapshot> {
    let found = store.sale_snapshot(id).await?;
    found.ok_or_else(|| no_such_sale(id))
}

/// Prints a hint if nothing was found of an event and it has no sale. A hint must not stop a
/// command: if it cannot be read, there is none.
pub async fn doubt(store: &Store, event: &str) {
    let Ok(sales) = store.sales().await else {
        return;
    };
    if !sales.iter().any(|(id, _)| id.event() == event) {
        eprintln!("seckill: event {event} has no sale: is it the right event?");
    }
}

/// The error that the sale does not exist.
pub fn no_such_sale(id: &SaleId) -> Error {
    Error::Refused(explain(id, EditRefusal::NoSuchSale))
}
