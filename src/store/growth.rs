//! What grows: the memory of Redis, and the feeds.

use redis::Value;

use super::Store;
use super::server::ServerFacts;
use crate::domain::memory::Memory;
use crate::failure::{Failure, Result};

impl Store {
    /// How much memory Redis uses, and how much it may use.
    ///
    /// # Errors
    /// [`Failure::Busy`] when Redis is not there, or hides it.
    pub async fn memory(&self) -> Result<Memory> {
        let mut connection = self.connection().await?;
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        let info: String = self
            .read(&[], info.query_async(&mut connection.live))
            .await?;
        let hidden = || Failure::Busy("Redis does not say how much memory it uses".to_owned());
        ServerFacts::of(&info).memory().ok_or_else(hidden)
    }

    /// How many consumer groups read the feed of the event.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer; also when there is no such feed.
    pub async fn feed_groups(&self, event: &str) -> Result<usize> {
        let mut connection = self.connection().await?;
        let feed = self.keys.feed(event);
        let mut groups = redis::cmd("XINFO");
        groups.arg("GROUPS").arg(&feed);
        let groups: Vec<Value> = self
            .read(&[&feed], groups.query_async(&mut connection.live))
            .await?;
        Ok(groups.len())
    }
}
