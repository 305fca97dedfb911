//! The memory of Redis: how much is used, and when a warning is due.

use super::bytes::shown;

/// What Redis says about its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes in use.
    pub used: u64,
    /// Bytes that may be used, `maxmemory`; 0 is no limit.
    pub max: u64,
}

/// How full the memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fullness {
    /// There is room, or no limit.
    Fine,
    /// An operator should act.
    High,
    /// A full Redis sells nothing, now or soon.
    Full,
}

/// The share at which the level begins, in percent.
const HIGH_PERCENT: u64 = 80;
const FULL_PERCENT: u64 = 95;
/// A level ends this far below its beginning, so that memory that moves around it is not reported
/// again and again.
const SLACK_PERCENT: u64 = 5;

impl Memory {
    /// The share that is used, in percent; `None` without a limit. It may pass 100.
    pub fn percent(self) -> Option<u64> {
        let share = u128::from(self.used) * 100 / u128::from(self.max).max(1);
        (self.max > 0).then(|| u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// How full it is.
    pub fn fullness(self) -> Fullness {
        match self.percent() {
            Some(percent) if percent >= FULL_PERCENT => Fullness::Full,
            Some(percent) if percent >= HIGH_PERCENT => Fullness::High,
            Some(_) | None => Fullness::Fine,
        }
    }

    /// How full it is if it was `before`: a little less memory does not end a level.
    pub fn fullness_after(self, before: Fullness) -> Fullness {
        let slack = self.max / 100 * SLACK_PERCENT;
        let more = Self {
            used: self.used.saturating_add(slack),
            ..self
        };
        self.fullness().max(more.fullness().min(before))
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.percent() {
            None => write!(f, "{} used, maxmemory 0", shown(self.used)),
            Some(percent) => {
                let (used, max) = (shown(self.used), shown(self.max));
                write!(f, "{percent} % of maxmemory used, {used} of {max}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(percent: u64) -> Memory {
        Memory {
            used: percent * 1000,
            max: 100_000,
        }
    }

    #[test]
    fn a_level_begins_at_its_share_and_ends_a_little_below() {
        use Fullness::{Fine, Full, High};
        let mut level = Fine;
        for (percent, expected) in [
            (79, Fine),
            (80, High),
            (76, High),
            (81, High),
            (74, Fine),
            (79, Fine),
            (95, Full),
            (91, Full),
            (89, High),
            (94, High),
            (120, Full),
            (10, Fine),
        ] {
            level = at(percent).fullness_after(level);
            assert_eq!(level, expected, "at {percent}");
        }
        let boundless = Memory {
            used: u64::MAX,
            max: 0,
        };
        assert_eq!(boundless.fullness_after(Full), Fine);
        assert_eq!(boundless.percent(), None);
        assert_eq!(
            Memory {
                used: u64::MAX,
                max: 1
            }
            .percent(),
            Some(u64::MAX)
        );
    }
}
