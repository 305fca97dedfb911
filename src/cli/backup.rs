//! `seckill backup`: copies all data of a Redis into a directory.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::print::Output;
use crate::error::Result;
use crate::store::Store;

/// How to use a backup.
const NOTES: &str = "\
Sales go on meanwhile. Every order that was acknowledged before the command began is in the backup.
`seckill serve --data-dir DIR` starts on a backup; see docs/OPERATIONS.md.";

/// `seckill backup`
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct BackupCommand {
    /// Where to write it: a directory that is empty or does not exist
    dir: PathBuf,
}

impl BackupCommand {
    /// Runs the command.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        let backup = store.backup(&self.dir).await?;
        let dir = std::path::absolute(&self.dir).unwrap_or_else(|_| self.dir.clone());
        let dir = dir.display().to_string();
        let line = format!(
            "wrote all data of {} to {dir}: a snapshot of {} bytes",
            backup.server, backup.bytes
        );
        let value = json!({"dir": dir, "server": backup.server, "bytes": backup.bytes});
        output.result(line, &value)?;
        Ok(ExitCode::SUCCESS)
    }
}
