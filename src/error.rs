//! Why a command of this program fails. What a call to Redis means that failed is a [`Failure`].

use crate::domain::Invalid;
use crate::failure::Failure;

/// What went wrong, told apart by the exit code and by who can mend it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A setting, file or argument that cannot be used.
    #[error("{0}")]
    Config(String),
    /// The private Redis server cannot run.
    #[error("{0}")]
    PrivateRedis(String),
    /// The command was understood and refused.
    #[error("{0}")]
    Refused(String),
    /// A call to Redis failed.
    #[error(transparent)]
    Store(#[from] Failure),
}

impl Error {
    /// The same error, with more to say about it.
    pub fn and(self, more: &str) -> Self {
        let longer = |why: String| format!("{why}; {more}");
        match self {
            Self::Config(why) => Self::Config(longer(why)),
            Self::PrivateRedis(why) => Self::PrivateRedis(longer(why)),
            Self::Refused(why) => Self::Refused(longer(why)),
            Self::Store(failure) => Self::Store(failure.and(more)),
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
