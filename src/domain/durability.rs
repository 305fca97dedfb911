//! What an acknowledged order survives.

use std::fmt;

use super::Invalid;

/// Most replicas that may be waited for.
const REPLICAS_MAX: u32 = 100;

/// A durability level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing but the life of the Redis process.
    Memory,
    /// `kill -9` of Redis and power loss of its machine.
    Fsync,
    /// The loss of the master, when one of so many replicas takes over.
    Replicated(u32),
}

impl Durability {
    /// Accepts `memory`, `fsync` and `replicated:K`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let replicas = text
            .strip_prefix("replicated:")
            .and_then(|count| count.parse().ok());
        match (text, replicas) {
            ("memory", _) => Ok(Self::Memory),
            ("fsync", _) => Ok(Self::Fsync),
            (_, Some(count @ 1..=REPLICAS_MAX)) => Ok(Self::Replicated(count)),
            _ => Err(Invalid {
                what: "durability",
                rule: "`memory`, `fsync` or `replicated:K` with K from 1 to 100",
            }),
        }
    }

    /// Replicas that must have an order before it is answered.
    pub fn replicas(self) -> u32 {
        match self {
            Self::Memory | Self::Fsync => 0,
            Self::Replicated(count) => count,
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Fsync => f.write_str("fsync"),
            Self::Replicated(count) => write!(f, "replicated:{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_written_as_they_are_read() {
        for text in ["memory", "fsync", "replicated:1", "replicated:100"] {
            assert_eq!(
                Durability::parse(text).map(|level| level.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "disk",
            "replicated",
            "replicated:0",
            "replicated:101",
            "Fsync",
        ] {
            assert!(Durability::parse(text).is_err(), "{text}");
        }
    }
}
