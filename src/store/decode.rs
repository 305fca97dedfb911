//! The parts of replies. A reply that is not what the script's header says is
//! [`Failure::Unreadable`].

use redis::{FromRedisValue, Value};

use crate::failure::{Failure, Result};

/// Unwraps an array.
pub fn array(script: &str, reply: Value) -> Result<Vec<Value>> {
    match reply {
        Value::Array(parts) => Ok(parts),
        other => Err(unexpected(script, &format!("{other:?}"))),
    }
}

/// Reads a whole number that is not negative.
pub fn number(script: &str, value: &Value) -> Result<u64> {
    u64::from_redis_value_ref(value).map_err(|e| unexpected(script, &e.to_string()))
}

/// Reads what is left in stock: below 0 if a counter was decremented by hand.
pub fn left_over(script: &str, value: &Value) -> Result<i64> {
    i64::from_redis_value_ref(value).map_err(|e| unexpected(script, &e.to_string()))
}

/// Reads a text.
pub fn word(script: &str, value: &Value) -> Result<String> {
    String::from_redis_value_ref(value).map_err(|e| unexpected(script, &e.to_string()))
}

/// Unwraps an array of texts.
pub fn words(script: &str, reply: Value) -> Result<Vec<String>> {
    let parts = array(script, reply)?;
    parts.iter().map(|part| word(script, part)).collect()
}

/// Scripts that change nothing.
const READ_ONLY: [&str; 3] = ["commands_check", "feed_lag", "sale_snapshot"];

/// The failure for a reply that does not follow the script's header. What a script changed that
/// answers like that is unknown.
pub fn unexpected(script: &str, what: &str) -> Failure {
    let why = format!("{script} answered {what}");
    match READ_ONLY.contains(&script) {
        true => Failure::Unreadable(why),
        false => Failure::Unknown(why),
    }
}
