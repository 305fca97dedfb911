//! The audit: the figures of a sale at one instant, and what is wrong with them.

use serde_json::{Value, json};

use super::sale::to_json;
use crate::domain::ids::SaleId;
use crate::domain::violation::Violation;
use crate::error::Result;
use crate::store::Store;
use crate::store::reply::Snapshot;

/// A verdict with the figures that were judged.
#[derive(Debug)]
pub struct Verdict {
    /// The sale at the instant of the verdict.
    pub snapshot: Snapshot,
    /// What is wrong; empty when the law holds.
    pub violations: Vec<Violation>,
    /// Whether every record was recounted.
    pub deep: bool,
}

impl Verdict {
    /// True when nothing was oversold or lost.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// The violations in words, each with its cure.
    pub fn named(&self) -> Vec<String> {
        self.violations.iter().map(with_cure).collect()
    }

    /// The sale with the verdict, for scripts.
    pub fn to_json(&self) -> Value {
        let mut value = to_json(&self.snapshot);
        value["holds"] = json!(self.holds());
        value["deep"] = json!(self.deep);
        value["violations"] = json!(self.named());
        value
    }
}

fn with_cure(violation: &Violation) -> String {
    match violation.cure() {
        "" => violation.to_string(),
        cure => format!("{violation} ({cure})"),
    }
}

/// Judges a sale; `deep` recounts every record and tells `progress` how many were read. `None`
/// when there is no such sale.
///
/// # Errors
/// As [`Store::recount`]: then there is no verdict.
pub async fn audit(
    store: &Store,
    id: &SaleId,
    deep: bool,
    progress: &dyn Fn(u64),
) -> Result<Option<Verdict>> {
    let judged = if deep {
        store.recount(id, progress).await?
    } else {
        let snapshot = store.sale_snapshot(id).await?;
        snapshot.map(|snapshot| {
            let violations = snapshot.figures.check();
            (snapshot, violations)
        })
    };
    // What is reported is what was judged: the figures of one and the same instant.
    Ok(judged.map(|(snapshot, violations)| Verdict {
        snapshot,
        violations,
        deep,
    }))
}
