//! Check-in: each ticket lets one person in, once.

use crate::domain::ids::{Number, OrderId, SaleId};
use crate::domain::order::Order;
use crate::domain::order::change::{ChangeOutcome, ChangeRefusal};
use crate::failure::Result;
use crate::store::Store;

/// What a person presents at the entrance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// The ticket: its QR code was scanned.
    Ticket(OrderId),
    /// The number of a person, which names their ticket.
    Number(Number),
}

/// The result of a check-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckIn {
    /// The ticket was good, and is used from now on.
    Admitted(Order),
    /// The person is not let in. Nothing changed.
    Refused(Refusal),
}

/// Why a person is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No activity has this name.
    NoSuchActivity,
    /// The activity is over.
    Over,
    /// The ticket does not exist, or this number has none.
    NoSuchTicket,
    /// It is a ticket of another activity.
    OtherActivity,
    /// The ticket was used before.
    Used(Order),
    /// The ticket was cancelled.
    Cancelled,
}

/// Checks a ticket of `activity` and marks it as used. If several people present the same ticket,
/// one is let in.
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

/// The ticket to use, if it is of this activity and the activity is not over.
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
        // A ticket is never held, because it is granted confirmed; and nothing is cancelled here.
        ChangeRefusal::Expired
        | ChangeRefusal::NotConfirmed
        | ChangeRefusal::NotConfirmable
        | ChangeRefusal::NotUsable
        | ChangeRefusal::NotCancellable => Refusal::NoSuchTicket,
    }
}
