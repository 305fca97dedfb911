//! The audit of one sale: its figures at one instant, and what is wrong with them.

use serde::Serialize;
use serde_json::{Value, json};

use super::sale::SaleView;
use crate::domain::audit::violation::Violation;
use crate::domain::ids::SaleId;
use crate::failure::Result;
use crate::store::Store;
use crate::store::recount::{NoVerdict, Progress};
use crate::store::sales::snapshot::Snapshot;

/// A verdict and the figures that it is about.
#[derive(Debug)]
pub struct Verdict {
    /// The sale at the instant of the verdict.
    pub snapshot: Snapshot,
    /// What is wrong. Empty if the audit holds.
    pub violations: Vec<Violation>,
    /// Whether every record was recounted.
    pub deep: bool,
    /// Accounts of the event that were checked; `None` unless it was a deep audit of a target.
    pub accounts: Option<u64>,
}

impl Verdict {
    /// True if nothing was oversold or lost.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// The violations in words, each with its cure.
    pub fn named(&self) -> Vec<String> {
        self.violations.iter().map(with_cure).collect()
    }

    /// The sale with the verdict, for scripts. The fields are sorted by name.
    pub fn to_json(&self) -> Value {
        json!(VerdictView {
            sale: SaleView::new(&self.snapshot),
            holds: self.holds(),
            deep: self.deep,
            accounts: self.accounts,
            violations: self.named(),
        })
    }
}

/// A sale with its verdict, for scripts.
#[derive(Serialize)]
struct VerdictView<'a> {
    #[serde(flatten)]
    sale: SaleView<'a>,
    holds: bool,
    deep: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<u64>,
    violations: Vec<String>,
}

fn with_cure(violation: &Violation) -> String {
    match violation.cure() {
        "" => violation.to_string(),
        cure => format!("{violation} ({cure})"),
    }
}

/// Checks a sale. `deep` recounts every record and tells `progress` how many it has read. `None`
/// if the sale does not exist.
///
/// # Errors
/// As [`Store::recount`]. Then there is no verdict.
pub async fn audit(
    store: &Store,
    id: &SaleId,
    deep: bool,
    progress: &dyn Fn(Progress),
) -> Result<Option<Verdict>, NoVerdict> {
    // Report the figures that were checked: they are of the same instant.
    if deep {
        let recounted = store.recount(id, progress).await?;
        return Ok(recounted.map(|recounted| Verdict {
            snapshot: recounted.snapshot,
            violations: recounted.violations,
            deep,
            accounts: recounted.accounts,
        }));
    }
    let snapshot = store.sale_snapshot(id).await?;
    Ok(snapshot.map(|snapshot| Verdict {
        violations: snapshot.check(),
        snapshot,
        deep,
        accounts: None,
    }))
}
