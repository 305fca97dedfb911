//! The clock of Redis, by which everything is decided, and when it was read by ours.

use std::time::Duration;

use redis::RedisResult;
use redis::aio::ConnectionLike;
use tokio::time::Instant;

use crate::domain::time::EpochMs;
use crate::failure::Result;
use crate::store::Store;

/// Times are read in whole milliseconds.
const MILLISECOND: Duration = Duration::from_millis(1);

/// What the clock of Redis showed at some moment between two of our own.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// What it showed.
    pub time: EpochMs,
    /// When it was asked.
    pub asked_at: Instant,
    /// When the answer was there.
    pub answered_at: Instant,
}

/// How far a clock moved more or less than the time that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It went forward by so much more, at least.
    Forward(Duration),
    /// It went forward by so much less, or back.
    Back(Duration),
}

impl Reading {
    /// The step that there must have been since `earlier`; `None` when no step explains both
    /// readings as well. Nobody knows when within its round trip a clock was read.
    pub fn step_since(&self, earlier: &Self) -> Option<Step> {
        let passed_min = self.asked_at.saturating_duration_since(earlier.answered_at);
        let passed_max = self.answered_at.saturating_duration_since(earlier.asked_at);
        let shown = Duration::from_millis(self.time.saturating_sub(earlier.time));
        let back = Duration::from_millis(earlier.time.saturating_sub(self.time));
        if shown > passed_max {
            Some(Step::Forward(shown - passed_max))
        } else if shown + MILLISECOND < passed_min || back > Duration::ZERO {
            Some(Step::Back(passed_min.saturating_sub(shown) + back))
        } else {
            None
        }
    }
}

impl Step {
    /// How far, in either direction.
    pub fn size(self) -> Duration {
        match self {
            Self::Forward(by) | Self::Back(by) => by,
        }
    }
}

/// Reads the clock of the server at the other end.
pub(in crate::store) async fn read(connection: &mut impl ConnectionLike) -> RedisResult<Reading> {
    let asked_at = Instant::now();
    let time = redis::cmd("TIME");
    let (seconds, micros): (u64, u64) = time.query_async(connection).await?;
    Ok(Reading {
        time: seconds * 1000 + micros / 1000,
        asked_at,
        answered_at: Instant::now(),
    })
}

impl Store {
    /// Reads the clock of Redis.
    ///
    /// # Errors
    /// `busy`: Redis is not there.
    pub async fn clock(&self) -> Result<Reading> {
        let mut connection = self.connection().await?;
        self.read(&[], connection.live.read_clock()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_what_no_round_trip_explains() {
        let start = Instant::now();
        // Asked and answered so many ms after the start, and what the clock showed.
        let reading = |asked: u64, answered: u64, time| Reading {
            time,
            asked_at: start + Duration::from_millis(asked),
            answered_at: start + Duration::from_millis(answered),
        };
        let forward = |ms| Some(Step::Forward(Duration::from_millis(ms)));
        let back = |ms| Some(Step::Back(Duration::from_millis(ms)));
        let first = reading(0, 10, 50_000);
        for (asked, answered, time, step) in [
            (100, 110, 50_100, None),
            (100, 110, 50_090, None),
            (100, 110, 50_110, None),
            (100, 110, 50_111, forward(1)),
            (100, 110, 710_110, forward(660_000)),
            (100, 110, 50_000, back(90)),
            (100, 110, 40_000, back(10_090)),
            // A process that stood still for a minute knows the time to a minute.
            (100, 60_100, 50_100, None),
            (100, 60_100, 110_100, None),
            (100, 60_100, 117_100, forward(7_000)),
            (60_000, 60_010, 110_000, None),
        ] {
            let later = reading(asked, answered, time);
            assert_eq!(later.step_since(&first), step, "{asked} {answered} {time}");
        }
        let loose = reading(0, 60_000, 50_000);
        assert_eq!(reading(60_100, 60_110, 50_100).step_since(&loose), None);
    }
}
