//! A Redis that someone else runs on data in a folder, and one with a clock that can be set.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use seckill::config::RedisUrl;
use tempfile::TempDir;

use super::{PATIENCE, native};

/// A server without a watcher; killed when dropped.
pub struct OtherRedis {
    child: Child,
    socket: PathBuf,
}

impl OtherRedis {
    /// Starts one with this environment, and waits until it has read its data.
    pub async fn start(folder: &Path, environment: &[(&str, &Path)]) -> Self {
        Self::started_by(Command::spawn, folder, &[], environment).await
    }

    /// The same with more arguments, by a `spawn` that may put it on another host.
    pub async fn started_by(
        spawn: impl Fn(&mut Command) -> io::Result<Child>,
        folder: &Path,
        arguments: &[&str],
        environment: &[(&str, &Path)],
    ) -> Self {
        let names = ["redis-server", "valkey-server"];
        let start = |name: &&str| {
            let mut command = Command::new(name);
            command.args(["--port", "0", "--unixsocket", "other.sock"]);
            command.args(["--appendonly", "yes", "--save", ""]);
            command.args(arguments).current_dir(folder);
            command.envs(environment.iter().copied());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            spawn(&mut command).ok()
        };
        let other = Self {
            child: names.iter().find_map(start).expect("a server program"),
            socket: folder.join("other.sock"),
        };
        let deadline = Instant::now() + PATIENCE;
        while !is_pong(&other.socket) {
            assert!(Instant::now() < deadline, "not started");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        other
    }

    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    pub fn url(&self) -> RedisUrl {
        RedisUrl::new(format!("unix://{}", self.socket.display()))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for OtherRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_pong(socket: &Path) -> bool {
    let asked = UnixStream::connect(socket).and_then(|mut stream| {
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    });
    asked.is_ok_and(|answer| answer == *b"+PONG")
}

/// A clock of the day that a server is started with, and that can be set while it runs.
pub struct Clock {
    folder: TempDir,
    shift: File,
}

impl Clock {
    /// One that is so much ahead of that of the machine.
    pub fn ahead(seconds: i64) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let library = folder.path().join("shifted_clock.so");
        native::compile("shifted_clock.c", &["-shared", "-fPIC"], &library);
        let shift = File::create(folder.path().join("shift")).expect("a file");
        let clock = Self { folder, shift };
        clock.shift(seconds);
        clock
    }

    /// Sets it this many seconds ahead of the machine's.
    pub fn shift(&self, seconds: i64) {
        let written = self.shift.write_all_at(&seconds.to_ne_bytes(), 0);
        written.expect("written");
    }

    /// What a server needs in its environment to believe it.
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        let folder = self.folder.path();
        let library = folder.join("shifted_clock.so");
        [
            ("LD_PRELOAD", library),
            ("CLOCK_SHIFT", folder.join("shift")),
        ]
    }
}

/// A real server whose clock can be set while it runs.
pub struct ShiftedRedis {
    redis: OtherRedis,
    clock: Clock,
    _folder: Option<TempDir>,
}

impl ShiftedRedis {
    /// A server without data.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let mut started = Self::with_data(folder.path().to_owned(), 0).await;
        started._folder = Some(folder);
        started
    }

    /// A server on the data in `data`, with a clock that is so much ahead.
    pub async fn with_data(data: PathBuf, seconds: i64) -> Self {
        let clock = Clock::ahead(seconds);
        let environment = clock.environment();
        let environment = environment.each_ref().map(|(name, path)| (*name, &**path));
        let redis = OtherRedis::start(&data, &environment).await;
        Self {
            redis,
            clock,
            _folder: None,
        }
    }

    /// Sets the clock this many seconds ahead of the machine's.
    pub fn shift(&self, seconds: i64) {
        self.clock.shift(seconds);
    }

    pub fn socket(&self) -> PathBuf {
        self.redis.socket()
    }

    pub fn url(&self) -> RedisUrl {
        self.redis.url()
    }
}
