//! What a call to Redis that failed means for the person who asked. A refusal ("sold out") is an
//! outcome, never a failure.

/// A failed call, told apart by what the caller may conclude.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// Certainly not executed: trying again later is safe and needed.
    #[error("not executed: {0}")]
    Busy(String),
    /// Sent, but no answer came: it may or may not have happened. Trying again is safe.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// Redis has something that this program cannot read. Nothing was changed, and trying again
    /// does not help: an operator must mend it.
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

    /// What went wrong, without what may be concluded.
    pub fn reason(&self) -> &str {
        match self {
            Self::Busy(why) | Self::Unknown(why) | Self::Unreadable(why) => why,
        }
    }

    /// The same failure, with how to go on when nobody knows the outcome.
    pub fn and_if_unknown(self, more: &str) -> Self {
        match self {
            Self::Unknown(_) => self.and(more),
            Self::Busy(_) | Self::Unreadable(_) => self,
        }
    }

    /// What it means once a call that may change something was sent: an answer that cannot be read
    /// does not say what became of it.
    pub fn once_sent(self) -> Self {
        match self {
            Self::Unreadable(why) | Self::Unknown(why) => Self::Unknown(why),
            Self::Busy(why) => Self::Busy(why),
        }
    }

    /// The same failure, with more to say about it.
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
