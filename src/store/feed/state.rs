//! How long the feeds are, and how far the relays are behind.

use std::time::Duration;

use futures_util::{StreamExt, stream};

use redis::Value;

use super::GROUP;
use crate::failure::{Failure, Result};
use crate::store::Store;
use crate::store::connection::live::Live;
use crate::store::decode::{number, unexpected, word};
use crate::store::script::FEED_LAG;

/// Feeds that are asked about at once.
const FEEDS_AT_ONCE: usize = 16;

/// How a feed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedState {
    /// Entries that it has.
    pub entries: u64,
    /// How far the relays are behind; `None` when no relay ever read it.
    pub lag: Option<Lag>,
}

/// How far the relays are behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Entries that are not delivered yet.
    pub undelivered: u64,
    /// Age of the oldest of them.
    pub oldest: Duration,
    /// Entries that were given up.
    pub dead: u64,
}

impl Store {
    /// How far the relays are behind; `None` when no relay ever read this feed.
    pub async fn feed_lag(&self, event: &str) -> Result<Option<Lag>> {
        let connection = self.connection().await?;
        self.lag_on(&connection.live, event).await
    }

    async fn lag_on(&self, live: &Live, event: &str) -> Result<Option<Lag>> {
        let keys = [self.keys.feed(event), self.keys.dead(event)];
        let call = FEED_LAG.on(&keys).arg(GROUP);
        lag_of(self.look(live, call).await?)
    }

    /// Each feed, in the order of the events. One that cannot be read is an error of its own: it
    /// must not hide the others.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer.
    pub async fn feeds(&self) -> Result<Vec<(String, Result<FeedState>)>> {
        let events = self.events_with_feeds().await?;
        let connection = self.connection().await?;
        let states = events.into_iter().map(|event| async {
            let state = self.state_on(&connection.live, &event).await;
            (event, state)
        });
        let states: Vec<_> = states.collect();
        let mut states = stream::iter(states).buffered(FEEDS_AT_ONCE);
        let mut feeds = Vec::new();
        while let Some((event, state)) = states.next().await {
            if let Err(away @ Failure::Busy(_)) = state {
                return Err(away);
            }
            feeds.push((event, state));
        }
        Ok(feeds)
    }

    async fn state_on(&self, live: &Live, event: &str) -> Result<FeedState> {
        let entries = self.length_on(live, event).await?;
        let lag = self.lag_on(live, event).await?;
        Ok(FeedState { entries, lag })
    }

    /// How many entries the feed of the event has.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer.
    pub async fn feed_length(&self, event: &str) -> Result<u64> {
        let connection = self.connection().await?;
        self.length_on(&connection.live, event).await
    }

    async fn length_on(&self, live: &Live, event: &str) -> Result<u64> {
        let (feed, mut live) = (self.keys.feed(event), live.clone());
        let mut length = redis::cmd("XLEN");
        length.arg(&feed);
        self.read(&[&feed], length.query_async(&mut live)).await
    }
}

/// Decodes the reply of `feed_lag`; `None` when there is no such group.
fn lag_of(reply: Value) -> Result<Option<Lag>> {
    let script = "feed_lag";
    match reply {
        Value::Array(parts) => match parts.as_slice() {
            [undelivered, oldest, dead] => Ok(Some(Lag {
                undelivered: number(script, undelivered)?,
                oldest: Duration::from_millis(number(script, oldest)?),
                dead: number(script, dead)?,
            })),
            _ => Err(unexpected(script, &format!("{parts:?}"))),
        },
        other => match word(script, &other)?.as_str() {
            "no_such_group" => Ok(None),
            word => Err(unexpected(script, word)),
        },
    }
}
