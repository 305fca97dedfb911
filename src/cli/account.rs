//! `seckill account`: what the buyers of an event may spend on its targets.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;

use clap::Subcommand;
use csv::{ByteRecord, Position, ReaderBuilder};
use serde_json::{Value, json};

use super::first_account::{begins, is_first};
use super::lookup::doubt;
use super::payment::PayCommand;
use super::print::{Output, progress, table};
use super::values::username;
use crate::domain::audit::account::Account;
use crate::domain::counted::counted;
use crate::domain::ids::{Event, Username};
use crate::domain::payment::Direction;
use crate::domain::whole::whole;
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::operation::account::{
    AccountView, balance, balance_changed, limit_passed, no_such_account,
};
use crate::store::Store;
use crate::store::orders::accounts::{ACCOUNTS_PER_CALL_MAX, SetIfOutcome, SetOutcome};

/// `seckill account ...`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Set the balance of one account, and create it if it does not exist. From its first account
    /// on, an event accepts bids only from buyers who have one
    Set {
        /// The event
        #[arg(value_parser = Event::parse)]
        event: Event,
        /// The buyer
        #[arg(value_parser = username, value_name = "USER")]
        username: Username,
        /// The new balance, in cents
        #[arg(value_name = "CENTS", value_parser = cents)]
        balance: u64,
        /// Only if this is the balance now, in cents. If not, nothing is changed and the exit code
        /// is 1. An account that does not exist has no balance
        #[arg(long, value_name = "CENTS", value_parser = cents)]
        if_balance: Option<u64>,
    },
    /// Put money into one account, also while its owner bids. It is created if it does not exist.
    /// From its first account on, an event accepts bids only from buyers who have one
    Deposit(PayCommand),
    /// Take money out of one account, also while its owner bids
    Withdraw(PayCommand),
    /// Set the balances of many accounts from lines `user,cents`. Each balance replaces the one
    /// before. A wrong line or a repeated user changes nothing
    Load {
        /// The event
        #[arg(value_parser = Event::parse)]
        event: Event,
        /// The file, in CSV without a header; `-` is standard input
        file: String,
    },
    /// Show all accounts of an event, or one: the balance, and what was paid in
    Show {
        /// The event
        #[arg(value_parser = Event::parse)]
        event: Event,
        /// The buyer
        #[arg(value_parser = username, value_name = "USER")]
        username: Option<Username>,
    },
}

fn cents(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a whole number of cents, in 1 to 15 digits");
    balance(whole(text).ok_or_else(wrong)?)
}

impl AccountCommand {
    /// True for a command that may write the first data of all.
    pub fn begins(&self) -> bool {
        matches!(
            self,
            Self::Set {
                if_balance: None,
                ..
            } | Self::Load { .. }
                | Self::Deposit(_)
        )
    }

    /// True for a command that changes an account.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Show { .. })
    }

    /// Runs the command.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        match self {
            Self::Set {
                event,
                username,
                balance,
                if_balance: Some(seen),
            } => set_if(store, event, username, *seen, *balance, output).await,
            Self::Set {
                event,
                username,
                balance,
                if_balance: None,
            } => set(store, event, &[(username.clone(), *balance)], output).await,
            Self::Load { event, file } => set(store, event, &read(file)?, output).await,
            Self::Deposit(command) => command.run(Direction::Deposit, store, output).await,
            Self::Withdraw(command) => command.run(Direction::Withdrawal, store, output).await,
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
    let first = is_first(store, event).await?;
    let bar = progress("accounts", balances.len() as u64, output);
    let (mut done, mut created, mut changed) = (0, 0, 0);
    for slice in balances.chunks(ACCOUNTS_PER_CALL_MAX) {
        let answered = store.account_set(event, slice).await;
        let partly = |error| partly(done, balances.len(), first.then_some(event), error);
        match answered.map_err(|failure| partly(failure.into()))? {
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
    let done = Done {
        accounts: done as u64,
        created,
        changed,
    };
    done.print(event, first, output)
}

/// Sets one balance if it still is the given one. The event must keep accounts already.
async fn set_if(
    store: &Store,
    event: &Event,
    username: &Username,
    seen: u64,
    balance: u64,
    output: Output,
) -> Result<ExitCode> {
    let outcome = store.account_set_if(event, username, seen, balance).await;
    let refusal = match outcome.map_err(in_doubt)? {
        SetIfOutcome::Set => {
            let done = Done {
                accounts: 1,
                created: 0,
                changed: u64::from(balance != seen),
            };
            return done.print(event, false, output);
        }
        SetIfOutcome::NoSuchAccount => no_such_account(event, username),
        SetIfOutcome::BalanceChanged { balance } => balance_changed(username, balance, seen),
        SetIfOutcome::LimitPassed => limit_passed(username),
    };
    Err(Error::Refused(refusal))
}

/// A retry of this command is safe: the condition is true only once.
fn in_doubt(failure: Failure) -> Failure {
    failure.and_if_unknown("the same again is safe: it sets nothing twice")
}

/// Balances that were set.
struct Done {
    accounts: u64,
    /// Accounts that did not exist.
    created: u64,
    /// Other accounts whose balance changed.
    changed: u64,
}

impl Done {
    fn print(&self, event: &Event, first: bool, output: Output) -> Result<ExitCode> {
        let Self {
            accounts,
            created,
            changed,
        } = self;
        let same = accounts - created - changed;
        let set = counted(*accounts, "account");
        let mut line = format!(
            "set {set} of event {event}: {created} new, {changed} changed, {same} as before"
        );
        if first {
            line = format!("{line}\n{}", begins(event, "keeps"));
        }
        let value = json!({
            "event": event.as_str(), "accounts": accounts, "created": created, "changed": changed,
            "first_of_event": first,
        });
        output.result(line, &value)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// An error after some accounts may have been set must say so. If the first of them is the
/// `first_of` its event, it also says what begins with that.
fn partly(done: usize, of: usize, first_of: Option<&Event>, error: Error) -> Error {
    let (so_far, keeps) = match &error {
        Error::Store(Failure::Unknown(_)) => ("the next ones perhaps", "may keep"),
        _ if done > 0 => ("the others not", "keeps"),
        _ => return error,
    };
    let begins = first_of.map_or_else(String::new, |event| format!("; {}", begins(event, keeps)));
    let accounts = counted(of as u64, "account");
    error.and(&format!(
        "set {done} of {accounts}, {so_far}: the same again is safe while nobody bids{begins}"
    ))
}

async fn show(
    store: &Store,
    event: &Event,
    username: &Username,
    output: Output,
) -> Result<ExitCode> {
    let Some(account) = store.account(event, username).await? else {
        doubt(store, event.as_str()).await;
        return Err(Error::Refused(no_such_account(event, username)));
    };
    output.result(
        table(&[header(), row(&account)]),
        &AccountView::from(&account),
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn list(store: &Store, event: &Event, output: Output) -> Result<ExitCode> {
    let (mut accounts, mut unreadable) = (Vec::new(), false);
    for account in store.accounts(event).await? {
        match account {
            Ok(account) => accounts.push(account),
            Err(error) => {
                eprintln!("seckill: {error}");
                unreadable = true;
            }
        }
    }
    if accounts.is_empty() && !unreadable {
        doubt(store, event.as_str()).await;
        let none = format!("event {event} keeps no accounts: every buyer may bid");
        output.result(none, &Value::Array(Vec::new()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = [header()]
        .into_iter()
        .chain(accounts.iter().map(row))
        .collect();
    let views: Vec<_> = accounts.iter().map(AccountView::from).collect();
    output.result(table(&rows), &views)?;
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

/// Reads all accounts before it sets any, so that a wrong line changes nothing.
fn read(file: &str) -> Result<Vec<(Username, u64)>> {
    let mut text = Vec::new();
    let read = match file {
        "-" => io::stdin().lock().read_to_end(&mut text),
        _ => File::open(file).and_then(|mut file| file.read_to_end(&mut text)),
    };
    read.map_err(|e| Error::Config(format!("{file}: {e}")))?;
    parse(file, &text)
}

fn parse(file: &str, text: &[u8]) -> Result<Vec<(Username, u64)>> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    let mut balances: Vec<(Username, u64)> = Vec::new();
    let mut seen: HashMap<Username, usize> = HashMap::new();
    for record in reader.byte_records() {
        let record = record.map_err(|e| Error::Config(format!("{file}: {e}")))?;
        let at = start(text, &record);
        let wrong = |why: String| {
            let line = line_at(text, at);
            Error::Config(format!("{file}, line {line}: {why}; nothing was changed"))
        };
        let (username, balance) = account(&record).map_err(wrong)?;
        if let Some(first) = seen.insert(username.clone(), at) {
            let first = line_at(text, first);
            let why = format!("{username} stands in line {first} already");
            return Err(wrong(why));
        }
        balances.push((username, balance));
    }
    if balances.is_empty() {
        return Err(Error::Config(format!("{file} has no accounts")));
    }
    Ok(balances)
}

/// Where a record starts. The position that the reader gives comes earlier, before the end of the
/// line above, or before empty lines.
fn start(text: &[u8], record: &ByteRecord) -> usize {
    let place = record.position().map_or(0, Position::byte);
    let at = usize::try_from(place).map_or(text.len(), |at| at.min(text.len()));
    let is_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    at + text[at..].iter().take_while(is_end).count()
}

/// The number of the line that has this byte. Lines end as records do: with `\r`, `\n` or both.
fn line_at(text: &[u8], at: usize) -> usize {
    let is_end = |&at: &usize| match text[at] {
        b'\n' => true,
        b'\r' => text.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    1 + (0..at).filter(is_end).count()
}

fn account(record: &ByteRecord) -> Result<(Username, u64), String> {
    let fields: Result<Vec<&str>, _> = record.iter().map(str::from_utf8).collect();
    let fields = fields.map_err(|_| "it is not UTF-8".to_owned())?;
    let [name, balance] = fields.as_slice() else {
        let fields = counted(fields.len() as u64, "field");
        return Err(format!("it must be user,cents, but has {fields}"));
    };
    let balance = cents(balance)?;
    Ok((username(name)?, balance))
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
    fn a_load_that_breaks_off_says_what_it_began() {
        let event = Event::parse("e").expect("valid");
        let broken = |done, first_of, why: fn(String) -> Failure| {
            partly(done, 9, first_of, why("late".to_owned()).into()).to_string()
        };
        let busy = broken(5, Some(&event), Failure::Busy);
        assert!(busy.contains("set 5 of 9 accounts, the others not"));
        assert!(
            busy.contains("; event e keeps accounts from now on"),
            "{busy}"
        );
        let nothing = broken(0, Some(&event), Failure::Busy);
        assert_eq!(nothing, "not executed: late");
        for done in [0, 5] {
            let perhaps = broken(done, Some(&event), Failure::Unknown);
            let set = format!("set {done} of 9 accounts, the next ones perhaps");
            assert!(perhaps.contains(&set), "{perhaps}");
            assert!(
                perhaps.contains("; event e may keep accounts from now on"),
                "{perhaps}"
            );
            assert!(
                !broken(done, None, Failure::Unknown).contains("event e"),
                "{perhaps}"
            );
        }
    }

    #[test]
    fn a_wrong_line_is_named_and_nothing_is_changed() {
        for (text, named) in [
            ("a,1\nb,2\na,3\n", "line 3: a stands in line 1"),
            ("a,1\nb\n", "line 2: it must be user,cents, but has 1"),
            ("a,1,2\n", "line 1: it must be user,cents, but has 3"),
            ("a,1\nb,-1\n", "line 2: \"-1\""),
            ("a,1.5\n", "line 1: \"1.5\""),
            ("a,\n", "line 1: \"\""),
            ("a,+1\n", "line 1: \"+1\""),
            ("a,007\n", "line 1: \"007\""),
            ("\n\na,1\n\nb,x\n", "line 5: \"x\""),
            ("a,1\r\n\r\nb,2\r\na,3", "line 4: a stands in line 1"),
            ("a,1\rb,2\r\r\na,3", "line 4: a stands in line 1"),
            ("\u{feff}a,1\nb,x\n", "line 2: \"x\""),
            ("a,1\n\"b\n\",2\nc,x\n", "line 2: the username"),
            ("a,100000000000001\n", "line 1"),
            (",1\n", "line 1: the username"),
            ("user,cents\n", "line 1: \"cents\""),
            ("", "no accounts"),
        ] {
            let error = parse("f", text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(named), "{text:?} gives {error}");
        }
        let error = parse("f", &b"a,1\n\n\xff,1\n"[..]).expect_err("no UTF-8");
        let error = error.to_string();
        assert!(
            error.contains("f, line 3: ") && error.contains("UTF-8"),
            "{error}"
        );
    }
}
