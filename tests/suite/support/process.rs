//! The real program in a process of its own, to be killed.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::buyer::Buyer;
use super::redis::{arguments, new_prefix, shared_url};
use super::{PATIENCE, TIMEOUT};

/// Ports for servers in processes of their own. Systems take the ports of outgoing connections
/// and of `:0` from 32768 or 49152 on, so nothing takes one of these behind a test's back: not
/// between the choice and the start, and not while a killed server is away.
const PORTS: Range<u16> = 10_000..30_000;
/// Ports that one test process tries before it comes near those of the next.
const PORTS_PER_PROCESS: u16 = 100;

/// `seckill serve` with these arguments; killed with `-9` when dropped.
pub struct ServerProcess {
    child: Child,
    pub address: SocketAddr,
    pub buyer: Buyer,
}

impl ServerProcess {
    /// Starts a server and waits until it is ready to sell.
    pub async fn start(address: SocketAddr, arguments: &[impl AsRef<OsStr>]) -> Self {
        Self::speaking(address, arguments, Stdio::null(), Stdio::null()).await
    }

    /// The same, with what it prints and logs in files.
    pub async fn recorded(address: SocketAddr, arguments: &[impl AsRef<OsStr>]) -> (Self, Record) {
        let record = Record::new();
        let (printed, logged) = (record.open("printed"), record.open("logged"));
        let server = Self::speaking(address, arguments, printed.into(), logged.into());
        (server.await, record)
    }

    /// The same on the shared Redis, with a prefix of its own.
    pub async fn apart(more: &[&str]) -> (Self, Record) {
        let mut arguments = arguments(&shared_url(), &new_prefix(), &[]);
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        Self::recorded(free_address(), &arguments).await
    }

    /// The same, started by a shell that runs `limit` first, such as `ulimit -n 64`.
    pub async fn limited(
        address: SocketAddr,
        limit: &str,
        arguments: &[impl AsRef<OsStr>],
    ) -> Self {
        let serve = format!("{limit} && exec \"$0\" \"$@\"");
        let listen = address.to_string();
        let program = env!("CARGO_BIN_EXE_seckill");
        let child = Command::new("sh")
            .args(["-c", &serve, program, "serve", "--listen", &listen])
            .args(arguments)
            .env("SECKILL__REDIS__TIMEOUT", format!("{}s", TIMEOUT.as_secs()))
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the shell starts");
        Self::adopt(child, address).await
    }

    /// The same for a server that has something to be not ready for: waits until it answers.
    pub async fn unready(address: SocketAddr, arguments: &[impl AsRef<OsStr>]) -> (Self, Record) {
        let record = Record::new();
        let (printed, logged) = (record.open("printed"), record.open("logged"));
        let server = Self {
            child: Self::spawn(address, arguments, printed.into(), logged.into()),
            address,
            buyer: Buyer::new(address),
        };
        let deadline = Instant::now() + PATIENCE;
        while server.buyer.try_get("/healthz").await.is_err() {
            assert!(Instant::now() < deadline, "{address} does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (server, record)
    }

    async fn speaking(
        address: SocketAddr,
        arguments: &[impl AsRef<OsStr>],
        printed: Stdio,
        logged: Stdio,
    ) -> Self {
        let child = Self::spawn(address, arguments, printed, logged);
        Self::adopt(child, address).await
    }

    fn spawn(
        address: SocketAddr,
        arguments: &[impl AsRef<OsStr>],
        printed: Stdio,
        logged: Stdio,
    ) -> Child {
        let listen = address.to_string();
        program()
            .args(["serve", "--listen", &listen])
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(printed)
            .stderr(logged)
            .spawn()
            .expect("the program starts")
    }

    /// A server that listens at `address` and was started in another way.
    pub async fn adopt(child: Child, address: SocketAddr) -> Self {
        let server = Self {
            child,
            address,
            buyer: Buyer::new(address),
        };
        server.until_ready().await;
        server
    }

    /// Waits until it is ready to sell.
    pub async fn until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready().await {
            let address = self.address;
            assert!(Instant::now() < deadline, "{address} is not ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_ready(&self) -> bool {
        let ready = self.buyer.try_get("/readyz").await;
        ready.is_ok_and(|reply| reply.status == 200)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// True when the process is gone.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its own child").is_some()
    }

    /// `kill -9`
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.end();
    }
}

/// `seckill relay` with these arguments; killed with `-9` when dropped.
pub struct RelayProcess(Child);

impl RelayProcess {
    pub fn start(arguments: &[impl AsRef<OsStr>]) -> Self {
        let child = program()
            .arg("relay")
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("the program starts"))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its own end, and gives back the exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("its own child") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the relay goes on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a server printed and logged.
pub struct Record {
    folder: TempDir,
}

impl Record {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        Self { folder }
    }

    fn open(&self, name: &str) -> File {
        File::create(self.folder.path().join(name)).expect("a file")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("UTF-8")
    }

    /// Its standard output so far.
    pub fn printed(&self) -> String {
        self.read("printed")
    }

    /// Its log so far.
    pub fn logged(&self) -> String {
        self.read("logged")
    }

    /// What its log has beyond so many lines, once there is something.
    pub async fn logged_after(&self, lines: usize) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let logged = self.logged();
            let new: Vec<&str> = logged.lines().skip(lines).collect();
            if !new.is_empty() {
                return new.join("\n");
            }
            assert!(Instant::now() < deadline, "nothing is logged any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A free address that no other test of this process gets.
pub fn free_address() -> SocketAddr {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let slots = u32::from(PORTS.end - PORTS.start) / u32::from(PORTS_PER_PROCESS);
    // Below the number of slots, which is small.
    let slot = u16::try_from(std::process::id() % slots).expect("small");
    let first = slot * PORTS_PER_PROCESS;
    loop {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        assert!(tried < PORTS.end - PORTS.start, "no port is free");
        let port = PORTS.start + (first + tried) % (PORTS.end - PORTS.start);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// The program under test, as patient as the servers in this process.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seckill"));
    command.env("SECKILL__REDIS__TIMEOUT", format!("{}s", TIMEOUT.as_secs()));
    command.env_remove("RUST_LOG");
    command
}

/// A command that has come to its end.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// Its standard output.
    pub printed: String,
    /// Its standard error.
    pub said: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            printed: text(&output.stdout),
            said: text(&output.stderr),
        }
    }
}

impl Ended {
    /// Runs a command, which reads nothing, to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output();
        output.expect("the program runs").into()
    }

    /// What it printed as JSON.
    pub fn json(&self) -> serde_json::Value {
        let printed = &self.printed;
        serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error} in {printed:?}"))
    }
}

/// Runs one command of the program to its end.
pub fn seckill(arguments: &[impl AsRef<OsStr>]) -> Output {
    let mut command = program();
    command
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null());
    command.output().expect("the program runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_free_and_given_out_once() {
        let held: Vec<_> = (0..3)
            .map(|_| TcpListener::bind(free_address()).expect("it is free"))
            .collect();
        let mut ports: Vec<_> = held
            .iter()
            .map(|listener| listener.local_addr().expect("its address").port())
            .collect();
        ports.dedup();
        assert_eq!(ports.len(), 3);
        assert!(ports.iter().all(|port| PORTS.contains(port)), "{ports:?}");
    }
}
