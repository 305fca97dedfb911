//! How long this machine stood still: time that nobody can be blamed for.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(10);
/// A look that comes so much later is a stall.
const LATE: Duration = Duration::from_millis(20);

/// Watches until it is asked.
pub struct Stalls {
    began: Instant,
    stop: oneshot::Sender<()>,
    stood_still: JoinHandle<Duration>,
}

impl Stalls {
    /// Begins to watch, on a runtime with several threads.
    pub fn watch() -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let stood_still = tokio::spawn(async move {
            let mut stood_still = Duration::ZERO;
            loop {
                let since = Instant::now();
                let stopping = tokio::time::timeout(TICK, &mut stopped).await.is_ok();
                let late = since.elapsed().saturating_sub(TICK);
                if late >= LATE {
                    stood_still += late;
                }
                if stopping {
                    return stood_still;
                }
            }
        });
        Self {
            began: Instant::now(),
            stop,
            stood_still,
        }
    }

    /// The time since then, without that for which the machine stood still.
    pub async fn without(self) -> Duration {
        let passed = self.began.elapsed();
        drop(self.stop);
        passed.saturating_sub(self.stood_still.await.expect("it ends"))
    }
}
