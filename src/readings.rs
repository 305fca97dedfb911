//! What is read once for all who ask, however many they are.
//!
//! ```text
//! askers → the last reading, if it is fresh
//!        → one wish ─→ one task ─→ one reading for all who wait
//! ```
//!
//! The task rests after each reading, so that the work has a bound, too. Nobody who leaves takes a
//! reading from the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// What a task does to get a reading.
pub trait Reader: Send + 'static {
    /// What a reading shows.
    type Seen: Send + Sync + 'static;

    /// Reads, and says what becomes of the reading. A failure is a reading, too.
    fn read(&mut self) -> impl Future<Output = (Self::Seen, Pace)> + Send;
}

/// How long a reading serves those who ask, and what the task does then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// So long, from its end on, it is given to those who ask.
    pub fresh: Duration,
    /// So long, from its end on, no other begins.
    pub rest: Duration,
}

impl Pace {
    /// The last reading serves until the next one may begin.
    pub fn of(rest: Duration) -> Self {
        Self { fresh: rest, rest }
    }
}

/// Why nobody sees a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// None ended in time.
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
    /// Starts the task on the current runtime. It reads when somebody asks.
    pub fn start(reader: impl Reader<Seen = S>) -> Self {
        // One waiting wish is enough: a reading is for everybody.
        let (wishes, wished) = mpsc::channel(1);
        let (published, last) = watch::channel(None);
        tokio::spawn(read_as_wished(reader, wished, published));
        Self { wishes, last }
    }

    /// Lets a reading begin, for those who will ask.
    pub fn wish(&self) {
        // A full channel holds a wish already.
        let _ = self.wishes.try_send(());
    }

    /// The last reading if it began at most so long ago. Never waits. When it is not fresh, the
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

    /// The last reading if it is fresh, or else the next one. `since`: one that began before is
    /// not good enough. The wait takes `patience` at most.
    ///
    /// # Errors
    /// There is none in time.
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
