//! The HTTP servers, each in a process of its own on a free port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path as File, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::counts::Counts;
use crate::plan::Path;

/// Longest wait for a server to listen.
const START_TIMEOUT: Duration = Duration::from_secs(10);
const START_PAUSE: Duration = Duration::from_millis(5);
/// Longest wait for an answer to one of our own questions.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that counted nothing new for so long has decided everything.
pub const SETTLING: Duration = Duration::from_millis(150);
const SETTLING_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the programs are.
pub struct Programs {
    seckill: PathBuf,
    examples: PathBuf,
}

/// A server that is killed when it is dropped: it keeps nothing that matters.
pub struct Server {
    process: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Programs {
    /// Finds them beside the program that cargo built for this bench.
    pub fn find() -> Self {
        let seckill = PathBuf::from(env!("CARGO_BIN_EXE_seckill"));
        let examples = seckill.with_file_name("examples");
        Self { seckill, examples }
    }

    /// An error when a server to compare with is not built.
    pub fn expect_references(&self) -> Result<()> {
        for name in ["bare", "per_request"] {
            if !self.examples.join(name).exists() {
                return Err(
                    format!("no example {name}: `cargo build --release --examples`").into(),
                );
            }
        }
        Ok(())
    }

    /// The folder for data: on the disk that holds the build.
    pub fn target(&self) -> &File {
        self.seckill.parent().unwrap_or(File::new("."))
    }

    /// Starts the server of a path and waits until it listens.
    pub fn start(&self, path: Path, redis: &str) -> Result<Server> {
        self.start_set(path, redis, &[])
    }

    /// The same with settings, each as `KEY=VALUE`; the servers to compare with have none.
    pub fn start_set(&self, path: Path, redis: &str, settings: &[&str]) -> Result<Server> {
        let address = free_address()?;
        let mut command = match path {
            Path::Bare => Command::new(self.examples.join("bare")),
            Path::PerRequest => Command::new(self.examples.join("per_request")),
            Path::Grab | Path::Held | Path::HeldFsync | Path::SoldOut => {
                Command::new(&self.seckill)
            }
        };
        if path.is_seckill() {
            command.args([
                "serve",
                "--redis-url",
                redis,
                "--listen",
                &address.to_string(),
            ]);
            command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        } else {
            command.args([&address.to_string(), redis]);
        }
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = silent.env("RUST_LOG", "error").spawn()?;
        let mut server = Server { process, address };
        server.wait_ready()?;
        Ok(server)
    }

    /// `seckill audit`: units in orders, or what does not hold.
    pub fn audit(&self, redis: &str, deep: bool) -> Result<u64> {
        let mut command = Command::new(&self.seckill);
        command.args(["--redis-url", redis, "--json", "audit", "a"]);
        if deep {
            command.arg("--deep");
        }
        let output = command.env("RUST_LOG", "error").output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(format!("the audit does not hold: {said}{why}").into());
        }
        let value: serde_json::Value = serde_json::from_str(&said)?;
        let units = |state: &str| value[state].as_u64().ok_or(format!("no {state} units"));
        Ok(units("held")? + units("confirmed")?)
    }
}

impl Server {
    /// The process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it counted, once everything is decided: a client that leaves does not wait for that.
    pub fn settled(&self) -> Result<Counts> {
        let deadline = Instant::now() + SETTLING_TIMEOUT;
        let mut before = self.counts()?;
        loop {
            std::thread::sleep(SETTLING);
            let now = self.counts()?;
            if now == before {
                return Ok(now);
            }
            if Instant::now() > deadline {
                return Err(format!("still deciding after {SETTLING_TIMEOUT:?}: {now:?}").into());
            }
            before = now;
        }
    }

    /// What it has counted so far. It reads Redis for that, so a Redis that stalls delays it.
    pub fn counts(&self) -> Result<Counts> {
        Ok(Counts::read(&self.get("/metrics")?))
    }

    fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(ASK_TIMEOUT))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("a server ended at once: {status}").into());
            }
            if Instant::now() > deadline {
                return Err("a server does not listen".into());
            }
            std::thread::sleep(START_PAUSE);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
