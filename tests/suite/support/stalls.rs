//! How long this machine stood still: time that nobody can be blamed for.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(10);
/// A look that comes so much later is a stall, and not work of this process.
const LATE: Duration = Duration::from_millis(100);

/// The one that is asked may begin so late: a stall until then delays all that follows.
const START: Duration = Duration::from_millis(500);

/// Watches until it is asked.
pub struct Stalls {
    began: Instant,
    stop: oneshot::Sender<()>,
    stood_still: JoinHandle<Duration>,
}

impl Stalls {
    /// Begins to watch, on a runtime with several threads. What ends before this time has passed
    /// keeps nothing from being done by then, and does not count, but for the first moment.
    pub fn watch_from(time: Duration) -> Self {
        let began = Instant::now();
        let (stop, mut stopped) = oneshot::channel();
        let stood_still = tokio::spawn(async move {
            let mut stood_still = Duration::ZERO;
            loop {
                let since = Instant::now();
                let stopping = tokio::time::timeout(TICK, &mut stopped).await.is_ok();
                let late = since.elapsed().saturating_sub(TICK);
                let counts = began.elapsed() > time || since - began < START;
                if late >= LATE && counts {
                    stood_still += late;
                }
                if stopping {
                    return stood_still;
                }
            }
        });
        Self {
            began,
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
