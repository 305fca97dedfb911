//! What a failed call means: certainly not executed, or perhaps.

use redis::RedisError;

use crate::error::Error;

/// Answers by which Redis refuses a command before any effect.
const NOT_EXECUTED: [&str; 14] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
];

/// The meaning of an error from a call that was handed to a live connection.
pub fn of_call(name: &str, error: &RedisError) -> Error {
    let refused = error
        .code()
        .is_some_and(|code| NOT_EXECUTED.contains(&code));
    if refused {
        return Error::Busy(format!("{name}: {error}"));
    }
    if error.code().is_some() {
        // A script raised. It does so only before its first write, but that is what broke.
        tracing::error!(script = name, %error, "script failed: run `seckill doctor` and `seckill audit`");
    }
    Error::Unknown(format!("{name}: {error}"))
}
