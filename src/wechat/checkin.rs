//! Checking tickets at the door: each lets one person in, once.

use crate::domain::ids::{Number, OrderId, SaleId};
use crate::domain::order::Order;
use crate::domain::order::change::{ChangeOutcome, ChangeRefusal};
use crate::failure::Result;
use crate::store::Store;

/// What somebody presents at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// The ticket: its QR code was scanned.
    Ticket(OrderId),
    /// The number of a person, whose ticket it then is.
    Number(Number),
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckIn {
    /// The ticket was good until now, and is used from now on.
    Admitted(Order),
    /// Nobody comes in. Nothing changed.
    Refused(Refusal),
}

/// Why nobody comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No sale of this name is an activity.
    NoSuchActivity,
    /// The activity is over.
    Over,
    /// There is no such ticket, or nobody of this number has one.
    NoSuchTicket,
    /// It is a ticket of another activity.
    OtherActivity,
    /// Somebody came in with it before.
    Used(Order),
    /// It was given back.
    Cancelled,
}

/// Lets in whoever presents a good ticket of `activity`, and marks the ticket as used. Of many who
/// present the same one, one comes in.
///
/// # Errors
/// As [`Store::order_use`].
pub async fn check_in(store: &Store, activity: &SaleId, presented: &Presented) -> Result<CheckIn> {
    let checked = check(store, activity, presented).await?;
    let ticket = match checked {
        Ok(ticket) => ticket,
        Err(refusal) => return Ok(CheckIn::Refused(refusal)),
    };
    let refusal = match store.order_use(&ticket).await? {
        ChangeOutcome::Changed(order) => return Ok(CheckIn::Admitted(order)),
        ChangeOutcome::Repeated(order) => Refusal::Used(order),
        ChangeOutcome::Refused(refusal, order) => refused(refusal, order),
        ChangeOutcome::NoSuchOrder => Refusal::NoSuchTicket,
    };
    Ok(CheckIn::Refused(refusal))
}

/// The ticket that is to be used, if it is one of an activity that goes on.
async fn check(
    store: &Store,
    activity: &SaleId,
    presented: &Presented,
) -> Result<Result<OrderId, Refusal>> {
    let snapshot = store.sale_snapshot(activity).await?;
    let over = snapshot.and_then(|read| Some(read.sale.activity()?.is_over(read.now)));
    let Some(is_over) = over else {
        return Ok(Err(Refusal::NoSuchActivity));
    };
    if is_over {
        return Ok(Err(Refusal::Over));
    }
    let order = match presented {
        Presented::Ticket(ticket) => store.order(ticket).await?,
        Presented::Number(number) => store.order_of_buyer(activity, &number.username()).await?,
    };
    Ok(match order {
        None => Err(Refusal::NoSuchTicket),
        Some(order) if order.line(activity).is_none() => Err(Refusal::OtherActivity),
        Some(order) => Ok(order.id),
    })
}

fn refused(refusal: ChangeRefusal, order: Order) -> Refusal {
    match refusal {
        ChangeRefusal::Cancelled => Refusal::Cancelled,
        ChangeRefusal::Used => Refusal::Used(order),
        // Nothing that a ticket is, which is granted at once; and nobody gives anything back here.
        ChangeRefusal::Expired
        | ChangeRefusal::NotConfirmed
        | ChangeRefusal::NotConfirmable
        | ChangeRefusal::NotUsable
        | ChangeRefusal::NotCancellable => Refusal::NoSuchTicket,
    }
}
