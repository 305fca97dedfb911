//! Where Redis is and how to reach it: the address, parsed once, for both kinds of connections.

use std::sync::Arc;
use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind,
};

use super::live::{Health, Live};
use super::permit::Permit;
use super::reach::Reach;
use super::{login, socket};
use crate::config::{RedisAccess, RedisUrl};
use crate::error::{self, Error};
use crate::failure::{Failure, Result};
use crate::store::keys::Keys;

/// Commands that may wait in one connection before a sender has to wait.
const PIPELINE_COMMANDS_MAX: usize = 8192;

/// A parsed address, and what all connections to it share.
#[derive(Debug, Clone)]
pub struct Link {
    client: Client,
    access: RedisAccess,
    keys: Keys,
    permit: Arc<Permit>,
    reach: Arc<Reach>,
}

impl Link {
    /// Parses the address. `timeout` is how long sent bytes may go unacknowledged, within reason.
    ///
    /// # Errors
    /// [`Error::Config`] with the address, without its password, or with a file of it.
    pub fn new(access: RedisAccess, keys: Keys, timeout: Duration) -> error::Result<Self> {
        let url = &access.url;
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
        let info = url.expose().into_connection_info();
        let info = info.map_err(|e| wrong(&format!("{e}{}", login::encoding_advice(url))))?;
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let info = info
            .set_redis_settings(settings)
            .set_tcp_settings(socket::tcp(timeout));
        login::check(&info, &access)?;
        let client = login::client(info, &access)?;
        Ok(Self {
            client,
            access,
            keys,
            permit: Arc::default(),
            reach: Arc::default(),
        })
    }

    /// What the log hears of this Redis.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The meaning of a failure before anything was sent.
    pub fn unreachable(&self, error: impl std::fmt::Display) -> Failure {
        let url = &self.access.url;
        Failure::Busy(format!("cannot reach Redis at {url}: {error}"))
    }

    /// The parsed address with the password, for those who speak to Redis themselves.
    ///
    /// # Errors
    /// [`Failure::Busy`] when the file of the password cannot be read.
    pub async fn info(&self) -> Result<ConnectionInfo> {
        let client = login::with_password(&self.client, &self.access).await?;
        Ok(client.get_connection_info().clone())
    }

    /// The address, without user and password.
    pub fn url(&self) -> &RedisUrl {
        &self.access.url
    }

    /// The place in the address: host and port.
    pub fn place(&self) -> String {
        let url = self.access.url.to_string();
        let place = url
            .split_once("://")
            .map_or(url.as_str(), |(_, place)| place);
        place.split('/').next().unwrap_or_default().to_owned()
    }

    /// The Redis user of the connections.
    pub fn username(&self) -> &str {
        let settings = self.client.get_connection_info().redis_settings();
        settings.username().unwrap_or("default")
    }

    /// The keys of the store at this address.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether scripts may be sent there.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// How connections of this program behave. Replies are timed by the callers, who know what
    /// a missing one means.
    fn settings(connect_timeout: Duration) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_COMMANDS_MAX)
    }

    /// Opens a shared connection of which nothing is known yet.
    ///
    /// # Errors
    /// [`Failure::Busy`]: nothing has been sent.
    pub async fn open(&self, connect_timeout: Duration) -> Result<Live> {
        let health = Arc::new(Health::default());
        let seen = health.clone();
        let settings = Self::settings(connect_timeout).set_push_sender(move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                seen.is_over();
            }
            Ok::<_, redis::aio::SendError>(())
        });
        let departures = self.permit.departures();
        let client = login::with_password(&self.client, &self.access).await?;
        let connecting = client.get_multiplexed_async_connection_with_config(&settings);
        let failed = |e| self.unreachable(format!("{e}{}", login::advice(&self.access, &e)));
        let connection = connecting.await.map_err(failed)?;
        let permit = self.permit.clone();
        Ok(Live::new(connection, health, permit, departures))
    }
}
