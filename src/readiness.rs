//! Readiness: can buyers be served now? A task of its own asks Redis each second, and whenever
//! somebody asks the server. What it learns also decides whether scripts may be sent at all.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::examiner::{Examination, Examiner};
use crate::store::server::Verified;

/// Between two questions of its own.
const PAUSE: Duration = Duration::from_secs(1);
/// Askers that may wait for the next verdict; more are told that the server is busy.
const ASKERS_MAX: usize = 1024;

/// Ready, with the durability in force, or why not.
pub type Verdict = Result<Verified>;

/// The running task. It ends when this value is dropped.
pub struct Readiness {
    asker: Asker,
    task: JoinHandle<()>,
}

/// Asks the task. Cheap to clone.
#[derive(Clone)]
pub struct Asker(mpsc::Sender<oneshot::Sender<Verdict>>);

impl Readiness {
    /// Starts it on the current runtime, for `store` and everything that was cloned from it.
    /// `keeps_replies`: the ticket office is open, so keys with a TTL are used, too.
    pub fn start(store: &Store, keeps_replies: bool) -> Self {
        let (asker, asked) = mpsc::channel(ASKERS_MAX);
        let task = Task {
            examiner: store.examiner(),
            keeps_replies,
            asked,
            not_ready: None,
            missing: None,
        };
        Self {
            asker: Asker(asker),
            task: tokio::spawn(task.run()),
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
    /// The verdict of an examination that begins after this call. All who ask meanwhile share it.
    ///
    /// # Errors
    /// Why buyers cannot be served as they were promised.
    pub async fn ask(&self) -> Verdict {
        let busy = |why: &str| Error::Busy(why.to_owned());
        let (answer, verdict) = oneshot::channel();
        let asked = self.0.try_send(answer);
        asked.map_err(|_| busy("too many ask whether this server is ready"))?;
        verdict.await.map_err(|_| busy("the server is stopping"))?
    }
}

struct Task {
    examiner: Examiner,
    keeps_replies: bool,
    asked: mpsc::Receiver<oneshot::Sender<Verdict>>,
    /// What the log said last about the verdict; `None`: ready.
    not_ready: Option<String>,
    /// What the log said last about commands that are missing.
    missing: Option<String>,
}

impl Task {
    async fn run(mut self) {
        let mut ticks = interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asking = Vec::new();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                count = self.asked.recv_many(&mut asking, ASKERS_MAX) => {
                    if count == 0 {
                        return;
                    }
                }
            }
            while let Ok(asker) = self.asked.try_recv() {
                asking.push(asker);
            }
            let verdict = self.examine().await;
            self.log(&verdict);
            for asker in asking.drain(..) {
                // An asker that went away needs no answer.
                let _ = asker.send(verdict.clone());
            }
        }
    }

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
