//! The open connections of one worker.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt::net::TcpStream;
use actix_web::rt::{spawn, time};

use super::stream::Stream;
use super::{Addresses, Connection, Phase};
use crate::metrics::Metrics;
use crate::metrics::connections::Closed;

/// How often connections are looked at, and the unit of their time.
const TICK: Duration = Duration::from_millis(250);
/// Longest time from the first byte of a request to its whole head: 5 s.
const HEAD_TICKS_MAX: Tick = 20;
/// Longest time between an answer and the next request: 75 s, longer than proxies usually wait.
const IDLE_TICKS_MAX: Tick = 300;
/// Longest time in which no byte of an answer is taken: 30 s.
const STALL_TICKS_MAX: Tick = 120;
/// A connection that was silent for half a second may be closed for another one.
const SILENT_TICKS_MIN: Tick = 2;
/// The part of the places that is kept free.
const FREE_PART: usize = 8;
/// Most connections of a worker, whatever the limit of open files: about 10 KB each while idle.
const PLACES_MAX: usize = 25_000;
/// Open files for everything but connections: Redis, logs, data.
const OTHER_FILES: u64 = 256;
/// How often a worker says that it has no places left.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// A time in ticks of a worker that ran. While it stood still, no time went by.
pub type Tick = u32;

/// How many connections a worker may have.
#[derive(Clone)]
pub struct Limits {
    /// In all.
    pub places: usize,
    /// From one address; `None`: as many as there are places.
    pub addresses: Option<Arc<Addresses>>,
}

/// How many connections each worker may have when the process may open so many files; `None`: as
/// many as it likes. Half of few files, and all but 256 of many, are for connections.
pub fn places(files: Option<u64>, workers: usize) -> usize {
    let connections = files.map(|files| files - OTHER_FILES.min(files / 2));
    let connections = connections.and_then(|count| usize::try_from(count).ok());
    let places = connections.map_or(PLACES_MAX, |count| count / workers);
    places.clamp(1, PLACES_MAX)
}

/// The open connections of one worker.
pub struct Register {
    limits: Limits,
    metrics: Arc<Metrics>,
    now: Cell<Tick>,
    open: Cell<usize>,
    connections: RefCell<Vec<Weak<Connection>>>,
    complained_at: Cell<Option<Instant>>,
}

impl Register {
    /// Starts the ticks on the current runtime. They end when this value and all its connections
    /// are dropped.
    pub fn start(limits: Limits, metrics: Arc<Metrics>) -> Rc<Self> {
        let register = Rc::new(Self {
            limits,
            metrics,
            now: Cell::new(0),
            open: Cell::new(0),
            connections: RefCell::default(),
            complained_at: Cell::new(None),
        });
        let watched = Rc::downgrade(&register);
        spawn(async move {
            loop {
                time::sleep(TICK).await;
                let Some(register) = watched.upgrade() else {
                    break;
                };
                register.tick();
            }
        });
        register
    }

    /// The time of the worker, at the last tick.
    pub fn now(&self) -> Tick {
        self.now.get()
    }

    /// Takes a connection in.
    ///
    /// # Errors
    /// The socket, when its address has as many connections as it may.
    pub fn admit(
        self: &Rc<Self>,
        socket: TcpStream,
        peer: Option<SocketAddr>,
    ) -> Result<Stream, TcpStream> {
        let seat = match (&self.limits.addresses, peer) {
            (Some(addresses), Some(peer)) => match addresses.seat(peer.ip()) {
                None => {
                    self.metrics.connections.closed(Closed::Address);
                    return Err(socket);
                }
                seat => seat,
            },
            _ => None,
        };
        self.metrics.connections.opened();
        self.open.set(self.open.get() + 1);
        let connection = Connection::new(socket, self.clone(), seat);
        let mut connections = self.connections.borrow_mut();
        connections.push(Rc::downgrade(&connection));
        Ok(Stream(connection))
    }

    /// A connection is gone.
    pub fn left(&self) {
        self.open.set(self.open.get() - 1);
        self.metrics.connections.left();
    }

    fn tick(&self) {
        self.now.set(self.now.get() + 1);
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.strong_count() > 0);
        let open: Vec<_> = connections.iter().filter_map(Weak::upgrade).collect();
        drop(connections);
        for connection in &open {
            if let Some(late) = self.late(connection) {
                self.close(connection, late);
            } else if connection.is_stuck(STALL_TICKS_MAX) {
                connection.reset();
                self.metrics.connections.closed(Closed::Stall);
            }
        }
        self.make_room(open);
    }

    /// Whether a connection was silent for too long.
    fn late(&self, connection: &Connection) -> Option<Closed> {
        let silent = self.now.get() - connection.since.get();
        match connection.phase.get() {
            Phase::Head if silent > HEAD_TICKS_MAX => Some(Closed::Head),
            Phase::Idle if silent > IDLE_TICKS_MAX => Some(Closed::Idle),
            _ => None,
        }
    }

    fn close(&self, connection: &Connection, why: Closed) {
        connection.end();
        self.metrics.connections.closed(why);
    }

    /// Keeps a part of the places free: of the connections that nobody waits for, it closes those
    /// that were idle for the longest time, then those whose request is not whole.
    fn make_room(&self, mut open: Vec<Rc<Connection>>) {
        let places = self.limits.places;
        let kept = places - (places / FREE_PART).max(1);
        open.retain(|connection| connection.phase.get() != Phase::Ended);
        let Some(surplus) = open.len().checked_sub(kept).filter(|&surplus| surplus > 0) else {
            return;
        };
        let silent_since = self.now.get().saturating_sub(SILENT_TICKS_MIN);
        open.retain(|connection| {
            let is_waiting = matches!(connection.phase.get(), Phase::Idle | Phase::Head);
            is_waiting && connection.since.get() <= silent_since
        });
        let order = |connection: &Rc<Connection>| {
            (
                connection.phase.get() == Phase::Head,
                connection.since.get(),
            )
        };
        open.sort_unstable_by_key(order);
        open.truncate(surplus);
        for connection in &open {
            self.close(connection, Closed::Room);
        }
        self.complain(open.len());
    }

    fn complain(&self, closed: usize) {
        let last = self.complained_at.get();
        if last.is_some_and(|last| last.elapsed() < COMPLAINT_INTERVAL) {
            return;
        }
        self.complained_at.set(Some(Instant::now()));
        tracing::error!(
            places = self.limits.places,
            closed,
            "a worker has nearly as many connections as it may: it closes the silent ones. To have \
             room for more, raise the hard limit of open files (ulimit -Hn, or LimitNOFILE of the \
             systemd unit); to bound what one address takes, set http.connections_per_address"
        );
    }
}

#[cfg(test)]
mod tests {
    use actix_web::rt::System;
    use actix_web::rt::net::TcpListener;

    use super::*;

    #[test]
    fn most_files_are_for_connections() {
        for (files, workers, expected) in [
            (Some(1_024), 2, 384),
            (Some(20_000), 2, 9_872),
            (Some(64), 2, 16),
            (Some(3), 4, 1),
            (Some(1 << 20), 1, PLACES_MAX),
            (None, 8, PLACES_MAX),
        ] {
            assert_eq!(places(files, workers), expected, "{files:?} {workers}");
        }
    }

    /// A register with so many places, and connections in these phases.
    async fn register(places: usize, phases: &[Phase]) -> (Rc<Register>, Vec<Stream>) {
        let metrics = Arc::new(Metrics::new().expect("registered"));
        let addresses = None;
        let register = Register::start(Limits { places, addresses }, metrics);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let mut streams = Vec::new();
        for &phase in phases {
            let _client = TcpStream::connect(address).await.expect("connected");
            let (socket, peer) = listener.accept().await.expect("accepted");
            let stream = register.admit(socket, Some(peer));
            let stream = stream.unwrap_or_else(|_| panic!("there is a place"));
            stream.0.enter(phase);
            streams.push(stream);
        }
        (register, streams)
    }

    fn ended(streams: &[Stream]) -> Vec<bool> {
        let phases = streams.iter().map(|stream| stream.0.phase.get());
        phases.map(|phase| phase == Phase::Ended).collect()
    }

    #[test]
    fn silence_ends_a_connection_and_work_does_not() {
        System::new().block_on(async {
            let phases = [Phase::Head, Phase::Idle, Phase::Serving];
            let (register, streams) = register(100, &phases).await;
            for tick in 1..=10 * IDLE_TICKS_MAX {
                register.tick();
                let expected = [tick > HEAD_TICKS_MAX, tick > IDLE_TICKS_MAX, false];
                assert_eq!(ended(&streams), expected, "{tick}");
            }
        });
    }

    #[test]
    fn the_oldest_idle_connections_make_room_first() {
        System::new().block_on(async {
            let phases = [
                Phase::Head,
                Phase::Idle,
                Phase::Idle,
                Phase::Serving,
                Phase::Idle,
            ];
            // Four places are used before any is kept free.
            let (register, streams) = register(5, &phases).await;
            register.tick();
            streams[1].0.enter(Phase::Idle);
            assert_eq!(ended(&streams), [false; 5]);
            register.tick();
            assert_eq!(ended(&streams), [false, false, true, false, false]);
            // A request comes: of those that are left, only two wait.
            streams[4].0.enter(Phase::Serving);
            streams[1].0.enter(Phase::Serving);
            for _ in 0..HEAD_TICKS_MAX {
                register.tick();
            }
            assert_eq!(ended(&streams), [true, false, true, false, false]);
        });
    }
}
