//! Whether Redis may drop our keys when its memory is full.

use super::finding::{Finding, Grade};
use crate::store::server::ServerFacts;

pub(super) fn memory(facts: &ServerFacts) -> Finding {
    let limit = facts.setting("maxmemory").unwrap_or("unknown");
    let policy = facts.setting("maxmemory-policy").unwrap_or("unknown");
    let grade = match (limit, policy) {
        (_, "noeviction") | ("0", _) => Grade::Good,
        (_, "unknown") => Grade::Warning,
        _ => Grade::Wrong,
    };
    let found = format!("maxmemory {limit}, {policy}");
    Finding::new(
        "memory",
        grade,
        found,
        "CONFIG SET maxmemory-policy noeviction, or orders are evicted",
    )
}
