//! The private Redis: started, watched and stopped by this program when no `redis.url` is set.
//!
//! Data stay in `data_dir` between runs. One process at a time may run on a directory; a server
//! that a killed process left behind is stopped in order before a new one starts.

mod binary;
mod data_dir;
mod process;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::data_dir::{DataDir, Lock};
use self::process::Process;
use crate::config::RedisUrl;
use crate::error::{Error, Result};

/// First pause before a server that died is started again; doubles each time.
const RESTART_PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest such pause. A server that ran longer than this starts over with the first.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);
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
    _lock: Lock,
}

/// A private server: our own, or that of the `seckill serve` that runs on the same directory.
pub enum Attached {
    /// Ours: it stops when this value is dropped.
    Own(EmbeddedRedis),
    /// The other process keeps it running.
    Other(RedisUrl),
}

/// What the watching thread and its owner share.
#[derive(Default)]
struct Watch {
    stopping: Mutex<bool>,
    stop: Condvar,
    server_id: AtomicU32,
}

impl EmbeddedRedis {
    /// Starts a server on `data_dir` and waits until it answers. Blocks.
    ///
    /// # Errors
    /// [`Error::Embedded`]: no server program, directory in use, or the end of the server's log.
    pub fn start(data_dir: &Path, options: Options) -> Result<Self> {
        let dir = DataDir::open(data_dir)?;
        let Some(lock) = dir.lock()? else {
            return Err(Error::Embedded(format!(
                "{} is in use by {}: stop it, or choose another data_dir",
                dir.path().display(),
                dir.owner()
            )));
        };
        Self::start_locked(dir, lock, options)
    }

    fn start_locked(dir: DataDir, lock: Lock, options: Options) -> Result<Self> {
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
            _lock: lock,
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
            if let Some(lock) = dir.lock()? {
                return EmbeddedRedis::start_locked(dir, lock, Options::default()).map(Self::Own);
            }
            if process::answers(&dir) {
                return Ok(Self::Other(url(&dir)));
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
            Self::Other(url) => url.clone(),
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
