//! `seckill wechat`: what the operator of an official account sends to the platform.

use std::process::ExitCode;

use clap::Subcommand;

use super::print::Output;
use crate::error::Result;
use crate::store::Store;
use crate::wechat::activities::bookable;
use crate::wechat::menu::menu;

/// `seckill wechat ...`
#[derive(Debug, Subcommand)]
pub enum WechatCommand {
    /// Print the menu with the activities that can be booked now, as JSON for the platform: exit
    /// code 1 if a sale cannot be read, and so may be missing
    Menu,
}

impl WechatCommand {
    /// Runs the command.
    pub async fn run(&self, store: &Store) -> Result<ExitCode> {
        match self {
            Self::Menu => print_menu(store).await,
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
    Output { json: true }.result("", &menu);
    let mut code = ExitCode::SUCCESS;
    for (id, read) in &sales {
        if let Err(error) = read {
            eprintln!("seckill: sale {id} is left out: {error}");
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
