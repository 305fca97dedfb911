//! Accounts in the form that operators see.

use serde_json::{Value, json};

use crate::domain::audit::account::Account;
use crate::domain::ids::{Event, Username};
use crate::domain::money::CENTS_MAX;
use crate::domain::payment::{PayRefusal, Payment};

/// An account for scripts, in cents.
pub fn to_json(account: &Account) -> Value {
    json!({
        "username": account.username.as_str(),
        "balance": account.balance,
        "paid_in": account.paid_in,
    })
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

/// A payment as JSON. A repeat gives the same JSON.
pub fn paid_to_json(payment: &Payment, balance: u64) -> Value {
    json!({
        "code": payment.direction.code(),
        "username": payment.username.as_str(),
        "request_id": payment.request.as_str(),
        "amount": payment.amount.get(),
        "balance": balance,
    })
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
