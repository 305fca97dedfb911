//! The ways in which the dead orders of a sale can be counted wrong.

use std::fmt;

use crate::domain::counted::counted;
use crate::domain::ids::Username;

/// One way in which dead orders are counted wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoneViolation {
    /// Dead orders of a buyer are counted that are not there, or not counted.
    Miscounted {
        /// Who.
        username: Username,
        /// Orders that the sale counts.
        counted: u64,
        /// Dead orders by their records.
        dead: u64,
    },
    /// The numbers of all buyers add up to something else than the counter.
    Disagree {
        /// The counter.
        counted: u64,
        /// What they add up to.
        by_buyer: u128,
    },
    /// The buyer with most has another number than the sale says.
    MostDisagree {
        /// What the sale says.
        most: u64,
        /// The largest number of a buyer.
        by_buyer: u64,
    },
}

impl fmt::Display for GoneViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Miscounted {
                username,
                counted: number,
                dead,
            } => {
                let (username, dead) = (username.as_str(), counted(*dead, "dead order"));
                write!(f, "buyer {username:?} has {dead}, and {number} counted")
            }
            Self::Disagree { counted, by_buyer } => write!(
                f,
                "the dead orders of all buyers add up to {by_buyer}, the counter says {counted}"
            ),
            Self::MostDisagree { most, by_buyer } => write!(
                f,
                "no buyer has more than {by_buyer} dead orders counted, the sale says {most}"
            ),
        }
    }
}
