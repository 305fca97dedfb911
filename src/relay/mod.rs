//! The relay: delivers what happened to orders to the sinks, such as the shop's order system.
//!
//! Every entry of every feed is delivered at least once to every sink. One relay delivers the
//! entries of an event in their order, but for those that are tried again; several relays share the
//! entries. Redis remembers who was given what (`store::feed`), so a relay may be killed at any
//! time: its entries go to another one.

mod in_flight;
mod message;
pub mod sink;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::sink::Sink;
use self::worker::{Outlet, Worker, is_stopping};
use crate::config;
use crate::domain::feed::Feed;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::store::Store;

/// Pause between two looks for new events; longer when a look takes long.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// The looks take at most one part of this many of the time.
const LOOK_SHARE: u32 = 10;
/// Pause between two looks at the lag.
const LAG_PAUSE: Duration = Duration::from_secs(10);
/// The log warns of a growing backlog when its oldest entry is older than this.
const LAG_MIN: Duration = Duration::from_secs(10);
/// Longest wait for what is in flight, beyond the longest wait for the receiver.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Delivers the feeds of all events.
pub struct Relay {
    store: Store,
    /// One for each sink.
    outlets: Vec<Arc<Outlet>>,
    workers: HashMap<Feed, JoinHandle<()>>,
    undelivered: HashMap<Feed, u64>,
    /// Longest wait for what is in flight at the end.
    patience: Duration,
}

impl Relay {
    /// A relay to the sinks of these settings.
    ///
    /// # Errors
    /// As [`sink::configured`].
    pub fn new(store: Store, settings: &config::Relay, metrics: Arc<Metrics>) -> Result<Self> {
        let sinks = sink::configured(settings)?;
        Ok(Self::to(sinks, store, settings, metrics))
    }

    /// A relay to these sinks, each of which has a group of its own.
    pub fn to(
        sinks: Vec<Box<dyn Sink>>,
        store: Store,
        settings: &config::Relay,
        metrics: Arc<Metrics>,
    ) -> Self {
        let consumer = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
        let outlet = |sink| Outlet {
            store: store.clone(),
            sink,
            accepted: AtomicU64::new(0),
            metrics: metrics.clone(),
            settings: settings.clone(),
            consumer: consumer.clone(),
        };
        Self {
            outlets: sinks.into_iter().map(outlet).map(Arc::new).collect(),
            workers: HashMap::new(),
            undelivered: HashMap::new(),
            patience: settings.timeout + STOP_TIMEOUT,
            store,
        }
    }

    /// Where it delivers to.
    pub fn sinks(&self) -> impl Iterator<Item = &dyn Sink> {
        self.outlets.iter().map(|outlet| &*outlet.sink)
    }

    /// Delivers until `stop` becomes true; what is in flight then is finished, what is not is left
    /// to the next relay.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut lag_at = Instant::now() + LAG_PAUSE;
        let for_workers = stop.clone();
        while !is_stopping(&stop) {
            let look = async {
                let since = Instant::now();
                if let Err(error) = self.look(&for_workers).await {
                    tracing::warn!(%error, "cannot look for feeds");
                }
                if Instant::now() >= lag_at {
                    self.tell_lag().await;
                    lag_at = Instant::now() + LAG_PAUSE;
                }
                let rest = LOOK_PAUSE.max(since.elapsed() * LOOK_SHARE);
                tokio::time::sleep(rest).await;
            };
            tokio::select! {
                () = look => {}
                _ = stop.changed() => {}
            }
        }
        let all = futures_util::future::join_all(self.workers.into_values());
        if tokio::time::timeout(self.patience, all).await.is_err() {
            tracing::warn!("not all that was in flight could be finished");
        }
    }

    /// Gives every feed a worker for each sink.
    async fn look(&mut self, stop: &watch::Receiver<bool>) -> Result<()> {
        self.workers.retain(|_, worker| !worker.is_finished());
        for event in self.store.events_with_feeds().await? {
            let mut workers = Vec::new();
            for outlet in &self.outlets {
                let feed = Feed::new(&event, outlet.sink.group());
                if !self.workers.contains_key(&feed) && self.store.feed_open(&feed).await? {
                    workers.push((feed.clone(), Worker::new(outlet.clone(), feed)));
                }
            }
            // Not before every sink has its group: a worker drops what all groups have settled.
            for (feed, worker) in workers {
                let worker = tokio::spawn(worker.run(stop.clone()));
                self.workers.insert(feed, worker);
            }
        }
        Ok(())
    }

    /// Says it when entries wait long and more wait than before.
    async fn tell_lag(&mut self) {
        for feed in self.workers.keys() {
            // A worker that cannot read this cannot deliver either, and says so.
            let Ok(Some(lag)) = self.store.feed_lag(feed).await else {
                continue;
            };
            let undelivered = lag.undelivered;
            let before = self.undelivered.insert(feed.clone(), undelivered);
            if lag.oldest >= LAG_MIN && undelivered > before.unwrap_or(0) {
                let Feed { event, group } = feed;
                let (group, seconds) = (group.label(), lag.oldest.as_secs());
                tracing::warn!(
                    event,
                    group,
                    undelivered,
                    seconds,
                    "the delivery backlog is growing"
                );
            }
        }
    }
}
