//! Whether Redis may evict keys when its memory is full.

use super::finding::{Finding, Grade};
use crate::store::server::ServerFacts;

/// `keeps_replies`: the ticket office is open, which keeps messages with a TTL.
pub(super) fn memory(facts: &ServerFacts, keeps_replies: bool) -> Finding {
    let limit = facts.memory_max().unwrap_or("unknown");
    let policy = facts.memory_policy().unwrap_or("unknown");
    let grade = match policy {
        _ if facts.keeps_keys(keeps_replies).is_err() => Grade::Wrong,
        "unknown" => Grade::Warning,
        "noeviction" => Grade::Good,
        _ if limit == "0" => Grade::Good,
        _ => Grade::Warning, // it evicts only keys with a TTL, and we have none
    };
    let found = format!("maxmemory {limit}, {policy}");
    Finding::new(
        "memory",
        grade,
        found,
        "CONFIG SET maxmemory-policy noeviction, or orders are evicted",
    )
}
