//! Deadlines of calls, by the clock of the Redis that gets them. A script that starts after its
//! deadline changes nothing, whatever delayed the call: a network, a process that stood still, a
//! kernel that goes on sending what a closed socket had.
//!
//! A reading that was answered at `e` with `t` proves that the clock shows at least `t` at `e`, and
//! so at least `t` and the time since then. The tightest of several such lower bounds counts: a
//! late answer can only make a deadline earlier.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::time::EpochMs;
use crate::store::server::clock::Reading;

/// How long a reading counts. Clocks drift apart by some milliseconds in that time.
const COUNTS_FOR: Duration = Duration::from_secs(60);
/// If the newest reading is older, no deadline can be computed.
const NEWEST_AGE_MAX: Duration = Duration::from_secs(3);
/// If the newest reading is older, the clock is read again, while calls go on.
const REFRESH_AGE: Duration = Duration::from_secs(1);
/// A clock that shows this much less than its lower bound was set back.
const STEP_MIN_MS: u64 = 100;

/// What one connection knows about the clock of its Redis.
#[derive(Debug, Default)]
pub struct Bounds(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The readings that count, each a looser bound than those before it.
    readings: VecDeque<Reading>,
    /// When the newest of them was requested.
    newest_at: Option<Instant>,
    /// The clock is being read now.
    reading: bool,
}

/// How well the clock is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Well enough.
    Fresh,
    /// Well enough, but it should be read again. Only one caller at a time gets this.
    Ageing,
    /// Not at all: it must be read first.
    Stale,
}

impl Bounds {
    /// Learns from a reading.
    pub fn hear(&self, reading: Reading) {
        self.known().hear(reading);
    }

    /// The caller that should read the clock has given up.
    pub fn gave_up(&self) {
        self.known().reading = false;
    }

    /// Invalidates the readings: the clock stepped.
    pub fn doubt(&self) {
        *self.known() = Known::default();
    }

    /// How well the clock is known at `now`.
    pub fn freshness(&self, now: Instant) -> Freshness {
        let known = &mut *self.known();
        let age = known
            .newest_at
            .map(|newest| now.saturating_duration_since(newest));
        match age {
            Some(age) if age <= REFRESH_AGE => Freshness::Fresh,
            Some(age) if age <= NEWEST_AGE_MAX && known.reading => Freshness::Fresh,
            Some(age) if age <= NEWEST_AGE_MAX => {
                known.reading = true;
                Freshness::Ageing
            }
            Some(_) | None => Freshness::Stale,
        }
    }

    /// What the clock shows at `at`, at the least; `None` if it is not known.
    pub fn at_least(&self, at: Instant) -> Option<EpochMs> {
        self.known().at_least(at)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn hear(&mut self, reading: Reading) {
        self.reading = false;
        let must_show = self.at_least(reading.asked_at).unwrap_or(0);
        if reading.time + STEP_MIN_MS < must_show {
            // The clock was set back. The next reading learns what it shows now.
            *self = Self::default();
            return;
        }
        let now = reading.answered_at;
        self.newest_at = self.newest_at.max(Some(reading.asked_at));
        let proves = bound(&reading, now);
        while self
            .readings
            .back()
            .is_some_and(|r| bound(r, now) <= proves)
        {
            self.readings.pop_back();
        }
        self.readings.push_back(reading);
        let is_old = |r: &Reading| now.saturating_duration_since(r.answered_at) > COUNTS_FOR;
        while self.readings.front().is_some_and(is_old) {
            self.readings.pop_front();
        }
    }

    fn at_least(&self, at: Instant) -> Option<EpochMs> {
        self.readings.front().map(|reading| bound(reading, at))
    }
}

/// What the clock shows at `at`, at the least, by this reading.
fn bound(reading: &Reading, at: Instant) -> EpochMs {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let since = ms(at.saturating_duration_since(reading.answered_at));
    let before = ms(reading.answered_at.saturating_duration_since(at));
    (reading.time + since).saturating_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Redis whose clock showed 1,000,000 ms when the scene began.
    struct Scene {
        bounds: Bounds,
        start: Instant,
    }

    impl Scene {
        fn new() -> Self {
            let (bounds, start) = (Bounds::default(), Instant::now());
            Self { bounds, start }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        /// The clock was asked and answered at these ms, and showed `shown` ms more than at first.
        fn hear(&self, asked: u64, answered: u64, shown: u64) {
            self.bounds.hear(Reading {
                time: 1_000_000 + shown,
                asked_at: self.at(asked),
                answered_at: self.at(answered),
            });
        }

        /// What it shows at the least, in ms since the beginning.
        fn shows(&self, at: u64) -> Option<i64> {
            let shows = self.bounds.at_least(self.at(at))?;
            Some(i64::try_from(shows).expect("small") - 1_000_000)
        }

        fn freshness(&self, at: u64) -> Freshness {
            self.bounds.freshness(self.at(at))
        }
    }

    #[test]
    fn the_tightest_bound_counts_for_a_minute() {
        let scene = Scene::new();
        assert_eq!(scene.shows(0), None);
        scene.hear(0, 40, 0); // 40 ms on the way back, at most
        assert_eq!((scene.shows(40), scene.shows(1_000)), (Some(0), Some(960)));
        scene.hear(100, 105, 102); // 3 ms
        assert_eq!(scene.shows(1_000), Some(997));
        scene.hear(200, 260, 210); // an answer that came late
        assert_eq!(
            (scene.shows(1_000), scene.shows(200)),
            (Some(997), Some(197))
        );
        scene.hear(60_100, 60_110, 60_102);
        assert_eq!(
            scene.shows(60_110),
            Some(60_102),
            "the tight one is too old"
        );
    }

    #[test]
    fn a_clock_that_was_set_back_is_not_known_until_it_is_read_again() {
        let scene = Scene::new();
        scene.hear(0, 2, 1);
        scene.hear(1_000, 1_002, 902); // slower by less than a step
        assert_eq!(scene.shows(2_000), Some(1_999));
        scene.hear(2_000, 2_002, 1_800);
        assert_eq!(
            (scene.shows(3_000), scene.freshness(2_002)),
            (None, Freshness::Stale)
        );
        scene.hear(2_010, 2_012, 1_811);
        assert_eq!(scene.shows(3_012), Some(2_811));
    }

    #[test]
    fn a_clock_that_was_set_forward_is_believed_at_once() {
        let scene = Scene::new();
        scene.hear(0, 2, 1);
        scene.hear(1_000, 1_002, 601_001);
        assert_eq!(scene.shows(2_002), Some(602_001));
    }

    #[test]
    fn one_caller_reads_the_clock_again_before_it_is_stale() {
        let scene = Scene::new();
        assert_eq!(scene.freshness(0), Freshness::Stale);
        scene.hear(0, 0, 0);
        assert_eq!(scene.freshness(1_000), Freshness::Fresh);
        assert_eq!(scene.freshness(1_001), Freshness::Ageing);
        assert_eq!(scene.freshness(2_000), Freshness::Fresh, "it is being read");
        scene.bounds.gave_up();
        assert_eq!(scene.freshness(3_000), Freshness::Ageing);
        assert_eq!(scene.freshness(3_001), Freshness::Stale);
        scene.hear(3_001, 3_002, 3_001);
        assert_eq!(scene.freshness(3_003), Freshness::Fresh);
        scene.bounds.doubt();
        assert_eq!(scene.freshness(3_004), Freshness::Stale);
    }
}
