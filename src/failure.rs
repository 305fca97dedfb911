//! What a failed call to Redis tells the caller about the outcome. A refusal ("sold out") is an
//! outcome, never a failure.

/// A failed call, told apart by what the caller may conclude.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// Not executed. A retry is safe and needed.
    #[error("not executed: {0}")]
    Busy(String),
    /// Sent, but no answer came. It may have been executed. A retry is safe.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// Redis has something that this program cannot read. Nothing was changed. A retry does not
    /// help: an operator must repair the data.
    #[error("unexpected data in Redis: {0}")]
    Unreadable(String),
}

impl Failure {
    /// The word for logs and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Busy(_) => "busy",
            Self::Unknown(_) => "unknown",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// What went wrong, without what it says about the outcome.
    pub fn reason(&self) -> &str {
        match self {
            Self::Busy(why) | Self::Unknown(why) | Self::Unreadable(why) => why,
        }
    }

    /// The same failure; if the outcome is unknown, with what to do next.
    pub fn and_if_unknown(self, more: &str) -> Self {
        match self {
            Self::Unknown(_) => self.and(more),
            Self::Busy(_) | Self::Unreadable(_) => self,
        }
    }

    /// The failure of a call that was sent and may change something: if the answer cannot be read,
    /// the outcome is unknown.
    pub fn once_sent(self) -> Self {
        match self {
            Self::Unreadable(why) | Self::Unknown(why) => Self::Unknown(why),
            Self::Busy(why) => Self::Busy(why),
        }
    }

    /// The same failure with more text.
    pub fn and(self, more: &str) -> Self {
        let longer = |why: String| format!("{why}; {more}");
        match self {
            Self::Busy(why) => Self::Busy(longer(why)),
            Self::Unknown(why) => Self::Unknown(longer(why)),
            Self::Unreadable(why) => Self::Unreadable(longer(why)),
        }
    }
}

/// Results of calls to Redis.
pub type Result<T, E = Failure> = std::result::Result<T, E>;
