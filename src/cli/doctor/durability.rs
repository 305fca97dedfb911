//! Whether acknowledged orders survive the failures that the durability names.

use super::finding::{Finding, Grade};
use crate::domain::counted::counted;
use crate::domain::durability::Durability;
use crate::store::replicas::Count;
use crate::store::server::{REPLICA_LAG_MAX_SECS, ServerFacts, Verified};

pub(super) fn durability(
    facts: &ServerFacts,
    wanted: Option<Durability>,
    count: &Count,
) -> Finding {
    let online = facts.replicas().unwrap_or_default();
    let (grade, found, mend) = match (facts.verify(wanted, count), facts.persistence()) {
        (Err(error), _) => (Grade::Wrong, error.to_string(), mend(wanted)),
        (
            Ok(Verified {
                level: Some(level),
                at_risk: true,
            }),
            _,
        ) => {
            let attached = counted(online, "replica");
            let found = format!(
                "{level}, but {attached} are attached: a failover to a replica that lacks an order \
                 loses the order"
            );
            (Grade::Wrong, found, "set durability to replicated:all")
        }
        (Ok(Verified { level: None, .. }), _) | (Ok(_), None) => (
            Grade::Warning,
            "this server hides its settings: durability unknown".to_owned(),
            mend(wanted),
        ),
        (
            Ok(Verified {
                level: Some(Durability::Memory),
                ..
            }),
            Some(_),
        ) => {
            let fsync = facts.setting("appendfsync").unwrap_or("unknown");
            let append_only = facts.setting("appendonly").unwrap_or("unknown");
            let found = format!(
                "memory: a crash may lose acknowledged orders (appendonly {append_only}, \
                 appendfsync {fsync})"
            );
            (Grade::Warning, found, mend(wanted))
        }
        (
            Ok(Verified {
                level: Some(level @ Durability::Fsync),
                ..
            }),
            Some(_),
        ) => (
            Grade::Good,
            format!("{level}: orders survive kill -9 and power loss"),
            "",
        ),
        (
            Ok(Verified {
                level: Some(level), ..
            }),
            Some(_),
        ) => {
            let attached = counted(online, "replica");
            let found = format!("{level}: orders survive the loss of the master ({attached})");
            (Grade::Good, found, "")
        }
    };
    Finding::new("durability", grade, found, mend)
}

/// Whether a master that has lost its replicas refuses to sell, if orders wait for replicas.
/// `None`: they do not wait, or this server hides its settings.
pub(super) fn fence(
    facts: &ServerFacts,
    wanted: Option<Durability>,
    count: &Count,
) -> Option<Finding> {
    let needed = match (wanted?, count) {
        (Durability::Memory | Durability::Fsync, _) => return None,
        (Durability::Replicated(number), _) => number,
        (Durability::ReplicatedAll, Count::Replicas(number)) => *number,
        (Durability::ReplicatedAll, Count::NotYet(_) | Count::Refused(_)) => 1,
    };
    let number = |name| facts.setting(name)?.parse::<u64>().ok();
    let (to_write, max_lag) = (
        number("min-replicas-to-write")?,
        number("min-replicas-max-lag")?,
    );
    let found = format!("min-replicas-to-write {to_write}, min-replicas-max-lag {max_lag}");
    let set = to_write >= u64::from(needed) && (1..=REPLICA_LAG_MAX_SECS).contains(&max_lag);
    let grade = if set { Grade::Good } else { Grade::Warning };
    let mend = format!(
        "CONFIG SET min-replicas-to-write {needed} min-replicas-max-lag 2: then a master that is \
         cut off refuses to sell, and its buyers do not get `unknown`"
    );
    Some(Finding::new("cut-off master", grade, found, mend))
}

fn mend(wanted: Option<Durability>) -> &'static str {
    match wanted {
        Some(Durability::Replicated(_) | Durability::ReplicatedAll) => {
            "attach more replicas to this Redis, or choose another durability"
        }
        None | Some(Durability::Memory | Durability::Fsync) => {
            "CONFIG SET appendonly yes, appendfsync always, no-appendfsync-on-rewrite no"
        }
    }
}
