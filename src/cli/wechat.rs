//! `seckill wechat`: what the operator of an official account does for its users and its platform.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::print::{Output, facts};
use crate::domain::ids::{Number, SaleId};
use crate::domain::order::Order;
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::store::Store;
use crate::store::sales::snapshot::Snapshot;
use crate::wechat::activities::{bookable, on_show};
use crate::wechat::menu::menu;

/// `seckill wechat ...`
#[derive(Debug, Subcommand)]
pub enum WechatCommand {
    /// Print the menu with the activities that can be booked now, as JSON for the platform: exit
    /// code 1 if a sale cannot be read, and so may be missing
    Menu,
    /// One student number: which openid it is bound to, and its tickets of the activities on show;
    /// exit code 1 if one cannot be read
    Show(Named),
    /// Free a student number from the openid that is bound to it. Its tickets stay its own: whoever
    /// binds it next has them
    Unbind(Named),
}

/// Which student number.
#[derive(Debug, Args)]
pub struct Named {
    /// The student number
    #[arg(value_parser = Number::parse, value_name = "NUMBER")]
    number: Number,
}

impl WechatCommand {
    /// True for what changes a binding.
    pub fn changes(&self) -> bool {
        matches!(self, Self::Unbind(_))
    }

    /// Runs the command.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        match self {
            Self::Menu => print_menu(store).await,
            Self::Show(named) => show(store, &named.number, output).await,
            Self::Unbind(named) => unbind(store, &named.number, output).await,
        }
    }
}

async fn print_menu(store: &Store) -> Result<ExitCode> {
    let sales = store.sales().await?;
    let readable = sales.iter().filter_map(|(_, read)| read.as_ref().ok());
    // Without a sale there is no clock, and nothing to close.
    let now = readable.map(|snapshot| snapshot.now).max().unwrap_or(0);
    let menu = menu(&bookable(&sales, now));
    // JSON it is, for people too: what is printed is what the platform takes.
    Output { json: true }.result("", &menu)?;
    Ok(said(unreadable(&sales)))
}

/// Sales that cannot be read, and so are left out.
fn unreadable(sales: &[(SaleId, Result<Snapshot, Failure>)]) -> Vec<String> {
    let broken = sales
        .iter()
        .filter_map(|(id, read)| Some((id, read.as_ref().err()?)));
    broken
        .map(|(id, error)| format!("sale {id} is left out: {error}"))
        .collect()
}

/// Says what is missing from what was printed, and gives the exit code for it.
fn said(missing: Vec<String>) -> ExitCode {
    for what in &missing {
        eprintln!("seckill: {what}");
    }
    if missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn show(store: &Store, number: &Number, output: Output) -> Result<ExitCode> {
    let openid = store.openid_of(number).await?;
    let sales = store.sales().await?;
    let mut missing = unreadable(&sales);
    let mut tickets: Vec<(&SaleId, Order)> = Vec::new();
    // One after the other: a ticket that cannot be read must not hide the others.
    for shown in on_show(&sales) {
        let sale = &shown.sale.id;
        match store.order_of_buyer(sale, &number.username()).await {
            Ok(held) => tickets.extend(held.map(|order| (sale, order))),
            Err(away @ Failure::Busy(_)) => return Err(away.into()),
            Err(error) => missing.push(format!("the ticket of {sale} is left out: {error}")),
        }
    }
    let openid = openid.as_ref().map(|openid| openid.as_str());
    let mut rows = vec![
        ("number", number.to_string()),
        ("openid", openid.unwrap_or("-").to_owned()),
    ];
    rows.extend(tickets.iter().map(|(sale, order)| {
        let units = order.units(sale).join(", ");
        let named = if units.is_empty() { "" } else { ": " };
        let ticket = format!("{} of {sale}, {}{named}{units}", order.id, order.state);
        ("ticket", ticket)
    }));
    let tickets = tickets.iter().map(|(sale, order)| {
        json!({
            "sale": sale.as_str(), "order": order.id.as_str(), "state": order.state.as_str(),
            "units": order.units(sale),
        })
    });
    let tickets: Vec<_> = tickets.collect();
    let value = json!({"number": number.as_str(), "openid": openid, "tickets": tickets});
    output.result(facts(rows), &value)?;
    Ok(said(missing))
}

async fn unbind(store: &Store, number: &Number, output: Output) -> Result<ExitCode> {
    let freed = store.number_free(number).await.map_err(|failure| {
        failure.and_if_unknown(&format!("`seckill wechat show {number}` tells"))
    })?;
    let none = || Error::Refused(format!("number {number} is bound to nobody"));
    let openid = freed.ok_or_else(none)?;
    let line = format!(
        "freed number {number}, which openid {openid} had; its tickets stay its own, and go with it \
         to whoever binds it next"
    );
    let value = json!({
        "result": "unbound", "number": number.as_str(), "openid": openid.as_str(),
    });
    output.result(line, &value)?;
    Ok(ExitCode::SUCCESS)
}
