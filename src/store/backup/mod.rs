//! Backups: one snapshot of all of Redis, in a directory that a private Redis can start on.

mod snapshot;

use std::path::Path;

use super::Store;
use crate::error::Result;
use crate::private_redis::{Unfinished, Writer};

/// The facts of a finished backup.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The server that wrote the snapshot, like `redis 7.0.15`.
    pub server: String,
    /// Bytes of the snapshot.
    pub bytes: u64,
}

impl Store {
    /// Writes a snapshot of all data of this Redis to `dir`, of one instant after the call began.
    /// Redis goes on serving meanwhile.
    ///
    /// # Errors
    /// `refused`: `dir` is not empty, or Redis gives no snapshot. Then what was written is deleted
    /// again.
    pub async fn backup(&self, dir: &Path) -> Result<Backup> {
        let facts = self.examiner().examine().await?.facts;
        let version = |name| facts.info(name).map(str::to_owned);
        let (program, version) = match version("valkey_version") {
            Some(version) => ("valkey", version),
            None => ("redis", version("redis_version").unwrap_or_default()),
        };
        let writer = Writer::new(program, &version);
        let info = self.link.info().await?;
        let mut unfinished = Unfinished::create(dir, &writer)?;
        match snapshot::receive(&info, unfinished.base()).await {
            Ok(bytes) => {
                unfinished.finish()?;
                let server = writer.to_string();
                Ok(Backup { server, bytes })
            }
            Err(error) => {
                unfinished.discard();
                Err(error)
            }
        }
    }
}
