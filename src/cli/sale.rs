//! `seckill sale`: create, change, look at, stop sales.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::activity::{self, ActivityFlags};
use super::clear::SalesToClear;
use super::lookup::{existing, no_such_sale};
use super::print::{Output, facts, figures, table};
use super::values::{
    Hold, OrdersMax, WindowBound, feed, hold, orders_max, purchase_max, window_bound,
};
use crate::domain::ids::SaleId;
use crate::domain::money::{BONUS_BP_MAX, CENTS_MAX};
use crate::domain::purchase::bid::BID_BYTES;
use crate::domain::sale::{
    BID_MIN_DEFAULT, EditOutcome, EditRefusal, ResumeOutcome, Sale, SaleEdit, StockKind,
};
use crate::error::{Error, Result};
use crate::operation::sale::{explain, show_orders_max, stop_reason, title, to_json};
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
        /// `list`: units with an identity, sold by /seckill; `counter`: equal units, by /incr;
        /// `target`: an amount in cents that bids fill up, by /bids
        #[arg(long, value_parser = StockKind::parse)]
        kind: Option<StockKind>,
        /// What people read: up to 200 bytes, no control characters; empty for none
        #[arg(long, value_parser = title)]
        title: Option<String>,
        /// First instant of the window: RFC 3339, epoch seconds, or `none`
        #[arg(long, value_parser = window_bound, value_name = "TIME")]
        opens_at: Option<WindowBound>,
        /// Last instant of the window: RFC 3339, epoch seconds, or `none`
        #[arg(long, value_parser = window_bound, value_name = "TIME")]
        closes_at: Option<WindowBound>,
        /// Most units in one attempt [default for a new sale: 2]
        #[arg(long, value_parser = purchase_max())]
        purchase_max: Option<u32>,
        /// Most orders that a buyer may have had, those that were cancelled or expired included, or
        /// `none` for any number [default: 20]
        #[arg(long, value_parser = orders_max, value_name = "N|none")]
        orders_max: Option<OrdersMax>,
        /// How long an order waits for its confirmation before it expires, like `15m`, or `none`
        #[arg(long, value_parser = hold, value_name = "DURATION")]
        hold: Option<Hold>,
        /// Until when a confirmed order may be cancelled, or `none` [default: it may not]
        #[arg(long, value_parser = window_bound, value_name = "TIME")]
        cancel_until: Option<WindowBound>,
        /// Write what happens to orders to the feed of the event, `on` or `off` [default: on]
        #[arg(long, value_parser = feed, value_name = "on|off")]
        feed: Option<bool>,
        /// Of a target: smallest bid, in cents, unless it is all that is left [default: 1]. Fixed
        /// by the first bid
        #[arg(long, value_name = "CENTS", value_parser = clap::value_parser!(u64).range(1..=CENTS_MAX))]
        bid_min: Option<u64>,
        /// Of a target: bonus in basis points of what is accepted [default: 0]. Fixed by the first
        /// bid
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=i64::from(BONUS_BP_MAX)))]
        bonus_bp: Option<u32>,
        #[command(flatten)]
        activity: Box<ActivityFlags>,
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
        /// Sell on from what Redis has, after it has forgotten orders of the sale: the only way on
        /// for a sale that was stopped by that
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
            Self::Put {
                id,
                kind,
                title,
                opens_at,
                closes_at,
                purchase_max,
                orders_max,
                hold,
                cancel_until,
                feed,
                bid_min,
                bonus_bp,
                activity,
            } => {
                let edit = SaleEdit {
                    kind: *kind,
                    title: title.clone(),
                    opens_at: opens_at.map(|bound| bound.0),
                    closes_at: closes_at.map(|bound| bound.0),
                    purchase_max: *purchase_max,
                    orders_max: orders_max.map(|most| most.0),
                    paused: None,
                    hold: hold.map(|hold| hold.0),
                    cancel_until: cancel_until.map(|bound| bound.0),
                    feed: *feed,
                    bid_min: *bid_min,
                    bonus_bp: *bonus_bp,
                    activity: activity.edit(),
                };
                put(store, id, &edit, output).await
            }
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
        sale.kind.to_string(),
        phase(snapshot),
        figures.left.to_string(),
        figures.granted().to_string(),
        sale.title.clone(),
    ]
}

async fn show(store: &Store, id: &SaleId, output: Output) -> Result<ExitCode> {
    let snapshot = existing(store, id).await?;
    let sale = &snapshot.sale;
    let mut rows = vec![
        ("sale", sale.id.to_string()),
        ("title", sale.title.clone()),
        ("kind", sale.kind.to_string()),
        ("phase", phase(&snapshot)),
        ("opens at", times::show(sale.opens_at)),
        ("closes at", times::show(sale.closes_at)),
        ("hold", times::show_duration(sale.hold)),
        ("cancel until", times::show(sale.cancel_until)),
        ("feed", if sale.feed { "on" } else { "off" }.to_owned()),
    ];
    rows.extend(figures(&snapshot.figures));
    rows.push(("server time", times::show(Some(snapshot.now))));
    rows.extend(limits(sale));
    rows.extend(sale.activity.iter().flat_map(activity::rows));
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

/// What a sale of this kind demands of those who buy or bid.
fn limits(sale: &Sale) -> Vec<(&'static str, String)> {
    match sale.kind {
        StockKind::List | StockKind::Counter => {
            let orders_max = show_orders_max(sale.orders_max);
            vec![
                ("purchase max", sale.purchase_max.to_string()),
                ("orders max", orders_max),
            ]
        }
        StockKind::Target => vec![
            ("bid min", sale.smallest_bid().to_string()),
            ("bonus bp", sale.bonus_bp.to_string()),
        ],
    }
}
