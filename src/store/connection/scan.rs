//! A scan: readings that belong together, all of them from one server.
//!
//! A cursor of `SCAN`, `HSCAN` or `ZSCAN` is a place in a hash table of one server process. Another
//! server that gets this cursor skips entries and reports no error. A connection cannot change its
//! server, so a scan owns one connection from its first reading to its last.
//!
//! After a failover, that server may be a replica that lags. So a scan asks at its end whether the
//! server is a master. It asks with `HELLO`, which every user may send: `ROLE` and `INFO` may be
//! forbidden.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Pipeline, ToRedisArgs};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::Connected;
use super::live::Live;
use crate::failure::{Failure, Result};
use crate::store::{OPERATOR_TIMEOUT, Store};

/// Entries that one page asks for: about a millisecond of Redis.
pub(in crate::store) const PAGE_ENTRIES: usize = 1000;
/// How often [`Store::read_whole`] begins.
const TRIES_MAX: usize = 3;
/// Pause before it begins again: an address needs a moment to lead to the new master.
const TRY_PAUSE: Duration = Duration::from_millis(100);

/// A field of a hash and its value, or a member of a sorted set and its score.
pub(in crate::store) type Pair = (Vec<u8>, Vec<u8>);

/// Who scans. Scans of one kind never wait for those of another.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Scanner {
    /// Walks over the key space, by roles in the background.
    Walk,
    /// Gates that learn the buyers of a sale.
    Gate,
    /// Audits, exports and lists, which may take long.
    Operator,
}

impl Scanner {
    /// How many scans of this kind a store runs at once.
    fn at_once(self) -> usize {
        match self {
            Self::Walk | Self::Gate => 4,
            Self::Operator => 16,
        }
    }
}

/// The scans of a store: how many may begin, and connections that wait for the next one.
pub(in crate::store) struct Scans([Kind; 3]);

struct Kind {
    free: Arc<Semaphore>,
    idle: Mutex<Option<Connected>>,
}

impl Scans {
    pub(in crate::store) fn new() -> Self {
        let kinds = [Scanner::Walk, Scanner::Gate, Scanner::Operator];
        Self(kinds.map(|scanner| Kind {
            free: Arc::new(Semaphore::new(scanner.at_once())),
            idle: Mutex::new(None),
        }))
    }

    async fn turn(&self, scanner: Scanner) -> Result<OwnedSemaphorePermit> {
        let free = self.0[scanner as usize].free.clone();
        let full = || Failure::Busy(format!("{} scans are running", scanner.at_once()));
        let turn = timeout(OPERATOR_TIMEOUT, free.acquire_owned());
        turn.await.map_err(|_| full())?.map_err(|_| full())
    }

    fn idle(&self, scanner: Scanner) -> MutexGuard<'_, Option<Connected>> {
        let idle = self.0[scanner as usize].idle.lock();
        idle.unwrap_or_else(PoisonError::into_inner)
    }
}

async fn whole<T>(reading: impl Future<Output = Result<(Scan, T)>>) -> Result<T> {
    let (scan, read) = reading.await?;
    scan.end().await?;
    Ok(read)
}

/// Readings from one server. What was read counts only after [`Scan::end`].
#[must_use]
pub(in crate::store) struct Scan {
    store: Store,
    scanner: Scanner,
    connected: Connected,
    turn: OwnedSemaphorePermit,
}

impl Store {
    /// Begins a scan at a master.
    ///
    /// # Errors
    /// [`Failure::Busy`]: Redis cannot be reached or is a replica, or too many scans are running.
    pub(in crate::store) async fn scan(&self, scanner: Scanner) -> Result<Scan> {
        let mut turn = self.scans.turn(scanner).await?;
        let begin = |connected, turn| Scan {
            store: self.clone(),
            scanner,
            connected,
            turn,
        };
        let idle = self.scans.idle(scanner).take();
        if let Some(connected) = idle.filter(|connected| !connected.is_over()) {
            let mut scan = begin(connected, turn);
            match scan.is_at_a_master().await {
                Ok(()) => return Ok(scan),
                Err(_) => turn = scan.turn,
            }
        }
        let connected = Connected::open(&self.link, &self.replicas, self.timeout).await?;
        let mut scan = begin(connected, turn);
        scan.is_at_a_master().await?;
        Ok(scan)
    }

    /// Reads everything in one scan, which `read` gives back. Begins again, at most twice, when the
    /// scan breaks off or its server is no master at the end.
    ///
    /// # Errors
    /// Those of the last try.
    pub(in crate::store) async fn read_whole<T, F>(
        &self,
        scanner: Scanner,
        read: impl Fn(Scan) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<(Scan, T)>>,
    {
        for _ in 1..TRIES_MAX {
            match whole(read(self.scan(scanner).await?)).await {
                Err(Failure::Busy(why)) => tracing::debug!(why, "a scan begins again"),
                done => return done,
            }
            sleep(TRY_PAUSE).await;
        }
        whole(read(self.scan(scanner).await?)).await
    }
}

impl Scan {
    /// Ends the scan: all that it read came from one server, which was a master all the while.
    ///
    /// # Errors
    /// [`Failure::Busy`]: it is a replica by now, or does not answer; what was read may lack
    /// entries.
    pub(in crate::store) async fn end(mut self) -> Result<()> {
        self.is_at_a_master().await?;
        *self.store.scans.idle(self.scanner) = Some(self.connected);
        Ok(())
    }

    async fn is_at_a_master(&mut self) -> Result<()> {
        let late = |_| Failure::Busy("no answer from Redis in time".to_owned());
        let hello = timeout(self.store.timeout, self.connected.live.hello());
        let hello = hello.await.map_err(late)?;
        let hello = hello.map_err(|e| Failure::Busy(format!("HELLO: {e}")))?;
        if hello.is_master() {
            return Ok(());
        }
        Err(Failure::Busy(format!(
            "Redis is no master but a {}",
            hello.role
        )))
    }

    /// Waits until replicas have what was read, where they are waited for.
    ///
    /// # Errors
    /// [`Failure::Busy`]: too few of them have it.
    pub(in crate::store) async fn wait_for_replicas(&self) -> Result<()> {
        let deadline = self.store.deadline();
        self.connected.wait_for_reading(deadline).await
    }

    /// The store that is read.
    pub(in crate::store) fn store(&self) -> &Store {
        &self.store
    }

    /// The connection that is read.
    pub(in crate::store) fn live(&self) -> &Live {
        &self.connected.live
    }

    /// Sends a command that only reads. `keys` are its own; none when it is about the server.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub(in crate::store) async fn ask<T: FromRedisValue>(
        &mut self,
        keys: &[&str],
        command: &Cmd,
    ) -> Result<T> {
        let reply = command.query_async(&mut self.connected.live);
        self.store.read(keys, reply).await
    }

    /// Sends several commands that only read, at once. `keys` has one key for each.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub(in crate::store) async fn ask_all<T: FromRedisValue>(
        &mut self,
        keys: &[&str],
        commands: &Pipeline,
    ) -> Result<T> {
        let replies = commands.query_async(&mut self.connected.live);
        self.store.read(keys, replies).await
    }

    /// The page at this cursor of `HSCAN` or `ZSCAN`, and the cursor of the next one, if there is
    /// one. The first cursor is 0. An entry that exists all the while is on a page, rarely on two.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub(in crate::store) async fn page(
        &mut self,
        command: &str,
        key: &str,
        cursor: u64,
    ) -> Result<(Option<u64>, Vec<Pair>)> {
        let mut scan = redis::cmd(command);
        scan.arg(key).arg(cursor).arg("COUNT").arg(PAGE_ENTRIES);
        let (next, entries): (u64, Vec<Pair>) = self.ask(&[key], &scan).await?;
        Ok(((next != 0).then_some(next), entries))
    }

    /// These fields of a hash; `None` for each that is not there.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub(in crate::store) async fn fields(
        &mut self,
        key: &str,
        fields: &[impl ToRedisArgs],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = redis::cmd("HMGET");
        get.arg(key).arg(fields);
        self.ask(&[key], &get).await
    }
}
