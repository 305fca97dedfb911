//! The Redis server: its version, role, mode, limit of connections, and whether it runs scripts.

use super::finding::{Finding, Grade};
use crate::store::server::ServerFacts;
use crate::store::server::examiner::Examination;

/// Connections that Redis should allow: every worker of every server holds one, commands a few.
const REDIS_CLIENTS_MIN: u64 = 1_000;

pub(super) fn version(examination: &Examination) -> Finding {
    let told = examination.hello().map(|hello| hello.version.as_str());
    let version = examination.facts.info("valkey_version");
    let version = version.or(told.ok()).unwrap_or("unknown");
    let major = version.split('.').next();
    let grade = if major.and_then(|major| major.parse::<u32>().ok()) >= Some(7) {
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

pub(super) fn role(examination: &Examination) -> Finding {
    let (grade, found) = match examination.hello() {
        Ok(hello) if hello.is_master() => (Grade::Good, hello.role.clone()),
        Ok(hello) => (Grade::Wrong, hello.role.clone()),
        Err(error) => (Grade::Wrong, error.to_string()),
    };
    Finding::new(
        "role",
        grade,
        found,
        "set redis.url to the master: a replica cannot sell",
    )
}

/// Finds a node of a Redis Cluster, which holds only a part of the data.
pub(super) fn mode(examination: &Examination) -> Option<Finding> {
    let found = examination.cluster()?;
    Some(Finding::new(
        "mode",
        Grade::Wrong,
        found,
        "use a Redis that is not in cluster mode",
    ))
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

/// Whether this Redis runs the script of the buying endpoints.
pub(super) fn scripts(examination: &Examination) -> Finding {
    let (grade, found) = match &examination.scripts {
        Ok(()) => (Grade::Good, "run".to_owned()),
        Err(error) => (Grade::Wrong, error.to_string()),
    };
    Finding::new("scripts", grade, found, "see the message of Redis")
}
