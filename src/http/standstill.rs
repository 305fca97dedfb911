//! Standstills of the process: it was stopped, its virtual machine was, or something kept a worker
//! busy.
//! Requests that came meanwhile lay unread, and their senders may have given up and decided
//! otherwise elsewhere. So they are refused, not done late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::rt::{spawn, time};

use super::connection;
use crate::failure::Failure;

/// How often a worker shows that it runs.
const TICK: Duration = Duration::from_millis(100);
/// A worker that did not run for longer stood still.
const STANDSTILL_MIN: Duration = Duration::from_secs(1);
/// So long after a standstill requests are read that may have lain unread.
const LOOKED_AT_FOR: Duration = Duration::from_secs(10);
/// The kernel knows when bytes came no better than that.
const GRAIN: Duration = Duration::from_millis(10);

/// What a worker knows of its standstills.
pub struct Standstill {
    start: Instant,
    /// When the worker ran last, in ms since the start.
    ran_at: AtomicU64,
    /// When the last standstill ended, in ms since the start; 0: there was none.
    ended_at: AtomicU64,
}

impl Standstill {
    /// Starts the ticks on the current runtime. They end when this value is dropped.
    pub fn watch() -> Arc<Self> {
        let standstill = Arc::new(Self::new(Instant::now()));
        let watched = Arc::downgrade(&standstill);
        spawn(async move {
            while let Some(standstill) = watched.upgrade() {
                standstill.runs(Instant::now());
                drop(standstill);
                time::sleep(TICK).await;
            }
        });
        standstill
    }

    fn new(start: Instant) -> Self {
        Self {
            start,
            ran_at: AtomicU64::new(0),
            ended_at: AtomicU64::new(0),
        }
    }

    /// Whether a request lay unread while the worker stood still. Asks the kernel only for some
    /// seconds after a standstill.
    pub fn held_up(&self, request: &HttpRequest) -> bool {
        let now = Instant::now();
        let Some(running_for) = self.runs(now) else {
            return false;
        };
        let silent_for = connection::of(request).and_then(|connection| connection.silent_for());
        silent_for.is_some_and(|silent_for| silent_for + GRAIN >= running_for)
    }

    /// Notes that the worker runs. How long it has run since a standstill that was not long ago.
    fn runs(&self, now: Instant) -> Option<Duration> {
        let now_ms = self.ms(now);
        let ran_at = self.ran_at.swap(now_ms, Ordering::Relaxed);
        if now_ms.saturating_sub(ran_at) > millis(STANDSTILL_MIN) {
            self.ended_at.store(now_ms, Ordering::Relaxed);
        }
        let ended_at = self.ended_at.load(Ordering::Relaxed);
        let running_for = Duration::from_millis(now_ms.saturating_sub(ended_at));
        (ended_at > 0 && running_for < LOOKED_AT_FOR).then_some(running_for)
    }

    fn ms(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.start))
    }
}

/// What becomes of a request that was held up.
pub fn busy() -> Failure {
    Failure::Busy("the server stood still when it came".to_owned())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_a_standstill_is_looked_at() {
        let start = Instant::now();
        let standstill = Standstill::new(start);
        let runs = |ms| {
            let since = standstill.runs(start + Duration::from_millis(ms));
            since.map(|since| since.as_millis())
        };
        assert_eq!((runs(100), runs(200), runs(1_200)), (None, None, None));
        assert_eq!((runs(2_201), runs(2_202)), (Some(0), Some(1)));
        for tick in 1..100 {
            assert_eq!(runs(2_201 + tick * 100), Some(u128::from(tick) * 100));
        }
        assert_eq!((runs(12_201), runs(12_300)), (None, None));
    }
}
