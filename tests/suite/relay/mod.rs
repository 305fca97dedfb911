//! The relay between a real Redis and a small receiver: every entry arrives, whatever fails.

mod command;
mod delivery;
mod fault;
mod poison;
mod sinks;

use std::collections::BTreeSet;
use std::sync::Arc;

use seckill::config;
use seckill::metrics::Metrics;
use seckill::relay::Relay;
use seckill::relay::sink::Sink;
use seckill::store::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::receiver::Receiver;
use crate::support::redis::World;

/// A relay in this process.
struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    metrics: Arc<Metrics>,
}

impl Running {
    fn start(world: &World, settings: &config::Relay) -> Self {
        Self::on(world.store.clone(), settings)
    }

    fn on(store: Store, settings: &config::Relay) -> Self {
        let metrics = Arc::new(Metrics::new().expect("registered"));
        let relay = Relay::new(store, settings, metrics.clone()).expect("a relay");
        Self::of(relay, metrics)
    }

    /// To these sinks.
    fn to(world: &World, sinks: Vec<Box<dyn Sink>>, settings: &config::Relay) -> Self {
        let metrics = Arc::new(Metrics::new().expect("registered"));
        let relay = Relay::to(sinks, world.store.clone(), settings, metrics.clone());
        Self::of(relay, metrics)
    }

    fn of(relay: Relay, metrics: Arc<Metrics>) -> Self {
        let (stop, stopping) = watch::channel(false);
        Self {
            stop,
            task: tokio::spawn(relay.run(stopping)),
            metrics,
        }
    }

    async fn stop(self) -> Arc<Metrics> {
        self.stop.send_replace(true);
        self.task.await.expect("it ends in order");
        self.metrics
    }
}

/// Entries of the long runs: few in `make test`, many in `make test-long`.
fn entries_of_a_run() -> usize {
    if std::env::var_os("SECKILL_TEST_ROUNDS").is_some() {
        100_000
    } else {
        5_000
    }
}

/// What is wrong with the deliveries of a feed with this many entries.
fn violations(seqs: &[u64], entries: u64) -> Vec<String> {
    let got: BTreeSet<u64> = seqs.iter().copied().collect();
    let missing = (1..=entries).filter(|seq| !got.contains(seq));
    let unknown = got.iter().filter(|seq| !(1..=entries).contains(seq));
    let missing = missing.map(|seq| format!("{seq} is missing"));
    missing
        .chain(unknown.map(|seq| format!("{seq} never happened")))
        .collect()
}

fn assert_complete(receiver: &Receiver, event: &str, entries: usize) {
    let wrong = violations(&receiver.seqs(event), entries as u64);
    assert!(
        wrong.is_empty(),
        "{} wrong, such as {:?}",
        wrong.len(),
        &wrong[..1]
    );
    assert_eq!(receiver.entries(event).len(), entries);
}

/// Consumers of the relays' group.
async fn consumers(world: &mut World, event: &str) -> usize {
    let feed = format!("{}{{{event}}}:feed", world.prefix);
    let consumers: Vec<redis::Value> = world.run(&["XINFO", "CONSUMERS", &feed, "relay"]).await;
    consumers.len()
}

/// Entries that came more than once.
fn repeated(receiver: &Receiver, event: &str) -> usize {
    let seqs = receiver.seqs(event);
    seqs.len() - seqs.iter().collect::<BTreeSet<_>>().len()
}

/// The control of the check above.
#[test]
fn a_gap_and_a_stranger_are_named() {
    assert_eq!(violations(&[2, 1, 2, 3], 3), [""; 0]);
    assert_eq!(
        violations(&[1, 3, 4], 3),
        ["2 is missing", "4 never happened"]
    );
}
