//! Carries the feed of one event to the receiver: one step after the other, and every step may
//! fail and be taken again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::bag::{Bag, pause};
use super::receiver::{Answer, Receiver};
use crate::config;
use crate::failure::Result;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::feed::{Taken, entry_id};

/// Pauses between two looks at a feed in which nothing happens.
const QUIET_MIN: Duration = Duration::from_millis(20);
const QUIET_MAX: Duration = Duration::from_secs(1);
/// Pause between two trims.
const TRIM_PAUSE: Duration = Duration::from_secs(5);
/// A trim that dropped so many entries may have left more, and is done again at once.
const TRIM_MANY: u64 = 1000;
/// A worker shows its interest so many times in the time after which others take over.
const SIGNS_OF_LIFE: u32 = 3;

/// What all carriers of a relay share.
pub struct Desk {
    /// Where the feeds are.
    pub store: Store,
    /// Where they go.
    pub receiver: Receiver,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How.
    pub settings: config::Relay,
    /// The name of this relay among the consumers of its group; no other has it.
    pub worker: String,
}

/// Carries one feed.
pub struct Carrier {
    desk: Arc<Desk>,
    event: String,
    bag: Bag,
    /// Delivered and not acknowledged yet.
    delivered: Vec<u64>,
    keep: Every,
    take_over: Every,
    trim: Every,
}

/// What a step did.
enum Step {
    /// Something: the next one may be taken at once.
    Progress,
    /// Nothing; something is due then, if anything is held.
    Quiet(Option<Instant>),
    /// The feed is gone, and so is this carrier.
    Gone,
}

impl Carrier {
    /// A carrier for the feed of `event`.
    pub fn new(desk: Arc<Desk>, event: String) -> Self {
        let takeover = desk.settings.takeover;
        Self {
            bag: Bag::new(desk.settings.batch_max, desk.settings.attempts_max),
            delivered: Vec::new(),
            keep: Every::new(takeover / SIGNS_OF_LIFE),
            take_over: Every::new(takeover / SIGNS_OF_LIFE),
            trim: Every::new(TRIM_PAUSE),
            desk,
            event,
        }
    }

    /// Carries until told to stop, or until the feed is gone. What is in flight is finished.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let (mut errors, mut quiet) = (0, QUIET_MIN);
        while !is_stopping(&stop) {
            let rest = match self.step().await {
                Ok(Step::Gone) => return,
                Ok(Step::Progress) => {
                    (errors, quiet) = (0, QUIET_MIN);
                    continue;
                }
                Ok(Step::Quiet(due)) => {
                    (errors, quiet) = (0, (quiet * 2).min(QUIET_MAX));
                    let until_due = due.map(|due| due.saturating_duration_since(Instant::now()));
                    until_due.map_or(quiet, |until| until.min(quiet))
                }
                Err(error) => {
                    errors += 1;
                    // It may have been given entries that it never saw.
                    self.keep.at_once();
                    tracing::warn!(event = self.event, %error, "the feed is not at hand");
                    pause(errors)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                _ = stop.changed() => {}
            }
        }
        if let Err(error) = self.leave().await {
            tracing::warn!(event = self.event, %error, "others take over after a while only");
        }
    }

    async fn step(&mut self) -> Result<Step> {
        self.acknowledge().await?;
        if self.keep.is_due() {
            self.keep().await?;
        }
        if self.take_over.is_due() {
            self.take_over().await?;
        }
        if self.trim.is_due() {
            self.trim().await?;
        }
        let portion = self.bag.portion(Instant::now());
        if !portion.is_empty() {
            self.deliver(&portion).await?;
            return Ok(Step::Progress);
        }
        let room = self.bag.room(Instant::now());
        if room > 0 {
            let (store, worker) = (&self.desk.store, &self.desk.worker);
            let Some(taken) = store.feed_take(&self.event, worker, room).await? else {
                return Ok(Step::Gone);
            };
            if !taken.letters.is_empty() || !taken.broken.is_empty() {
                self.add(taken).await?;
                return Ok(Step::Progress);
            }
        }
        Ok(Step::Quiet(self.bag.due()))
    }

    async fn deliver(&mut self, portion: &[u64]) -> Result<()> {
        let (desk, event) = (self.desk.clone(), self.event.clone());
        let letters = self.bag.letters(portion);
        let answer = desk.receiver.deliver(&event, &letters).await;
        let (entries, now) = (portion.len(), Instant::now());
        let first = portion.first().copied().unwrap_or(0);
        match answer {
            Answer::Accepted => {
                desk.metrics.deliveries.delivered(entries);
                self.bag.accepted(portion);
                self.delivered.extend(portion);
                return self.acknowledge().await;
            }
            Answer::Refused(reason) => {
                if entries == 1 {
                    tracing::warn!(event, first, reason, "the receiver refused an entry");
                }
                if self.bag.refused(portion, desk.receiver.accepted(), now) {
                    return self.give_up(first, &reason).await;
                }
            }
            Answer::Failed(reason) => {
                tracing::warn!(event, first, entries, reason, "the receiver is in trouble");
                self.bag.failed(portion, now);
            }
        }
        desk.metrics.deliveries.retried(entries);
        Ok(())
    }

    async fn acknowledge(&mut self) -> Result<()> {
        let ids: Vec<String> = self.delivered.iter().map(|&seq| entry_id(seq)).collect();
        self.desk.store.feed_acknowledge(&self.event, &ids).await?;
        self.delivered.clear();
        Ok(())
    }

    async fn give_up(&mut self, seq: u64, reason: &str) -> Result<()> {
        self.bury(&entry_id(seq), reason).await?;
        self.bag.remove(&[seq]);
        Ok(())
    }

    async fn bury(&self, id: &str, reason: &str) -> Result<()> {
        self.desk.store.feed_bury(&self.event, id, reason).await?;
        self.desk.metrics.deliveries.dead();
        tracing::error!(
            event = self.event,
            id,
            reason,
            "an entry became a dead letter: see `seckill feed dead`"
        );
        Ok(())
    }

    /// Puts what was given into the bag. What cannot be delivered becomes a dead letter; when that
    /// fails, [`Carrier::keep`] finds it again.
    async fn add(&mut self, taken: Taken) -> Result<()> {
        self.bag.add(taken.letters, Instant::now());
        for broken in taken.broken {
            self.bury(&broken.id, &broken.why).await?;
        }
        Ok(())
    }

    /// Tells Redis that this worker lives, and learns what it was given: entries whose reply was
    /// lost are found, those that others took over are forgotten.
    async fn keep(&mut self) -> Result<()> {
        let known: HashSet<String> = self.known().map(entry_id).collect();
        let most = self.bag.capacity() + known.len();
        let (store, worker) = (&self.desk.store, &self.desk.worker);
        let kept = store.feed_keep(&self.event, worker, most, &known).await?;
        self.bag.retain(|seq| kept.ids.contains(&entry_id(seq)));
        self.add(kept.found).await?;
        self.keep.done();
        Ok(())
    }

    async fn take_over(&mut self) -> Result<()> {
        let idle = self.desk.settings.takeover;
        let room = self.bag.room(Instant::now());
        if room == 0 {
            return Ok(());
        }
        let (store, worker) = (&self.desk.store, &self.desk.worker);
        let mut taken = store
            .feed_take_over(&self.event, worker, idle, room)
            .await?;
        let known: HashSet<u64> = self.known().collect();
        taken
            .letters
            .retain(|letter| !known.contains(&letter.entry.seq));
        let entries = taken.letters.len();
        if entries < room {
            self.take_over.done();
        }
        if entries > 0 {
            tracing::info!(event = self.event, entries, "took over from another relay");
        }
        self.add(taken).await
    }

    async fn trim(&mut self) -> Result<()> {
        let dropped = self.desk.store.feed_trim(&self.event).await?;
        if dropped < TRIM_MANY {
            self.trim.done();
        }
        Ok(())
    }

    /// What this worker was given and knows of.
    fn known(&self) -> impl Iterator<Item = u64> {
        self.bag.seqs().chain(self.delivered.iter().copied())
    }

    /// Leaves what was not delivered to others.
    async fn leave(&mut self) -> Result<()> {
        self.acknowledge().await?;
        let ids: Vec<String> = self.bag.seqs().map(entry_id).collect();
        let (store, worker) = (&self.desk.store, &self.desk.worker);
        store.feed_give_back(&self.event, worker, &ids).await?;
        // Nobody else ever has its name: it would stay in the group for ever.
        store.feed_leave(&self.event, worker).await?;
        store.feed_trim(&self.event).await?;
        Ok(())
    }
}

/// True when told to stop, also by the end of whoever could tell.
pub fn is_stopping(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

/// Something that is done now and then, for the first time at once.
struct Every {
    period: Duration,
    next: Instant,
}

impl Every {
    fn new(period: Duration) -> Self {
        let next = Instant::now();
        Self { period, next }
    }

    fn is_due(&self) -> bool {
        Instant::now() >= self.next
    }

    fn at_once(&mut self) {
        self.next = Instant::now();
    }

    fn done(&mut self) {
        self.next = Instant::now() + self.period;
    }
}
