//! A data directory made of one snapshot: a backup on which a private Redis can be started.

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
    /// Begins a backup of what `writer` wrote in `path`, which must be empty or not there yet.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is something in it; [`Error::PrivateRedis`] when it cannot be
    /// made.
    pub fn create(path: &Path, writer: &Writer) -> Result<Self> {
        let failed = |e| Error::PrivateRedis(format!("{}: {e}", path.display()));
        let dir = DataDir::create(path)?;
        if fs::read_dir(dir.path()).map_err(failed)?.next().is_some() {
            return Err(Error::Refused(format!(
                "{} is not empty: a backup needs a directory of its own",
                path.display()
            )));
        }
        // From here on the directory says that it has data: one without a whole log is refused.
        writer.write(&dir)?;
        fs::create_dir(dir.append_only_folder()).map_err(failed)?;
        let base = File::create_new(append_only::first_base(&dir)).map_err(failed)?;
        Ok(Self { dir, base })
    }

    /// Where the snapshot is written to.
    pub fn base(&mut self) -> &mut impl Write {
        &mut self.base
    }

    /// Makes the snapshot the data of the directory. It is on disk then.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`]: it cannot be written.
    pub fn finish(self) -> Result<()> {
        let path = self.dir.path().display();
        let failed = |e| Error::PrivateRedis(format!("{path}: {e}"));
        self.base.sync_all().map_err(failed)?;
        append_only::write_first_manifest(&self.dir).map_err(failed)
    }

    /// Takes away what was written.
    pub fn discard(self) {
        let log = fs::remove_dir_all(self.dir.append_only_folder());
        if let Err(error) = log.and_then(|()| fs::remove_file(self.dir.writer_file())) {
            let path = self.dir.path().display();
            tracing::warn!(%error, "what was written of the backup stays in {path}");
        }
    }
}
