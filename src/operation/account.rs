//! Accounts as operators see them.

use serde_json::{Value, json};

use crate::domain::account::Account;
use crate::domain::bid::CENTS_MAX;
use crate::domain::ids::Username;

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
/// Its bounds.
pub fn balance(cents: u64) -> Result<u64, String> {
    let fits = (cents <= CENTS_MAX).then_some(cents);
    fits.ok_or_else(|| format!("{cents} is not in 0..={CENTS_MAX} cents"))
}

/// Why the balance of this account could not be set, for the operator.
pub fn limit_passed(username: &Username) -> String {
    format!("more than {CENTS_MAX} cents would have been paid into the account of {username}")
}
