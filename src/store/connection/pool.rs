//! The pool: connections of the cold paths, each lent to one user at a time.

use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    self, Metrics, Object, PoolConfig, PoolError, RecycleError, RecycleResult, Timeouts,
};
use tokio::join;
use tokio::time::timeout;

use super::Connected;
use super::link::Link;
use crate::error::{self, Error};
use crate::failure::{Failure, Result};
use crate::store::replicas::Replicas;

/// Connections of one pool.
const CONNECTIONS_MAX: usize = 4;

/// A connection that goes back to the pool when it is dropped.
pub type Connection = Object<Connections>;

/// Connections to one Redis.
#[derive(Clone)]
pub struct Pool {
    link: Link,
    connections: managed::Pool<Connections>,
}

impl Pool {
    /// A pool that connects when it is first used. Connecting takes `patience` at most, and so does
    /// the look at a connection that is lent again; `wait` bounds the wait for one.
    ///
    /// # Errors
    /// [`Error::Config`] when it cannot be built.
    pub fn new(
        link: &Link,
        replicas: &Arc<Replicas>,
        patience: Duration,
        wait: Duration,
    ) -> error::Result<Self> {
        let connections = Connections {
            link: link.clone(),
            replicas: replicas.clone(),
            patience,
        };
        let timeouts = Timeouts {
            wait: Some(wait),
            ..Timeouts::default() // the link bounds connecting, `recycle` itself
        };
        let wrong = |e: managed::BuildError| Error::Config(e.to_string());
        let connections = managed::Pool::builder(connections)
            .config(PoolConfig::new(CONNECTIONS_MAX))
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(wrong)?;
        let link = link.clone();
        Ok(Self { link, connections })
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// [`Failure::Busy`]: nothing was sent.
    pub async fn get(&self) -> Result<Connection> {
        match self.connections.get().await {
            Ok(connection) => Ok(connection),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Timeout(_)) => Err(self.link.unreachable("no connection in time")),
            Err(error) => Err(self.link.unreachable(error)),
        }
    }
}

/// Opens connections, and looks at each before it is lent again.
pub struct Connections {
    link: Link,
    replicas: Arc<Replicas>,
    patience: Duration,
}

impl managed::Manager for Connections {
    type Type = Connected;
    type Error = Failure;

    async fn create(&self) -> Result<Connected> {
        Connected::open(&self.link, &self.replicas, self.patience).await
    }

    /// A connection that broke, or that leads to a server which is no master, is not lent again:
    /// after a failover behind one address it leads to the old master for ever. Its clock is read,
    /// from which deadlines are reckoned.
    async fn recycle(&self, connected: &mut Connected, _: &Metrics) -> RecycleResult<Failure> {
        let refused = RecycleError::message;
        let (mut hello, mut clock) = (connected.live.clone(), connected.live.clone());
        let asking = async { join!(hello.hello(), clock.read_clock()) };
        let asked = timeout(self.patience, asking).await;
        let (hello, _) = asked.map_err(|_| refused("Redis does not answer"))?;
        let hello = hello.map_err(|_| refused("the connection broke"))?;
        match hello.is_master() && !connected.is_over() {
            true => Ok(()),
            false => Err(refused("Redis is no master")),
        }
    }
}
