//! Dead letters: entries of a feed that nobody can deliver, kept for operators.

use super::{GROUP, Row, text};
use crate::domain::feed::Letter;
use crate::domain::time::EpochMs;
use crate::failure::Result;
use crate::store::connection::scan::{Pair, Scan, Scanner};
use crate::store::decode::{unexpected, word};
use crate::store::script::FEED_BURY;
use crate::store::{Store, feed};

/// Dead letters read in one step.
const PAGE_LETTERS: usize = 100;

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
        match word("feed_bury", &self.work(call).await?)?.as_str() {
            "buried" | "not_pending" => Ok(()),
            other => Err(unexpected("feed_bury", other)),
        }
    }

    /// All dead letters of the event, the oldest first.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer.
    pub async fn feed_dead(&self, event: &str) -> Result<Vec<DeadLetter>> {
        let letters = |mut scan: Scan| async {
            let mut letters: Vec<DeadLetter> = Vec::new();
            loop {
                let after = letters.last().map(|letter| letter.id.as_str());
                let page = scan.dead_page(event, after).await?;
                let is_last = page.len() < PAGE_LETTERS;
                letters.extend(page);
                if is_last {
                    return Ok((scan, letters));
                }
            }
        };
        self.read_whole(Scanner::Operator, letters).await
    }

    /// Removes a dead letter that was delivered after all.
    pub async fn feed_dead_remove(&self, event: &str, id: &str) -> Result<()> {
        let mut connection = self.connection().await?;
        let mut delete = redis::cmd("XDEL");
        let dead = self.keys.dead(event);
        delete.arg(&dead).arg(id);
        self.read(&[&dead], delete.query_async(&mut connection.live))
            .await
    }
}

impl Scan {
    /// The dead letters that came after the one with the id `after`, at most [`PAGE_LETTERS`].
    async fn dead_page(&mut self, event: &str, after: Option<&str>) -> Result<Vec<DeadLetter>> {
        let from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let mut range = redis::cmd("XRANGE");
        let dead = self.store().keys.dead(event);
        range.arg(&dead).arg(from).arg("+");
        range.arg("COUNT").arg(PAGE_LETTERS);
        let rows: Vec<Row> = self.ask(&[&dead], &range).await?;
        let mut page = Vec::with_capacity(rows.len());
        for (id, fields) in rows {
            page.push(self.dead_letter(event, id, fields).await?);
        }
        Ok(page)
    }

    async fn dead_letter(
        &mut self,
        event: &str,
        id: String,
        fields: Option<Vec<Pair>>,
    ) -> Result<DeadLetter> {
        let field = |name| text(fields.as_deref().unwrap_or_default(), name);
        let buried_at = id.split('-').next().and_then(|ms| ms.parse().ok());
        Ok(DeadLetter {
            buried_at: buried_at.unwrap_or(0),
            reason: field("reason"),
            entry: field("entry"),
            what: field("what"),
            order: field("order"),
            letter: self
                .letter(event, &field("entry"), fields.as_deref())
                .await?,
            id,
        })
    }

    /// An entry of the feed with its order, or why it cannot be delivered.
    async fn letter(
        &mut self,
        event: &str,
        id: &str,
        fields: Option<&[Pair]>,
    ) -> Result<Result<Letter, String>> {
        let entry = match feed::entry(event, id, fields) {
            Ok(entry) => entry,
            Err(why) => return Ok(Err(why)),
        };
        let orders = self.store().keys.orders(event);
        let found = self.fields(&orders, &[entry.order.as_str()]).await?;
        let order = feed::order(&entry, found.into_iter().next().flatten());
        Ok(order.map(|order| Letter { entry, order }))
    }
}
