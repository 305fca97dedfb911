//! Whether Redis can be reached, as the log tells it: one line when it is lost, and one when it is
//! back, however many lanes notice.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

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
    /// Losses that the log did not hear of since then.
    unsaid: u32,
}

impl Reach {
    /// A lane cannot be opened.
    pub fn lost(&self, error: &Error) {
        let mut state = self.state();
        if state.lost_at.is_some() {
            return;
        }
        let now = Instant::now();
        state.lost_at = Some(now);
        if state.said_at.is_some_and(|said| now - said < SAY_EVERY) {
            state.unsaid += 1;
            return;
        }
        let unsaid = std::mem::take(&mut state.unsaid);
        (state.said_at, state.owes) = (Some(now), true);
        tracing::warn!(%error, unsaid, "Redis is lost: the answer is `busy` until it is back");
    }

    /// A lane is open.
    pub fn back(&self) {
        let mut state = self.state();
        let Some(lost_at) = state.lost_at.take() else {
            return;
        };
        if std::mem::take(&mut state.owes) {
            tracing::warn!(after = ?lost_at.elapsed(), "Redis is back");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
