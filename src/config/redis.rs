//! `[redis]`: where Redis is, and how to log in there.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::memory::MemoryMax;
use super::{duration, memory};

/// Shortest and longest wait of a buyer. Below, nothing could answer; above, nobody would wait.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Shortest and longest absence of a replica before orders stop to wait for it. A shorter one than
/// a failover takes would be of no use.
const REPLICA_GONE_MIN: Duration = Duration::from_secs(1);
const REPLICA_GONE_MAX: Duration = Duration::from_secs(24 * 3600);

/// `[redis]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// `redis://`, `rediss://` or `unix://`; none runs a private server in `data_dir`.
    pub url: Option<RedisUrl>,
    /// File with the password, read for each new connection: a new password needs no restart.
    pub password_file: Option<PathBuf>,
    /// PEM file of the authorities that may sign the certificate of the server; none: those of
    /// the system.
    pub tls_ca: Option<PathBuf>,
    /// PEM file of the client certificate, with its chain.
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the private key of `tls_cert`.
    pub tls_key: Option<PathBuf>,
    /// Start of every key: `seckill:`.
    pub prefix: String,
    /// Longest wait of a buyer for Redis: 1 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
    /// How long a replica is away before `replicated:all` stops to wait for it: 60 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub replica_gone: Duration,
    /// What happens to a sale of which Redis lost orders: it is stopped.
    pub on_forgot: OnForgot,
    /// How much memory the private Redis may use; none: 60 % of the machine's.
    #[serde(deserialize_with = "memory::deserialize")]
    pub maxmemory: Option<MemoryMax>,
}

/// What happens to a sale of which Redis lost orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnForgot {
    /// It sells nothing until an operator resumes it.
    #[default]
    Stop,
    /// It goes on selling; the loss is logged and counted.
    Warn,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            url: None,
            password_file: None,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            prefix: "seckill:".to_owned(),
            timeout: Duration::from_secs(1),
            replica_gone: Duration::from_secs(60),
            on_forgot: OnForgot::default(),
            maxmemory: None,
        }
    }
}

impl Redis {
    /// What is wrong with these settings, if anything is.
    pub fn wrong(&self) -> Option<&'static str> {
        let has_tls = self.tls_ca.is_some() || self.tls_cert.is_some() || self.tls_key.is_some();
        let is_tls = |url: &RedisUrl| url.0.starts_with("rediss");
        if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&self.timeout) {
            Some("redis.timeout must be from 1ms to 60s")
        } else if !(REPLICA_GONE_MIN..=REPLICA_GONE_MAX).contains(&self.replica_gone) {
            Some("redis.replica_gone must be from 1s to 24h")
        } else if self.prefix.contains(['{', '}']) {
            Some("redis.prefix contains { or }: they mark the hash tag of an event")
        } else if self.tls_cert.is_some() != self.tls_key.is_some() {
            Some("redis.tls_cert and redis.tls_key belong together: set both or neither")
        } else if has_tls && !self.url.as_ref().is_some_and(is_tls) {
            Some("redis.tls_ca, redis.tls_cert and redis.tls_key need a redis.url with rediss://")
        } else if self.password_file.is_some() && self.url.is_none() {
            Some("redis.password_file needs a redis.url: the private Redis has no password")
        } else if self.maxmemory.is_some() && self.url.is_some() {
            Some(
                "redis.maxmemory is for the private Redis: for the Redis at redis.url, set \
                 maxmemory there",
            )
        } else {
            None
        }
    }

    /// How to reach the server at `url` with these settings.
    pub fn access(&self, url: &RedisUrl) -> RedisAccess {
        if self.url.as_ref() != Some(url) {
            return RedisAccess::from(url);
        }
        RedisAccess {
            url: url.clone(),
            password_file: self.password_file.clone(),
            tls_ca: self.tls_ca.clone(),
            tls_identity: self.tls_cert.clone().zip(self.tls_key.clone()),
        }
    }
}

/// An address, and what is needed to log in there.
#[derive(Debug, Clone)]
pub struct RedisAccess {
    /// The address.
    pub url: RedisUrl,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// File of the authorities of the server's certificate.
    pub tls_ca: Option<PathBuf>,
    /// Files of the client's certificate and its key.
    pub tls_identity: Option<(PathBuf, PathBuf)>,
}

impl From<&RedisUrl> for RedisAccess {
    fn from(url: &RedisUrl) -> Self {
        Self {
            url: url.clone(),
            password_file: None,
            tls_ca: None,
            tls_identity: None,
        }
    }
}

/// The address of a Redis server. It may hold a password, which is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// Accepts any text. Connecting shows whether it is an address.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// True if it may hold a password, even in a malformed address.
    pub fn may_have_password(&self) -> bool {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        if scheme == "unix" {
            return rest.contains("pass=");
        }
        let login = rest.rsplit_once('@').map(|(login, _)| login);
        login.is_some_and(|login| login.contains(':'))
    }

    /// The address with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RedisUrl {
    /// The address without user, password and query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str("(no scheme)");
        };
        // A password may hold any character, even one that should have been escaped. The password
        // of a socket is in the query.
        let place = match rest.rsplit_once('@') {
            Some((_, place)) if scheme != "unix" => place,
            _ => rest,
        };
        let place = place.split(['?', '#']).next().unwrap_or_default();
        write!(f, "{scheme}://{place}")
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        for text in [
            "redis://user:hunter2@localhost:6379/1",
            "redis://:hunter2?x@localhost/0?x",
            "redis://:hun#hunter2@localhost",
            "localhost:hunter2",
            "unix:///run/redis.sock?pass=hunter2",
            "unix:///run/redis.sock?pass=x@hunter2",
        ] {
            let url = RedisUrl::new(text);
            assert!(!format!("{url} {url:?}").contains("hunter2"), "{url}");
        }
        let shown = RedisUrl::new("redis://:hunter2@localhost:6379/1").to_string();
        assert_eq!(shown, "redis://localhost:6379/1");
    }
}
