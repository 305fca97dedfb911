//! A data directory made from one snapshot: a backup that a private Redis can start on.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::append_only;
use super::data_dir::DataDir;
use super::writer::Writer;
use crate::error::{Error, Result};

/// A directory that becomes a backup. Until it is finished, no server starts on it.
pub struct Unfinished {
    dir: DataDir,
    base: File,
}

impl Unfinished {
    /// Begins a backup of what `writer` wrote in `path`, which must be empty or not exist.
    ///
    /// # Errors
    /// [`Error::Refused`]: the directory is not empty. [`Error::PrivateRedis`]: it cannot be
    /// created.
    pub fn create(path: &Path, writer: &Writer) -> Result<Self> {
        let failed = |e| Error::PrivateRedis(format!("{}: {e}", path.display()));
        let dir = DataDir::create(path)?;
        if fs::read_dir(dir.path()).map_err(failed)?.next().is_some() {
            return Err(Error::Refused(format!(
                "{} is not empty: a backup needs an empty directory",
                path.display()
            )));
        }
        // From here on the directory says that it has data, so it is refused without a complete
        // log.
        writer.write(&dir)?;
        fs::create_dir(dir.append_only_folder()).map_err(failed)?;
        let base = File::create_new(append_only::first_base(&dir)).map_err(failed)?;
        Ok(Self { dir, base })
    }

    /// Where the snapshot is written.
    pub fn base(&mut self) -> &mut impl Write {
        &mut self.base
    }

    /// Makes the snapshot the data of the directory. When this returns, it is on disk.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`]: it cannot be written.
    pub fn finish(self) -> Result<()> {
        let path = self.dir.path().display();
        let failed = |e| Error::PrivateRedis(format!("{path}: {e}"));
        self.base.sync_all().map_err(failed)?;
        append_only::write_first_manifest(&self.dir).map_err(failed)
    }

    /// Deletes what was written.
    pub fn discard(self) {
        let log = fs::remove_dir_all(self.dir.append_only_folder());
        if let Err(error) = log.and_then(|()| fs::remove_file(self.dir.writer_file())) {
            let path = self.dir.path().display();
            tracing::warn!(%error, "cannot delete the unfinished backup in {path}");
        }
    }
}
