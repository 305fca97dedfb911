//! The number that `replicated:all` waits for: the most replicas that a master has had online at
//! the same time.
//!
//! The number rises at once. It falls when a replica has been away for [`Peak::gone`], and not
//! before: a replica that has just left may be the next master, and must have every order that is
//! acknowledged until the failover. If nothing is recorded of a master, the number must first be
//! stable.

use std::time::{Duration, Instant};

/// How long the number of a master without a record must be stable before it counts.
pub const STILL: Duration = Duration::from_secs(3);
/// Longest time between two readings that miss nothing. After a longer one, replicas that were away
/// may have been back, so all times start again.
const GAP_MAX: Duration = Duration::from_secs(1);

/// What to record for later connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// At least this number.
    Raise(u32),
    /// This number, if `from` is still recorded.
    Lower {
        /// What was recorded.
        from: u32,
        /// What is right now.
        to: u32,
    },
}

/// The most replicas that one master has had online at the same time, as far as readings show.
#[derive(Debug)]
pub struct Peak {
    /// How long a replica is away before orders stop to wait for it.
    gone: Duration,
    /// For each number of replicas from 1 on, when so many were last online. Empty while the number
    /// is not known; else its length is the number.
    last_there: Vec<Instant>,
    /// The number that is being watched, and since when it is stable, while it is not known.
    still: Option<(u16, Instant)>,
    looked_at: Option<Instant>,
}

impl Peak {
    /// A master that was not read yet.
    pub fn new(gone: Duration) -> Self {
        Self {
            gone,
            last_there: Vec::new(),
            still: None,
            looked_at: None,
        }
    }

    /// The number to wait for; `None` while it is not known.
    pub fn number(&self) -> Option<u32> {
        let number = u32::try_from(self.last_there.len()).unwrap_or(u32::MAX);
        (number > 0).then_some(number)
    }

    /// A reading of the master at `now`: this many replicas are online, and this number is
    /// recorded.
    /// Returns what to record.
    pub fn look(&mut self, now: Instant, online: u16, recorded: Option<u16>) -> Option<Record> {
        let recorded = recorded.filter(|recorded| *recorded > 0);
        let since = self.looked_at.replace(now);
        if since.is_none_or(|since| now.duration_since(since) > GAP_MAX) {
            self.last_there.fill(now);
            self.still = None;
        }
        if self.last_there.is_empty() && recorded.is_none() && !self.stood_still(now, online) {
            return None;
        }
        let number = self.last_there.len();
        let risen = number
            .max(online.into())
            .max(recorded.unwrap_or_default().into());
        self.last_there.resize(risen, now);
        self.last_there[..usize::from(online)].fill(now);
        self.forget_the_gone(now);
        self.to_record(online.into(), recorded.map(u32::from))
    }

    /// True if the same number of replicas, at least one, was counted for long enough.
    fn stood_still(&mut self, now: Instant, online: u16) -> bool {
        match self.still {
            Some((number, since)) if number == online => {
                online > 0 && now.duration_since(since) >= STILL
            }
            _ => {
                self.still = Some((online, now));
                false
            }
        }
    }

    fn forget_the_gone(&mut self, now: Instant) {
        let gone = |last: &Instant| now.duration_since(*last) >= self.gone;
        while self.last_there.len() > 1 && self.last_there.last().is_some_and(gone) {
            self.last_there.pop();
        }
    }

    fn to_record(&self, online: u32, recorded: Option<u32>) -> Option<Record> {
        let number = self.number()?;
        match recorded {
            None => Some(Record::Raise(number)),
            Some(recorded) if recorded < online => Some(Record::Raise(number)),
            Some(recorded) if recorded > number => Some(Record::Lower {
                from: recorded,
                to: number,
            }),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GONE: Duration = Duration::from_secs(60);

    /// A master that is looked at each 100 ms.
    struct Watched {
        peak: Peak,
        now: Instant,
        recorded: Option<u16>,
    }

    impl Watched {
        fn new(recorded: Option<u16>) -> Self {
            Self {
                peak: Peak::new(GONE),
                now: Instant::now(),
                recorded,
            }
        }

        /// Reads for this long, and returns the last number.
        fn sees(&mut self, online: u16, seconds: f64) -> Option<u32> {
            let end = self.now + Duration::from_secs_f64(seconds);
            while self.now < end {
                self.now += Duration::from_millis(100);
                self.looks(online);
            }
            self.peak.number()
        }

        fn looks(&mut self, online: u16) {
            match self.peak.look(self.now, online, self.recorded) {
                Some(Record::Raise(to) | Record::Lower { to, .. }) => {
                    self.recorded = Some(u16::try_from(to).expect("small"));
                }
                None => {}
            }
        }
    }

    #[test]
    fn what_is_recorded_counts_at_once() {
        let mut late = Watched::new(Some(2));
        assert_eq!(late.sees(1, 0.1), Some(2));
        assert_eq!(late.sees(3, 0.1), Some(3));
        assert_eq!(late.recorded, Some(3));
    }

    #[test]
    fn with_nothing_recorded_the_number_must_stand_still() {
        let mut first = Watched::new(None);
        assert_eq!(first.sees(0, 10.0), None, "none is no number to wait for");
        assert_eq!(first.sees(1, 2.9), None);
        assert_eq!(first.sees(2, 2.9), None);
        assert_eq!(first.recorded, None);
        assert_eq!(first.sees(2, 0.3), Some(2));
        assert_eq!(first.recorded, Some(2));
    }

    #[test]
    fn a_replica_that_left_is_waited_for_until_it_is_gone() {
        let mut watched = Watched::new(Some(2));
        assert_eq!(watched.sees(2, 1.0), Some(2));
        assert_eq!(watched.sees(1, 59.8), Some(2));
        assert_eq!(watched.sees(1, 0.3), Some(1));
        assert_eq!(watched.recorded, Some(1));
        assert_eq!(watched.sees(0, 100.0), Some(1), "at least one");
    }

    #[test]
    fn one_that_comes_and_goes_is_there() {
        let mut watched = Watched::new(Some(2));
        for _ in 0..10 {
            assert_eq!(watched.sees(1, 50.0), Some(2));
            assert_eq!(watched.sees(2, 0.1), Some(2));
        }
    }

    #[test]
    fn those_that_left_one_after_the_other_are_gone_one_after_the_other() {
        let mut watched = Watched::new(Some(3));
        watched.sees(3, 1.0);
        watched.sees(2, 30.0);
        assert_eq!(watched.sees(1, 29.8), Some(3));
        assert_eq!(watched.sees(1, 0.3), Some(2));
        assert_eq!(watched.sees(1, 29.7), Some(2));
        assert_eq!(watched.sees(1, 0.3), Some(1));
    }

    #[test]
    fn what_nobody_looked_at_is_no_time_away() {
        let mut watched = Watched::new(Some(2));
        watched.sees(2, 1.0);
        watched.sees(1, 1.0);
        watched.now += GONE;
        assert_eq!(watched.sees(1, 59.8), Some(2));
        assert_eq!(watched.sees(1, 0.3), Some(1));

        let mut first = Watched::new(None);
        first.sees(1, 1.0);
        first.now += STILL;
        assert_eq!(first.sees(1, 2.9), None);
        assert_eq!(first.sees(1, 0.3), Some(1));
    }

    #[test]
    fn a_record_that_is_lost_is_written_again_and_one_of_others_is_left_alone() {
        let mut watched = Watched::new(Some(2));
        watched.sees(2, 1.0);
        watched.sees(1, 1.0);
        watched.recorded = None;
        watched.sees(1, 0.1);
        assert_eq!(watched.recorded, Some(2), "as this one knows it");
        // Another server saw for long enough that one is gone.
        watched.recorded = Some(1);
        assert_eq!(watched.sees(1, 1.0), Some(2));
        assert_eq!(watched.recorded, Some(1));
        // Another server has seen one more.
        watched.recorded = Some(3);
        assert_eq!(watched.sees(1, 59.0), Some(3));
        assert_eq!(watched.recorded, Some(3));
    }

    proptest! {
        /// Against the definition: the most that were there at any look of the last minute.
        #[test]
        fn the_number_is_the_most_of_the_last_minute(
            seen in prop::collection::vec(0_u16..4, 1..300)
        ) {
            let (mut peak, start) = (Peak::new(GONE), Instant::now());
            for (at, &online) in seen.iter().enumerate() {
                let now = start + Duration::from_secs(at as u64);
                peak.look(now, online, Some(1));
                let last_minute = &seen[at.saturating_sub(59)..=at];
                let most = last_minute.iter().max().copied().unwrap_or(0).max(1);
                prop_assert_eq!(peak.number(), Some(u32::from(most)));
            }
        }
    }
}
