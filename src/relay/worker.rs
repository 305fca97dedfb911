//! Delivers one feed to one sink, in steps. A step that fails is repeated.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::in_flight::{BACK_OFF, InFlight};
use super::sink::{Answer, Sink};
use crate::config;
use crate::domain::feed::Feed;
use crate::failure::{Failure, Result};
use crate::metrics::Metrics;
use crate::retry::Failures;
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

/// What all workers of one sink share.
pub struct Outlet {
    /// Where the feeds are.
    pub store: Store,
    /// Where they go.
    pub sink: Box<dyn Sink>,
    /// Deliveries that the sink accepted since the start.
    pub accepted: AtomicU64,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How.
    pub settings: config::Relay,
    /// The name of this relay among the consumers of the group; no other has it.
    pub consumer: String,
}

/// Delivers one feed.
pub struct Worker {
    outlet: Arc<Outlet>,
    feed: Feed,
    in_flight: InFlight,
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
    /// The feed is gone, and so is this worker.
    Gone,
}

impl Worker {
    /// A worker for this feed, whose group is that of the sink.
    pub fn new(outlet: Arc<Outlet>, feed: Feed) -> Self {
        let takeover = outlet.settings.takeover;
        Self {
            in_flight: InFlight::new(outlet.settings.batch_max, outlet.settings.attempts_max),
            delivered: Vec::new(),
            keep: Every::new(takeover / SIGNS_OF_LIFE),
            take_over: Every::new(takeover / SIGNS_OF_LIFE),
            trim: Every::new(TRIM_PAUSE),
            outlet,
            feed,
        }
    }

    /// Delivers until told to stop, or until the feed is gone. What is in flight is finished.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let (mut failures, mut quiet) = (Failures::new(BACK_OFF), QUIET_MIN);
        while !is_stopping(&stop) {
            let rest = match self.step().await {
                Ok(Step::Gone) => return,
                Ok(Step::Progress) => {
                    failures.end();
                    quiet = QUIET_MIN;
                    continue;
                }
                Ok(Step::Quiet(due)) => {
                    failures.end();
                    quiet = (quiet * 2).min(QUIET_MAX);
                    let until_due = due.map(|due| due.saturating_duration_since(Instant::now()));
                    until_due.map_or(quiet, |until| until.min(quiet))
                }
                Err(error) => {
                    // It may have been given entries that it never saw.
                    self.keep.at_once();
                    self.warn(&error, "cannot process the feed; trying again");
                    failures.another()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                _ = stop.changed() => {}
            }
        }
        if let Err(error) = self.leave().await {
            self.warn(
                &error,
                "could not hand over what is in flight; others take it over after relay.takeover",
            );
        }
    }

    fn warn(&self, error: &Failure, what: &str) {
        let Feed { event, group } = &self.feed;
        tracing::warn!(event, group = group.label(), %error, "{what}");
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
        let batch = self.in_flight.batch(Instant::now());
        if !batch.is_empty() {
            self.deliver(&batch).await?;
            return Ok(Step::Progress);
        }
        let room = self.in_flight.room(Instant::now());
        if room > 0 {
            let (store, consumer) = (&self.outlet.store, &self.outlet.consumer);
            let Some(taken) = store.feed_take(&self.feed, consumer, room).await? else {
                return Ok(Step::Gone);
            };
            if !taken.messages.is_empty() || !taken.broken.is_empty() {
                self.add(taken).await?;
                return Ok(Step::Progress);
            }
        }
        Ok(Step::Quiet(self.in_flight.due()))
    }

    async fn deliver(&mut self, batch: &[u64]) -> Result<()> {
        let (outlet, feed) = (self.outlet.clone(), self.feed.clone());
        let (event, group) = (&feed.event, feed.group.label());
        let messages = self.in_flight.messages(batch);
        let answer = outlet.sink.deliver(event, &messages).await;
        let (entries, now) = (batch.len(), Instant::now());
        let first = batch.first().copied().unwrap_or(0);
        match answer {
            Answer::Accepted => {
                outlet.accepted.fetch_add(1, Ordering::Relaxed);
                outlet.metrics.deliveries.delivered(entries);
                self.in_flight.accepted(batch);
                self.delivered.extend(batch);
                return self.acknowledge().await;
            }
            Answer::Refused(reason) => {
                if entries == 1 {
                    tracing::warn!(event, group, first, reason, "the receiver refused an entry");
                }
                let accepted = outlet.accepted.load(Ordering::Relaxed);
                if self.in_flight.refused(batch, accepted, now) {
                    return self.give_up(first, &reason).await;
                }
            }
            Answer::Failed(reason) => {
                let what = "the receiver is in trouble";
                tracing::warn!(event, group, first, entries, reason, "{what}");
                self.in_flight.failed(batch, now);
            }
        }
        outlet.metrics.deliveries.retried(entries);
        Ok(())
    }

    async fn acknowledge(&mut self) -> Result<()> {
        let ids: Vec<String> = self.delivered.iter().map(|&seq| entry_id(seq)).collect();
        self.outlet.store.feed_acknowledge(&self.feed, &ids).await?;
        self.delivered.clear();
        Ok(())
    }

    async fn give_up(&mut self, seq: u64, reason: &str) -> Result<()> {
        self.bury(&entry_id(seq), reason).await?;
        self.in_flight.remove(&[seq]);
        Ok(())
    }

    async fn bury(&self, id: &str, reason: &str) -> Result<()> {
        self.outlet.store.feed_bury(&self.feed, id, reason).await?;
        self.outlet.metrics.deliveries.dead();
        tracing::error!(
            event = self.feed.event,
            group = self.feed.group.label(),
            id,
            reason,
            "an entry became a dead letter: see `seckill feed dead`"
        );
        Ok(())
    }

    /// Takes in what was given. What cannot be delivered becomes a dead letter; when that fails,
    /// [`Worker::keep`] finds it again.
    async fn add(&mut self, taken: Taken) -> Result<()> {
        self.in_flight.add(taken.messages, Instant::now());
        for broken in taken.broken {
            self.bury(&broken.id, &broken.why).await?;
        }
        Ok(())
    }

    /// Tells Redis that this worker lives, and learns what it was given: entries whose reply was
    /// lost are found, those that others took over are forgotten.
    async fn keep(&mut self) -> Result<()> {
        let known: HashSet<String> = self.known().map(entry_id).collect();
        let most = self.in_flight.capacity() + known.len();
        let (store, consumer) = (&self.outlet.store, &self.outlet.consumer);
        let kept = store.feed_keep(&self.feed, consumer, most, &known).await?;
        self.in_flight
            .retain(|seq| kept.ids.contains(&entry_id(seq)));
        self.add(kept.found).await?;
        self.keep.done();
        Ok(())
    }

    async fn take_over(&mut self) -> Result<()> {
        let idle = self.outlet.settings.takeover;
        let room = self.in_flight.room(Instant::now());
        if room == 0 {
            return Ok(());
        }
        let (store, consumer) = (&self.outlet.store, &self.outlet.consumer);
        let mut taken = store
            .feed_take_over(&self.feed, consumer, idle, room)
            .await?;
        let known: HashSet<u64> = self.known().collect();
        taken
            .messages
            .retain(|message| !known.contains(&message.entry.seq));
        let entries = taken.messages.len();
        if entries < room {
            self.take_over.done();
        }
        if entries > 0 {
            let Feed { event, group } = &self.feed;
            let group = group.label();
            tracing::info!(event, group, entries, "took over from another relay");
        }
        self.add(taken).await
    }

    async fn trim(&mut self) -> Result<()> {
        let dropped = self.outlet.store.feed_trim(&self.feed.event).await?;
        if dropped < TRIM_MANY {
            self.trim.done();
        }
        Ok(())
    }

    /// What this worker was given and knows of.
    fn known(&self) -> impl Iterator<Item = u64> {
        self.in_flight.seqs().chain(self.delivered.iter().copied())
    }

    /// Leaves what was not delivered to others.
    async fn leave(&mut self) -> Result<()> {
        self.acknowledge().await?;
        let ids: Vec<String> = self.in_flight.seqs().map(entry_id).collect();
        let (store, consumer) = (&self.outlet.store, &self.outlet.consumer);
        store.feed_give_back(&self.feed, consumer, &ids).await?;
        // Nobody else ever has its name: it would stay in the group for ever.
        store.feed_leave(&self.feed, consumer).await?;
        store.feed_trim(&self.feed.event).await?;
        Ok(())
    }
}

/// True when told to stop, or when nobody is left who could tell.
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
