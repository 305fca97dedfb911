//! The relay: delivers what happened to orders to the shop's order system.
//!
//! Every entry of every feed is delivered at least once. One relay delivers the entries of an
//! event in their order, but for those that are tried again; several relays share the entries.
//! Redis remembers who was given what (`store::feed`), so a relay may be killed at any time: its
//! entries go to another one.

mod bag;
mod body;
mod carrier;
mod receiver;
mod signature;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::receiver::{Answer, Receiver};

use self::carrier::{Carrier, Desk, is_stopping};
use crate::config;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::store::Store;

/// Pause between two looks for new events; longer when a look takes long.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// The looks take at most one part of this many of the time.
const LOOK_SHARE: u32 = 10;
/// Pause between two looks at the lag.
const LAG_PAUSE: Duration = Duration::from_secs(10);
/// Entries may wait so long before the log says that more and more do.
const LAG_MIN: Duration = Duration::from_secs(10);
/// Longest wait for what is in flight, beyond the longest wait for the receiver.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Delivers the feeds of all events.
pub struct Relay {
    desk: Arc<Desk>,
    carriers: HashMap<String, JoinHandle<()>>,
    undelivered: HashMap<String, u64>,
}

impl Relay {
    /// A relay as configured.
    ///
    /// # Errors
    /// As [`Receiver::new`].
    pub fn new(store: Store, settings: &config::Relay, metrics: Arc<Metrics>) -> Result<Self> {
        let worker = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
        let desk = Desk {
            store,
            receiver: Receiver::new(settings)?,
            metrics,
            settings: settings.clone(),
            worker,
        };
        Ok(Self {
            desk: Arc::new(desk),
            carriers: HashMap::new(),
            undelivered: HashMap::new(),
        })
    }

    /// Delivers until `stop` becomes true; what is in flight then is finished, what is not is left
    /// to the next relay.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut lag_at = Instant::now() + LAG_PAUSE;
        let for_carriers = stop.clone();
        while !is_stopping(&stop) {
            let look = async {
                let since = Instant::now();
                if let Err(error) = self.look(&for_carriers).await {
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
        let carriers = self.carriers.into_values();
        let all = futures_util::future::join_all(carriers);
        let patience = self.desk.settings.timeout + STOP_TIMEOUT;
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("not all that was in flight could be finished");
        }
    }

    /// Gives every feed its carrier.
    async fn look(&mut self, stop: &watch::Receiver<bool>) -> Result<()> {
        self.carriers.retain(|_, carrier| !carrier.is_finished());
        for event in self.desk.store.events_with_feeds().await? {
            if !self.carriers.contains_key(&event) && self.desk.store.feed_open(&event).await? {
                let carrier = Carrier::new(self.desk.clone(), event.clone()).run(stop.clone());
                self.carriers.insert(event, tokio::spawn(carrier));
            }
        }
        Ok(())
    }

    /// Says it when entries wait long and more wait than before.
    async fn tell_lag(&mut self) {
        for event in self.carriers.keys() {
            // Whoever cannot read this cannot deliver either, and says so.
            let Ok(Some(lag)) = self.desk.store.feed_lag(event).await else {
                continue;
            };
            let undelivered = lag.undelivered;
            let before = self.undelivered.insert(event.clone(), undelivered);
            if lag.oldest >= LAG_MIN && undelivered > before.unwrap_or(0) {
                let seconds = lag.oldest.as_secs();
                tracing::warn!(event, undelivered, seconds, "deliveries lag more and more");
            }
        }
    }
}
