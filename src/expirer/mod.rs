//! The expirer: gives back what nobody confirmed in time.
//!
//! Every server runs one, and none is the leader: an order expires in one script, which does it
//! once however many ask. It works in small batches, and rests as long as a batch took, so that the
//! doors get at least half of Redis however long the backlog is.

mod clock;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use self::clock::Clock;
use crate::failure::{Failure, Result};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::orders::holds::{ExpireOutcome, Slice};

/// Between two looks at the holds of an event while nothing is overdue.
const TICK: Duration = Duration::from_millis(100);
/// Between two searches for events with holds.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);
/// A search may take this part of the time, however many keys there are.
const SEARCH_SHARE: u32 = 10;
/// Most orders in one script call: about a millisecond of Redis.
const BATCH_ORDERS_MAX: usize = 100;
/// After a failure the pause doubles from a tick up to this.
const FAILURE_PAUSE_MAX: Duration = Duration::from_secs(2);
/// Most expirers that one believes to be at work; more would make it rest too long.
const EXPIRERS_MAX: u32 = 32;
/// Broken orders that a line of the log names.
const BROKEN_NAMED_MAX: usize = 3;

/// A running expirer. It ends when this value is stopped or dropped.
pub struct Expirer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Expirer {
    /// Starts one on the current runtime.
    pub fn start(store: &Store, metrics: Arc<Metrics>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let rounds = Rounds {
            store: store.clone(),
            metrics,
            events: BTreeMap::new(),
            search_at: Instant::now(),
            clock: Clock::default(),
            failures: Failures::default(),
        };
        let task = tokio::spawn(async move {
            // A script that is in flight ends in Redis, whole, whether or not anybody waits.
            tokio::select! {
                () = rounds.run() => {}
                _ = stopped => {}
            }
        });
        Self { stop, task }
    }

    /// Stops it and waits until it has stopped.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the expirer had ended");
        }
    }
}

/// Round after round over all events with holds.
struct Rounds {
    store: Store,
    metrics: Arc<Metrics>,
    events: BTreeMap<String, Event>,
    search_at: Instant,
    clock: Clock,
    failures: Failures,
}

impl Rounds {
    async fn run(mut self) {
        loop {
            let pause = match self.round().await {
                Ok(None) => TICK,
                Ok(Some(backlog)) => {
                    self.failures.end("expiring orders again");
                    self.metrics.expiry.overdue(backlog);
                    if backlog > 0 { Duration::ZERO } else { TICK }
                }
                Err(error) => {
                    self.metrics.redis_error(&error);
                    self.failures.another(&error, "no order expires")
                }
            };
            sleep(pause).await;
        }
    }

    /// One batch for each event; how many orders are still overdue. `None` while none may expire.
    async fn round(&mut self) -> Result<Option<u64>> {
        self.search().await?;
        if self.events.is_empty() {
            // So that a step is seen of which the first hold knows nothing.
            let due = self.clock.due(&self.store, &self.metrics, SEARCH_PAUSE);
            return Ok(due.await?.map(|_| 0));
        }
        let mut backlog = 0;
        for (name, event) in &mut self.events {
            if event.retry_at > Instant::now() {
                continue;
            }
            let due = self.clock.due(&self.store, &self.metrics, TICK);
            let Some(due) = due.await? else {
                return Ok(None);
            };
            let asked_at = Instant::now();
            let expired = self
                .store
                .order_expire(name, due, BATCH_ORDERS_MAX, event.slice());
            match expired.await {
                Ok(outcome) => {
                    event.failures.end("orders of the event expire again");
                    report(&self.metrics, name, &outcome);
                    backlog += outcome.left;
                    sleep(event.rest(&outcome, asked_at.elapsed())).await;
                }
                Err(error) => {
                    // Redis is away, or this event is broken, which must not hold up the others.
                    self.store.ping().await?;
                    self.metrics.redis_error(&error);
                    let what = format!("no order of event {name} expires");
                    event.retry_at = Instant::now() + event.failures.another(&error, &what);
                }
            }
        }
        Ok(Some(backlog))
    }

    /// Looks for events with holds, now and then.
    async fn search(&mut self) -> Result<()> {
        let asked_at = Instant::now();
        if asked_at < self.search_at {
            return Ok(());
        }
        let found = self.store.events_with_holds().await?;
        self.events.retain(|name, _| found.contains(name));
        for name in found {
            self.events.entry(name).or_insert_with(Event::new);
        }
        let pause = SEARCH_PAUSE.max(asked_at.elapsed() * SEARCH_SHARE);
        self.search_at = Instant::now() + pause;
        Ok(())
    }
}

fn report(metrics: &Metrics, event: &str, outcome: &ExpireOutcome) {
    metrics
        .expiry
        .expired(outcome.expired, outcome.broken.len(), outcome.late);
    if outcome.expired > 0 {
        let (expired, left, late) = (outcome.expired, outcome.left, outcome.late);
        tracing::debug!(event, expired, left, ?late, "orders expired");
    }
    if !outcome.broken.is_empty() {
        let count = outcome.broken.len();
        let named = outcome.broken.iter().take(BROKEN_NAMED_MAX);
        let named: Vec<&str> = named.map(String::as_str).collect();
        tracing::error!(
            event,
            count,
            first = named.join("; "),
            "overdue orders that cannot expire: nothing of them is lost, `seckill audit --deep` \
             says more; the next try is in a minute"
        );
    }
}

/// What is known of an event from round to round.
struct Event {
    /// How many orders were overdue after the last batch.
    left: u64,
    /// How many expirers seem to be at work here, this one included.
    expirers: u32,
    retry_at: Instant,
    failures: Failures,
}

impl Event {
    fn new() -> Self {
        Self {
            left: 0,
            expirers: 1,
            retry_at: Instant::now(),
            failures: Failures::default(),
        }
    }

    fn slice(&self) -> Slice {
        if self.expirers > 1 {
            Slice::Anywhere
        } else {
            Slice::First
        }
    }

    /// How long to leave Redis alone after a batch that took so long: all expirers together take
    /// half of it. Others are seen by what is gone from the backlog since the last batch.
    fn rest(&mut self, outcome: &ExpireOutcome, took: Duration) -> Duration {
        let batch = outcome.handled();
        if batch == 0 {
            *self = Self::new();
            return Duration::ZERO;
        }
        let gone = self.left.saturating_sub(outcome.left);
        let contested = u64::from(outcome.settled > 0);
        let expirers = (gone / batch).max(1 + contested);
        self.expirers = u32::try_from(expirers)
            .unwrap_or(EXPIRERS_MAX)
            .min(EXPIRERS_MAX);
        self.left = outcome.left;
        took * (2 * self.expirers - 1)
    }
}

/// Failures in a row, of which the log hears once.
#[derive(Default)]
struct Failures {
    in_a_row: u32,
}

impl Failures {
    /// Another one: how long to wait before the next try.
    fn another(&mut self, error: &Failure, what: &str) -> Duration {
        if self.in_a_row == 0 {
            tracing::warn!(%error, "{what}: trying again");
        }
        self.in_a_row += 1;
        let doubled = TICK * 2u32.saturating_pow(self.in_a_row.min(16));
        doubled.min(FAILURE_PAUSE_MAX)
    }

    fn end(&mut self, what: &str) {
        if self.in_a_row > 0 {
            tracing::info!(failures = self.in_a_row, "{what}");
            self.in_a_row = 0;
        }
    }
}
