//! The Redis server: what it is and how it is set, for readiness and `seckill doctor`.

pub mod clock;
pub(super) mod data_version;
pub mod examiner;
pub(super) mod greeting;
pub mod permissions;

use std::collections::HashMap;

use tokio::join;

use super::connection::live::Live;
use super::replicas::Count;
use crate::domain::counted::counted;
use crate::domain::durability::Durability;
use crate::domain::memory::Memory;
use crate::error::{Error, Result};

/// The settings that decide whether orders are safe and buyers are served.
const SETTINGS: [&str; 9] = [
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory",
    "maxmemory-policy",
    "save",
    "maxclients",
    "min-replicas-to-write",
    "min-replicas-max-lag",
];

/// A replica acknowledges what it has each second. If one does not for longer than this, it hangs,
/// or its network does.
pub const REPLICA_LAG_MAX_SECS: u64 = 3;

/// Why a level cannot be verified.
const HIDDEN: &str = "this Redis hides its settings: its durability cannot be verified";

/// What a server says about itself. Access rules and managed services hide some of it.
#[derive(Debug, Clone, Default)]
pub struct ServerFacts {
    /// `None` if the server hides it.
    info: Option<HashMap<String, String>>,
    settings: HashMap<String, String>,
}

/// What the server really does for acknowledged orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The level in force; `None` if this Redis hides it and none was configured.
    pub level: Option<Durability>,
    /// True if more replicas are attached than the level waits for: a failover to one of them may
    /// lose orders.
    pub at_risk: bool,
}

impl ServerFacts {
    /// Parses the answer of `INFO`.
    pub fn of(info: &str) -> Self {
        let lines = info.lines().filter_map(|line| line.split_once(':'));
        let info = lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self {
            info: Some(info.collect()),
            settings: HashMap::new(),
        }
    }

    /// Asks the server all questions at once.
    pub(super) async fn read(live: &Live) -> Self {
        let (mut a, mut b) = (live.clone(), live.clone());
        let info = redis::cmd("INFO");
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg(&SETTINGS);
        let (info, settings) = join!(
            info.query_async::<String>(&mut a),
            get.query_async::<HashMap<String, String>>(&mut b),
        );
        Self {
            settings: settings.unwrap_or_default(),
            ..info.map_or_else(|_| Self::default(), |info| Self::of(&info))
        }
    }

    /// A line of `INFO`, for instance `redis_version`; `None` if the server hides it.
    pub fn info(&self, name: &str) -> Option<&str> {
        self.info.as_ref()?.get(name).map(String::as_str)
    }

    /// A value of `CONFIG GET`, for instance `maxmemory-policy`; `None` if the server hides it.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }
}

impl ServerFacts {
    /// The level that the settings keep without replicas; `None` if they are hidden.
    pub fn persistence(&self) -> Option<Durability> {
        let always = self.setting("appendfsync") == Some("always");
        let skips = self.setting("no-appendfsync-on-rewrite") == Some("yes");
        match self.setting("appendonly")? {
            "yes" if always && !skips => Some(Durability::Fsync),
            _ => Some(Durability::Memory),
        }
    }

    /// Replicas that are connected and in step; `None` if the server hides them. One that hangs
    /// stays connected for a while.
    pub fn replicas(&self) -> Option<u32> {
        u32::try_from(self.online()?.count()).ok()
    }

    /// The number of them that answered lately.
    fn answering(&self) -> Option<u32> {
        let lag = |line: &str| {
            line.split(',')
                .find_map(|f| f.strip_prefix("lag=")?.parse().ok())
        };
        let answers = |line: &&str| lag(line).is_none_or(|lag: u64| lag <= REPLICA_LAG_MAX_SECS);
        u32::try_from(self.online()?.filter(answers).count()).ok()
    }

    fn online(&self) -> Option<impl Iterator<Item = &str>> {
        let lines = self.info.as_ref()?.iter();
        let slaves = lines.filter(|(name, _)| name.starts_with("slave"));
        let lines = slaves.map(|(_, line)| line.as_str());
        Some(lines.filter(|line| line.contains("state=online")))
    }

    /// What it says about its memory; `None` if it hides it.
    pub fn memory(&self) -> Option<Memory> {
        Some(Memory {
            used: self.info("used_memory")?.parse().ok()?,
            max: self.info("maxmemory")?.parse().ok()?,
        })
    }

    /// The value of `maxmemory` in bytes, 0 without a limit; `None` if the server hides it.
    pub fn memory_max(&self) -> Option<&str> {
        self.setting("maxmemory").or_else(|| self.info("maxmemory"))
    }

    /// The value of `maxmemory-policy`; `None` if the server hides it.
    pub fn memory_policy(&self) -> Option<&str> {
        let policy = self.setting("maxmemory-policy");
        policy.or_else(|| self.info("maxmemory_policy"))
    }

    /// Whether this Redis keeps our keys when its memory is full. `keeps_replies`: keys with a TTL
    /// are used, too. If a server hides its settings, it is assumed to keep them.
    ///
    /// # Errors
    /// [`Error::Refused`] with the policy that drops them.
    pub fn keeps_keys(&self, keeps_replies: bool) -> Result<()> {
        let limit = self.memory_max().unwrap_or("0");
        let policy = self.memory_policy().unwrap_or_default();
        let lost = match policy.split('-').next() {
            Some("allkeys") => "sales and orders",
            Some("volatile") if keeps_replies => "messages of the ticket office",
            _ => return Ok(()),
        };
        if limit == "0" {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "Redis drops {lost} when its maxmemory of {limit} bytes is full: maxmemory-policy is \
             {policy}; `CONFIG SET maxmemory-policy noeviction` keeps them"
        )))
    }

    /// The level in force if `wanted` is configured. `count` is what is known about the number
    /// that `replicated:all` waits for.
    ///
    /// # Errors
    /// [`Error::Refused`] says what the server does instead.
    pub fn verify(&self, wanted: Option<Durability>, count: &Count) -> Result<Verified> {
        let level = match wanted {
            None => self.persistence(),
            Some(Durability::Memory) => wanted,
            Some(Durability::Fsync) => Some(self.verify_fsync()?),
            Some(level @ Durability::Replicated(number)) => {
                Some(self.verify_online(level, number)?)
            }
            Some(level @ Durability::ReplicatedAll) => match count {
                Count::Replicas(number) => Some(self.verify_online(level, *number)?),
                Count::NotYet(why) | Count::Refused(why) => {
                    return Err(Error::Refused(format!(
                        "durability {level} is configured, but how many replicas must have an \
                         order is not known: {why}"
                    )));
                }
            },
        };
        let online = self.replicas().unwrap_or_default();
        let at_risk = level.is_some_and(|level| level.is_at_risk(online));
        Ok(Verified { level, at_risk })
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
            None => Err(Error::Refused(HIDDEN.to_owned())),
        }
    }

    fn verify_online(&self, level: Durability, number: u32) -> Result<Durability> {
        let hidden = || Error::Refused(HIDDEN.to_owned());
        let online = self.answering().ok_or_else(hidden)?;
        if online >= number {
            return Ok(level);
        }
        let online = counted(online, "replica");
        let needed = match level {
            Durability::ReplicatedAll => format!(", and an order must be on {number}"),
            _ => String::new(),
        };
        Err(Error::Refused(format!(
            "durability {level} is configured, but Redis has {online} online that \
             answered within {REPLICA_LAG_MAX_SECS} seconds{needed}"
        )))
    }
}
