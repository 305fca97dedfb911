//! `seckill orders`: all orders of a sale, page by page, however many there are.

use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::order::OrderView;
use super::print::Output;
use super::sale::existing;
use crate::domain::ids::SaleId;
use crate::domain::order::Order;
use crate::error::{Error, Result};
use crate::store::Store;

/// Columns of the CSV: the units of a line are separated by tabs.
const COLUMNS: [&str; 10] = [
    "order",
    "state",
    "username",
    "created_at",
    "deadline",
    "changed_at",
    "request_id",
    "goods",
    "purchase",
    "units",
];

/// What the command promises about orders that move meanwhile.
const NOTES: &str = "\
Times are epoch milliseconds. An order that exists all the while is printed, rarely twice. A record
that cannot be read is named on standard error, and the exit code is 1.";

/// `seckill orders`
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct OrdersCommand {
    /// The sale
    #[arg(value_parser = SaleId::parse)]
    id: SaleId,
    /// A JSON object for each order, or a row for what each order has of this sale
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Ndjson,
    Csv,
}

impl OrdersCommand {
    /// Runs the command.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        if output.json && self.format == Format::Csv {
            return Err(Error::Config(
                "--json and --format csv contradict each other".to_owned(),
            ));
        }
        existing(store, &self.id).await?;
        let mut printed = match self.format {
            Format::Ndjson => Printed::Ndjson(BufWriter::new(io::stdout().lock())),
            Format::Csv => Printed::Csv(Box::new(csv::Writer::from_writer(io::stdout().lock()))),
        };
        let (mut cursor, mut unreadable) = (Some(0), false);
        let mut written = printed.head();
        while let (Some(at), Ok(())) = (cursor, &written) {
            let (next, page) = store.orders_page(self.id.event(), at).await?;
            for order in page {
                match order {
                    Ok(order) => written = written.and_then(|()| printed.order(&order, &self.id)),
                    Err(error) => {
                        eprintln!("seckill: {error}");
                        unreadable = true;
                    }
                }
            }
            cursor = next;
        }
        finished(written.and_then(|()| printed.end()))?;
        Ok(if unreadable {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// A reader who has seen enough (`head`) is no failure.
fn finished(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Refused(format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}

fn unwritten(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

enum Printed {
    Ndjson(BufWriter<StdoutLock<'static>>),
    Csv(Box<csv::Writer<StdoutLock<'static>>>),
}

impl Printed {
    fn head(&mut self) -> io::Result<()> {
        match self {
            Self::Ndjson(_) => Ok(()),
            Self::Csv(csv) => csv.write_record(COLUMNS).map_err(unwritten),
        }
    }

    /// Prints an order that has something of the sale.
    fn order(&mut self, order: &Order, sale: &SaleId) -> io::Result<()> {
        let Some(line) = order.line(sale) else {
            return Ok(());
        };
        match self {
            Self::Ndjson(out) => {
                serde_json::to_writer(&mut *out, &OrderView::of(order))?;
                out.write_all(b"\n")
            }
            Self::Csv(csv) => {
                let ms = |ms: Option<u64>| ms.map_or_else(String::new, |ms| ms.to_string());
                let request = order.request.as_ref().map_or("", |id| id.as_str());
                let row = [
                    order.id.as_str(),
                    order.state.as_str(),
                    order.username.as_str(),
                    &order.created_at.to_string(),
                    &ms(order.deadline),
                    &ms(order.changed_at),
                    request,
                    line.goods.as_str(),
                    &line.purchase.to_string(),
                    &line.units.join("\t"),
                ];
                csv.write_record(row).map_err(unwritten)
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Ndjson(out) => out.flush(),
            Self::Csv(csv) => csv.flush(),
        }
    }
}
