//! Accounts: what the buyers of an event may spend on its targets.

use std::collections::BTreeMap;

use redis::Value;

use crate::domain::audit::account::Account;
use crate::domain::ids::{Event, Username};
use crate::domain::money::CENTS_MAX;
use crate::failure::{Failure, Result};
use crate::store::Store;
use crate::store::connection::scan::{Scan, Scanner};
use crate::store::decode::{number, unexpected, word};
use crate::store::script::{ACCOUNT_SET, ACCOUNT_SET_IF};
use crate::store::whole::whole_of;

/// Most accounts in one call: a millisecond of Redis, so that attempts never wait long.
pub const ACCOUNTS_PER_CALL_MAX: usize = 1_000;

/// All possible answers when balances are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetOutcome {
    /// The balances are as given.
    Set {
        /// Accounts that did not exist.
        created: u64,
        /// Other accounts whose balance changed.
        changed: u64,
    },
    /// None was set: more than [`CENTS_MAX`] cents would have been paid into this account.
    LimitPassed(Username),
}

/// All possible answers when a balance is set on a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetIfOutcome {
    /// The balance is as given.
    Set,
    /// Refused: the account does not exist, so it has no balance.
    NoSuchAccount,
    /// Refused: it has another balance than the given one.
    BalanceChanged {
        /// Cents that it has.
        balance: u64,
    },
    /// Refused: more than [`CENTS_MAX`] cents would have been paid into the account.
    LimitPassed,
}

impl Store {
    /// Sets the balances of these accounts, in cents, at most [`ACCOUNTS_PER_CALL_MAX`] and each
    /// once, and creates those that do not exist. Safe to repeat while nobody bids.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn account_set(
        &self,
        event: &Event,
        balances: &[(Username, u64)],
    ) -> Result<SetOutcome> {
        let keys = self.keys.of_accounts(event.as_str());
        let mut call = ACCOUNT_SET.on(&keys).arg(CENTS_MAX);
        for (username, cents) in balances {
            call = call.arg(username.as_str()).arg(*cents);
        }
        let changes = |outcome: &SetOutcome| matches!(outcome, SetOutcome::Set { .. });
        self.change_as(call, |reply| set(&reply), changes).await
    }

    /// Sets the balance of an account, in cents, if it is `seen`. Safe to repeat: it is set once.
    ///
    /// # Errors
    /// As [`Store::account_set`].
    pub async fn account_set_if(
        &self,
        event: &Event,
        username: &Username,
        seen: u64,
        balance: u64,
    ) -> Result<SetIfOutcome> {
        let keys = self.keys.of_accounts(event.as_str());
        let call = ACCOUNT_SET_IF
            .on(&keys)
            .arg(username.as_str())
            .arg(seen)
            .arg(balance)
            .arg(CENTS_MAX);
        let changes = |outcome: &SetIfOutcome| *outcome == SetIfOutcome::Set;
        self.change_as(call, |reply| set_if(&reply), changes).await
    }

    /// Whether bids of the event are paid from accounts.
    ///
    /// # Errors
    /// As [`Store::account`].
    pub async fn keeps_accounts(&self, event: &Event) -> Result<bool> {
        let mut connection = self.connection().await?;
        let accounts = self.keys.accounts(event.as_str());
        let mut exists = redis::cmd("EXISTS");
        exists.arg(&accounts);
        let kept = exists.query_async(&mut connection.live);
        self.read(&[&accounts], kept).await
    }

    /// The account of a buyer at one instant; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Failure::Unreadable`]: it cannot be read.
    pub async fn account(&self, event: &Event, username: &Username) -> Result<Option<Account>> {
        let mut connection = self.connection().await?;
        let [accounts, paid_in, _] = self.keys.of_accounts(event.as_str());
        let mut get = redis::pipe();
        get.atomic()
            .hget(&accounts, username.as_str())
            .hget(&paid_in, username.as_str());
        let found = get.query_async(&mut connection.live);
        let found: (Option<Vec<u8>>, Option<Vec<u8>>) =
            self.read(&[&accounts, &paid_in], found).await?;
        match found {
            (None, _) => Ok(None),
            (Some(balance), paid_in) => account(username.clone(), &balance, paid_in).map(Some),
        }
    }

    /// All accounts of the event, sorted by name. One that cannot be read is an error of its own
    /// and does not hide the others.
    ///
    /// # Errors
    /// Redis cannot be reached or not read.
    pub async fn accounts(&self, event: &Event) -> Result<Vec<Result<Account>>> {
        let [balances, paid_in, _] = self.keys.of_accounts(event.as_str());
        let accounts = |mut scan: Scan| async {
            let mut accounts = BTreeMap::new();
            let mut cursor = Some(0);
            while let Some(at) = cursor {
                let (next, page) = scan.page("HSCAN", &balances, at).await?;
                let names: Vec<&[u8]> = page.iter().map(|(name, _)| &name[..]).collect();
                let paid = scan.fields(&paid_in, &names).await?;
                let page = page.into_iter().zip(paid);
                accounts.extend(page.map(|((name, balance), paid)| (name, (balance, paid))));
                cursor = next;
            }
            Ok((scan, accounts))
        };
        let accounts = self.read_whole(Scanner::Operator, accounts).await?;
        let accounts = accounts.into_iter().map(|(name, (balance, paid_in))| {
            let name = String::from_utf8_lossy(&name).into_owned();
            let unreadable = |e| Failure::Unreadable(format!("account {name:?}: {e}"));
            let username = Username::parse(name.clone()).map_err(unreadable)?;
            account(username, &balance, paid_in)
        });
        Ok(accounts.collect())
    }
}

/// Decodes the reply of `account_set`.
fn set(reply: &Value) -> Result<SetOutcome> {
    let nothing = || unexpected("account_set", &format!("{reply:?}"));
    let Value::Array(parts) = reply else {
        return Err(nothing());
    };
    let [first, second] = parts.as_slice() else {
        return Err(nothing());
    };
    if let Value::Int(_) = first {
        return Ok(SetOutcome::Set {
            created: number("account_set", first)?,
            changed: number("account_set", second)?,
        });
    }
    match word("account_set", first)?.as_str() {
        "limit_passed" => {
            let username = word("account_set", second)?;
            let username = Username::parse(username).map_err(|_| nothing())?;
            Ok(SetOutcome::LimitPassed(username))
        }
        _ => Err(nothing()),
    }
}

/// Decodes the reply of `account_set_if`.
fn set_if(reply: &Value) -> Result<SetIfOutcome> {
    let script = "account_set_if";
    let nothing = || unexpected(script, &format!("{reply:?}"));
    let Value::Array(parts) = reply else {
        return Err(nothing());
    };
    let (answer, about) = parts.split_first().ok_or_else(nothing)?;
    match (word(script, answer)?.as_str(), about) {
        ("set", []) => Ok(SetIfOutcome::Set),
        ("no_such_account", []) => Ok(SetIfOutcome::NoSuchAccount),
        ("limit_passed", []) => Ok(SetIfOutcome::LimitPassed),
        ("balance_changed", [balance]) => Ok(SetIfOutcome::BalanceChanged {
            balance: number(script, balance)?,
        }),
        _ => Err(nothing()),
    }
}

fn account(username: Username, balance: &[u8], paid_in: Option<Vec<u8>>) -> Result<Account> {
    let name = username.as_str();
    let balance = whole_of(format_args!("the balance of {name:?}"), balance)?;
    let paid_in = paid_in.map_or(Ok(0), |paid_in| {
        whole_of(format_args!("what was paid in by {name:?}"), &paid_in)
    })?;
    Ok(Account {
        username,
        balance,
        paid_in,
    })
}
