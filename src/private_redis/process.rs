//! One run of the private server program: start it, wait until it answers, end it.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::data_dir::DataDir;
use super::server_log::{self, LogReader};
use super::{Options, Persistence};
use crate::error::{Error, Result};

/// Longest wait for the socket of a server that has been started or told to stop.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two looks at the server.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// A running server and the guard that ends it when this process dies.
pub struct Process {
    server: Child,
    guard: Child,
}

/// What the server's socket says.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Ready,
    Loading,
    Silent,
}

/// Why a server did not start.
#[derive(Debug)]
pub struct Failure {
    what: String,
    reasons: Vec<String>,
    log: PathBuf,
}

impl Failure {
    fn new(dir: &DataDir, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            reasons: Vec::new(),
            log: dir.log(),
        }
    }

    fn with_log(dir: &DataDir, what: impl Into<String>, log: &mut LogReader) -> Self {
        Self {
            reasons: server_log::reasons(&log.read().unwrap_or_default()),
            ..Self::new(dir, what)
        }
    }

    /// The line of the log by which a server says that the data are in a format that it does not
    /// know.
    pub fn unknown_format(&self) -> Option<&str> {
        let mut lines = self.reasons.iter();
        let line = lines.find(|line| line.contains("RDB format version"));
        line.map(String::as_str)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.log.display();
        match self.reasons.as_slice() {
            [] => write!(f, "{} (its log: {log})", self.what),
            reasons => write!(f, "{}: {} (its log: {log})", self.what, reasons.join(" | ")),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::PrivateRedis(failure.to_string())
    }
}

impl Process {
    /// Starts `program` in `dir` and waits until it answers; loading old data may take long.
    ///
    /// # Errors
    /// What the server's log says of it.
    pub fn start(program: &Path, dir: &DataDir, options: &Options) -> Result<Self, Failure> {
        let failed = |e| Failure::new(dir, format!("cannot start {}: {e}", program.display()));
        let mut log = LogReader::at_end(dir);
        let stderr = File::options().append(true).create(true).open(dir.log());
        let stderr = stderr.map_err(|e| Failure::new(dir, format!("cannot write its log: {e}")))?;
        let server = Command::new(program)
            .args(arguments(options))
            .current_dir(dir.path())
            .process_group(0) // a Ctrl-C is for this process, which then stops the server in order
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr) // a wrong argument is said there, before the server opens its log
            .spawn()
            .map_err(failed)?;
        let guard = guard(server.id()).map_err(failed)?;
        let mut process = Self { server, guard };
        process.wait_ready(dir, &mut log)?;
        Ok(process)
    }

    /// The server's process id.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    /// Waits until the server ends, and says how.
    pub fn wait(&mut self) -> String {
        let ended = self.server.wait();
        // The guard must not outlive the server, or it would later end a stranger with its id.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        ended.map_or_else(|e| e.to_string(), |status| status.to_string())
    }

    /// Kills the server: nobody was told yet that it runs.
    pub fn kill(mut self) {
        let _ = self.server.kill();
        self.wait();
    }

    fn wait_ready(&mut self, dir: &DataDir, log: &mut LogReader) -> Result<(), Failure> {
        let mut deadline = Instant::now() + SOCKET_TIMEOUT;
        loop {
            match ask(&dir.socket()) {
                Answer::Ready => return Ok(()),
                Answer::Loading => deadline = Instant::now() + SOCKET_TIMEOUT,
                Answer::Silent => {}
            }
            if let Ok(Some(status)) = self.server.try_wait() {
                self.wait();
                let what = format!("the private Redis ended at once ({status})");
                return Err(Failure::with_log(dir, what, log));
            }
            if Instant::now() > deadline {
                let _ = self.server.kill();
                self.wait();
                let what = "the private Redis did not answer and was killed";
                return Err(Failure::with_log(dir, what, log));
            }
            std::thread::sleep(LOOK_PAUSE);
        }
    }
}

/// Ends what a process that died left listening on the socket of `dir`, in order, and waits until
/// it is gone. Nobody knows the process id of such a server, so it is asked through its socket.
///
/// # Errors
/// [`Error::PrivateRedis`] when it stays.
pub fn stop_leftover(dir: &DataDir) -> Result<()> {
    let socket = dir.socket();
    let Ok(mut stream) = UnixStream::connect(&socket) else {
        return Ok(());
    };
    // The append-only file holds everything, so no snapshot is needed.
    let _ = stream.write_all(b"SHUTDOWN NOSAVE\r\n");
    let deadline = Instant::now() + SOCKET_TIMEOUT;
    while UnixStream::connect(&socket).is_ok() {
        if Instant::now() > deadline {
            let socket = socket.display();
            return Err(Error::PrivateRedis(format!(
                "the Redis at {socket} does not stop"
            )));
        }
        std::thread::sleep(LOOK_PAUSE);
    }
    Ok(())
}

/// True when a server answers on the socket of `dir`.
pub fn answers(dir: &DataDir) -> bool {
    ask(&dir.socket()) == Answer::Ready
}

fn arguments(options: &Options) -> Vec<String> {
    let (append_only, append_fsync) = match options.persistence {
        Persistence::Fsync => ("yes", "always"),
        Persistence::Memory => ("no", "no"),
    };
    let settings = [
        ("--port", "0"),
        ("--unixsocket", "redis.sock"),
        ("--unixsocketperm", "700"),
        ("--logfile", "redis.log"),
        ("--loglevel", "warning"), // every command may be a run: no page of log for each
        ("--appendonly", append_only),
        ("--appendfsync", append_fsync),
        ("--no-appendfsync-on-rewrite", "no"),
        ("--save", ""),
        ("--maxmemory-policy", "noeviction"),
        ("--repl-diskless-sync-delay", "0"), // a backup need not wait for another one
    ];
    let settings = settings
        .iter()
        .flat_map(|&(name, value)| [name.to_owned(), value.to_owned()]);
    settings.chain(options.extra.iter().cloned()).collect()
}

/// A shell that waits for the end of its input, which only the death of this process closes, and
/// then tells the server to stop. So not even `kill -9` leaves a server behind.
fn guard(server: u32) -> std::io::Result<Child> {
    Command::new("sh")
        .args(["-c", "read -r _; kill -TERM \"$0\"", &server.to_string()])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Sends a signal to a server of this process. Through a shell, as the guard does: every system
/// has one, and not every system has a program `kill`.
pub fn signal(signal: &str, server: u32) {
    let sent = Command::new("sh")
        .args(["-c", "kill \"$0\" \"$1\"", signal, &server.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if let Err(error) = sent {
        tracing::error!(%error, signal, server, "cannot signal the private Redis");
    }
}

fn ask(socket: &Path) -> Answer {
    let asked = UnixStream::connect(socket).and_then(|mut stream| {
        stream.set_read_timeout(Some(SOCKET_TIMEOUT))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 64];
        let bytes = stream.read(&mut answer)?;
        Ok(answer[..bytes].to_vec())
    });
    match asked {
        Ok(answer) if answer.starts_with(b"+PONG") => Answer::Ready,
        Ok(answer) if answer.starts_with(b"-LOADING") => Answer::Loading,
        Ok(_) | Err(_) => Answer::Silent,
    }
}
