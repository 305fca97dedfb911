//! Failures to decide. A refusal ("sold out") is an outcome, never an error.

use crate::domain::Invalid;

/// What went wrong, told apart by what the caller may conclude.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Certainly not executed: trying again later is safe and needed.
    #[error("not executed: {0}")]
    Busy(String),
    /// Sent, but no answer came: it may or may not have happened.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// Redis answered something that this program does not understand.
    #[error("unexpected data in Redis: {0}")]
    Contract(String),
    /// A setting, file or argument that cannot be used.
    #[error("{0}")]
    Config(String),
    /// The private Redis server cannot run.
    #[error("{0}")]
    Embedded(String),
    /// The command was understood and refused.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// The word for logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Busy(_) => "busy",
            Self::Unknown(_) => "unknown",
            Self::Contract(_) => "contract",
            Self::Config(_) => "config",
            Self::Embedded(_) => "embedded",
            Self::Refused(_) => "refused",
        }
    }
}

impl Error {
    /// What went wrong, without what may be concluded.
    pub fn reason(&self) -> &str {
        match self {
            Self::Busy(why)
            | Self::Unknown(why)
            | Self::Contract(why)
            | Self::Config(why)
            | Self::Embedded(why)
            | Self::Refused(why) => why,
        }
    }

    /// The same failure, with more to say about it.
    pub fn and(self, more: &str) -> Self {
        let longer = |why: String| format!("{why}; {more}");
        match self {
            Self::Busy(why) => Self::Busy(longer(why)),
            Self::Unknown(why) => Self::Unknown(longer(why)),
            Self::Contract(why) => Self::Contract(longer(why)),
            Self::Config(why) => Self::Config(longer(why)),
            Self::Embedded(why) => Self::Embedded(longer(why)),
            Self::Refused(why) => Self::Refused(longer(why)),
        }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Refused(invalid.to_string())
    }
}

/// Results of this program.
pub type Result<T, E = Error> = std::result::Result<T, E>;
