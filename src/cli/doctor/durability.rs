//! Whether acknowledged orders survive what they are said to survive.

use super::finding::{Finding, Grade};
use crate::domain::durability::Durability;
use crate::store::server::ServerFacts;

pub(super) fn durability(facts: &ServerFacts, wanted: Option<Durability>) -> Finding {
    let mend = match wanted {
        Some(Durability::Replicated(_)) => {
            "attach so many replicas to this Redis, or choose another durability"
        }
        None | Some(Durability::Memory | Durability::Fsync) => {
            "CONFIG SET appendonly yes, appendfsync always, no-appendfsync-on-rewrite no"
        }
    };
    let (grade, found) = match (facts.verify(wanted), facts.persistence()) {
        (Err(error), _) => (Grade::Wrong, error.to_string()),
        (Ok(_), None) => (
            Grade::Warning,
            "this server hides its settings: durability unknown".to_owned(),
        ),
        (Ok(Durability::Memory), Some(_)) => {
            let fsync = facts.setting("appendfsync").unwrap_or("unknown");
            let append_only = facts.setting("appendonly").unwrap_or("unknown");
            let found = format!(
                "memory: a crash may forget acknowledged orders (appendonly {append_only}, \
                 appendfsync {fsync})"
            );
            (Grade::Warning, found)
        }
        (Ok(level @ Durability::Fsync), Some(_)) => (
            Grade::Good,
            format!("{level}: orders survive kill -9 and power loss"),
        ),
        (Ok(level @ Durability::Replicated(_)), Some(_)) => (
            Grade::Good,
            format!("{level}: orders survive the loss of the master"),
        ),
    };
    Finding::new("durability", grade, found, mend)
}
