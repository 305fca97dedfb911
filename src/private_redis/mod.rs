//! The private Redis: started, watched and stopped by this program when no `redis.url` is set.
//!
//! Data stay in `data_dir` between runs. One process at a time owns a directory and runs its Redis;
//! commands beside it use that Redis, and an owner that is a command itself waits for them before
//! it stops it. A server that a killed process left behind is stopped in order before a new one
//! starts.

mod append_only;
mod attached;
mod backup;
mod data_dir;
mod disk;
mod memory;
mod process;
mod program;
mod server_log;
mod start;
mod watch;
mod writer;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use self::attached::Attached;
pub(super) use self::backup::Unfinished;
pub use self::data_dir::has_data;
use self::data_dir::{DataDir, Lock, Role};
pub use self::disk::FREE_BYTES_MIN;
pub use self::memory::MemoryLimit;
use self::start::Starter;
use self::watch::Watch;
pub(super) use self::writer::Writer;
use crate::config::RedisUrl;
use crate::error::{Error, Result};

/// Longest wait of a server for a command that owns the directory, and the pause between two
/// looks: short, because between two commands of a script the directory is free for a moment only.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const COMMAND_PAUSE: Duration = Duration::from_millis(10);
/// An owner may be this much behind in writing down who it is.
const OWNER_PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for our own server to stop, and the pause between two looks.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_PAUSE: Duration = Duration::from_millis(5);

/// How the private server keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Persistence {
    /// Append-only file with `appendfsync always`: what was acknowledged survives `kill -9` and
    /// power loss.
    #[default]
    Fsync,
    /// Nothing is written: a restart forgets everything. For tests that want to see the loss.
    Memory,
}

/// How to run the private server.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What survives.
    pub persistence: Persistence,
    /// More arguments for the server program, after the built-in ones.
    pub extra: Vec<String>,
}

impl Options {
    /// The usual ones, with so much memory.
    pub fn within(limit: MemoryLimit) -> Self {
        Self {
            extra: vec!["--maxmemory".to_owned(), limit.bytes.to_string()],
            ..Self::default()
        }
    }
}

/// A private server that runs until [`EmbeddedRedis::stop`] or drop.
pub struct EmbeddedRedis {
    dir: DataDir,
    watch: Arc<Watch>,
    watcher: Option<JoinHandle<()>>,
    follower: Option<JoinHandle<()>>,
    role: Role,
    _owner: Lock,
}

impl EmbeddedRedis {
    /// Starts a server on `data_dir` and waits until it answers, first for a command that uses the
    /// directory. Blocks.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`]: no server program, directory in use, or the end of the server's
    /// log.
    pub fn start(data_dir: &Path, options: Options) -> Result<Self> {
        let dir = DataDir::open(data_dir)?;
        let owner = own_after_commands(&dir, COMMAND_TIMEOUT)?;
        Self::start_owned(dir, Role::Server, owner, options)
    }

    fn start_owned(dir: DataDir, role: Role, mut owner: Lock, options: Options) -> Result<Self> {
        process::stop_leftover(&dir)?;
        let watch = Arc::new(Watch::new(&dir));
        let keeps = options.persistence == Persistence::Fsync;
        let starter = Starter {
            dir: dir.clone(),
            options,
        };
        let first = starter.start()?;
        if keeps && let Err(error) = dir.note_begun(&mut owner, role) {
            first.kill();
            return Err(error);
        }
        watch.started(&first);
        if role == Role::Server {
            warn_of_others(&dir);
        }
        let watcher = {
            let watch = watch.clone();
            std::thread::spawn(move || watch.keep_running(first, || starter.start()))
        };
        let follower = {
            let watch = watch.clone();
            std::thread::spawn(move || watch.follow_log())
        };
        Ok(Self {
            dir,
            watch,
            watcher: Some(watcher),
            follower: Some(follower),
            role,
            _owner: owner,
        })
    }

    /// The address for clients.
    pub fn url(&self) -> RedisUrl {
        url(&self.dir)
    }

    /// The process id of the server that runs now; none between the end of one and the next.
    pub fn server_id(&self) -> Option<u32> {
        self.watch.server_id()
    }

    /// Stops the server in order: everything it acknowledged is on disk. Blocks.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`] when it does not stop; it is killed then.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        let Some(watcher) = self.watcher.take() else {
            return Ok(());
        };
        // A server that is told to stop stops; a command is only done with its own work.
        let _users = match self.role {
            Role::Server => None,
            Role::Command => Some(self.dir.wait_for_users(|| {
                tracing::info!("done; waiting for other commands that use this private Redis");
            })?),
        };
        self.watch.stop();
        let deadline = Instant::now() + STOP_TIMEOUT;
        let mut told = None;
        while !watcher.is_finished() {
            let server = self.server_id();
            if Instant::now() > deadline {
                if let Some(id) = server {
                    process::signal("-KILL", id);
                }
                return Err(Error::PrivateRedis(format!(
                    "killed the private Redis: it did not stop within {STOP_TIMEOUT:?}"
                )));
            }
            // Not through the socket, which may have been deleted. Each server once; more than
            // one, because the watcher may just be starting the next.
            if let Some(id) = server
                && told != server
            {
                process::signal("-TERM", id);
                told = server;
            }
            std::thread::sleep(STOP_PAUSE);
        }
        if let Some(follower) = self.follower.take() {
            let _ = follower.join(); // it sees the stop at once
        }
        Ok(())
    }
}

impl Drop for EmbeddedRedis {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "stopping the private Redis");
        }
    }
}

/// A directory that was there before may be open to other users of the machine.
fn warn_of_others(dir: &DataDir) {
    if let Some(mode) = dir.open_mode() {
        let path = dir.path().display();
        tracing::warn!(
            "other users of this machine may look into {path} (its mode is {mode:o}), where names \
             and orders are: chmod 700 {path}"
        );
    }
}

/// Makes this server the owner of `dir`. An owner that is a command will soon end; one that is a
/// server will not.
fn own_after_commands(dir: &DataDir, timeout: Duration) -> Result<Lock> {
    let deadline = Instant::now() + timeout;
    let mut told = None;
    loop {
        if let Some(lock) = dir.own(Role::Server)? {
            return Ok(lock);
        }
        let owner = dir.owner();
        let path = dir.path().display();
        if owner.role == Some(Role::Server) {
            // Perhaps what a dead server wrote, and a command is just about to write over it.
            std::thread::sleep(OWNER_PAUSE);
            if dir.owner() == owner {
                return Err(Error::PrivateRedis(format!(
                    "{path} is in use by {owner}: stop it, or choose another data_dir"
                )));
            }
        } else if Instant::now() > deadline {
            return Err(Error::PrivateRedis(format!(
                "{path} is in use by {owner}, still after {timeout:?}: start again when it has \
                 ended, or choose another data_dir"
            )));
        } else if owner.role.is_some() && told.as_ref() != Some(&owner) {
            tracing::info!(%owner, ?timeout, "waiting for the command that uses {path}");
            told = Some(owner);
        }
        std::thread::sleep(COMMAND_PAUSE);
    }
}

/// What people should know of the private Redis in a directory.
#[derive(Debug, Clone)]
pub struct Health {
    /// Lines of its log that report damage or a failure, in order.
    pub alarms: Vec<String>,
    /// The log itself.
    pub log: PathBuf,
    /// The mode of the directory, if it lets other users of the machine in.
    pub open_mode: Option<u32>,
    /// Bytes that are free on its disk.
    pub free_bytes: u64,
    /// Bytes of its data on disk, which a rewrite of the log writes once more.
    pub data_bytes: u64,
}

/// Looks at the log and the disk of the private Redis in `data_dir`.
///
/// # Errors
/// [`Error::PrivateRedis`] when they cannot be looked at.
pub fn health(data_dir: &Path) -> Result<Health> {
    let dir = DataDir::open(data_dir)?;
    let failed = |e| Error::PrivateRedis(format!("{}: {e}", dir.path().display()));
    Ok(Health {
        alarms: server_log::all_alarms(&dir).map_err(failed)?,
        log: dir.log(),
        open_mode: dir.open_mode(),
        free_bytes: disk::free_bytes(dir.path()).map_err(failed)?,
        data_bytes: append_only::log_bytes(&dir).map_err(failed)?,
    })
}

/// The address of the private server in `data_dir`, whoever runs it, now or later: for those who
/// wait for it and never run it themselves.
///
/// # Errors
/// [`Error::PrivateRedis`] when the directory cannot have one.
pub fn address(data_dir: &Path) -> Result<RedisUrl> {
    DataDir::open(data_dir).map(|dir| url(&dir))
}

fn url(dir: &DataDir) -> RedisUrl {
    let mut text = "unix://".to_owned();
    for byte in dir.socket().as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(*byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    RedisUrl::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_waits_for_a_command_and_not_for_ever() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::open(folder.path()).expect("created");
        let timeout = Duration::from_millis(50);
        let command = dir.own(Role::Command).expect("no failure").expect("free");
        let since = Instant::now();
        let said = own_after_commands(&dir, timeout).expect_err("in use");
        assert!(since.elapsed() >= timeout);
        assert!(said.to_string().contains("when it has ended"), "{said}");
        drop(command);
        let server = own_after_commands(&dir, COMMAND_TIMEOUT).expect("free");
        let said = own_after_commands(&dir, COMMAND_TIMEOUT).expect_err("in use");
        assert!(
            said.to_string().contains("(seckill serve): stop it"),
            "{said}"
        );
        drop(server);
    }
}
