//! The command line. Its commands talk to Redis directly, whether or not a server runs.

mod account;
mod archive;
mod audit;
mod backup;
mod clear;
mod confirm;
mod doctor;
mod feed;
mod first_account;
mod lookup;
mod order;
mod orders;
mod payment;
mod print;
mod sale;
mod stock;
mod terms;
mod values;
mod wechat;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, secret};
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::private_redis::{Attached, MemoryLimit, Options, has_data};
use crate::store::Store;
use crate::store::replicas::Watch;

use self::print::Output;

/// Exit code of a command line or setting that cannot be used.
const EXIT_USAGE: u8 = 2;
/// Exit code of an audit without a verdict: 1 means "violated" and nothing else.
const EXIT_NO_VERDICT: u8 = 3;
/// Exit code of a command that was not executed, because Redis did not answer in time.
const EXIT_NO_REDIS: u8 = 3;
/// Exit code of a command that may have been executed: the outcome is unknown.
const EXIT_UNKNOWN: u8 = 4;

/// The flag that is accepted and counts at every level of the command line.
const SET: &str = "set";
/// The heading of the flags that every command has.
const GLOBAL: &str = "Global options";

/// An admission engine for flash sales: decides in milliseconds who gets a unit.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Arguments {
    /// Settings file [default: seckill.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    config: Option<PathBuf>,
    /// Override one setting, for instance `--set http.workers=4`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, help_heading = GLOBAL)]
    set: Vec<(String, String)>,
    /// Redis to use [default: a private one in the data directory]
    #[arg(long, global = true, value_name = "URL", help_heading = GLOBAL)]
    redis_url: Option<String>,
    /// Where the private Redis keeps its data [default: ./data]
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL)]
    data_dir: Option<String>,
    /// Print JSON, for scripts
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(Serve),
    /// Deliver the feed of orders to the shop's order system
    Relay(Delivery),
    /// A command that talks to Redis
    #[command(flatten)]
    Operate(Operation),
}

/// Commands of operators, which need no running server.
#[derive(Debug, Subcommand)]
pub enum Operation {
    /// Create, change, show, stop sales
    #[command(subcommand)]
    Sale(sale::SaleCommand),
    /// Archive an event that is over, or delete one
    #[command(subcommand)]
    Event(clear::EventCommand),
    /// Put units into a sale's stock, or take unsold ones back
    #[command(subcommand)]
    Stock(stock::StockCommand),
    /// Show one order, confirm it, cancel it, mark it as used
    #[command(subcommand)]
    Order(order::OrderCommand),
    /// List all orders of a sale
    Orders(orders::OrdersCommand),
    /// Show entries that the shop's order system did not accept, and deliver them again
    #[command(subcommand)]
    Feed(feed::FeedCommand),
    /// Set or show buyers' balances for an event
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Show or remove bindings of the ticket office, print the menu for the platform
    #[command(subcommand)]
    Wechat(wechat::WechatCommand),
    /// Check that nothing was oversold or lost. Exit code 0: it holds; 1: it is violated; 3: it
    /// could not be checked
    Audit(audit::AuditCommand),
    /// Write all data to a directory, while sales go on
    Backup(backup::BackupCommand),
    /// Find out what is wrong with Redis and this machine, and how to repair it
    Doctor,
}

/// `seckill serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Create and stock the demo sales if they do not exist
    #[arg(long)]
    pub demo: bool,
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

/// Where the feed is delivered.
#[derive(Debug, Args)]
pub struct Delivery {
    /// Address of the receiver, http:// or https:// [default: relay.webhook]
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// File with the secret that signs deliveries [default: the one of the settings]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
}

impl Delivery {
    /// These flags as settings.
    fn flags(&self) -> impl Iterator<Item = (String, String)> {
        let flag = |key: &str, value: &String| (key.to_owned(), value.clone());
        let webhook = self.webhook.iter();
        let webhook = webhook.map(move |url| flag("relay.webhook", url));
        let secret = self.secret_file.iter();
        webhook.chain(secret.map(move |file| flag("relay.secret_file", file)))
    }
}

impl Operation {
    /// True for a command that makes sense without data: it writes the first, or checks the
    /// machine.
    fn begins(&self) -> bool {
        match self {
            Self::Sale(command) => command.begins(),
            Self::Account(command) => command.begins(),
            Self::Doctor => true,
            Self::Event(_)
            | Self::Stock(_)
            | Self::Order(_)
            | Self::Orders(_)
            | Self::Feed(_)
            | Self::Wechat(_)
            | Self::Audit(_)
            | Self::Backup(_) => false,
        }
    }

    /// True for a command whose result waits for replicas, or that says how many it needs.
    fn changes(&self) -> bool {
        match self {
            Self::Sale(command) => command.changes(),
            Self::Account(command) => command.changes(),
            Self::Wechat(command) => command.changes(),
            Self::Order(_) | Self::Event(_) | Self::Stock(_) | Self::Doctor => true,
            Self::Orders(_) | Self::Feed(_) | Self::Audit(_) | Self::Backup(_) => false,
        }
    }
}

impl Arguments {
    /// Reads the command line of this process. If it is wrong, prints why and exits.
    pub fn of_process() -> Self {
        Self::read(std::env::args_os()).unwrap_or_else(|wrong| wrong.exit())
    }

    /// Reads a command line.
    ///
    /// # Errors
    /// What is wrong with it, or the help text if that was requested.
    fn read(
        line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let matches = command().try_get_matches_from(line)?;
        let mut arguments = Self::from_arg_matches(&matches)?;
        let mut level = matches.subcommand();
        while let Some((_, matches)) = level {
            let set = matches.get_many::<(String, String)>(SET);
            arguments.set.extend(set.into_iter().flatten().cloned());
            level = matches.subcommand();
        }
        Ok(arguments)
    }

    /// The configuration with the flags of this command line on top.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn config(&self) -> Result<Config> {
        let mut flags = self.set.clone();
        let mut flag = |key: &str, value: &Option<String>| {
            flags.extend(value.iter().map(|value| (key.to_owned(), value.clone())));
        };
        flag("redis.url", &self.redis_url);
        flag("data_dir", &self.data_dir);
        if let Command::Serve(serve) = &self.command {
            flag("http.listen", &serve.listen);
        }
        if let Some(delivery) = self.command.delivery() {
            flags.extend(delivery.flags());
        }
        for warning in secret::exposed(&flags) {
            tracing::warn!("{warning}");
        }
        Config::load(self.config.as_deref(), &flags)
    }
}

impl Command {
    fn delivery(&self) -> Option<&Delivery> {
        match self {
            Self::Relay(delivery) => Some(delivery),
            Self::Operate(Operation::Feed(command)) => command.delivery(),
            Self::Serve(_) | Self::Operate(_) => None,
        }
    }
}

/// The command line. `--set` is an argument of each level: if it were global, clap would drop the
/// ones before a subcommand when there are more after it.
fn command() -> clap::Command {
    let command = Arguments::command();
    let set = command.get_arguments().find(|arg| arg.get_id() == SET);
    let set = set.expect("the field of that name").clone();
    at_each_level(command, &set)
}

fn at_each_level(command: clap::Command, arg: &Arg) -> clap::Command {
    command.mut_subcommands(|below| at_each_level(below.arg(arg), arg))
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Runs a command of an operator.
///
/// # Errors
/// Why the command failed.
pub async fn run(operation: &Operation, arguments: &Arguments, config: Config) -> Result<ExitCode> {
    let output = Output {
        json: arguments.json,
    };
    let (url, attached) = match &config.redis.url {
        Some(url) => (url.clone(), None),
        None => {
            let attached = attach(&config, operation.begins()).await?;
            (attached.url(), Some(attached))
        }
    };
    let store = Store::configured(&config, &url)?;
    let _replicas = if operation.changes() {
        let watch = Watch::start(&store, config.redis.replica_gone);
        store.opened().await;
        store.until_replicas_are_counted().await;
        watch
    } else {
        None
    };
    let done = match operation {
        Operation::Sale(command) => command.run(&store, output).await,
        Operation::Event(command) => command.run(&store, output).await,
        Operation::Stock(command) => command.run(&store, output).await,
        Operation::Order(command) => command.run(&store, output).await,
        Operation::Orders(command) => command.run(&store, output).await,
        Operation::Feed(command) => command.run(&store, &config, output).await,
        Operation::Account(command) => command.run(&store, output).await,
        Operation::Wechat(command) => command.run(&store, output).await,
        Operation::Audit(command) => command.run(&store, output).await,
        Operation::Backup(command) => command.run(&store, output).await,
        Operation::Doctor => doctor::run(&store, &config, output).await,
    };
    drop(attached); // stops the private Redis if no other command uses it any more
    done
}

/// The private Redis. If there is none yet, only a command that begins something creates one. A
/// command that only reads was started in the wrong folder.
async fn attach(config: &Config, begins: bool) -> Result<Attached> {
    let data_dir = config.data_dir.clone();
    if !has_data(&data_dir) {
        let path = std::path::absolute(&data_dir).unwrap_or_else(|_| data_dir.clone());
        let path = path.display();
        if !begins {
            return Err(Error::Refused(format!(
                "{path} has no data of a private Redis: go to the folder of the server, or name \
                 its --data-dir or --redis-url. `seckill serve` and `seckill sale put` create new \
                 data"
            )));
        }
        eprintln!(
            "seckill: a new private Redis begins in {path}; if yours is elsewhere, name it with \
             --data-dir"
        );
    }
    let limit = MemoryLimit::here(config.redis.maxmemory.unwrap_or_default());
    let open = move || Attached::open(&data_dir, Options::within(limit));
    let opened = tokio::task::spawn_blocking(open).await;
    opened.map_err(|e| Error::PrivateRedis(e.to_string()))?
}

/// Prints the error of a command and returns its exit code.
pub fn report(command: &Command, error: &Error) -> ExitCode {
    eprintln!("seckill: {error}");
    match error {
        Error::Config(_) => ExitCode::from(EXIT_USAGE),
        _ if matches!(command, Command::Operate(Operation::Audit(_))) => {
            ExitCode::from(EXIT_NO_VERDICT)
        }
        Error::Store(Failure::Unknown(_)) => ExitCode::from(EXIT_UNKNOWN),
        Error::Store(Failure::Busy(_)) => ExitCode::from(EXIT_NO_REDIS),
        Error::Store(Failure::Unreadable(_)) | Error::PrivateRedis(_) | Error::Refused(_) => {
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_defined() {
        command().debug_assert();
    }

    #[test]
    fn a_setting_counts_wherever_it_stands() {
        let line = "seckill --set a=1 sale --set b=2 --set a=3 put x --set c=4 --kind list";
        let read = Arguments::read(line.split(' ')).expect("valid");
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let all = [set("a", "1"), set("b", "2"), set("a", "3"), set("c", "4")];
        assert_eq!(read.set, all);
        for line in ["seckill --set a doctor", "seckill doctor --set a"] {
            let wrong = Arguments::read(line.split(' ')).expect_err(line);
            assert!(wrong.to_string().contains("KEY=VALUE"), "{wrong}");
        }
    }
}
