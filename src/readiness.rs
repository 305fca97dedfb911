//! Readiness: can buyers be served now? A task of its own asks Redis each second, and whenever
//! somebody asks the server. What it learns also decides whether scripts may be sent at all.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::error::Result;
use crate::failure::Failure;
use crate::readings::{Pace, Reader, Readings};
use crate::store::Store;
use crate::store::server::Verified;
use crate::store::server::examiner::{Examination, Examiner};

/// Between two questions of its own.
const PAUSE: Duration = Duration::from_secs(1);
/// After each examination, so that any number of askers cost Redis little. A verdict is not kept:
/// who asks meanwhile waits for the next one.
const PACE: Pace = Pace {
    fresh: Duration::ZERO,
    rest: Duration::from_millis(100),
};
/// Longest wait for a verdict: an examination bounds itself.
const ASK_MAX: Duration = Duration::from_secs(600);

/// Ready, with the durability in force, or why not.
pub type Verdict = Result<Verified>;

/// The running task. It ends when this value is dropped.
pub struct Readiness {
    asker: Asker,
    task: JoinHandle<()>,
}

/// Asks the task. Cheap to clone.
#[derive(Clone)]
pub struct Asker(Readings<Verdict>);

impl Readiness {
    /// Starts it on the current runtime, for `store` and everything that was cloned from it.
    /// `keeps_replies`: the ticket office is open, so keys with a TTL are used, too.
    pub fn start(store: &Store, keeps_replies: bool) -> Self {
        let readings = Readings::start(Inspector {
            examiner: store.examiner(),
            keeps_replies,
            not_ready: None,
            missing: None,
        });
        Self {
            asker: Asker(readings.clone()),
            task: tokio::spawn(ask_again_and_again(readings)),
        }
    }

    /// A way to ask it.
    pub fn asker(&self) -> Asker {
        self.asker.clone()
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Asker {
    /// The verdict of an examination that begins after this call, at most 100 ms later unless one
    /// is under way. All who ask meanwhile share it.
    ///
    /// # Errors
    /// Why buyers cannot be served as they were promised.
    pub async fn ask(&self) -> Verdict {
        let verdict = self.0.look(Some(Instant::now()), ASK_MAX).await;
        let none = |_| Failure::Busy("the server is stopping".to_owned());
        verdict.map_err(none)?.as_ref().clone()
    }
}

async fn ask_again_and_again(readings: Readings<Verdict>) {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        readings.wish();
    }
}

struct Inspector {
    examiner: Examiner,
    keeps_replies: bool,
    /// What the log said last about the verdict; `None`: ready.
    not_ready: Option<String>,
    /// What the log said last about commands that are missing.
    missing: Option<String>,
}

impl Reader for Inspector {
    type Seen = Verdict;

    async fn read(&mut self) -> (Verdict, Pace) {
        let verdict = self.examine().await;
        self.log(&verdict);
        (verdict, PACE)
    }
}

impl Inspector {
    async fn examine(&mut self) -> Verdict {
        let examination = self.examiner.examine().await?;
        self.log_missing(&examination);
        examination.verdict(self.keeps_replies)
    }

    /// Says each reason once, when it comes.
    fn log(&mut self, verdict: &Verdict) {
        let reason = verdict.as_ref().err().map(ToString::to_string);
        match &reason {
            Some(why) if reason != self.not_ready => tracing::warn!(why, "not ready"),
            None if self.not_ready.is_some() => tracing::info!("ready again"),
            _ => {}
        }
        self.not_ready = reason;
    }

    /// The same for commands without which the server sells, but does not do all its work.
    fn log_missing(&mut self, examination: &Examination) {
        let missing = examination.missing();
        let missing = missing.ok().filter(|missing| !missing.stops_sales);
        let needed = missing.and_then(|missing| missing.needed);
        let sentence = needed.as_ref().map(|needed| needed.sentence.clone());
        if let (Some(needed), true) = (&needed, sentence != self.missing) {
            tracing::warn!(
                "{}: {}; {}",
                needed.sentence,
                needed.consequences,
                needed.mend
            );
        }
        self.missing = sentence;
    }
}
