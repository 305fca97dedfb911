//! A command's use of the private Redis: it runs one, or uses the one of another process.

use std::path::Path;
use std::time::{Duration, Instant};

use super::data_dir::{DataDir, Lock, Role};
use super::{EmbeddedRedis, Options, process, server_log, url};
use crate::config::RedisUrl;
use crate::error::{Error, Result};

/// Longest wait for the server of another process to answer, and the pause between two looks.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(10);
const ATTACH_PAUSE: Duration = Duration::from_millis(100);

/// A private server: our own, or that of another process that owns the same directory.
pub enum Attached {
    /// Ours: it stops when this value is dropped, after the commands that use it too.
    Own(EmbeddedRedis),
    /// The other process keeps it running while this value lives.
    Other(OtherRedis),
}

/// The private server of another process.
pub struct OtherRedis {
    url: RedisUrl,
    _user: Lock,
}

impl Attached {
    /// Uses the server that runs on `data_dir`, or starts one with these `options`. Blocks.
    ///
    /// # Errors
    /// As [`EmbeddedRedis::start`].
    pub fn open(data_dir: &Path, options: Options) -> Result<Self> {
        let dir = DataDir::open(data_dir)?;
        let deadline = Instant::now() + ATTACH_TIMEOUT;
        loop {
            if let Some(owner) = dir.own(Role::Command)? {
                let started = EmbeddedRedis::start_owned(dir, Role::Command, owner, options);
                return started.map(Self::Own);
            }
            // First a user, then the question: a Redis that answers now is not stopped under us.
            if let Some(user) = dir.join()?
                && process::answers(&dir)
            {
                let url = url(&dir);
                return Ok(Self::Other(OtherRedis { url, _user: user }));
            }
            if Instant::now() > deadline {
                return Err(silent(&dir));
            }
            std::thread::sleep(ATTACH_PAUSE);
        }
    }

    /// The address for clients.
    pub fn url(&self) -> RedisUrl {
        match self {
            Self::Own(redis) => redis.url(),
            Self::Other(redis) => redis.url.clone(),
        }
    }
}

/// The server of another process does not answer; perhaps its log says why.
fn silent(dir: &DataDir) -> Error {
    let (path, owner) = (dir.path().display(), dir.owner());
    let alarms = server_log::all_alarms(dir).unwrap_or_default();
    let last = alarms.last();
    let reported = last.map_or(String::new(), |line| format!("; its log reports: {line}"));
    Error::PrivateRedis(format!(
        "{path} is in use by {owner}, but its Redis does not answer{reported}"
    ))
}
