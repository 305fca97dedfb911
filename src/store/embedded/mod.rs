//! The private Redis: started, watched and stopped by this program when no `redis.url` is set.
//!
//! Data stay in `data_dir` between runs. One process at a time owns a directory and runs its Redis;
//! commands beside it use that Redis, and an owner that is a command itself waits for them before
//! it stops it. A server that a killed process left behind is stopped in order before a new one
//! starts.

mod binary;
mod data_dir;
mod process;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use self::data_dir::has_data;
use self::data_dir::{DataDir, Lock, Role};
use self::process::Process;
use crate::config::RedisUrl;
use crate::error::{Error, Result};

/// First pause before a server that died is started again; doubles each time.
const RESTART_PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest such pause. A server that ran longer than this starts over with the first.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Longest wait of a server for a command that owns the directory, and the pause between two
/// looks: short, because between two commands of a script the directory is free for a moment only.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const COMMAND_PAUSE: Duration = Duration::from_millis(10);
/// An owner may be this much behind in writing down who it is.
const OWNER_PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for the server of another process to answer.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for our own server to stop, and the pause between two looks.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_PAUSE: Duration = Duration::from_millis(5);
/// No process has this id.
const NO_SERVER: u32 = 0;

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

/// A private server that runs until [`EmbeddedRedis::stop`] or drop.
pub struct EmbeddedRedis {
    dir: DataDir,
    watch: Arc<Watch>,
    watcher: Option<JoinHandle<()>>,
    role: Role,
    _owner: Lock,
}

/// A private server: our own, or that of another process that owns the same directory.
pub enum Attached {
    /// Ours: it stops when this value is dropped, after the commands that use it too.
    Own(EmbeddedRedis),
    /// The other process keeps it running while this value lives.
    Other(OtherRedis),
}

/// The private server of another process.
pub struct OtherRedis {
    url: RedisUrl,
    _user: Lock,
}

/// What the watching thread and its owner share.
#[derive(Default)]
struct Watch {
    stopping: Mutex<bool>,
    stop: Condvar,
    server_id: AtomicU32,
}

impl EmbeddedRedis {
    /// Starts a server on `data_dir` and waits until it answers, first for a command that uses the
    /// directory. Blocks.
    ///
    /// # Errors
    /// [`Error::Embedded`]: no server program, directory in use, or the end of the server's log.
    pub fn start(data_dir: &Path, options: Options) -> Result<Self> {
        let dir = DataDir::open(data_dir)?;
        let owner = own_after_commands(&dir, COMMAND_TIMEOUT)?;
        Self::start_owned(dir, Role::Server, owner, options)
    }

    fn start_owned(dir: DataDir, role: Role, owner: Lock, options: Options) -> Result<Self> {
        let program = binary::find(std::env::var_os("PATH").as_deref())?;
        process::stop_leftover(&dir)?;
        let start = {
            let dir = dir.clone();
            move || Process::start(&program, &dir, &options)
        };
        let first = start()?;
        let watch = Arc::new(Watch::default());
        watch.server_id.store(first.id(), Ordering::Relaxed);
        let watcher = {
            let watch = watch.clone();
            std::thread::spawn(move || watch.keep_running(first, start))
        };
        Ok(Self {
            dir,
            watch,
            watcher: Some(watcher),
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
        let id = self.watch.server_id.load(Ordering::Relaxed);
        (id != NO_SERVER).then_some(id)
    }

    /// Stops the server in order: everything it acknowledged is on disk. Blocks.
    ///
    /// # Errors
    /// [`Error::Embedded`] when it does not stop; it is killed then.
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
        *self
            .watch
            .stopping
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.watch.stop.notify_all();
        let deadline = Instant::now() + STOP_TIMEOUT;
        let mut told = None;
        while !watcher.is_finished() {
            let server = self.server_id();
            if Instant::now() > deadline {
                if let Some(id) = server {
                    process::signal("-KILL", id);
                }
                return Err(Error::Embedded(format!(
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

impl Attached {
    /// Uses the server that runs on `data_dir`, or starts one. Blocks.
    ///
    /// # Errors
    /// As [`EmbeddedRedis::start`].
    pub fn open(data_dir: &Path) -> Result<Self> {
        let dir = DataDir::open(data_dir)?;
        let deadline = Instant::now() + ATTACH_TIMEOUT;
        loop {
            if let Some(owner) = dir.own(Role::Command)? {
                let started =
                    EmbeddedRedis::start_owned(dir, Role::Command, owner, Options::default());
                return started.map(Self::Own);
            }
            // First a user, then the question: a Redis that answers now is not stopped under us.
            if let Some(user) = dir.join()?
                && process::answers(&dir)
            {
                let url = url(&dir);
                return Ok(Self::Other(OtherRedis { url, _user: user }));
            }
            if Instant::now() > deadline {
                let (path, owner) = (dir.path().display(), dir.owner());
                return Err(Error::Embedded(format!(
                    "{path} is in use by {owner}, but its Redis does not answer"
                )));
            }
            std::thread::sleep(RESTART_PAUSE_MIN);
        }
    }

    /// The address for clients.
    pub fn url(&self) -> RedisUrl {
        match self {
            Self::Own(redis) => redis.url(),
            Self::Other(redis) => redis.url.clone(),
        }
    }
}

impl Watch {
    /// Starts the server again whenever it ends, until told to stop.
    fn keep_running(&self, first: Process, start: impl Fn() -> Result<Process>) {
        let mut running = Some(first);
        let mut pause = RESTART_PAUSE_MIN;
        loop {
            if let Some(mut process) = running.take() {
                let since = Instant::now();
                let status = process.wait();
                // Its id may now become that of a stranger.
                self.server_id.store(NO_SERVER, Ordering::Relaxed);
                if since.elapsed() > RESTART_PAUSE_MAX {
                    pause = RESTART_PAUSE_MIN;
                }
                if !self.is_stopping() {
                    tracing::warn!(status, ?pause, "the private Redis ended: starting it again");
                }
            }
            if self.wait_for_stop(pause) {
                return;
            }
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
            match start() {
                Ok(process) => {
                    self.server_id.store(process.id(), Ordering::Relaxed);
                    running = Some(process);
                }
                Err(error) => tracing::error!(%error, ?pause, "the private Redis does not start"),
            }
        }
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for `pause`, or less: true when told to stop.
    fn wait_for_stop(&self, pause: Duration) -> bool {
        let stopping = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .stop
            .wait_timeout_while(stopping, pause, |stopping| !*stopping);
        *waited.unwrap_or_else(PoisonError::into_inner).0
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
                return Err(Error::Embedded(format!(
                    "{path} is in use by {owner}: stop it, or choose another data_dir"
                )));
            }
        } else if Instant::now() > deadline {
            return Err(Error::Embedded(format!(
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

/// The address of the private server in `data_dir`, whoever runs it, now or later: for those who
/// wait for it and never run it themselves.
///
/// # Errors
/// [`Error::Embedded`] when the directory cannot have one.
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
