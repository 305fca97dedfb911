//! The walk over the key space, for whoever looks for all keys of one kind.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::scan::{PAGE_ENTRIES, Scan, Scanner};
use crate::failure::Result;
use crate::store::Store;

/// Shorter rests are added up: timers are no finer.
const REST_MIN: Duration = Duration::from_millis(1);

impl Store {
    /// What `way_back` makes of the keys of this type that match `pattern`, in order and each once.
    /// Goes in small steps, and leaves Redis as much time between them as they took, unless this
    /// store is [for lookers](Store::for_lookers). A small key space is a single step, without any
    /// rest.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer.
    pub(in crate::store) async fn walk<T: Ord>(
        &self,
        pattern: &str,
        kind: &str,
        way_back: impl Fn(&str) -> Option<T>,
    ) -> Result<BTreeSet<T>> {
        let walk = |mut scan: Scan| async {
            let mut found = BTreeSet::new();
            let (mut cursor, mut owed) = (Some(0), Duration::ZERO);
            while let Some(at) = cursor {
                let asked_at = Instant::now();
                let (next, keys) = scan.keys_page(pattern, kind, at).await?;
                // Others may keep keys here that are no text.
                let keys = keys.iter().filter_map(|key| str::from_utf8(key).ok());
                found.extend(keys.filter_map(&way_back));
                cursor = next;
                owed += asked_at.elapsed();
                if self.walks_slowly && owed >= REST_MIN && cursor.is_some() {
                    sleep(owed).await;
                    owed = Duration::ZERO;
                }
            }
            Ok((scan, found))
        };
        self.read_whole(Scanner::Walk, walk).await
    }
}

impl Scan {
    /// The page of the key space at this cursor of `SCAN`, and the cursor of the next one.
    async fn keys_page(
        &mut self,
        pattern: &str,
        kind: &str,
        cursor: u64,
    ) -> Result<(Option<u64>, Vec<Vec<u8>>)> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern);
        scan.arg("COUNT").arg(PAGE_ENTRIES).arg("TYPE").arg(kind);
        let (next, keys): (u64, Vec<Vec<u8>>) = self.ask(&[], &scan).await?;
        Ok(((next != 0).then_some(next), keys))
    }
}
