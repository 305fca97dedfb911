//! The Redis server itself: what it is and how it is set, for `seckill doctor`.

use std::collections::HashMap;

use super::Store;
use crate::error::Result;

/// The settings that decide whether orders are safe.
const SETTINGS: [&str; 6] = [
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory",
    "maxmemory-policy",
    "save",
];

/// What a server says about itself. Settings that it does not show are absent.
#[derive(Debug, Clone, Default)]
pub struct ServerFacts {
    info: HashMap<String, String>,
    settings: HashMap<String, String>,
}

impl ServerFacts {
    /// A line of `INFO`, for instance `redis_version`.
    pub fn info(&self, name: &str) -> Option<&str> {
        self.info.get(name).map(String::as_str)
    }

    /// A value of `CONFIG GET`, for instance `maxmemory-policy`; `None` when the server or its
    /// access rules hide it.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }
}

impl Store {
    /// Asks the server about itself.
    pub async fn server_facts(&self) -> Result<ServerFacts> {
        let mut connection = self.connection().await?;
        let info: String = self
            .read(redis::cmd("INFO").query_async(&mut *connection))
            .await?;
        let info = info
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg(&SETTINGS);
        let settings = self.read(get.query_async(&mut *connection)).await;
        // Managed services hide CONFIG; the doctor then says that it cannot see.
        let settings = settings.unwrap_or_default();
        Ok(ServerFacts { info, settings })
    }
}
