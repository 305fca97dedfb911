//! Where Redis is and how to reach it: the address, parsed once, for both kinds of connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind,
};

use super::failure;
use crate::config::RedisUrl;
use crate::error::{Error, Result};

/// Commands that may wait in one connection before a sender has to wait.
const PIPELINE_COMMANDS_MAX: usize = 8192;

/// A parsed address.
#[derive(Debug, Clone)]
pub struct Link {
    client: Client,
}

/// A connection that many callers share, and whether it has been lost.
#[derive(Clone)]
pub struct Live {
    /// Cheap to clone; all clones share one socket.
    pub connection: MultiplexedConnection,
    lost: Arc<AtomicBool>,
}

impl Live {
    /// True from the moment that the socket closed, so that nothing is sent into the void.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

impl Link {
    /// Parses `url`.
    ///
    /// # Errors
    /// [`Error::Config`] with the address, without its password.
    pub fn new(url: &RedisUrl) -> Result<Self> {
        let wrong = |why: &dyn std::fmt::Display| {
            Error::Config(format!(
                "redis.url {url}: {why}; expected redis://, rediss:// or unix://"
            ))
        };
        if url.expose().starts_with("redis+") {
            return Err(wrong(
                &"Sentinel and Cluster addresses are not supported yet",
            ));
        }
        if url.expose().starts_with("rediss://") {
            // Fails only when a provider is installed already, which is just as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let info = url.expose().into_connection_info().map_err(|e| wrong(&e))?;
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let info = info
            .set_redis_settings(settings)
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(|e| wrong(&e))?;
        Ok(Self { client })
    }

    /// The parsed address.
    pub fn info(&self) -> &ConnectionInfo {
        self.client.get_connection_info()
    }

    /// How connections of this program behave. Replies are timed by the callers, who know what
    /// a missing one means.
    pub fn settings(connect_timeout: Duration) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_COMMANDS_MAX)
    }

    /// Opens a shared connection, driven by the current runtime.
    ///
    /// # Errors
    /// [`Error::Busy`]: nothing has been sent.
    pub async fn connect(&self, connect_timeout: Duration) -> Result<Live> {
        let lost = Arc::new(AtomicBool::new(false));
        let flag = lost.clone();
        let settings = Self::settings(connect_timeout).set_push_sender(move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                flag.store(true, Ordering::Release);
            }
            Ok::<_, redis::aio::SendError>(())
        });
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&settings);
        let connection = connecting.await.map_err(failure::of_connecting)?;
        Ok(Live { connection, lost })
    }
}
