//! What a failed call means: certainly not executed, or perhaps.

use redis::RedisError;

use crate::failure::Failure;

/// Answers by which Redis refuses a command before any effect.
const NOT_EXECUTED: [&str; 16] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
];

/// True when Redis refused a command before any effect. A command that it does not know, because it
/// was renamed away, is refused without a code of its own; inside of a script that reads otherwise.
fn is_not_executed(code: &str, error: &RedisError) -> bool {
    let detail = || error.detail().unwrap_or_default();
    NOT_EXECUTED.contains(&code) || (code == "ERR" && detail().starts_with("unknown command"))
}

/// The meaning of an error from a call that was handed to a live connection.
pub fn of_call(name: &str, error: &RedisError) -> Failure {
    match error.code() {
        Some(code) if is_not_executed(code, error) => Failure::Busy(format!("{name}: {error}")),
        Some(_) => {
            raised(name, error);
            Failure::Unknown(format!("{name}: {error}"))
        }
        None => Failure::Unknown(format!("{name}: {error}")),
    }
}

/// The same for a script that writes nothing: whatever kept its answer away, nothing is in doubt,
/// and what it raises is about what it read.
pub fn of_look(name: &str, error: &RedisError) -> Failure {
    match error.code() {
        Some(code) if !is_not_executed(code, error) => {
            raised(name, error);
            Failure::Unreadable(format!("{name}: {error}"))
        }
        Some(_) | None => Failure::Busy(format!("{name}: {error}")),
    }
}

/// The same for commands that read these keys, one key for each: one that is of another type than
/// it should be stays so, however often it is read. A reply that cannot be parsed may have broken
/// off in the middle.
pub fn of_read(keys: &[&str], error: &RedisError) -> Failure {
    let answers = error.clone().into_server_errors();
    let mut answers = answers.iter().flat_map(|answers| answers.iter());
    match answers.find(|(_, answer)| answer.code() == "WRONGTYPE") {
        Some(&(command, _)) => Failure::Unreadable(format!(
            "{} is of another type than it should be",
            keys.get(command).unwrap_or(&"a key")
        )),
        None => Failure::Busy(format!("reading: {error}")),
    }
}

/// A script raised. It does so only before its first write, but that is what broke.
fn raised(name: &str, error: &RedisError) {
    tracing::error!(script = name, %error, "script failed: run `seckill doctor` and `seckill audit`");
}
