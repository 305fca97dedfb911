//! Dead letters: entries of a feed that nobody can deliver, kept for operators.

use super::Store;
use super::feed::{GROUP, Row, text};
use super::reply::{unexpected, word};
use super::script::FEED_BURY;
use crate::domain::feed::Letter;
use crate::domain::sale::EpochMs;
use crate::error::Result;

/// An entry that was given up.
#[derive(Debug)]
pub struct DeadLetter {
    /// Its id among the dead letters.
    pub id: String,
    /// When it was given up, in epoch ms.
    pub buried_at: EpochMs,
    /// Why.
    pub reason: String,
    /// Its id in the feed.
    pub entry: String,
    /// What happened, to which order, as the entry says.
    pub what: String,
    /// Which order, as the entry says.
    pub order: String,
    /// The entry as it could be delivered now, or why it cannot be.
    pub letter: Result<Letter, String>,
}

impl Store {
    /// Moves an entry to the dead letters; nothing happens to one that the group is done with.
    pub async fn feed_bury(&self, event: &str, id: &str, reason: &str) -> Result<()> {
        let keys = [self.keys.feed(event), self.keys.dead(event)];
        let call = FEED_BURY.on(&keys).arg(GROUP).arg(id).arg(reason);
        match word("feed_bury", &self.send(call).await?)?.as_str() {
            "buried" | "not_pending" => Ok(()),
            other => Err(unexpected("feed_bury", other)),
        }
    }

    /// Up to `at_most` dead letters that came after the one with the id `after`, the oldest first.
    pub async fn feed_dead(
        &self,
        event: &str,
        after: Option<&str>,
        at_most: usize,
    ) -> Result<Vec<DeadLetter>> {
        let mut connection = self.connection().await?;
        let from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let mut range = redis::cmd("XRANGE");
        let dead = self.keys.dead(event);
        range.arg(&dead).arg(from).arg("+");
        range.arg("COUNT").arg(at_most);
        let rows = range.query_async(&mut *connection);
        let rows: Vec<Row> = self.read(&[&dead], rows).await?;
        let mut dead = Vec::with_capacity(rows.len());
        for (id, fields) in rows {
            let field = |name| text(fields.as_deref().unwrap_or_default(), name);
            let row = (field("entry"), fields.clone());
            let taken = self.joined(&mut connection, event, vec![row]).await?;
            let broken = || taken.broken.first().map(|broken| broken.why.clone());
            dead.push(DeadLetter {
                buried_at: id
                    .split('-')
                    .next()
                    .and_then(|ms| ms.parse().ok())
                    .unwrap_or(0),
                reason: field("reason"),
                entry: field("entry"),
                what: field("what"),
                order: field("order"),
                letter: taken
                    .letters
                    .into_iter()
                    .next()
                    .ok_or_else(|| broken().unwrap_or_default()),
                id,
            });
        }
        Ok(dead)
    }

    /// Removes a dead letter that was delivered after all.
    pub async fn feed_dead_remove(&self, event: &str, id: &str) -> Result<()> {
        let mut connection = self.connection().await?;
        let mut delete = redis::cmd("XDEL");
        let dead = self.keys.dead(event);
        delete.arg(&dead).arg(id);
        self.read(&[&dead], delete.query_async(&mut *connection))
            .await
    }
}
