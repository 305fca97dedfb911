//! `seckill sale`: create, change, look at, stop sales.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::clear::SalesToClear;
use super::lookup::{existing, no_such_sale};
use super::print::{Output, facts, figures, table};
use super::terms::{TermFlags, lines};
use crate::domain::ids::SaleId;
use crate::domain::purchase::bid::BID_BYTES;
use crate::domain::sale::terms::{Of, TERMS};
use crate::domain::sale::{
    BID_MIN_DEFAULT, EditOutcome, EditRefusal, ResumeOutcome, SaleEdit, StockKind,
};
use crate::error::{Error, Result};
use crate::operation::sale::{explain, stop_reason, to_json};
use crate::operation::times;
use crate::store::Store;
use crate::store::sales::clear::Clear;
use crate::store::sales::snapshot::Snapshot;

/// `seckill sale ...`
#[derive(Debug, Subcommand)]
pub enum SaleCommand {
    /// Create a sale, or change what is given
    Put {
        /// `event` or `event.item`
        #[arg(value_parser = SaleId::parse)]
        id: SaleId,
        #[command(flatten)]
        terms: TermFlags,
    },
    /// All sales, one a line: exit code 1 if one of them cannot be read
    List,
    /// One sale
    Show {
        /// Its id
        #[arg(value_parser = SaleId::parse)]
        id: SaleId,
    },
    /// Stop selling; buyers who hold an order still get it
    Pause {
        /// Its id
        #[arg(value_parser = SaleId::parse)]
        id: SaleId,
    },
    /// Sell again
    Resume {
        /// Its id
        #[arg(value_parser = SaleId::parse)]
        id: SaleId,
        /// Sell on with the orders that Redis has, after it lost orders of the sale: the only way
        /// on for a sale that was stopped by that
        #[arg(long)]
        after_loss: bool,
    },
    /// Drop all orders of a sale and begin anew: its terms stay, and all its units are for sale
    Reset(SalesToClear),
    /// Delete a sale with its units and orders
    Delete(SalesToClear),
}

impl SaleCommand {
    /// True for what changes a sale.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::List | Self::Show { .. })
    }

    /// True for what may be the first thing that is ever written.
    pub fn begins(&self) -> bool {
        matches!(self, Self::Put { .. })
    }

    /// Runs the command.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        match self {
            Self::Put { id, terms } => put(store, id, &terms.0, output).await,
            Self::List => list(store, output).await,
            Self::Show { id } => show(store, id, output).await,
            Self::Pause { id } => pause(store, id, true, output).await,
            Self::Resume {
                id,
                after_loss: true,
            } => resume_after_loss(store, id, output).await,
            Self::Resume { id, .. } => pause(store, id, false, output).await,
            Self::Reset(sales) => sales.run(store, Clear::Reset, output).await,
            Self::Delete(sales) => sales.run(store, Clear::Delete, output).await,
        }
    }
}

async fn put(store: &Store, id: &SaleId, edit: &SaleEdit, output: Output) -> Result<ExitCode> {
    if *edit == SaleEdit::default() {
        return Err(Error::Config(
            "nothing to put: name at least --kind, or what to change".to_owned(),
        ));
    }
    let done = match store.sale_put(id, edit).await? {
        EditOutcome::Created => "created",
        EditOutcome::Updated => "updated",
        EditOutcome::Refused(refusal) => return Err(refused(id, refusal)),
    };
    let is_target = edit.kind == Some(StockKind::Target);
    if is_target && edit.bid_min.is_none() && done == "created" {
        warn_of_small_bids(id);
    }
    output.result(
        format!("{done} sale {id}"),
        &json!({"sale": id.as_str(), "result": done}),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn warn_of_small_bids(target: &SaleId) {
    eprintln!(
        "seckill: warning: bids for {target} may be as small as {BID_MIN_DEFAULT} cent, and each \
         takes about {BID_BYTES} bytes of Redis: before the first bid, `seckill sale put {target} \
         --bid-min CENTS` sets the smallest one"
    );
}

async fn pause(store: &Store, id: &SaleId, paused: bool, output: Output) -> Result<ExitCode> {
    let edit = SaleEdit {
        paused: Some(paused),
        ..SaleEdit::default()
    };
    if let EditOutcome::Refused(refusal) = store.sale_put(id, &edit).await? {
        return Err(refused(id, refusal));
    }
    let done = if paused { "paused" } else { "resumed" };
    output.result(
        format!("{done} sale {id}"),
        &json!({"sale": id.as_str(), "result": done}),
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn resume_after_loss(store: &Store, id: &SaleId, output: Output) -> Result<ExitCode> {
    match store.sale_resume(id).await? {
        ResumeOutcome::Resumed => {}
        ResumeOutcome::NoSuchSale => return Err(no_such_sale(id)),
        ResumeOutcome::BeingCleared => return Err(refused(id, EditRefusal::BeingCleared)),
    }
    output.result(
        format!("resumed sale {id} after the loss"),
        &json!({"sale": id.as_str(), "result": "resumed"}),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn refused(id: &SaleId, refusal: EditRefusal) -> Error {
    Error::Refused(explain(id, refusal))
}

async fn list(store: &Store, output: Output) -> Result<ExitCode> {
    let sales = store.sales().await?;
    let header = ["SALE", "KIND", "PHASE", "LEFT", "GRANTED", "TITLE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(sales.iter().map(|(id, read)| {
        match read {
            Ok(snapshot) => row(snapshot),
            Err(why) => [id.as_str(), "UNREADABLE", "-", "-", "-", &why.to_string()]
                .map(str::to_owned)
                .to_vec(),
        }
    }));
    let values = sales.iter().map(|(id, read)| match read {
        Ok(snapshot) => to_json(snapshot),
        Err(why) => json!({"sale": id.as_str(), "error": why.to_string()}),
    });
    output.result(table(&rows), &Value::Array(values.collect()))?;
    let unreadable = sales.iter().any(|(_, read)| read.is_err());
    Ok(if unreadable {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn row(snapshot: &Snapshot) -> Vec<String> {
    let (sale, figures) = (&snapshot.sale, &snapshot.figures);
    vec![
        sale.id.to_string(),
        sale.kind().to_string(),
        phase(snapshot),
        figures.left.to_string(),
        figures.granted().to_string(),
        sale.title.clone(),
    ]
}

async fn show(store: &Store, id: &SaleId, output: Output) -> Result<ExitCode> {
    let snapshot = existing(store, id).await?;
    let sale = &snapshot.sale;
    let (of_every, of_its_kind): (Vec<_>, Vec<_>) =
        TERMS.iter().partition(|term| term.of == Of::Every);
    let mut rows = vec![
        ("sale".to_owned(), sale.id.to_string()),
        ("phase".to_owned(), phase(&snapshot)),
    ];
    rows.extend(of_every.iter().flat_map(|term| lines(term, sale)));
    let counted = figures(&snapshot.figures).into_iter();
    rows.extend(counted.map(|(name, count)| (name.to_owned(), count)));
    rows.push(("server time".to_owned(), times::show(Some(snapshot.now))));
    rows.extend(of_its_kind.iter().flat_map(|term| lines(term, sale)));
    output.result(facts(rows), &to_json(&snapshot))?;
    Ok(ExitCode::SUCCESS)
}

/// Where the sale stands, and why it is stopped when no operator did it.
fn phase(snapshot: &Snapshot) -> String {
    let word = snapshot.phase_word(snapshot.now);
    match stop_reason(&snapshot.sale) {
        Some(reason) => format!("{word} ({reason})"),
        None => word.to_owned(),
    }
}
