//! Watches the memory of Redis and warns before it is full: a full Redis sells nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::domain::memory::{Fullness, Memory};
use crate::error::Result;
use crate::metrics::Metrics;
use crate::store::Store;

/// Pause between two readings.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The running watch. It ends when this value is dropped.
pub struct MemoryWatch(JoinHandle<()>);

impl MemoryWatch {
    /// Starts it on the current runtime, over a connection of its own.
    ///
    /// # Errors
    /// As [`Store::with_own_connections`].
    pub fn start(store: &Store, metrics: Arc<Metrics>) -> Result<Self> {
        let store = store.clone().with_own_connections()?;
        Ok(Self(tokio::spawn(watch(store, metrics))))
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(store: Store, metrics: Arc<Metrics>) {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut level = Fullness::Fine;
    loop {
        ticks.tick().await;
        let asked = timeout(ANSWER_MAX, store.memory()).await;
        let memory = asked.ok().and_then(Result::ok);
        metrics.memory.seen(memory);
        if let Some(memory) = memory {
            level = told(memory, level);
        }
    }
}

/// Logs once that a level was reached; returns how full it is now.
fn told(memory: Memory, before: Fullness) -> Fullness {
    let level = memory.fullness_after(before);
    match level {
        Fullness::Full if before < level => tracing::error!(
            "Redis is full, or nearly so: {memory}. A full Redis sells nothing. Raise its \
             maxmemory, or archive events that are over (`seckill doctor` names them)"
        ),
        Fullness::High if before < level => tracing::warn!(
            "the memory of Redis fills up: {memory}. A full Redis sells nothing. `seckill doctor` \
             says what can be deleted"
        ),
        Fullness::Fine if before > level => {
            tracing::info!("the memory of Redis has room again: {memory}");
        }
        _ => {}
    }
    level
}
