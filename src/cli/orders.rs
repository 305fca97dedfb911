//! `seckill orders`: all orders of a sale, page by page, however many there are.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::lookup::existing;
use super::print::{Output, printed};
use crate::domain::ids::SaleId;
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::operation::orders::Format;
use crate::store::Store;

/// What the command promises about orders that move meanwhile.
const NOTES: &str = "\
Times are epoch milliseconds. An order that exists all the while is printed, rarely twice. A record
that cannot be read is named on standard error, and the exit code is 1. It is 1, too, when the list
breaks off: the connection to Redis was lost, or a failover left it at a replica.";

/// `seckill orders`
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct OrdersCommand {
    /// The sale
    #[arg(value_parser = SaleId::parse)]
    id: SaleId,
    /// A JSON object for each order, or a row for what each order has of this sale
    #[arg(long, value_parser = Format::parse, default_value = "ndjson", value_name = "ndjson|csv")]
    format: Format,
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
        let mut stdout = io::stdout().lock();
        let (mut pages, mut unreadable) = (store.orders(self.id.event()).await?, false);
        let mut written = stdout.write_all(&self.format.head());
        while written.is_ok() {
            let Some(orders) = pages.next().await.map_err(incomplete)? else {
                break;
            };
            for error in orders.iter().filter_map(|read| read.as_ref().err()) {
                eprintln!("seckill: {error}");
                unreadable = true;
            }
            let page = self.format.page(&self.id, orders.iter().flatten());
            written = stdout.write_all(&page);
        }
        printed(written.and_then(|()| stdout.flush()))?;
        Ok(if unreadable {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

fn incomplete(error: Failure) -> Error {
    Error::Refused(format!(
        "{error}; the list is incomplete: run the command again"
    ))
}
