//! What is asked of a Redis before anything else, on each new connection and each second: is it one
//! whole Redis, are its data ours to change, may its user run everything that is used?

use tokio::join;

use super::data_version::{self, DataVersion, Unversioned};
use super::permissions::{self, Forbidden};
use crate::error::{self, Error};
use crate::failure::{Failure, Result};
use crate::store::connection::failure;
use crate::store::connection::link::Link;
use crate::store::connection::live::{Hello, Live};
use crate::store::keys::Keys;

/// Oldest major version that runs the scripts.
const MAJOR_MIN: u32 = 7;

/// The answers.
#[derive(Debug)]
pub struct Greeting {
    /// What the server is.
    pub hello: Result<Hello>,
    /// What its user may not run.
    pub forbidden: Result<Forbidden>,
    version: Result<Option<DataVersion>>,
}

impl Greeting {
    /// Asks, all at once.
    pub async fn ask(live: &Live, link: &Link) -> Self {
        let keys = link.keys();
        let (mut a, mut b, mut c) = (live.clone(), live.clone(), live.clone());
        let (hello, forbidden, version) = join!(
            a.hello(),
            permissions::commands_check(&mut b, keys),
            data_version::read(&mut c, keys),
        );
        Self {
            hello: hello.map_err(|e| failure::of_read(&[], &e)),
            forbidden,
            version,
        }
    }

    /// Whether scripts may be sent there.
    ///
    /// # Errors
    /// Why not: what is known for sure, or else a question that was not answered.
    pub fn verdict(&self, link: &Link) -> Result<()> {
        if let Some(refusal) = self.refusal(link) {
            return Err(refusal);
        }
        self.hello.as_ref().map_err(Clone::clone)?;
        self.forbidden.as_ref().map_err(Clone::clone)?;
        self.version.as_ref().map_err(Clone::clone)?;
        Ok(())
    }

    /// What certainly forbids to send scripts there, if anything does.
    pub fn refusal(&self, link: &Link) -> Option<Failure> {
        let url = link.url();
        if let Some(what) = self.cluster(link).or_else(|| self.outdated()) {
            return Some(Failure::Busy(format!("Redis at {url} {what}")));
        }
        if let Ok(Some(version)) = &self.version
            && let Some(why) = version.refusal()
        {
            return Some(Failure::Busy(format!("Redis at {url}: {why}")));
        }
        let missing = self.forbidden.as_ref().ok()?.vital(link.permit().waits());
        if missing.is_empty() {
            return None;
        }
        let (user, keys) = (link.username(), link.keys());
        let (sentence, mend) = (missing.sentence(user, keys), missing.mend(user, keys));
        Some(Failure::Busy(format!("{sentence}: `{mend}` allows it")))
    }

    /// Why nothing may be changed there, although it may be read: a replica, even one that takes
    /// writes, loses them when its master sends it the data again.
    pub fn replica(&self, link: &Link) -> Option<Failure> {
        let hello = self.hello.as_ref().ok()?;
        let (url, role) = (link.url(), &hello.role);
        let why = format!("Redis at {url} is a {role}: only a master keeps what is written");
        (!hello.is_master()).then_some(Failure::Busy(why))
    }

    /// The data, if they have no version yet.
    pub fn unversioned(&self, keys: &Keys) -> Option<Unversioned> {
        matches!(self.version, Ok(None)).then(|| Unversioned::new(keys))
    }

    /// What the data say of their version; `None` where nothing was written yet.
    ///
    /// # Errors
    /// This program does not know that version, or Redis did not say it.
    pub fn data_version(&self) -> error::Result<Option<String>> {
        let version = self.version.as_ref().map_err(Clone::clone)?;
        match version.as_ref().and_then(DataVersion::refusal) {
            Some(refusal) => Err(Error::Refused(refusal)),
            None => Ok(version.as_ref().map(ToString::to_string)),
        }
    }

    /// Why this server is not one whole Redis, if it is a node of a cluster.
    pub fn cluster(&self, link: &Link) -> Option<String> {
        let hello = self.hello.as_ref().ok()?;
        (hello.mode == "cluster").then(|| {
            format!(
                "is a node of a Redis Cluster, which holds only a part of the data: a cluster is \
                 addressed as redis+cluster://{}, which this version does not support yet; use a \
                 Redis that is not in cluster mode",
                link.place()
            )
        })
    }

    /// Why the scripts do not run there, if the server is too old.
    fn outdated(&self) -> Option<String> {
        let version = &self.hello.as_ref().ok()?.version;
        let major: u32 = version.split('.').next()?.parse().ok()?;
        (major < MAJOR_MIN)
            .then(|| format!("has version {version}: use Redis or Valkey 7.0 or newer"))
    }
}
