//! Accounts in the form that operators see.

use serde::Serialize;

use crate::domain::audit::account::Account;
use crate::domain::ids::{Event, Username};
use crate::domain::money::CENTS_MAX;
use crate::domain::payment::{PayRefusal, Payment};

/// An account as operators get it in JSON, in cents. The order of the fields is part of the
/// contract.
#[derive(Serialize)]
pub struct AccountView<'a> {
    balance: u64,
    /// Only in the answer to a change: whether it is the first account of its event.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_of_event: Option<bool>,
    paid_in: u64,
    username: &'a str,
}

impl<'a> AccountView<'a> {
    /// The view of an account that was changed, and is the `first` of its event or not.
    pub fn changed(account: &'a Account, first: bool) -> Self {
        Self {
            first_of_event: Some(first),
            ..Self::from(account)
        }
    }
}

impl<'a> From<&'a Account> for AccountView<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            balance: account.balance,
            first_of_event: None,
            paid_in: account.paid_in,
            username: account.username.as_str(),
        }
    }
}

/// Accepts a balance, in cents.
///
/// # Errors
/// The allowed range.
pub fn balance(cents: u64) -> Result<u64, String> {
    let fits = (cents <= CENTS_MAX).then_some(cents);
    fits.ok_or_else(|| format!("{cents} is not in 0..={CENTS_MAX} cents"))
}

/// The sentence for an operator if too much would have been paid into this account.
pub fn limit_passed(username: &Username) -> String {
    format!("more than {CENTS_MAX} cents would have been paid into the account of {username}")
}

/// The sentence for an operator if the account does not exist.
pub fn no_such_account(event: &Event, username: &Username) -> String {
    format!("{username} has no account in event {event}")
}

/// The sentence for an operator if the balance is not the one that they gave.
pub fn balance_changed(username: &Username, balance: u64, seen: u64) -> String {
    format!("{username} has {balance} cents, not {seen}; nothing was changed")
}

/// A payment that was made, in JSON, in cents. A repeat gives the same JSON. The order of the
/// fields is part of the contract.
#[derive(Serialize)]
pub struct PaymentView<'a> {
    amount: u64,
    balance: u64,
    code: &'static str,
    request_id: &'a str,
    username: &'a str,
}

impl<'a> PaymentView<'a> {
    /// The view of a payment, after which the account had this balance.
    pub fn new(payment: &'a Payment, balance: u64) -> Self {
        Self {
            amount: payment.amount.get(),
            balance,
            code: payment.direction.code(),
            request_id: payment.request.as_str(),
            username: payment.username.as_str(),
        }
    }
}

/// The sentence for an operator if nothing was paid.
pub fn not_paid(event: &Event, payment: &Payment, refusal: PayRefusal) -> String {
    let (username, amount) = (&payment.username, payment.amount.get());
    match refusal {
        PayRefusal::RequestIdReused => format!(
            "request_id {:?} of {username} belongs to another payment: take a new one",
            payment.request.as_str()
        ),
        PayRefusal::NoSuchAccount => no_such_account(event, username),
        PayRefusal::InsufficientBalance { balance } => {
            format!("{username} has {balance} cents, less than {amount}; nothing was withdrawn")
        }
        PayRefusal::LimitPassed => limit_passed(username),
        PayRefusal::Archived => format!(
            "event {} was archived, and its payments with it, so that a repeated one would not be \
             recognised: `seckill account set` sets a balance",
            event.as_str()
        ),
    }
}
