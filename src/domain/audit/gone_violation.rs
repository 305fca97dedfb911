//! The ways in which the dead orders of a sale can be counted wrong.

use std::fmt;

use crate::domain::counted::counted;
use crate::domain::ids::Username;

/// One way in which dead orders are counted wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoneViolation {
    /// The number of dead orders of a buyer differs from their records.
    Miscounted {
        /// Who.
        username: Username,
        /// Orders that the sale counts.
        counted: u64,
        /// Dead orders by their records.
        dead: u64,
    },
    /// The sum over all buyers differs from the counter.
    Disagree {
        /// The counter.
        counted: u64,
        /// What they add up to.
        by_buyer: u128,
    },
    /// The largest number of a buyer differs from the one in the sale.
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
                write!(f, "buyer {username:?} has {dead}, but {number} counted")
            }
            Self::Disagree { counted, by_buyer } => write!(
                f,
                "the dead orders of all buyers add up to {by_buyer}, but the counter says {counted}"
            ),
            Self::MostDisagree { most, by_buyer } => write!(
                f,
                "no buyer has more than {by_buyer} dead orders counted, but the sale says {most}"
            ),
        }
    }
}
