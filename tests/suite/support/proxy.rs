//! A TCP proxy in front of a Redis that can fail in chosen ways.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seckill::config::RedisUrl;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;

use super::redis::shared_url;

/// What the proxy does with the bytes that come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Forwards everything.
    None,
    /// Closes the connection instead of forwarding a request.
    CutBefore,
    /// Forwards a request, then closes the connection instead of forwarding the reply.
    CutAfter,
    /// Forwards a request, then closes the connection in the middle of the reply, if that is long.
    CutWithin,
    /// Forwards requests, keeps replies back from now on, and leaves the connection open.
    SwallowReply,
    /// Forwards nothing from now on and leaves the connection open.
    Stall,
    /// Keeps requests until the fault ends, then forwards them, also those of a sender who has
    /// closed the connection: so does the kernel of that sender.
    Hold,
}

/// From so many bytes on, a reply is long.
const LONG_BYTES: usize = 512;

impl Fault {
    const ALL: [Self; 7] = [
        Self::None,
        Self::CutBefore,
        Self::CutAfter,
        Self::CutWithin,
        Self::SwallowReply,
        Self::Stall,
        Self::Hold,
    ];
}

/// A running proxy. It ends with the runtime of its test.
#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    socket: Mutex<PathBuf>,
    fault: AtomicU8,
    latency_ms: AtomicU64,
    connections: AtomicUsize,
    /// So many of the first connections are forgotten.
    forgotten: AtomicUsize,
    open: AtomicUsize,
    close: Notify,
    changed: Notify,
    /// Connections that keep requests.
    holding: AtomicUsize,
    /// Only requests with this word are kept; empty: all.
    held_word: Mutex<&'static str>,
}

impl Proxy {
    /// In front of the Redis that most tests share.
    pub async fn to_shared_redis() -> Self {
        let url = shared_url();
        let socket = url.expose().trim_start_matches("unix://");
        Self::start(socket.into()).await
    }

    pub async fn start(socket: PathBuf) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Shared {
            socket: Mutex::new(socket),
            ..Shared::default()
        };
        let shared = Arc::new(shared);
        let proxy = Self {
            address,
            shared: shared.clone(),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                client.set_nodelay(true).expect("no delay of its own");
                let socket = shared.socket.lock().expect("not poisoned").clone();
                if let Ok(server) = UnixStream::connect(&socket).await {
                    let shared = shared.clone();
                    shared.open.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(async move {
                        tokio::select! {
                            () = carry(client, server, &shared, number) => {}
                            () = shared.close.notified() => {}
                        }
                        shared.open.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            }
        });
        proxy
    }

    pub fn url(&self) -> RedisUrl {
        RedisUrl::new(format!("redis://{}", self.address))
    }

    /// The same place for a Redis user.
    pub fn user_url(&self, user: &str, password: &str) -> RedisUrl {
        RedisUrl::new(format!("redis://{user}:{password}@{}", self.address))
    }

    pub fn set(&self, fault: Fault) {
        self.shared.fault.store(fault as u8, Ordering::SeqCst);
        self.shared.changed.notify_waiters();
    }

    /// Delays every request so long.
    pub fn set_latency(&self, latency: Duration) {
        let ms = u64::try_from(latency.as_millis()).expect("a short latency");
        self.shared.latency_ms.store(ms, Ordering::SeqCst);
    }

    /// Leads new connections to the Redis on another socket. Those that are open stay where they
    /// are.
    pub fn lead_next_to(&self, socket: PathBuf) {
        *self.shared.socket.lock().expect("not poisoned") = socket;
    }

    /// Forgets every open connection, as a NAT does, and tells neither end: nothing comes through
    /// any more. New connections work.
    pub fn forget_all(&self) {
        let connections = self.connections();
        self.shared.forgotten.store(connections, Ordering::SeqCst);
    }

    /// Closes every open connection, and waits until they are closed.
    pub async fn close_all(&self) {
        while self.shared.open.load(Ordering::SeqCst) > 0 {
            self.shared.close.notify_waiters();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // A runtime with one thread goes on with the test before it looks at the sockets: those
        // who were connected read of it first.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    /// From now on, keeps requests from the first one with this word on, on each connection.
    pub fn hold(&self, word: &'static str) {
        *self.shared.held_word.lock().expect("not poisoned") = word;
        self.set(Fault::Hold);
    }

    /// Connections on which something is kept.
    pub fn holding(&self) -> usize {
        self.shared.holding.load(Ordering::SeqCst)
    }

    /// Ends [`Fault::Hold`], and waits until everything that was kept is at Redis.
    pub async fn let_go(&self) -> usize {
        self.set(Fault::None);
        let held = self.holding();
        while self.holding() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        held
    }

    /// Connections that were ever opened.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn has_forgotten(&self, number: usize) -> bool {
        number < self.forgotten.load(Ordering::SeqCst)
    }

    fn holds(&self, sent: &[u8]) -> bool {
        let word = *self.held_word.lock().expect("not poisoned");
        sent.windows(word.len().max(1))
            .any(|part| word.is_empty() || part == word.as_bytes())
    }

    fn fault(&self) -> Fault {
        Fault::ALL[usize::from(self.fault.load(Ordering::SeqCst))]
    }
}

/// Carries bytes both ways until a side closes or a fault says to. TCP loses no bytes in the
/// middle of a connection, so one that kept something back stays silent until it is closed.
async fn carry(mut client: TcpStream, mut server: UnixStream, shared: &Shared, number: usize) {
    let (mut request, mut reply) = (vec![0; 65536], vec![0; 65536]);
    let (mut deaf, mut mute) = (false, false);
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let bytes = read.unwrap_or(0);
                let fault = shared.fault();
                if bytes == 0 || fault == Fault::CutBefore {
                    return;
                }
                let mut sent = request[..bytes].to_vec();
                let holding = fault == Fault::Hold && shared.holds(&sent);
                if holding {
                    shared.holding.fetch_add(1, Ordering::SeqCst);
                    hold(&mut client, &mut sent, shared).await;
                }
                deaf |= fault == Fault::Stall || shared.has_forgotten(number);
                let latency = shared.latency_ms.load(Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(latency)).await;
                let sent = deaf || server.write_all(&sent).await.is_ok();
                shared.holding.fetch_sub(usize::from(holding), Ordering::SeqCst);
                if !sent {
                    return;
                }
            }
            read = server.read(&mut reply) => {
                let bytes = read.unwrap_or(0);
                let fault = shared.fault();
                if bytes == 0 || fault == Fault::CutAfter {
                    return;
                }
                if fault == Fault::CutWithin && bytes >= LONG_BYTES {
                    let _ = client.write_all(&reply[..bytes / 2]).await;
                    return;
                }
                mute |= matches!(fault, Fault::SwallowReply | Fault::Stall);
                mute |= shared.has_forgotten(number);
                if !mute && client.write_all(&reply[..bytes]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Collects what the sender sends until the fault ends. A sender who closes may do so.
async fn hold(client: &mut TcpStream, sent: &mut Vec<u8>, shared: &Shared) {
    let mut more = vec![0; 65536];
    let mut open = true;
    loop {
        let changed = shared.changed.notified();
        if shared.fault() != Fault::Hold {
            return;
        }
        tokio::select! {
            () = changed => {}
            read = client.read(&mut more), if open => {
                let bytes = read.unwrap_or(0);
                open = bytes > 0;
                sent.extend_from_slice(&more[..bytes]);
            }
        }
    }
}
