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
/// One that took nothing of its answer for a second, too.
const STALL_TICKS_MIN: Tick = 4;
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

/// How many connections there may be when the process may open so many files; `None`: as many as it
/// likes. Half of few files, and all but 256 of many, are for connections.
pub fn places(files: Option<u64>) -> usize {
    let connections = files.map(|files| files - OTHER_FILES.min(files / 2));
    let connections = connections.and_then(|count| usize::try_from(count).ok());
    connections.unwrap_or(usize::MAX)
}

/// How many of them each of so many workers has.
pub fn of_worker(places: usize, workers: usize) -> usize {
    (places / workers).clamp(1, PLACES_MAX)
}

/// The open connections of one worker.
pub struct Register {
    limits: Limits,
    metrics: Arc<Metrics>,
    now: Cell<Tick>,
    open: Cell<usize>,
    connections: RefCell<Vec<Weak<Connection>>>,
    complained_at: Cell<Option<Instant>>,
    lingering: Cell<usize>,
}

/// A connection that is being refused.
pub struct Lingering(Rc<Register>);

impl Drop for Lingering {
    fn drop(&mut self) {
        self.0.lingering.set(self.0.lingering.get() - 1);
    }
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
            lingering: Cell::new(0),
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

    /// Whether a connection was silent for too long. While it takes nothing of an answer, nothing
    /// is read from it, so the rest of a head that it sent has not come in yet.
    fn late(&self, connection: &Connection) -> Option<Closed> {
        let silent = self.now.get() - connection.since.get();
        let is_read = connection.stalled_since().is_none();
        match connection.phase.get() {
            Phase::Head if silent > HEAD_TICKS_MAX && is_read => Some(Closed::Head),
            Phase::Idle if silent > IDLE_TICKS_MAX => Some(Closed::Idle),
            _ => None,
        }
    }

    fn close(&self, connection: &Connection, why: Closed) {
        connection.end();
        self.metrics.connections.closed(why);
    }

    /// Keeps a part of the places free. When all are taken, nobody else comes in: then half of them
    /// are made free at once.
    fn make_room(&self, mut open: Vec<Rc<Connection>>) {
        let places = self.limits.places;
        open.retain(|connection| connection.phase.get() != Phase::Ended);
        let kept = match open.len() < places {
            true => places - (places / FREE_PART).max(1),
            false => places / 2,
        };
        let Some(surplus) = open.len().checked_sub(kept).filter(|&surplus| surplus > 0) else {
            return;
        };
        let idle = open.into_iter().filter_map(|connection| {
            let order = self.idleness(&connection)?;
            Some((order, connection))
        });
        let mut idle: Vec<_> = idle.collect();
        idle.sort_unstable_by_key(|&(order, _)| order);
        idle.truncate(surplus);
        for (_, connection) in &idle {
            match connection.phase.get() {
                Phase::Serving => connection.reset(),
                _ => connection.end(),
            }
            self.metrics.connections.closed(Closed::Room);
        }
        self.complain(idle.len());
    }

    /// Which connections go first, of those that do nothing: idle ones, then those whose request is
    /// not whole, then those that take nothing of their answer; of each, the oldest.
    fn idleness(&self, connection: &Connection) -> Option<(u8, Tick)> {
        let (now, since) = (self.now.get(), connection.since.get());
        let is_silent = now - since >= SILENT_TICKS_MIN;
        match connection.phase.get() {
            Phase::Idle if is_silent => Some((0, since)),
            Phase::Head if is_silent => Some((1, since)),
            Phase::Serving => {
                let stalled_since = connection.stalled_since()?;
                (now - stalled_since >= STALL_TICKS_MIN).then_some((2, stalled_since))
            }
            _ => None,
        }
    }

    /// Leave to answer a connection that is refused, and to wait until that was read; `None` when
    /// many are answered like that already.
    pub fn lingering(self: &Rc<Self>) -> Option<Lingering> {
        let most = self.limits.places / FREE_PART;
        let count = self.lingering.get();
        (count < most).then(|| {
            self.lingering.set(count + 1);
            Lingering(self.clone())
        })
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
            "a worker has nearly as many connections as it may: it closes those that are silent. To have \
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
            let places = of_worker(places(files), workers);
            assert_eq!(places, expected, "{files:?} {workers}");
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

    /// Its other end takes nothing of an answer.
    fn stall(stream: &Stream) {
        let stalled = stream.0.stalled(&stream.0.socket.borrow());
        stream.0.stall.set(Some(stalled));
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

    /// It has not come in yet.
    #[test]
    fn a_half_head_behind_answers_that_are_not_taken_has_its_time_afterwards() {
        System::new().block_on(async {
            let (register, streams) = self::register(9, &[Phase::Head]).await;
            stall(&streams[0]);
            for _ in 0..2 * HEAD_TICKS_MAX {
                register.tick();
            }
            assert_eq!(ended(&streams), [false]);
            let connection = &streams[0].0;
            connection.written(&connection.socket.borrow(), true);
            for _ in 0..HEAD_TICKS_MAX {
                register.tick();
                assert_eq!(ended(&streams), [false]);
            }
            register.tick();
            assert_eq!(ended(&streams), [true]);
        });
    }

    #[test]
    fn the_oldest_idle_connections_make_room_first() {
        System::new().block_on(async {
            // One of sixteen places is free, and two should be.
            let mut phases = vec![Phase::Serving; 12];
            phases.extend([Phase::Head, Phase::Idle, Phase::Idle]);
            let (register, streams) = register(16, &phases).await;
            register.tick();
            streams[13].0.enter(Phase::Idle);
            let which = || ended(&streams).iter().position(|&ended| ended);
            assert_eq!(which(), None);
            register.tick();
            assert_eq!((which(), register.open.get()), (Some(14), 15));
        });
    }

    #[test]
    fn a_full_worker_frees_half_of_its_places_and_never_those_at_work() {
        System::new().block_on(async {
            let phases = [
                Phase::Head,
                Phase::Idle,
                Phase::Serving,
                Phase::Serving,
                Phase::Idle,
            ];
            let (register, streams) = register(5, &phases).await;
            stall(&streams[3]);
            for _ in 0..SILENT_TICKS_MIN {
                register.tick();
            }
            assert_eq!(ended(&streams), [true, true, false, false, true]);
            // What takes nothing of its answer is not at work.
            let (register, streams) = self::register(2, &[Phase::Serving; 2]).await;
            stall(&streams[1]);
            for _ in 0..STALL_TICKS_MIN {
                assert_eq!(ended(&streams), [false; 2]);
                register.tick();
            }
            assert_eq!(ended(&streams), [false, true]);
        });
    }
}
