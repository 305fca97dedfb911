//! Whether Redis can be reached, as the log tells it: one line when it is lost, and one when it is
//! back, however many lanes notice.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// A Redis that comes and goes is told of this often, at most.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What the lanes of one address know of their Redis.
#[derive(Debug, Default)]
pub struct Reach(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    lost_at: Option<Instant>,
    /// When the log last heard that it is lost, and whether it still has to hear that it is back.
    said_at: Option<Instant>,
    owes: bool,
    /// Losses that the log did not hear of since then, and that are over.
    unsaid: u32,
}

impl Reach {
    /// A lane cannot be opened.
    pub fn lost(&self, error: &Failure) {
        if let Some(unsaid) = self.state().lost(Instant::now()) {
            tracing::warn!(%error, unsaid, "Redis is lost: the answer is `busy` until it is back");
        }
    }

    /// A lane is open.
    pub fn back(&self) {
        if let Some(after) = self.state().back(Instant::now()) {
            tracing::warn!(?after, "Redis is back");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes that Redis is lost. `Some` when the log has to hear of it now: so many losses before
    /// this one were not said.
    fn lost(&mut self, now: Instant) -> Option<u32> {
        self.lost_at.get_or_insert(now);
        let said_lately = |said: Instant| now.duration_since(said) < SAY_EVERY;
        if self.owes || self.said_at.is_some_and(said_lately) {
            return None;
        }
        (self.said_at, self.owes) = (Some(now), true);
        Some(std::mem::take(&mut self.unsaid))
    }

    /// Notes that Redis is there. `Some` when the log has to hear of it: for so long it was lost.
    fn back(&mut self, now: Instant) -> Option<Duration> {
        let lost_at = self.lost_at.take()?;
        if !std::mem::take(&mut self.owes) {
            self.unsaid += 1;
            return None;
        }
        Some(now.duration_since(lost_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_right_after_a_flap_is_said() {
        let (mut state, start) = (State::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(state.back(at(0)), None);
        assert_eq!(state.lost(at(0)), Some(0));
        assert_eq!(state.lost(at(1)), None, "said already");
        assert_eq!(state.back(at(2)), Some(Duration::from_secs(2)));
        assert_eq!(state.back(at(2)), None);
        // Too soon to be said, and over before it is.
        assert_eq!(state.lost(at(3)), None);
        assert_eq!(state.back(at(4)), None);
        // Too soon, and it lasts.
        assert_eq!(state.lost(at(5)), None);
        assert_eq!(state.lost(at(9)), None);
        assert_eq!(state.lost(at(10)), Some(1));
        assert_eq!(state.lost(at(3_600)), None, "said already");
        assert_eq!(state.back(at(3_605)), Some(Duration::from_secs(3_600)));
    }
}
