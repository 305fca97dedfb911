//! Durability levels: which failures an acknowledged order survives.

use std::fmt;

use super::Invalid;

/// Most replicas that an order may wait for.
const REPLICAS_MAX: u32 = 100;

/// A durability level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing but the life of the Redis process.
    Memory,
    /// `kill -9` of Redis and power loss of its machine.
    Fsync,
    /// The loss of the master, if one of this many replicas that have the order takes over. If more
    /// replicas are attached, the one that takes over may lack the order.
    Replicated(u32),
    /// The loss of the master, whichever replica takes over.
    ReplicatedAll,
}

impl Durability {
    /// Accepts `memory`, `fsync`, `replicated:K` and `replicated:all`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let replicas = text
            .strip_prefix("replicated:")
            .and_then(|count| count.parse().ok());
        match (text, replicas) {
            ("memory", _) => Ok(Self::Memory),
            ("fsync", _) => Ok(Self::Fsync),
            ("replicated:all", _) => Ok(Self::ReplicatedAll),
            (_, Some(count @ 1..=REPLICAS_MAX)) => Ok(Self::Replicated(count)),
            _ => Err(Invalid {
                what: "durability",
                rule: "`memory`, `fsync`, `replicated:K` with K from 1 to 100, or `replicated:all`",
            }),
        }
    }

    /// True if replicas must have an order before it is answered.
    pub fn waits(self) -> bool {
        match self {
            Self::Memory | Self::Fsync => false,
            Self::Replicated(_) | Self::ReplicatedAll => true,
        }
    }

    /// True if an order may be acknowledged that one of the `attached` replicas lacks: a failover
    /// to that replica would lose it.
    pub fn is_at_risk(self, attached: u32) -> bool {
        matches!(self, Self::Replicated(count) if count < attached)
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Fsync => f.write_str("fsync"),
            Self::Replicated(count) => write!(f, "replicated:{count}"),
            Self::ReplicatedAll => f.write_str("replicated:all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_written_as_they_are_read() {
        for text in [
            "memory",
            "fsync",
            "replicated:1",
            "replicated:100",
            "replicated:all",
        ] {
            assert_eq!(
                Durability::parse(text).map(|level| level.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "disk",
            "replicated",
            "replicated:",
            "replicated:0",
            "replicated:101",
            "replicated:ALL",
            "all",
            "Fsync",
        ] {
            assert!(Durability::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_number_below_what_is_attached_is_a_risk() {
        let at_risk = |level: Durability| [0, 1, 2].map(|attached| level.is_at_risk(attached));
        assert_eq!(at_risk(Durability::Replicated(1)), [false, false, true]);
        for level in [
            Durability::Memory,
            Durability::Fsync,
            Durability::ReplicatedAll,
        ] {
            assert_eq!(at_risk(level), [false; 3], "{level}");
        }
    }
}
