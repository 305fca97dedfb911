//! What the Redis user may run, and whether this program may change the data.

use super::finding::{Finding, Grade};
use crate::store::server::examiner::{Examination, Saying};

/// The cure if Redis did not answer the question.
const UNANSWERED: &str = "Redis did not answer: see its message";

pub(super) fn permissions(examination: &Examination) -> Vec<Finding> {
    let missing = match examination.missing() {
        Ok(missing) => missing,
        Err(error) => {
            let found = error.to_string();
            return vec![Finding::new("permissions", Grade::Wrong, found, UNANSWERED)];
        }
    };
    let finding = |grade,
                   Saying {
                       sentence,
                       consequences,
                       mend,
                   }| {
        Finding::new(
            "permissions",
            grade,
            format!("{sentence}: {consequences}"),
            mend,
        )
    };
    let needed = missing.needed.map(|needed| finding(Grade::Wrong, needed));
    let optional = missing
        .optional
        .map(|optional| finding(Grade::Warning, optional));
    let findings: Vec<Finding> = needed.into_iter().chain(optional).collect();
    if findings.is_empty() {
        return vec![Finding::new(
            "permissions",
            Grade::Good,
            "the user may run every command that is used",
            "",
        )];
    }
    findings
}

/// Whether this program knows the version of the data.
pub(super) fn data_version(examination: &Examination) -> Option<Finding> {
    let (grade, found) = match examination.data_version() {
        Ok(Some(version)) => (Grade::Good, version),
        Ok(None) => return None,
        Err(error) => (Grade::Wrong, error.to_string()),
    };
    let mend = "use the program that wrote the data, or a newer one";
    Some(Finding::new("data version", grade, found, mend))
}
