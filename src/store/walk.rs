//! The walk over the key space, for whoever looks for all keys of one kind.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Store;
use crate::error::Result;

/// Keys that one step looks at: a part of a millisecond of Redis.
const STEP_KEYS: usize = 1000;
/// Shorter rests are added up: timers are no finer.
const REST_MIN: Duration = Duration::from_millis(1);

impl Store {
    /// What `way_back` makes of the keys of this type that match `pattern`, in order and each once.
    /// Goes in small steps, and leaves Redis as much time between them as they took. A small key
    /// space is a single step, without any rest.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer.
    pub(super) async fn walk<T: Ord>(
        &self,
        pattern: &str,
        kind: &str,
        way_back: impl Fn(&str) -> Option<T>,
    ) -> Result<BTreeSet<T>> {
        let mut connection = self.connection().await?;
        let mut found = BTreeSet::new();
        let (mut cursor, mut owed) = (0u64, Duration::ZERO);
        loop {
            let asked_at = Instant::now();
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern);
            scan.arg("COUNT").arg(STEP_KEYS).arg("TYPE").arg(kind);
            let (next, keys): (u64, Vec<Vec<u8>>) =
                self.read(&[], scan.query_async(&mut *connection)).await?;
            // Others may keep keys here that are no text.
            let keys = keys.iter().filter_map(|key| str::from_utf8(key).ok());
            found.extend(keys.filter_map(&way_back));
            if next == 0 {
                return Ok(found);
            }
            cursor = next;
            owed += asked_at.elapsed();
            if owed >= REST_MIN {
                sleep(owed).await;
                owed = Duration::ZERO;
            }
        }
    }
}
