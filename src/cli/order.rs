//! `seckill order`: looks at one order, and changes it as the shop's systems would.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::print::{Output, facts};
use crate::domain::caller::Caller;
use crate::domain::counted::counted;
use crate::domain::ids::OrderId;
use crate::domain::order::change::{Change, ChangeOutcome, ChangeRefusal};
use crate::domain::order::{Accepted, Line, Order};
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::operation::orders::OrderView;
use crate::operation::times;
use crate::store::Store;

/// `seckill order ...`
#[derive(Debug, Subcommand)]
pub enum OrderCommand {
    /// One order: who holds it, where it stands, what it has
    Show(Named),
    /// It was paid: a held order becomes a sold one. Safe to repeat
    Confirm(Named),
    /// Give it back: its units can be sold again at once, and its buyer may grab again. A confirmed
    /// order only while its sale allows it, a bid only while its target is not full. Safe to repeat
    Cancel(Named),
    /// It was handed out: a confirmed order becomes a used one. Safe to repeat
    Use(Named),
}

/// Which order.
#[derive(Debug, Args)]
pub struct Named {
    /// Its id
    #[arg(value_parser = OrderId::parse, value_name = "ORDER")]
    id: OrderId,
}

impl OrderCommand {
    /// Runs the command.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        let (change, id) = match self {
            Self::Show(named) => return show(store, &named.id, output).await,
            Self::Confirm(named) => (Change::Confirm, &named.id),
            Self::Cancel(named) => (Change::Cancel, &named.id),
            Self::Use(named) => (Change::Use, &named.id),
        };
        let outcome = match change {
            Change::Confirm => store.order_confirm(id).await,
            Change::Cancel => store.order_cancel(id, &Caller::Operator).await,
            Change::Use => store.order_use(id).await,
        };
        let again = |failure: Failure| failure.and_if_unknown("say it again, that is safe");
        let outcome = outcome.map_err(again);
        report(change, id, outcome?, output)
    }
}

async fn show(store: &Store, id: &OrderId, output: Output) -> Result<ExitCode> {
    let found = store.order_kept(id).await?;
    let order = found.ok_or_else(|| no_such_order(id))?;
    let mut rows = vec![
        ("order", order.id.to_string()),
        ("state", order.state.to_string()),
        ("username", order.username.to_string()),
        ("created at", times::show(Some(order.created_at))),
        ("deadline", times::show(order.deadline)),
        ("changed at", times::show(order.changed_at)),
    ];
    rows.extend(
        order
            .request
            .iter()
            .map(|id| ("request", id.as_str().to_owned())),
    );
    rows.extend(order.lines.iter().map(|line| ("has", line_text(line))));
    output.result(facts(rows), &OrderView::from(&order))?;
    Ok(ExitCode::SUCCESS)
}

fn line_text(line: &Line) -> String {
    if let Some(accepted) = line.bid {
        let Accepted {
            requested, bonus, ..
        } = accepted;
        let filled = if accepted.filled { ", filled it" } else { "" };
        let paid = if accepted.paid {
            ", paid from the account"
        } else {
            ""
        };
        let (cents, goods) = (line.purchase, &line.goods);
        let requested = counted(requested, "cent");
        return format!("{cents} of {requested} for {goods}, bonus {bonus}{filled}{paid}");
    }
    let counted = format!("{} of {}", line.purchase, line.goods);
    if line.units.is_empty() {
        return counted;
    }
    format!("{counted}: {}", line.units.join(", "))
}

/// A change that happened, now or before.
#[derive(Serialize)]
struct Done<'a> {
    result: String,
    #[serde(flatten)]
    order: OrderView<'a>,
}

fn report(
    change: Change,
    id: &OrderId,
    outcome: ChangeOutcome,
    output: Output,
) -> Result<ExitCode> {
    let done = match change {
        Change::Confirm => "confirmed",
        Change::Cancel => "cancelled",
        Change::Use => "used",
    };
    let (line, result, order) = match &outcome {
        ChangeOutcome::Changed(order) => (format!("{done} order {id}"), done.to_owned(), order),
        ChangeOutcome::Repeated(order) => (
            format!("order {id} was {done} before: nothing changed"),
            format!("already_{done}"),
            order,
        ),
        ChangeOutcome::Refused(refusal, order) => return Err(refused(change, *refusal, order)),
        ChangeOutcome::NoSuchOrder => return Err(no_such_order(id)),
    };
    let order = OrderView::from(order);
    output.result(line, &Done { result, order })?;
    Ok(ExitCode::SUCCESS)
}

fn refused(change: Change, refusal: ChangeRefusal, order: &Order) -> Error {
    let (id, at) = (&order.id, times::show(order.changed_at));
    let why = match refusal {
        ChangeRefusal::Expired => format!("order {id} expired at {at}"),
        ChangeRefusal::Cancelled => format!("order {id} was cancelled at {at}"),
        ChangeRefusal::Used => format!("order {id} was used at {at}"),
        ChangeRefusal::NotConfirmed => {
            format!("order {id} is held: confirm it first (`seckill order confirm {id}`)")
        }
        ChangeRefusal::NotCancellable if order.bid().is_some() => format!(
            "order {id} is a bid, and its target is full, or takes no bids back, or not any more \
             (see `cancel until` in `seckill sale show`)"
        ),
        ChangeRefusal::NotCancellable => format!(
            "order {id} is confirmed, and its sale does not take confirmed orders back, or not any \
             more (see `cancel until` in `seckill sale show`)"
        ),
        ChangeRefusal::NotConfirmable => {
            format!("order {id} is a bid: there is nothing to confirm")
        }
        ChangeRefusal::NotUsable => format!("order {id} is a bid: there is nothing to hand out"),
    };
    let refund = if refusal.refund_due(change) {
        "; whoever paid for it is due a refund"
    } else {
        ""
    };
    Error::Refused(format!("{why}{refund}"))
}

fn no_such_order(id: &OrderId) -> Error {
    Error::Refused(format!("there is no order {id}"))
}
