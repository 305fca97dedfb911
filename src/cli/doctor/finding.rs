//! One finding, and how bad it is.

use std::borrow::Cow;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    Good,
    Warning,
    Wrong,
}

impl Grade {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Wrong => "WRONG",
        }
    }
}

/// One result of a check.
#[derive(Debug)]
pub(super) struct Finding {
    pub what: &'static str,
    pub grade: Grade,
    pub found: String,
    pub mend: Cow<'static, str>,
}

impl Finding {
    /// `mend` says what to do. A good finding does not print it.
    pub fn new(
        what: &'static str,
        grade: Grade,
        found: impl Into<String>,
        mend: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mend = if grade == Grade::Good {
            Cow::Borrowed("")
        } else {
            mend.into()
        };
        Self {
            what,
            grade,
            found: found.into(),
            mend,
        }
    }
}
