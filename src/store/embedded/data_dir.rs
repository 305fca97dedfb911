//! The data directory: one owner at a time, who runs its Redis, the users beside the owner, and
//! where things lie in it.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Longest path of a unix socket, on every system.
const SOCKET_PATH_BYTES_MAX: usize = 103;
/// Where the owner writes down who it is.
const OWNER_FILE: &str = "seckill.lock";
/// The folder of the append-only file, which the server makes when it starts.
const APPEND_ONLY_FOLDER: &str = "appendonlydir";

/// A data directory that exists; not necessarily ours to use.
#[derive(Debug, Clone)]
pub struct DataDir {
    path: PathBuf,
}

/// A right to a data directory, until dropped. The kernel takes it back when the process dies,
/// however it dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that is just being started has it, too.
        let _ = self.file.unlock();
    }
}

/// What a process is that owns a data directory: this tells how long it may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `seckill serve`: stays until it is told to stop.
    Server,
    /// Any other command: ends by itself.
    Command,
}

/// The process that owns a data directory, as far as its lock file tells. The file may be a moment
/// behind the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    process: String,
    /// None when the owner has not written it yet.
    pub role: Option<Role>,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Server => "serve",
            Self::Command => "command",
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, role } = self;
        match role {
            Some(Role::Server) => write!(f, "process {process} (seckill serve)"),
            Some(Role::Command) => write!(f, "process {process} (another seckill command)"),
            None => f.write_str("another process"),
        }
    }
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

    /// Makes this process the owner; `None` when another process is.
    ///
    /// # Errors
    /// [`Error::Embedded`] when the lock file cannot be made.
    pub fn own(&self, role: Role) -> Result<Option<Lock>> {
        let path = self.owner_file();
        let mut file = open(&path)?;
        if !taken(&path, file.try_lock())? {
            return Ok(None);
        }
        let failed = |e| failed(&path, e);
        file.set_len(0).map_err(failed)?;
        write!(file, "{} {}", std::process::id(), role.word()).map_err(failed)?;
        Ok(Some(Lock { file }))
    }

    /// The process that owns the directory.
    pub fn owner(&self) -> Owner {
        let text = fs::read_to_string(self.owner_file()).unwrap_or_default();
        let (process, word) = text.split_once(' ').unwrap_or_default();
        let mut roles = [Role::Server, Role::Command].into_iter();
        Owner {
            process: process.to_owned(),
            role: roles.find(|role| role.word() == word),
        }
    }

    /// Makes this process a user beside the owner, who then lets its Redis run; `None` when the
    /// owner is just stopping it.
    ///
    /// # Errors
    /// [`Error::Embedded`] when the lock file cannot be made.
    pub fn join(&self) -> Result<Option<Lock>> {
        let path = self.users_file();
        let file = open(&path)?;
        let joined = taken(&path, file.try_lock_shared())?;
        Ok(joined.then_some(Lock { file }))
    }

    /// Waits until there are no users, and keeps new ones away. Calls `waiting` first if there
    /// are some.
    ///
    /// # Errors
    /// [`Error::Embedded`] when the lock file cannot be made.
    pub fn wait_for_users(&self, waiting: impl FnOnce()) -> Result<Lock> {
        let path = self.users_file();
        let file = open(&path)?;
        if !taken(&path, file.try_lock())? {
            waiting();
            file.lock().map_err(|e| failed(&path, e))?;
        }
        Ok(Lock { file })
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

    fn owner_file(&self) -> PathBuf {
        self.path.join(OWNER_FILE)
    }

    fn users_file(&self) -> PathBuf {
        self.path.join("users.lock")
    }
}

/// True for a directory where a private server was started, or that has the data of one: they may
/// have been copied without the rest; and for one that may not be looked at. Makes nothing.
pub fn has_data(path: &Path) -> bool {
    [OWNER_FILE, APPEND_ONLY_FOLDER]
        .iter()
        .any(|name| path.join(name).try_exists().unwrap_or(true))
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::Embedded(format!("{}: {error}", path.display()))
}

/// Opens a lock file, which stays when the lock goes: deleting it would let two have it.
fn open(path: &Path) -> Result<File> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(|e| failed(path, e))
}

/// True when the lock was taken, false when others have it.
fn taken(path: &Path, tried: Result<(), TryLockError>) -> Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) => Err(failed(path, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::open(&folder.path().join("deep/er")).expect("created");
        let own = |role| dir.own(role).expect("no failure");
        let first = own(Role::Server).expect("free");
        assert!(own(Role::Command).is_none());
        let said = format!("process {} (seckill serve)", std::process::id());
        assert_eq!(dir.owner().to_string(), said);
        // What a child has of it, while it is being started, keeps nobody away.
        let of_child = first.file.try_clone().expect("a copy");
        drop(first);
        let _second = own(Role::Command).expect("free again");
        drop(of_child);
        assert!(own(Role::Server).is_none());
        assert_eq!(dir.owner().role, Some(Role::Command));
        for unsigned in ["", "12", "12 ", "12 x"] {
            fs::write(dir.owner_file(), unsigned).expect("written");
            assert_eq!(dir.owner().to_string(), "another process", "{unsigned:?}");
        }
    }

    #[test]
    fn an_owner_waits_for_its_users_and_keeps_new_ones_away() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::open(folder.path()).expect("created");
        let join = || dir.join().expect("no failure");
        let users = [join().expect("allowed"), join().expect("beside the other")];
        let mut waited = false;
        let alone = dir.wait_for_users(|| {
            waited = true;
            drop(users);
        });
        let _alone = alone.expect("no failure");
        assert!(waited && join().is_none());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let error = DataDir::open(&folder.path().join("x".repeat(120))).expect_err("too long");
        assert!(error.to_string().contains("shorter data_dir"), "{error}");
    }
}
