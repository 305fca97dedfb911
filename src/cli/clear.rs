//! `seckill sale reset`, `seckill sale delete` and `seckill event`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::archive::ArchiveCommand;
use super::confirm::confirm;
use super::print::{Output, progress};
use crate::domain::clear::{ClearOutcome, ClearRefusal, Cleared, Force};
use crate::domain::counted::counted;
use crate::domain::ids::{Event, SaleId};
use crate::error::{Error, Result};
use crate::operation::clear::explain;
use crate::store::Store;
use crate::store::sales::clear::Clear;

/// The sales of one event that are reset or deleted.
#[derive(Debug, Args)]
pub struct SalesToClear {
    /// Their ids: all sales of one event that share orders
    #[arg(value_parser = SaleId::parse, required = true)]
    ids: Vec<SaleId>,
    #[command(flatten)]
    flags: ClearFlags,
}

/// What may go, and whether to ask.
#[derive(Debug, Args)]
pub struct ClearFlags {
    /// Also drop living orders: held, confirmed or used. Their buyers are not told
    #[arg(long)]
    with_orders: bool,
    /// Also drop entries of the feed that a consumer group has not read
    #[arg(long)]
    feed_too: bool,
    /// Do not ask on a terminal
    #[arg(long)]
    yes: bool,
}

/// `seckill event ...`
#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// Export to a file, and then drop, what an event that is over does not need any more: dead
    /// orders, requests, payments and the feed
    Archive(ArchiveCommand),
    /// Delete all sales of an event, their orders, accounts and the feed
    Delete {
        /// The part of its sales' ids before the dot
        #[arg(value_parser = Event::parse)]
        event: Event,
        #[command(flatten)]
        flags: ClearFlags,
    },
}

impl ClearFlags {
    fn force(&self) -> Force {
        Force {
            with_orders: self.with_orders,
            feed_too: self.feed_too,
        }
    }
}

impl SalesToClear {
    /// Runs the command.
    pub async fn run(&self, store: &Store, clear: Clear, output: Output) -> Result<ExitCode> {
        let sales: Vec<&SaleId> = self.ids.iter().collect();
        let names = names(&sales);
        let (what, done) = match clear {
            Clear::Reset => ("Drops all orders of", "reset"),
            Clear::Delete => ("Deletes", "deleted"),
        };
        confirm(self.flags.yes, &format!("{what} {names}"))?;
        let mut granted = 0;
        for sale in &sales {
            let snapshot = store.sale_snapshot(sale).await?;
            granted += snapshot.map_or(0, |snapshot| snapshot.grants.count);
        }
        let bar = progress("orders", granted, output);
        let force = self.flags.force();
        let outcome = store
            .sales_clear(&sales, clear, force, &|dropped| bar.set_position(dropped))
            .await;
        bar.finish_and_clear();
        let cleared = cleared(outcome?)?;
        let mut line = format!(
            "{done} {names}: {} dropped",
            counted(cleared.orders, "order")
        );
        for sale in &cleared.stopped {
            line += &format!("\nsale {sale} is still stopped: `seckill sale show {sale}` says why");
        }
        if cleared.unreadable > 0 {
            let unreadable = counted(cleared.unreadable, "order");
            line += &format!("\n{unreadable} of the event cannot be read and stay where they are");
        }
        let ids: Vec<&str> = sales.iter().map(|sale| sale.as_str()).collect();
        output.result(
            line,
            &json!({
                "sales": ids, "result": done, "orders": cleared.orders,
                "unreadable": cleared.unreadable,
                "stopped": cleared.stopped.iter().map(SaleId::as_str).collect::<Vec<_>>(),
            }),
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

impl EventCommand {
    /// Runs the command.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        let (event, flags) = match self {
            Self::Archive(command) => return command.run(store, output).await,
            Self::Delete { event, flags } => (event.as_str(), flags),
        };
        let what = format!("Deletes event {event} with everything in it");
        confirm(flags.yes, &what)?;
        cleared(store.event_delete(event, flags.force()).await?)?;
        output.result(
            format!("deleted event {event}"),
            &json!({"event": event, "result": "deleted"}),
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

fn cleared(outcome: ClearOutcome) -> Result<Cleared> {
    match outcome {
        ClearOutcome::Done(cleared) => Ok(cleared),
        ClearOutcome::Refused(ClearRefusal::NoSuchSale(id)) => {
            Err(super::lookup::no_such_sale(&id))
        }
        ClearOutcome::Refused(refusal) => Err(Error::Refused(explain(&refusal))),
    }
}

fn names(sales: &[&SaleId]) -> String {
    let ids: Vec<&str> = sales.iter().map(|sale| sale.as_str()).collect();
    let noun = if ids.len() == 1 { "sale" } else { "sales" };
    format!("{noun} {}", ids.join(", "))
}
