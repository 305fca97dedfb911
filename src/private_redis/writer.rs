//! Who wrote a data directory last: the format of its files, the server program and its version.

use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};

use serde::{Deserialize, Serialize};

use super::data_dir::DataDir;
use crate::error::{Error, Result};

/// The layout of the directory that this version knows: the log of several files of Redis 7.
const FORMAT: u32 = 1;

/// Who wrote a data directory last. Directories of older versions have no such file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    format: u32,
    /// `redis` or `valkey`.
    pub program: String,
    /// Like `7.0.15`.
    pub version: String,
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.program, self.version)
    }
}

impl Writer {
    /// A writer of the format that this version knows.
    pub fn new(program: &str, version: &str) -> Self {
        Self {
            format: FORMAT,
            program: program.to_owned(),
            version: version.to_owned(),
        }
    }

    /// Reads the file; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`]: the file cannot be read, or its format is newer than this program.
    pub fn read(dir: &DataDir) -> Result<Option<Self>> {
        let path = dir.writer_file();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::PrivateRedis(format!("{}: {error}", path.display()))),
        };
        let writer: Self = serde_json::from_str(&text).map_err(|error| {
            Error::PrivateRedis(format!(
                "{} does not name who wrote the data ({error}): restore it, or delete it if no \
                 older server program was installed since",
                path.display()
            ))
        })?;
        if writer.format > FORMAT {
            return Err(Error::PrivateRedis(format!(
                "{} was written by a newer seckill: its format is {}, and this version knows {FORMAT}; \
                 start that version, or restore an older backup",
                dir.path().display(),
                writer.format
            )));
        }
        Ok(Some(writer))
    }

    /// Writes the file, so that a crash leaves the old or the new one.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`] when it cannot be written.
    pub fn write(&self, dir: &DataDir) -> Result<()> {
        let path = dir.writer_file();
        let new = path.with_extension("json.new");
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(serde_json::to_string(self)?.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(dir.path())?.sync_all()
        });
        written.map_err(|error| Error::PrivateRedis(format!("{}: {error}", path.display())))
    }
}
