//! Where it is kept: the only user of the Redis crates and the only maker of keys.
//!
//! Each function that changes something is one script in `lua/` of the same name. What crowds ask
//! goes through a [`Lane`]; what operators and the roles in the background ask, through the pool of
//! the [`Store`]. What is read page by page goes through a scan (`scan.rs`).

pub mod accounts;
pub mod backup;
pub mod bids;
pub mod bindings;
pub mod clear;
pub mod clock;
mod data_version;
pub mod dead_letters;
pub mod embedded;
pub mod examiner;
mod failure;
pub mod feed;
mod greeting;
mod history;
pub mod holds;
pub mod keys;
pub mod lane;
mod link;
mod login;
mod orders;
mod payments;
pub mod permissions;
mod permit;
pub mod place;
mod pool;
mod reach;
mod record;
pub mod recount;
pub mod replicas;
pub mod replies;
pub mod reply;
mod sales;
mod scan;
pub mod script;
pub mod server;
mod snapshot;
mod socket;
pub mod stock;
mod walk;
mod whole;

pub use self::orders::OrderPages;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, RedisResult, Value};
use tokio::time::{Instant, timeout};

use self::keys::Keys;
use self::lane::Lane;
use self::link::{Link, Live};
use self::pool::{Connection, Pool};
use self::replicas::{Count, Replicas};
use self::scan::Scans;
use self::script::Call;
use crate::config::{Config, RedisAccess, RedisUrl};
use crate::domain::durability::Durability;
use crate::error::{Error, Result};

/// Longest wait of an operator for one step.
const OPERATOR_TIMEOUT: Duration = Duration::from_secs(30);

/// One Redis, under one prefix.
#[derive(Clone)]
pub struct Store {
    link: Link,
    pool: Pool,
    keys: Keys,
    timeout: Duration,
    replicas: Arc<Replicas>,
    /// Where crowds read that are not at the doors: orders, chats and pages.
    reads: Arc<Lane>,
    /// Where they change something. Not the same: while a change waits for replicas, Redis answers
    /// nothing that follows on its connection.
    changes: Arc<Lane>,
    scans: Arc<Scans>,
}

impl Store {
    /// A store at this address. Connects when it is first used; `timeout` bounds connecting and
    /// every wait of a buyer.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no address, or a file of it cannot be used.
    pub fn new(access: impl Into<RedisAccess>, prefix: &str, timeout: Duration) -> Result<Self> {
        let keys = Keys::new(prefix);
        let link = Link::new(access.into(), keys.clone(), timeout)?;
        let pool = Pool::new(&link, timeout, OPERATOR_TIMEOUT)?;
        let replicas = Arc::new(Replicas::new(None));
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
    pub fn configured(config: &Config, url: &RedisUrl) -> Result<Self> {
        let redis = &config.redis;
        let store = Self::new(redis.access(url), &redis.prefix, redis.timeout)?;
        Ok(store.with_durability(config.durability))
    }

    /// The same store, with this level for what its lanes acknowledge.
    pub fn with_durability(mut self, durability: Option<Durability>) -> Self {
        self.replicas = Arc::new(Replicas::new(durability));
        if self.replicas.are_waited_for() {
            self.link.permit().wait_is_needed();
        }
        self.with_own_lanes()
    }

    /// The same store, with a pool and lanes of its own: for a role that must not wait for the
    /// operators.
    ///
    /// # Errors
    /// [`Error::Config`] when they cannot be made.
    pub fn with_own_connections(mut self) -> Result<Self> {
        self.pool = Pool::new(&self.link, self.timeout, OPERATOR_TIMEOUT)?;
        Ok(self.with_own_lanes())
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

    /// What is known of the number of replicas that `replicated:all` waits for.
    pub fn replica_count(&self) -> Count {
        self.replicas.count()
    }

    /// Waits a few seconds until that number is known: for a command, which does its work once.
    pub async fn until_replicas_are_counted(&self) {
        self.replicas.until_counted().await;
    }

    /// The keys of this store, for those who read Redis themselves.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// A connection for an operator or a role in the background.
    async fn connection(&self) -> Result<Connection> {
        self.pool.get().await
    }

    async fn send(&self, call: Call<'_>) -> Result<Value> {
        let mut connection = self.connection().await?;
        self.send_on(&mut connection, call).await
    }

    /// Sends a call, and if it is `kept` waits until replicas have what it wrote, all within the
    /// timeout of buyers.
    async fn send_in_time(&self, call: Call<'_>, kept: bool) -> Result<Value> {
        let deadline = self.deadline();
        self.changes.decide(call, deadline, Ok, |_| kept).await
    }

    /// A field of a hash, within the timeout of buyers; `None` when there is none.
    async fn hash_field(&self, key: String, field: &str) -> Result<Option<String>> {
        let asked = [(key, field)];
        let found = self.reads.hash_fields(&asked, self.deadline()).await?;
        let found = found.into_iter().next().flatten();
        Ok(found.map(|found| String::from_utf8_lossy(&found).into_owned()))
    }

    /// Until when a buyer who asks now waits.
    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    async fn send_on(&self, connection: &mut Live, call: Call<'_>) -> Result<Value> {
        let late = |_| Error::Unknown(format!("no answer within {OPERATOR_TIMEOUT:?}"));
        timeout(OPERATOR_TIMEOUT, connection.call(call))
            .await
            .map_err(late)?
    }

    /// Calls a script that changes nothing, so that any failure may be tried again.
    async fn look(&self, call: Call<'_>) -> Result<Value> {
        let mut connection = self.connection().await?;
        let late = |_| Error::Busy(format!("no answer within {OPERATOR_TIMEOUT:?}"));
        timeout(OPERATOR_TIMEOUT, connection.look(call))
            .await
            .map_err(late)?
    }

    /// Waits for a command that may be sent again, whatever became of it: it reads, or what it does
    /// is done once (`XACK`, `XDEL`). `keys` are its own, one for each command of a pipeline; none
    /// when it is about the server.
    ///
    /// # Errors
    /// [`Error::Contract`] when a key is of another type than it should be, else [`Error::Busy`].
    async fn read<T>(
        &self,
        keys: &[&str],
        reply: impl Future<Output = RedisResult<T>>,
    ) -> Result<T> {
        let late = |_| Error::Busy(format!("no answer within {OPERATOR_TIMEOUT:?}"));
        let failed = |e: RedisError| failure::of_read(keys, &e);
        timeout(OPERATOR_TIMEOUT, reply)
            .await
            .map_err(late)?
            .map_err(failed)
    }
}
