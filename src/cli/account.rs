//! `seckill account`: what the buyers of an event may spend on its targets.

use std::collections::HashMap;
use std::io::{self, Read};
use std::process::ExitCode;

use clap::Subcommand;
use csv::{ReaderBuilder, StringRecord};
use serde_json::{Value, json};

use super::print::{Output, progress, table};
use crate::domain::account::Account;
use crate::domain::bid::CENTS_MAX;
use crate::domain::ids::{Event, Username};
use crate::error::{Error, Result};
use crate::operation::account::{limit_passed, to_json};
use crate::store::Store;
use crate::store::accounts::{ACCOUNTS_PER_CALL_MAX, SetOutcome};

/// `seckill account ...`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// State the balance of one account; it is created if it does not exist. From its first account
    /// on, an event accepts bids only from those who have one
    Set {
        /// The event
        #[arg(value_parser = Event::parse)]
        event: Event,
        /// Whose account
        #[arg(value_parser = username, value_name = "USER")]
        username: Username,
        /// What it has from now on, in cents
        #[arg(value_name = "CENTS", value_parser = clap::value_parser!(u64).range(0..=CENTS_MAX))]
        balance: u64,
    },
    /// State the balances of many accounts: lines `user,cents`. What stands there is what they have
    /// from then on, whatever they had; a wrong line or a repeated user changes nothing
    Load {
        /// The event
        #[arg(value_parser = Event::parse)]
        event: Event,
        /// The file, in CSV without a header; `-` is standard input
        file: String,
    },
    /// All accounts of an event, or one: what it has, and what was paid in
    Show {
        /// The event
        #[arg(value_parser = Event::parse)]
        event: Event,
        /// Whose account
        #[arg(value_parser = username, value_name = "USER")]
        username: Option<Username>,
    },
}

fn username(text: &str) -> Result<Username, String> {
    Username::parse(text.to_owned()).map_err(|e| e.to_string())
}

impl AccountCommand {
    /// Runs the command.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        match self {
            Self::Set {
                event,
                username,
                balance,
            } => set(store, event, &[(username.clone(), *balance)], output).await,
            Self::Load { event, file } => set(store, event, &read(file)?, output).await,
            Self::Show {
                event,
                username: Some(username),
            } => show(store, event, username, output).await,
            Self::Show { event, .. } => list(store, event, output).await,
        }
    }
}

async fn set(
    store: &Store,
    event: &Event,
    balances: &[(Username, u64)],
    output: Output,
) -> Result<ExitCode> {
    let bar = progress("accounts", balances.len() as u64, output);
    let (mut done, mut created, mut changed) = (0, 0, 0);
    for slice in balances.chunks(ACCOUNTS_PER_CALL_MAX) {
        let answered = store.account_set(event, slice).await;
        let partly = |error| partly(done, balances.len(), error);
        match answered.map_err(partly)? {
            SetOutcome::Set {
                created: new,
                changed: other,
            } => (created, changed) = (created + new, changed + other),
            SetOutcome::LimitPassed(username) => {
                return Err(partly(Error::Refused(limit_passed(&username))));
            }
        }
        done += slice.len();
        bar.set_position(done as u64);
    }
    bar.finish_and_clear();
    let same = done as u64 - created - changed;
    let line = format!(
        "set {done} accounts of event {event}: {created} new, {changed} changed, {same} as before"
    );
    let value = json!({
        "event": event.as_str(), "accounts": done, "created": created, "changed": changed,
    });
    output.result(line, &value);
    Ok(ExitCode::SUCCESS)
}

/// An error after some accounts were set must say so.
fn partly(done: usize, of: usize, error: Error) -> Error {
    let so_far = match &error {
        Error::Unknown(_) => "the next ones perhaps",
        _ if done > 0 => "the others were not",
        _ => return error,
    };
    Error::Refused(format!(
        "{error}; {done} of {of} accounts were set, {so_far}: the same again is safe while nobody bids"
    ))
}

async fn show(
    store: &Store,
    event: &Event,
    username: &Username,
    output: Output,
) -> Result<ExitCode> {
    let found = store.account(event, username).await?;
    let none = || Error::Refused(format!("{username} has no account in event {event}"));
    let account = found.ok_or_else(none)?;
    output.result(table(&[header(), row(&account)]), &to_json(&account));
    Ok(ExitCode::SUCCESS)
}

async fn list(store: &Store, event: &Event, output: Output) -> Result<ExitCode> {
    let (mut accounts, mut unreadable) = (HashMap::new(), false);
    let mut cursor = Some(0);
    while let Some(at) = cursor {
        let (next, page) = store.accounts_page(event, at).await?;
        for account in page {
            match account {
                Ok(account) => _ = accounts.insert(account.username.clone(), account),
                Err(error) => {
                    eprintln!("seckill: {error}");
                    unreadable = true;
                }
            }
        }
        cursor = next;
    }
    let mut accounts: Vec<Account> = accounts.into_values().collect();
    accounts.sort_by(|one, other| one.username.cmp(&other.username));
    let rows: Vec<_> = [header()]
        .into_iter()
        .chain(accounts.iter().map(row))
        .collect();
    let values = accounts.iter().map(to_json).collect();
    output.result(table(&rows), &Value::Array(values));
    Ok(if unreadable {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn header() -> Vec<String> {
    ["USER", "BALANCE", "PAID IN"].map(str::to_owned).to_vec()
}

fn row(account: &Account) -> Vec<String> {
    vec![
        account.username.to_string(),
        account.balance.to_string(),
        account.paid_in.to_string(),
    ]
}

/// Reads all accounts before any is set, so that a wrong line changes nothing.
fn read(file: &str) -> Result<Vec<(Username, u64)>> {
    if file == "-" {
        return parse(file, io::stdin().lock());
    }
    let failed = |e: io::Error| Error::Config(format!("{file}: {e}"));
    parse(file, std::fs::File::open(file).map_err(failed)?)
}

fn parse(file: &str, lines: impl Read) -> Result<Vec<(Username, u64)>> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(lines);
    let mut balances: Vec<(Username, u64)> = Vec::new();
    let mut seen: HashMap<Username, u64> = HashMap::new();
    let mut line = 0;
    for record in reader.records() {
        let wrong = |line: u64, why: String| {
            Error::Config(format!("{file}, line {line}: {why}; nothing was changed"))
        };
        let record = record.map_err(|e| wrong(line + 1, e.to_string()))?;
        line = record.position().map_or(line + 1, csv::Position::line);
        let (username, cents) = account(&record).map_err(|why| wrong(line, why))?;
        if let Some(first) = seen.insert(username.clone(), line) {
            let why = format!("{username} stands in line {first} already");
            return Err(wrong(line, why));
        }
        balances.push((username, cents));
    }
    if balances.is_empty() {
        return Err(Error::Config(format!("{file}: no accounts in it")));
    }
    Ok(balances)
}

fn account(record: &StringRecord) -> Result<(Username, u64), String> {
    let fields: Vec<&str> = record.iter().collect();
    let [name, cents] = fields.as_slice() else {
        return Err(format!(
            "it must be user,cents, and has {} fields",
            fields.len()
        ));
    };
    let digits = cents.bytes().all(|byte| byte.is_ascii_digit());
    let number = cents.parse().ok().filter(|&n| digits && n <= CENTS_MAX);
    let number = number
        .ok_or_else(|| format!("{cents:?} is no whole number of cents from 0 to {CENTS_MAX}"))?;
    Ok((username(name)?, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_one_a_line() {
        let read = parse("f", "alice,100\r\n\"a, b\",0\n秒,7".as_bytes()).expect("valid");
        let read: Vec<_> = read.iter().map(|(user, n)| (user.as_str(), *n)).collect();
        assert_eq!(read, [("alice", 100), ("a, b", 0), ("秒", 7)]);
    }

    #[test]
    fn a_wrong_line_is_named_and_nothing_is_changed() {
        for (text, named) in [
            ("a,1\nb,2\na,3\n", "line 3: a stands in line 1"),
            ("a,1\nb\n", "line 2: it must be user,cents, and has 1"),
            ("a,1,2\n", "line 1: it must be user,cents, and has 3"),
            ("a,1\nb,-1\n", "line 2: \"-1\""),
            ("a,1.5\n", "line 1: \"1.5\""),
            ("a,\n", "line 1: \"\""),
            ("a,+1\n", "line 1: \"+1\""),
            ("a,100000000000001\n", "line 1"),
            (",1\n", "line 1: the username"),
            ("user,cents\n", "line 1: \"cents\""),
            ("", "no accounts"),
        ] {
            let error = parse("f", text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(named), "{text:?} gives {error}");
        }
        assert!(parse("f", &b"\xff,1\n"[..]).is_err());
    }
}
