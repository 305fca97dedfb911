//! A Redis that somebody else runs, on data in a folder; and one whose clock can be set.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use seckill::config::RedisUrl;
use tempfile::TempDir;

use super::PATIENCE;

/// The library that a server with a clock of its own is started with.
const CLOCK_SOURCE: &str = "tests/suite/support/shifted_clock.c";

/// A server without a watcher; killed when dropped.
pub struct OtherRedis {
    child: Child,
    socket: PathBuf,
}

impl OtherRedis {
    /// Starts one with this environment, and waits until it has read its data.
    pub async fn start(folder: &Path, environment: &[(&str, &Path)]) -> Self {
        let names = ["redis-server", "valkey-server"];
        let start = |name: &&str| {
            let mut command = Command::new(name);
            command.args(["--port", "0", "--unixsocket", "other.sock"]);
            command.args(["--appendonly", "yes", "--save", ""]);
            command.current_dir(folder);
            command.envs(environment.iter().copied());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().ok()
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

/// A real server whose clock can be set while it runs.
pub struct ShiftedRedis {
    redis: OtherRedis,
    shift: File,
    _folder: TempDir,
}

impl ShiftedRedis {
    /// A server without data.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        Self::on(folder.path().to_owned(), 0, folder).await
    }

    /// A server on the data in `data`, with a clock that is so much ahead.
    pub async fn with_data(data: PathBuf, seconds: i64) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        Self::on(data, seconds, folder).await
    }

    async fn on(data: PathBuf, seconds: i64, folder: TempDir) -> Self {
        let library = folder.path().join("shifted_clock.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(CLOCK_SOURCE);
        let mut compiler = Command::new("cc"); // which Rust needs, too
        let compiler = compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library);
        let compiled = compiler.arg(source).status().expect("a C compiler");
        assert!(compiled.success(), "the clock is not compiled");
        let path = folder.path().join("shift");
        let shift = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path);
        let shift = shift.expect("a file");
        shift
            .write_all_at(&seconds.to_ne_bytes(), 0)
            .expect("written");
        let environment: [(&str, &Path); 2] = [("LD_PRELOAD", &library), ("CLOCK_SHIFT", &path)];
        let redis = OtherRedis::start(&data, &environment).await;
        Self {
            redis,
            shift,
            _folder: folder,
        }
    }

    /// Sets the clock so many seconds ahead of that of the machine.
    pub fn shift(&self, seconds: i64) {
        let written = self.shift.write_all_at(&seconds.to_ne_bytes(), 0);
        written.expect("written");
    }

    pub fn socket(&self) -> PathBuf {
        self.redis.socket()
    }

    pub fn url(&self) -> RedisUrl {
        RedisUrl::new(format!("unix://{}", self.socket().display()))
    }
}
