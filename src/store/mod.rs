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
pub mod dead_letters;
pub mod embedded;
mod failure;
pub mod feed;
mod history;
pub mod holds;
pub mod keys;
pub mod lane;
mod link;
mod orders;
pub mod place;
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
pub mod stock;
mod walk;
mod whole;

pub use self::orders::OrderPages;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::{Hook, HookError, Manager, Pool, PoolConfig, PoolError, Runtime, Timeouts};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult, Value};
use tokio::time::{Instant, timeout};

use self::keys::Keys;
use self::lane::Lane;
use self::link::Link;
use self::replicas::{Count, Replicas};
use self::scan::Scans;
use self::script::{Call, SALE_GRAB};
use crate::config::RedisUrl;
use crate::domain::durability::Durability;
use crate::error::{Error, Result};

/// Connections of the cold paths.
const POOL_CONNECTIONS_MAX: usize = 4;
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
    /// A store at `url`. Connects when it is first used; `timeout` bounds connecting and every
    /// wait of a buyer.
    ///
    /// # Errors
    /// [`Error::Config`] when `url` is no address.
    pub fn new(url: &RedisUrl, prefix: &str, timeout: Duration) -> Result<Self> {
        let link = Link::new(url, timeout)?;
        let wrong = |e: &dyn std::fmt::Display| Error::Config(format!("redis.url {url}: {e}"));
        let manager = Manager::new_with_config(link.info().clone(), Link::settings(timeout))
            .map_err(|e| wrong(&e))?;
        let timeouts = Timeouts {
            wait: Some(OPERATOR_TIMEOUT),
            create: Some(timeout),
            recycle: Some(timeout),
        };
        let pool = Pool::builder(manager)
            .config(PoolConfig::new(POOL_CONNECTIONS_MAX))
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .post_recycle(Hook::async_fn(move |connection, _| {
                Box::pin(at_a_master(connection, timeout))
            }))
            .build()
            .map_err(|e| wrong(&e))?;
        let keys = Keys::new(prefix);
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

    /// The same store, with this level for what its lanes acknowledge.
    pub fn with_durability(mut self, durability: Option<Durability>) -> Self {
        self.replicas = Arc::new(Replicas::new(durability));
        self.with_own_lanes()
    }

    /// The same store, with shared connections of its own: for a thread of its own.
    pub fn with_own_lanes(mut self) -> Self {
        self.reads = Arc::new(self.lane());
        self.changes = Arc::new(self.lane());
        self
    }

    /// The same store, which waits for replicas as `other` does, and shares what is known of them.
    pub fn with_replicas_of(mut self, other: &Self) -> Self {
        self.replicas = other.replicas.clone();
        self.with_own_lanes()
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

    /// Runs the grab script on a sale that cannot exist: it writes nothing, but Redis refuses it
    /// exactly when it would refuse a buyer (read-only, full, disk failing, not reachable).
    ///
    /// # Errors
    /// Why a buyer could not be served now, within the timeout.
    pub async fn sale_grab_probe(&self) -> Result<()> {
        let call = SALE_GRAB
            .on(&self.keys.of_probe())
            .arg("~")
            .arg("list")
            .arg(0)
            .past(None);
        let call = call.arg("probe").arg(1).arg("~");
        let late = |_| Error::Busy(format!("no answer from Redis within {:?}", self.timeout));
        timeout(self.timeout, self.send(call))
            .await
            .map_err(late)??;
        Ok(())
    }

    async fn connection(&self) -> Result<deadpool_redis::Connection> {
        match self.pool.get().await {
            Ok(connection) => Ok(connection),
            Err(PoolError::Backend(error)) => Err(self.link.unreachable(error)),
            Err(PoolError::Timeout(_)) => Err(self.link.unreachable("no connection in time")),
            Err(error) => Err(self.link.unreachable(error)),
        }
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

    async fn send_on(
        &self,
        connection: &mut MultiplexedConnection,
        call: Call<'_>,
    ) -> Result<Value> {
        let late = |_| Error::Unknown(format!("no answer within {OPERATOR_TIMEOUT:?}"));
        timeout(OPERATOR_TIMEOUT, call.send(connection))
            .await
            .map_err(late)?
    }

    /// Calls a script that changes nothing, so that any failure may be tried again.
    async fn look(&self, call: Call<'_>) -> Result<Value> {
        let mut connection = self.connection().await?;
        let late = |_| Error::Busy(format!("no answer within {OPERATOR_TIMEOUT:?}"));
        timeout(OPERATOR_TIMEOUT, call.look(&mut *connection))
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

/// After a failover behind one address, a connection that was open leads to the old master for
/// ever: it is not lent again. Whoever may not ask for the role is believed to be at a master.
async fn at_a_master(
    connection: &mut MultiplexedConnection,
    patience: Duration,
) -> std::result::Result<(), HookError> {
    let asking = redis::cmd("ROLE");
    let role = timeout(patience, asking.query_async::<Vec<Value>>(connection)).await;
    let role = role.map_err(|_| HookError::message("Redis does not answer"))?;
    match role.unwrap_or_default().first() {
        Some(Value::BulkString(name)) if name == b"slave" => {
            Err(HookError::message("Redis is a replica"))
        }
        _ => Ok(()),
    }
}
