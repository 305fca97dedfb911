//! The real program in a process of its own, to be killed.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::buyer::Buyer;

/// Longest wait for a server to serve.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// `seckill serve` with these arguments; killed with `-9` when dropped.
pub struct ServerProcess {
    child: Child,
    pub address: SocketAddr,
    pub buyer: Buyer,
}

impl ServerProcess {
    /// Starts a server and waits until it is ready to sell.
    pub async fn start(address: SocketAddr, arguments: &[&str]) -> Self {
        let listen = address.to_string();
        let child = Command::new(program())
            .args(["serve", "--listen", &listen])
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let server = Self {
            child,
            address,
            buyer: Buyer::new(address),
        };
        let deadline = Instant::now() + START_TIMEOUT;
        while !server.is_ready().await {
            assert!(
                Instant::now() < deadline,
                "the server is not ready: {arguments:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    async fn is_ready(&self) -> bool {
        let url = format!("http://{}/readyz", self.address);
        reqwest::get(url)
            .await
            .is_ok_and(|response| response.status().is_success())
    }

    pub fn id(&self) -> u32 {
        self.child.id()
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

/// A free port, which nothing else takes in the next moments.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address")
}

/// The program under test.
pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_seckill")
}

/// Runs one command of the program to its end.
pub fn seckill(arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null());
    command.output().expect("the program runs")
}
