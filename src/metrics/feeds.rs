//! The feeds, as they were read at scrape time.

use std::time::Duration;

use prometheus::Registry;

use super::{gauge, gauges};

/// The feed of one event, read from Redis.
#[derive(Debug)]
pub struct FeedFigures {
    /// The event.
    pub event: String,
    /// Entries that it has.
    pub entries: u64,
    /// How far the relays are behind; `None` when no relay ever read it.
    pub lag: Option<LagFigures>,
}

/// How far the relays are behind a feed.
#[derive(Debug)]
pub struct LagFigures {
    /// Entries that are not delivered yet.
    pub undelivered: u64,
    /// Age of the oldest of them.
    pub oldest: Duration,
    /// Entries that were given up.
    pub dead: u64,
}

/// How long the feeds are and how far the relays are behind, in a registry of its own.
pub(super) fn registry(feeds: &[FeedFigures]) -> prometheus::Result<Registry> {
    let registry = Registry::new();
    let gauges = |name, help| gauges(&registry, name, help, &["event"]);
    let undelivered = gauges(
        "seckill_feed_undelivered",
        "Entries of a feed that no relay has delivered yet",
    )?;
    let oldest = gauges(
        "seckill_feed_oldest_seconds",
        "Age of the oldest entry of a feed that no relay has delivered yet",
    )?;
    let dead = gauges(
        "seckill_feed_dead_letters",
        "Entries of a feed that were given up",
    )?;
    let entries = gauges("seckill_feed_entries", "Entries that a feed has in Redis")?;
    for feed in feeds {
        let event = [feed.event.as_str()];
        entries.with_label_values(&event).set(gauge(feed.entries));
        let Some(lag) = &feed.lag else { continue };
        undelivered
            .with_label_values(&event)
            .set(gauge(lag.undelivered));
        oldest
            .with_label_values(&event)
            .set(gauge(lag.oldest.as_secs()));
        dead.with_label_values(&event).set(gauge(lag.dead));
    }
    Ok(registry)
}
