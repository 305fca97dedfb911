//! The data directory: one owner at a time, who runs its Redis, the users beside the owner, and
//! where things lie in it.

use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Longest path of a unix socket, on every system.
const SOCKET_PATH_BYTES_MAX: usize = 103;
/// What its user may do with the directory, and with a file in it; others may do nothing.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The part of a mode that is about others.
const OTHERS: u32 = 0o077;
/// Where the owner writes down who it is.
const OWNER_FILE: &str = "seckill.lock";
/// The folder of the append-only log, which the server makes when it starts.
const APPEND_ONLY_FOLDER: &str = "appendonlydir";
/// Where the last writer of the data is named.
const WRITER_FILE: &str = "version.json";
/// What the lock file says after its owner while no server ever ran in the directory.
const NEW: &str = "new";

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

impl Lock {
    fn write_owner(&mut self, role: Role, is_new: bool) -> io::Result<()> {
        let mut text = format!("{} {}", std::process::id(), role.word());
        if is_new {
            text = format!("{text} {NEW}");
        }
        self.file.set_len(0)?;
        self.file.write_all_at(text.as_bytes(), 0)
    }
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
    /// Creates the directory if needed, for this user alone.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`] when it cannot be created or its path is too long for a socket.
    pub fn open(path: &Path) -> Result<Self> {
        let dir = Self::create(path)?;
        let bytes = dir.socket().as_os_str().len();
        if bytes > SOCKET_PATH_BYTES_MAX {
            return Err(Error::PrivateRedis(format!(
                "data_dir {} is too deep: the path of its socket has {bytes} bytes, and a socket \
                 may have {SOCKET_PATH_BYTES_MAX}; choose a shorter data_dir",
                dir.path.display()
            )));
        }
        Ok(dir)
    }

    /// The same for a directory in which no server is to run.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`] when it cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let failed = |e| failed(path, e);
        let mut builder = DirBuilder::new();
        let builder = builder.recursive(true).mode(DIRECTORY_MODE);
        builder.create(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        Ok(Self { path })
    }

    /// Makes this process the owner; `None` when another process is.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`] when the lock file cannot be made.
    pub fn own(&self, role: Role) -> Result<Option<Lock>> {
        let path = self.owner_file();
        let file = open(&path)?;
        if !taken(&path, file.try_lock())? {
            return Ok(None);
        }
        let mut lock = Lock { file };
        let is_new = self.is_new();
        lock.write_owner(role, is_new)
            .map_err(|e| failed(&path, e))?;
        Ok(Some(lock))
    }

    /// Notes that a server runs in the directory, so its data may not be missing from now on.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`] when the lock file cannot be written.
    pub fn note_begun(&self, lock: &mut Lock, role: Role) -> Result<()> {
        let written = lock.write_owner(role, false);
        written.map_err(|e| failed(&self.owner_file(), e))
    }

    /// True while no server ever ran in the directory, as far as its lock file tells.
    pub fn is_new(&self) -> bool {
        let text = fs::read_to_string(self.owner_file()).unwrap_or_default();
        text.is_empty() || text.split(' ').nth(2) == Some(NEW)
    }

    /// The process that owns the directory.
    pub fn owner(&self) -> Owner {
        let text = fs::read_to_string(self.owner_file()).unwrap_or_default();
        let mut words = text.split(' ');
        let process = words.next().unwrap_or_default().to_owned();
        let word = words.next();
        let mut roles = [Role::Server, Role::Command].into_iter();
        let role = roles.find(|role| word == Some(role.word()));
        Owner { process, role }
    }

    /// Makes this process a user beside the owner, who then lets its Redis run; `None` when the
    /// owner is just stopping it.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`] when the lock file cannot be made.
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
    /// [`Error::PrivateRedis`] when the lock file cannot be made.
    pub fn wait_for_users(&self, waiting: impl FnOnce()) -> Result<Lock> {
        let path = self.users_file();
        let file = open(&path)?;
        if !taken(&path, file.try_lock())? {
            waiting();
            file.lock().map_err(|e| failed(&path, e))?;
        }
        Ok(Lock { file })
    }

    /// The mode of the directory, if it lets other users in. One that was there before stays as it
    /// is: it may be theirs, too.
    pub fn open_mode(&self) -> Option<u32> {
        let mode = fs::metadata(&self.path).ok()?.permissions().mode();
        (mode & OTHERS != 0).then_some(mode & 0o777)
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

    /// The folder of the append-only log.
    pub fn append_only_folder(&self) -> PathBuf {
        self.path.join(APPEND_ONLY_FOLDER)
    }

    /// The file that names the last writer of the data.
    pub fn writer_file(&self) -> PathBuf {
        self.path.join(WRITER_FILE)
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
    [OWNER_FILE, APPEND_ONLY_FOLDER, WRITER_FILE]
        .iter()
        .any(|name| path.join(name).try_exists().unwrap_or(true))
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::PrivateRedis(format!("{}: {error}", path.display()))
}

/// Opens a lock file, which stays when the lock goes: deleting it would let two have it. Whoever
/// can open it can lock it, and keep its user out.
fn open(path: &Path) -> Result<File> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    let file = options.mode(FILE_MODE).open(path);
    let file = file.map_err(|e| failed(path, e))?;
    let mode = file.metadata().map_err(|e| failed(path, e))?;
    if mode.permissions().mode() & OTHERS != 0 {
        // Of an older version. Where it is not ours, its user must do this.
        let _ = file.set_permissions(Permissions::from_mode(FILE_MODE));
    }
    Ok(file)
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
        assert!(dir.is_new(), "no server ran");
        for unsigned in ["", "12", "12 ", "12 x"] {
            fs::write(dir.owner_file(), unsigned).expect("written");
            assert_eq!(dir.owner().to_string(), "another process", "{unsigned:?}");
        }
    }

    #[test]
    fn a_directory_is_new_until_a_server_ran_in_it() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::open(folder.path()).expect("created");
        let own = || dir.own(Role::Server).expect("no failure").expect("free");
        for _ in 0..2 {
            drop(own());
            assert!(dir.is_new());
        }
        let mut lock = own();
        dir.note_begun(&mut lock, Role::Server).expect("written");
        drop(lock);
        drop(own());
        assert!(!dir.is_new());
        fs::write(dir.owner_file(), "1234 serve").expect("as older versions wrote it");
        assert!(!dir.is_new());
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
