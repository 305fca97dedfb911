//! The first account of an event. From then on only buyers who have an account can bid.

use crate::domain::ids::{Event, SaleId};
use crate::domain::sale::StockKind;
use crate::error::Result;
use crate::failure::Failure;
use crate::store::Store;
use crate::store::sales::snapshot::Snapshot;

/// Whether the event keeps no accounts yet. Prints a hint if it has no target, either.
pub(super) async fn is_first(store: &Store, event: &Event) -> Result<bool> {
    let first = !store.keeps_accounts(event).await?;
    // A hint must not stop the command: if it cannot be read, there is none.
    if first && matches!(has_target(store, event).await, Ok(false)) {
        eprintln!("seckill: event {event} has no target: is it the right event?");
    }
    Ok(first)
}

/// Whether the event has a target. A sale that cannot be read may be one.
async fn has_target(store: &Store, event: &Event) -> Result<bool> {
    let sales = store.sales().await?;
    let of_event = |(id, read): &(SaleId, Result<Snapshot, Failure>)| {
        let target = |snapshot: &Snapshot| snapshot.sale.kind() == StockKind::Target;
        id.event() == event.as_str() && read.as_ref().map_or(true, target)
    };
    Ok(sales.iter().any(of_event))
}

/// Says what the first account of an event begins, or may have begun.
pub(super) fn begins(event: &Event, keeps: &str) -> String {
    format!("event {event} {keeps} accounts from now on: buyers without one cannot bid")
}
