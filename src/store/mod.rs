//! Redis: the only module that uses the Redis crates and makes keys.
//!
//! Each function that changes something is one script in `lua/` with the same name. Calls of buyers
//! go over a [`Lane`]. Calls of operators and background tasks go over the pool of the [`Store`].
//! What is read page by page goes through a scan (`scan.rs`).

pub mod archive;
pub mod backup;
pub mod connection;
mod decode;
pub mod feed;
pub mod growth;
pub mod keys;
pub mod orders;
mod record;
pub mod recount;
pub mod replicas;
pub mod sales;
pub mod script;
pub mod server;
pub mod wechat;
mod whole;

pub use self::orders::OrderPages;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, RedisResult, Value};
use tokio::time::{Instant, timeout, timeout_at};

use self::connection::failure;
use self::connection::lane::{Decided, Lane, Needs};
use self::connection::link::Link;
use self::connection::live::Live;
use self::connection::pool::{Connection, Pool};
use self::connection::scan::Scans;
use self::keys::Keys;
use self::orders::standing::refusal_in_doubt;
use self::replicas::{Count, Replicas};
use self::script::Call;
use crate::config::{Config, RedisAccess, RedisUrl};
use crate::domain::durability::Durability;
use crate::error;
use crate::failure::{Failure, Result};

/// Longest wait of an operator for one step.
const OPERATOR_TIMEOUT: Duration = Duration::from_secs(30);

/// One Redis, under one prefix.
#[derive(Clone)]
pub struct Store {
    link: Link,
    pool: Pool,
    keys: Keys,
    timeout: Duration,
    /// Longest wait for one answer if no buyer waits.
    patience: Duration,
    /// Whether a walk over the key space rests between its steps.
    walks_slowly: bool,
    /// The latest start of every change; `None`: within the timeout after the call.
    start_by: Option<Instant>,
    replicas: Arc<Replicas>,
    /// The lane for readings of buyers that are not grabs: orders, chats and pages.
    reads: Arc<Lane>,
    /// The lane for their changes, and for readings that replicas must have. It is a second one:
    /// while it waits for replicas, Redis answers nothing else on that connection.
    changes: Arc<Lane>,
    scans: Arc<Scans>,
}

impl Store {
    /// A store at this address. Connects when it is first used. `timeout` limits connecting and
    /// every wait of a buyer.
    ///
    /// # Errors
    /// [`Error::Config`](error::Error::Config): it is not an address, or one of its files cannot be
    /// used.
    pub fn new(
        access: impl Into<RedisAccess>,
        prefix: &str,
        timeout: Duration,
    ) -> error::Result<Self> {
        let keys = Keys::new(prefix);
        let link = Link::new(access.into(), keys.clone(), timeout)?;
        let replicas = Arc::new(Replicas::new(None));
        let pool = Pool::new(&link, &replicas, timeout, OPERATOR_TIMEOUT)?;
        let lane = || {
            let lane = Lane::new(link.clone(), keys.clone(), timeout, replicas.clone());
            Arc::new(lane)
        };
        let (reads, changes) = (lane(), lane());
        Ok(Self {
            link,
            pool,
            keys,
            timeout,
            patience: OPERATOR_TIMEOUT,
            walks_slowly: true,
            start_by: None,
            replicas,
            reads,
            changes,
            scans: Arc::new(Scans::new()),
        })
    }

    /// A store at `url` with the settings of the program.
    ///
    /// # Errors
    /// As [`Store::new`].
    pub fn configured(config: &Config, url: &RedisUrl) -> error::Result<Self> {
        let redis = &config.redis;
        let store = Self::new(redis.access(url), &redis.prefix, redis.timeout)?;
        store.with_durability(config.durability)
    }

    /// The same store, with this durability level for what it acknowledges.
    ///
    /// # Errors
    /// As [`Store::with_own_connections`].
    pub fn with_durability(mut self, durability: Option<Durability>) -> error::Result<Self> {
        self.replicas = Arc::new(Replicas::new(durability));
        if self.replicas.are_waited_for() {
            self.link.permit().wait_is_needed();
        }
        self.with_own_connections()
    }

    /// The same store, with a pool, scans and lanes of its own: for a task that must not wait for
    /// operators.
    ///
    /// # Errors
    /// [`Error::Config`](error::Error::Config) when they cannot be made.
    pub fn with_own_connections(mut self) -> error::Result<Self> {
        self.pool = Pool::new(&self.link, &self.replicas, self.timeout, self.patience)?;
        self.scans = Arc::new(Scans::new());
        Ok(self.with_own_lanes())
    }

    /// The same store, with connections of its own, for what is read again and again. An answer
    /// that takes longer than a buyer waits is too old, so the reading fails. The reader rests
    /// between two readings, not within one.
    ///
    /// # Errors
    /// As [`Store::with_own_connections`].
    pub fn for_lookers(mut self) -> error::Result<Self> {
        self.patience = self.timeout;
        self.walks_slowly = false;
        self.with_own_connections()
    }

    /// The same store, with shared connections of its own: for a thread of its own.
    pub fn with_own_lanes(mut self) -> Self {
        self.reads = Arc::new(self.lane());
        self.changes = Arc::new(self.lane());
        self
    }

    /// A lane of its own for one user of this store.
    pub fn lane(&self) -> Lane {
        let (link, keys) = (self.link.clone(), self.keys.clone());
        Lane::new(link, keys, self.timeout, self.replicas.clone())
    }

    /// What is known about the number of replicas that `replicated:all` waits for.
    pub fn replica_count(&self) -> Count {
        self.replicas.count()
    }

    /// Waits a few seconds until that number is known. For a command, which runs only once.
    pub async fn until_replicas_are_counted(&self) {
        self.replicas.until_counted().await;
    }

    /// Opens a connection for operators. For a command, whose change must not be late because Redis
    /// is far away. The next call reports a failure.
    pub async fn opened(&self) {
        let _ = self.connection().await;
    }

    /// The keys of this store, for code that reads Redis itself.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// A connection for an operator or a background task.
    async fn connection(&self) -> Result<Connection> {
        self.pool.get().await
    }

    /// Makes a change for a person: it starts within the timeout or never, and when this returns,
    /// replicas have it, if required.
    ///
    /// # Errors
    /// [`Failure::Busy`] when it was certainly not made, [`Failure::Unknown`] when it may have
    /// been, or too few replicas have it.
    async fn change(&self, call: Call<'_>) -> Result<Value> {
        self.change_as(call, Ok, |_| true).await
    }

    /// The same with an outcome: `decode` reads it, and `changes` says whether it is a change. If
    /// too few replicas have what a refusal depends on, it is [`Failure::Busy`].
    async fn change_as<T>(
        &self,
        call: Call<'_>,
        decode: impl FnOnce(Value) -> Result<T>,
        changes: impl FnOnce(&T) -> bool,
    ) -> Result<T> {
        let deadline = self.deadline();
        // Not interrupted: a connection that takes long to open serves the next change.
        let mut connection = self.connection().await?;
        let ready = connection.live.ready(call, Some(deadline));
        let late = |_| Failure::Busy("no connection to Redis in time".to_owned());
        let ready = timeout_at(deadline, ready).await.map_err(late)??;
        let reply = answered(connection.live.send(ready)).await?;
        let outcome = decode(reply).map_err(Failure::once_sent)?;
        let kept = connection.wait_for_all(Instant::now() + self.timeout).await;
        match kept {
            Ok(()) => Ok(outcome),
            Err(short) if changes(&outcome) => Err(short),
            Err(short) => Err(refusal_in_doubt(&short)),
        }
    }

    /// Does work of the background. Done late, it changes nothing that was decided meanwhile.
    ///
    /// # Errors
    /// [`Failure::Busy`] when it was certainly not done, [`Failure::Unknown`] when it may have
    /// been.
    async fn work(&self, call: Call<'_>) -> Result<Value> {
        let mut connection = self.connection().await?;
        self.work_on(&mut connection.live, call).await
    }

    /// The same on a connection that is already lent.
    async fn work_on(&self, live: &mut Live, call: Call<'_>) -> Result<Value> {
        let ready = live.ready(call, None).await?;
        answered(live.send(ready)).await
    }

    /// Makes a change within the timeout of buyers, on their lane, and waits until replicas have
    /// what it `needs`.
    async fn change_in_time(&self, call: Call<'_>, needs: Needs) -> Result<Value> {
        let deadline = self.deadline();
        let decided = self.changes.decide(call, deadline, Ok, |_| needs).await;
        decided.and_then(Decided::if_kept)
    }

    /// A field of a hash, within the timeout of buyers; `None` if it does not exist.
    async fn hash_field(&self, key: String, field: &str) -> Result<Option<String>> {
        let asked = [(key, field)];
        let found = self.reads.hash_fields(&asked, self.deadline()).await?;
        let found = found.into_iter().next().flatten();
        Ok(found.map(|found| String::from_utf8_lossy(&found).into_owned()))
    }

    /// The same store for a request that has just come: every change for it starts within the
    /// timeout from now, however long readings before it take.
    pub fn for_request(&self) -> Self {
        Self {
            start_by: Some(Instant::now() + self.timeout),
            ..self.clone()
        }
    }

    /// The same store for the steps of a request that has begun: each has the whole timeout.
    pub fn for_steps(&self) -> Self {
        Self {
            start_by: None,
            ..self.clone()
        }
    }

    /// The latest start of a call that is made now, and the end of a buyer's wait for it.
    fn deadline(&self) -> Instant {
        self.start_by
            .unwrap_or_else(|| Instant::now() + self.timeout)
    }

    /// Calls a script that changes nothing, so a retry is always safe. Others may use the
    /// connection meanwhile.
    async fn look(&self, live: &Live, call: Call<'_>) -> Result<Value> {
        let mut live = live.clone();
        timeout(self.patience, live.look(call))
            .await
            .map_err(|_| self.late())?
    }

    fn late(&self) -> Failure {
        Failure::Busy(format!("no answer within {:?}", self.patience))
    }

    /// Waits for a command that may be sent again whatever its outcome: it reads, or its effect
    /// happens once (`XACK`, `XDEL`). `keys` are its own, one for each command of a pipeline; none
    /// if it is about the server.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] when a key is of another type than it should be, else
    /// [`Failure::Busy`].
    async fn read<T>(
        &self,
        keys: &[&str],
        reply: impl Future<Output = RedisResult<T>>,
    ) -> Result<T> {
        let failed = |e: RedisError| failure::of_read(keys, &e);
        timeout(self.patience, reply)
            .await
            .map_err(|_| self.late())?
            .map_err(failed)
    }
}

/// Waits for the reply to a call, as long as operators wait.
async fn answered(reply: impl Future<Output = Result<Value>>) -> Result<Value> {
    let late = |_| Failure::Unknown(format!("no answer within {OPERATOR_TIMEOUT:?}"));
    timeout(OPERATOR_TIMEOUT, reply).await.map_err(late)?
}
