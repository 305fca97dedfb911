//! The data directory: one user at a time, and where things lie in it.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Longest path of a unix socket, on every system.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// A data directory that exists; not necessarily ours to use.
#[derive(Debug, Clone)]
pub struct DataDir {
    path: PathBuf,
}

/// The right to use a data directory, until dropped. The kernel takes it back when the process
/// dies, however it dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl DataDir {
    /// Creates the directory if needed.
    ///
    /// # Errors
    /// [`Error::Embedded`] when it cannot be created or its path is too long for a socket.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |e| Error::Embedded(format!("data_dir {}: {e}", path.display()));
        fs::create_dir_all(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let dir = Self { path };
        let bytes = dir.socket().as_os_str().len();
        if bytes > SOCKET_PATH_BYTES_MAX {
            return Err(Error::Embedded(format!(
                "data_dir {} is too deep: the path of its socket has {bytes} bytes, and a socket \
                 may have {SOCKET_PATH_BYTES_MAX}; choose a shorter data_dir",
                dir.path.display()
            )));
        }
        Ok(dir)
    }

    /// Takes the directory for this process; `None` when another process has it.
    ///
    /// # Errors
    /// [`Error::Embedded`] when the lock file cannot be made.
    pub fn lock(&self) -> Result<Option<Lock>> {
        let path = self.lock_file();
        let failed = |e| Error::Embedded(format!("{}: {e}", path.display()));
        let options = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        file.set_len(0).map_err(failed)?;
        write!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Some(Lock { _file: file }))
    }

    /// The process that has the directory, as far as its lock file tells.
    pub fn owner(&self) -> String {
        let mut pid = String::new();
        let read = File::open(self.lock_file()).and_then(|mut file| file.read_to_string(&mut pid));
        match read {
            Ok(bytes) if bytes > 0 => format!("process {pid}"),
            _ => "another process".to_owned(),
        }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The private server's socket.
    pub fn socket(&self) -> PathBuf {
        self.path.join("redis.sock")
    }

    /// The private server's log.
    pub fn log(&self) -> PathBuf {
        self.path.join("redis.log")
    }

    fn lock_file(&self) -> PathBuf {
        self.path.join("seckill.lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_user_at_a_time() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::open(&folder.path().join("deep/er")).expect("created");
        let first = dir.lock().expect("no failure").expect("free");
        assert!(dir.lock().expect("no failure").is_none());
        assert_eq!(dir.owner(), format!("process {}", std::process::id()));
        drop(first);
        assert!(dir.lock().expect("no failure").is_some());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let error = DataDir::open(&folder.path().join("x".repeat(120))).expect_err("too long");
        assert!(error.to_string().contains("shorter data_dir"), "{error}");
    }
}
