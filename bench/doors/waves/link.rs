//! A slow way to Redis: a TCP proxy that takes a fixed time for each batch, one after the other
//! for all connections together, like a Redis whose disk is slow to sync. So the capacity of a
//! server is small enough that a load generator on the same machine can offer ten times as much.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::{Instant, sleep_until};

use crate::Result;

/// More than a full batch: what one read finds is taken for one.
const CHUNK_BYTES: usize = 64 << 10;
/// Less than a batch: what only looks needs no sync, and passes at once.
const LOOK_BYTES_MAX: usize = 512;

/// A running link; it ends with the program.
pub struct Link {
    address: SocketAddr,
}

/// When the batch that comes next may pass.
struct Pace {
    batch: Duration,
    free_at: Mutex<Instant>,
}

impl Link {
    /// Starts one to the Redis on a socket, on a thread of its own.
    pub fn start(socket: PathBuf, batch: Duration) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = crate::runtime()?;
        let pace = Arc::new(Pace {
            batch,
            free_at: Mutex::new(Instant::now()),
        });
        std::thread::spawn(move || runtime.block_on(serve(listener, socket, pace)));
        Ok(Self { address })
    }

    /// The address for servers.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}

async fn serve(listener: std::net::TcpListener, socket: PathBuf, pace: Arc<Pace>) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        let server = UnixStream::connect(&socket).await?;
        let pace = pace.clone();
        tokio::spawn(async move {
            // An end of one direction ends both.
            let _ = carry(client, server, &pace).await;
        });
    }
}

async fn carry(mut client: TcpStream, mut server: UnixStream, pace: &Pace) -> Result<()> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let forth = async {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = from_client.read(&mut chunk).await?;
            if bytes == 0 {
                return Result::Ok(());
            }
            if bytes > LOOK_BYTES_MAX {
                pace.pass().await;
            }
            to_server.write_all(&chunk[..bytes]).await?;
        }
    };
    tokio::select! {
        ended = forth => ended,
        ended = copy(&mut from_server, &mut to_client) => Ok(ended.map(drop)?),
    }
}

impl Pace {
    /// Waits until all batches before this one and this one itself have had their time.
    async fn pass(&self) {
        let passed_at = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            *free_at = (*free_at).max(Instant::now()) + self.batch;
            *free_at
        };
        sleep_until(passed_at).await;
    }
}
