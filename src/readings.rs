//! One reading for all clients that ask at the same time.
//!
//! ```text
//! clients → the last reading, if it is fresh
//!         → one wish ─→ one task ─→ one reading for all that wait
//! ```
//!
//! The task rests after each reading, which bounds its work. A client that leaves does not stop the
//! reading for the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// What a task does to get a reading.
pub trait Reader: Send + 'static {
    /// What a reading shows.
    type Seen: Send + Sync + 'static;

    /// Reads, and decides how long the reading serves. A failure is a reading, too.
    fn read(&mut self) -> impl Future<Output = (Self::Seen, Pace)> + Send;
}

/// How long a reading serves, and how long the task rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// For this time from its end, clients get this reading.
    pub fresh: Duration,
    /// For this time from its end, no other reading begins.
    pub rest: Duration,
}

impl Pace {
    /// The last reading serves until the next one may begin.
    pub fn of(rest: Duration) -> Self {
        Self { fresh: rest, rest }
    }
}

/// Why there is no reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// No reading ended in time.
    Late,
    /// The server is stopping.
    Ended,
}

struct Reading<S> {
    seen: Arc<S>,
    began: Instant,
    fresh_until: Instant,
}

/// The readings of one task, which ends when all clones are gone.
pub struct Readings<S> {
    wishes: mpsc::Sender<()>,
    last: watch::Receiver<Option<Reading<S>>>,
}

impl<S> Clone for Readings<S> {
    fn clone(&self) -> Self {
        Self {
            wishes: self.wishes.clone(),
            last: self.last.clone(),
        }
    }
}

impl<S: Send + Sync + 'static> Readings<S> {
    /// Starts the task on the current runtime. It reads when a client asks.
    pub fn start(reader: impl Reader<Seen = S>) -> Self {
        // One waiting wish is enough: one reading serves all.
        let (wishes, wished) = mpsc::channel(1);
        let (published, last) = watch::channel(None);
        tokio::spawn(read_as_wished(reader, wished, published));
        Self { wishes, last }
    }

    /// Starts a reading for later callers.
    pub fn wish(&self) {
        // A full channel already holds a wish.
        let _ = self.wishes.try_send(());
    }

    /// The last reading if it began at most this long ago. Never waits. If it is not fresh, the
    /// next one begins.
    pub fn last(&self, age_max: Duration) -> Option<Arc<S>> {
        let last = self.last.borrow();
        let is_fresh = |reading: &Reading<S>| Instant::now() < reading.fresh_until;
        if !last.as_ref().is_some_and(is_fresh) {
            self.wish();
        }
        let young = last.as_ref().filter(|last| last.began.elapsed() <= age_max);
        young.map(|reading| reading.seen.clone())
    }

    /// The last reading if it is fresh, or else the next one. `since`: a reading that began before
    /// does not count. Waits for `patience` at most.
    ///
    /// # Errors
    /// No reading ended in time.
    pub async fn look(
        &self,
        since: Option<Instant>,
        patience: Duration,
    ) -> Result<Arc<S>, Missing> {
        let is_new = |reading: &Reading<S>| since.is_none_or(|since| reading.began >= since);
        let mut last = self.last.clone();
        let seen = |reading: &Option<Reading<S>>, now: Option<Instant>| {
            let good = reading.as_ref().filter(|reading| is_new(reading));
            let good = good.filter(|good| now.is_none_or(|now| now < good.fresh_until));
            good.map(|good| good.seen.clone())
        };
        if let Some(fresh) = seen(&last.borrow_and_update(), Some(Instant::now())) {
            return Ok(fresh);
        }
        self.wish();
        let next = async {
            loop {
                last.changed().await.map_err(|_| Missing::Ended)?;
                if let Some(next) = seen(&last.borrow_and_update(), None) {
                    return Ok(next);
                }
            }
        };
        timeout(patience, next).await.map_err(|_| Missing::Late)?
    }
}

async fn read_as_wished<R: Reader>(
    mut reader: R,
    mut wished: mpsc::Receiver<()>,
    published: watch::Sender<Option<Reading<R::Seen>>>,
) {
    while wished.recv().await.is_some() {
        let began = Instant::now();
        let (seen, pace) = reader.read().await;
        published.send_replace(Some(Reading {
            seen: Arc::new(seen),
            began,
            fresh_until: Instant::now() + pace.fresh,
        }));
        sleep(pace.rest).await;
    }
}
