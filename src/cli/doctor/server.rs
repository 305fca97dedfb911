//! What kind of Redis this is: its version, its role, its limit of connections, its scripts.

use super::finding::{Finding, Grade};
use crate::store::Store;
use crate::store::server::ServerFacts;

/// Connections that Redis should allow: every worker of every server holds one, commands a few.
const REDIS_CLIENTS_MIN: u64 = 1_000;

pub(super) fn version(facts: &ServerFacts) -> Finding {
    let version = facts
        .info("valkey_version")
        .or_else(|| facts.info("redis_version"));
    let version = version.unwrap_or("unknown");
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    let grade = if major >= Some(7) {
        Grade::Good
    } else {
        Grade::Wrong
    };
    Finding::new(
        "version",
        grade,
        version,
        "use Redis or Valkey 7.0 or newer",
    )
}

pub(super) fn role(facts: &ServerFacts) -> Finding {
    let role = facts.info("role").unwrap_or("unknown");
    let grade = if role == "master" {
        Grade::Good
    } else {
        Grade::Wrong
    };
    Finding::new(
        "role",
        grade,
        role,
        "set redis.url to the master: a replica cannot sell",
    )
}

pub(super) fn clients(facts: &ServerFacts) -> Finding {
    let limit = facts.setting("maxclients");
    let enough = limit.and_then(|limit| limit.parse::<u64>().ok()) >= Some(REDIS_CLIENTS_MIN);
    let grade = if enough { Grade::Good } else { Grade::Warning };
    let found = format!("maxclients {}", limit.unwrap_or("unknown"));
    Finding::new(
        "clients",
        grade,
        found,
        "CONFIG SET maxclients 10000; it is capped by the open files that Redis may have",
    )
}

/// Whether this Redis runs a script of ours.
pub(super) async fn scripts(store: &Store) -> Finding {
    match store.sale_grab_probe().await {
        Ok(()) => Finding::new("scripts", Grade::Good, "run", ""),
        Err(error) => Finding::new(
            "scripts",
            Grade::Wrong,
            error.to_string(),
            "see the message of Redis",
        ),
    }
}
