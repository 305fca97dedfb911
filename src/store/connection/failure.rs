//! What an error of a call means: not executed, outcome unknown, or data that cannot be read.

use redis::RedisError;

use crate::failure::Failure;

/// Error codes with which Redis refuses a command before any effect.
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

/// What scripts raise, and what Redis raises inside of them, when a key or field is not as it
/// should be. They do so only before their first write.
const UNREADABLE: [&str; 2] = ["UNREADABLE", "WRONGTYPE"];

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
        Some(code) => {
            raised(name, error);
            match UNREADABLE.contains(&code) {
                true => Failure::Unreadable(format!("{name}: {error}")),
                false => Failure::Unknown(format!("{name}: {error}")),
            }
        }
        None => Failure::Unknown(format!("{name}: {error}")),
    }
}

/// The same for a script that writes nothing: a missing answer leaves nothing in doubt, and an
/// error of the script is about the data that it read.
pub fn of_look(name: &str, error: &RedisError) -> Failure {
    match error.code() {
        Some(code) if !is_not_executed(code, error) => {
            raised(name, error);
            Failure::Unreadable(format!("{name}: {error}"))
        }
        Some(_) | None => Failure::Busy(format!("{name}: {error}")),
    }
}

/// The same for commands that read these keys, one key for each. A key of the wrong type is an
/// error that a retry does not change. A reply that cannot be parsed may have broken off in the
/// middle.
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

/// A script raised an error. It should do so only before its first write, but an error means that
/// something broke.
fn raised(name: &str, error: &RedisError) {
    tracing::error!(script = name, %error, "script failed: run `seckill doctor` and `seckill audit`");
}
