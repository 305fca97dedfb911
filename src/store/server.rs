//! The Redis server itself: what it is and how it is set, for `seckill doctor`.

use std::collections::HashMap;

use tokio::time::timeout;

use super::Store;
use super::replicas::Count;
use crate::domain::counted::counted;
use crate::domain::durability::Durability;
use crate::error::{Error, Result};

/// The settings that decide whether orders are safe and buyers are served.
const SETTINGS: [&str; 7] = [
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory",
    "maxmemory-policy",
    "save",
    "maxclients",
];

/// What a server says about itself. Settings that it does not show are absent.
#[derive(Debug, Clone, Default)]
pub struct ServerFacts {
    info: HashMap<String, String>,
    settings: HashMap<String, String>,
}

/// What the server really does for acknowledged orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The level in force.
    pub level: Durability,
    /// True when more replicas are attached than the level waits for: a failover to one of them may
    /// forget orders.
    pub at_risk: bool,
}

impl ServerFacts {
    /// Reads what `INFO` says.
    pub fn of(info: &str) -> Self {
        let lines = info.lines().filter_map(|line| line.split_once(':'));
        let info = lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self {
            info: info.collect(),
            settings: HashMap::new(),
        }
    }

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

impl ServerFacts {
    /// The level that the settings keep without waiting for replicas; `None` when they are hidden.
    pub fn persistence(&self) -> Option<Durability> {
        let always = self.setting("appendfsync") == Some("always");
        let skips = self.setting("no-appendfsync-on-rewrite") == Some("yes");
        match self.setting("appendonly")? {
            "yes" if always && !skips => Some(Durability::Fsync),
            _ => Some(Durability::Memory),
        }
    }

    /// Replicas that are connected and in step.
    pub fn replicas(&self) -> u32 {
        let online = |line: &&String| line.contains("state=online");
        let slaves = self
            .info
            .iter()
            .filter(|(name, _)| name.starts_with("slave"));
        let count = slaves.map(|(_, line)| line).filter(online).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The level that is in force when `wanted` is asked for. `count` is what is known of the
    /// number that `replicated:all` waits for.
    ///
    /// # Errors
    /// [`Error::Refused`] says what the server does instead.
    pub fn verify(&self, wanted: Option<Durability>, count: &Count) -> Result<Durability> {
        match wanted {
            None => Ok(self.persistence().unwrap_or(Durability::Memory)),
            Some(Durability::Memory) => Ok(Durability::Memory),
            Some(Durability::Fsync) => self.verify_fsync(),
            Some(level @ Durability::Replicated(number)) => self.verify_online(level, number),
            Some(level @ Durability::ReplicatedAll) => match count {
                Count::Replicas(number) => self.verify_online(level, *number),
                Count::NotYet(why) | Count::Refused(why) => Err(Error::Refused(format!(
                    "durability {level} is configured, but how many replicas must have an order is \
                     not known: {why}"
                ))),
            },
        }
    }

    fn verify_fsync(&self) -> Result<Durability> {
        match self.persistence() {
            Some(Durability::Fsync) => Ok(Durability::Fsync),
            Some(_) => Err(Error::Refused(format!(
                "durability fsync is configured, but Redis has appendonly {}, appendfsync {}, \
                 no-appendfsync-on-rewrite {}: see `seckill doctor`",
                self.setting("appendonly").unwrap_or("?"),
                self.setting("appendfsync").unwrap_or("?"),
                self.setting("no-appendfsync-on-rewrite").unwrap_or("?"),
            ))),
            None => Err(Error::Refused(
                "this Redis hides its settings: its durability cannot be verified".to_owned(),
            )),
        }
    }

    fn verify_online(&self, level: Durability, number: u32) -> Result<Durability> {
        if self.replicas() >= number {
            return Ok(level);
        }
        let online = counted(self.replicas(), "replica");
        let needed = match level {
            Durability::ReplicatedAll => format!(", and an order must be on {number}"),
            _ => String::new(),
        };
        Err(Error::Refused(format!(
            "durability {level} is configured, but Redis has {online} online{needed}"
        )))
    }
}

impl Store {
    /// The durability level in force.
    ///
    /// # Errors
    /// The configured level is not what the server does, or the server does not answer.
    pub async fn verified_durability(&self) -> Result<Verified> {
        let late = |_| Error::Busy("no answer from Redis in time".to_owned());
        let facts = timeout(self.timeout, self.server_facts())
            .await
            .map_err(late)??;
        let level = facts.verify(self.replicas.level(), &self.replicas.count())?;
        let at_risk = level.is_at_risk(facts.replicas());
        Ok(Verified { level, at_risk })
    }

    /// Asks the server about itself.
    pub async fn server_facts(&self) -> Result<ServerFacts> {
        let mut connection = self.connection().await?;
        let info: String = self
            .read(&[], redis::cmd("INFO").query_async(&mut *connection))
            .await?;
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg(&SETTINGS);
        let settings = self.read(&[], get.query_async(&mut *connection)).await;
        // Managed services hide CONFIG; the doctor then says that it cannot see.
        let settings = settings.unwrap_or_default();
        Ok(ServerFacts {
            settings,
            ..ServerFacts::of(&info)
        })
    }
}
