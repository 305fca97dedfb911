//! The connections of clients: their phases, how long they may be silent, and how many may be open.
//!
//! ```text
//! accepted → entrance ─ register (a place?) ─→ stream → HTTP library → served → handlers
//!                          └ every 250 ms: ends what is silent for too long
//! ```
//!
//! The HTTP library has a timer only for the first request of a connection, so its timers are off
//! and only those here count. Only the silence of the client is bounded: while a request is served,
//! nothing here counts, however long it takes.

mod addresses;
mod boundary;
mod chunks;
mod entrance;
mod listener;
mod origin;
mod register;
mod served;
mod stream;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::rt::net::TcpStream;
use rustix::net::{Shutdown, shutdown};

pub use self::addresses::Addresses;
use self::addresses::Seat;
use self::boundary::Boundary;
pub use self::entrance::entrance;
pub use self::listener::bind;
pub use self::register::{Limits, of_worker, places};
use self::register::{Register, Tick};

/// The answer to a head that was not complete in time.
const REQUEST_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    connection: close\r\ncontent-length: 0\r\n\r\n";

/// How often the kernel is asked how much of a stalled answer was taken: once a second.
const STALL_LOOK_TICKS: Tick = 4;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It was just opened, or a request has begun: its head is not complete.
    Head,
    /// A request is read, processed or answered.
    Serving,
    /// The last answer was sent, and nothing came since.
    Idle,
    /// This server has ended it.
    Ended,
}

/// An answer that finds no room in the socket.
#[derive(Debug, Clone, Copy)]
struct Stall {
    /// Since when the client has taken nothing.
    since: Tick,
    /// How many bytes it had taken by then; `None` if the kernel does not say.
    taken: Option<u64>,
}

/// A connection of a client.
pub struct Connection {
    socket: RefCell<TcpStream>,
    register: Rc<Register>,
    phase: Cell<Phase>,
    /// When this phase began.
    since: Cell<Tick>,
    boundary: RefCell<Boundary>,
    /// What came after the present request.
    rest: RefCell<Vec<u8>>,
    /// The task of the connection, while it waits for the end of the present request.
    parked: Cell<Option<Waker>>,
    /// Set while the client takes nothing of an answer.
    stall: Cell<Option<Stall>>,
    /// Its place among those of the same address, while it is open.
    _seat: Option<Seat>,
}

impl Connection {
    fn new(socket: TcpStream, register: Rc<Register>, seat: Option<Seat>) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(socket),
            phase: Cell::new(Phase::Head),
            since: Cell::new(register.now()),
            register,
            boundary: RefCell::default(),
            rest: RefCell::default(),
            parked: Cell::new(None),
            stall: Cell::new(None),
            _seat: seat,
        })
    }

    /// How long ago the last bytes arrived, read or not; `None` if the kernel does not say.
    pub fn silent_for(&self) -> Option<Duration> {
        kernel::silent_for(&self.socket.borrow())
    }

    /// True if the client has reset the connection, so nobody reads an answer. A client that has
    /// only stopped sending is still there.
    pub fn is_reset(&self) -> bool {
        kernel::is_reset(&self.socket.borrow())
    }

    /// An ended connection stays ended.
    fn enter(&self, phase: Phase) {
        if self.phase.get() != Phase::Ended {
            self.phase.set(phase);
            self.since.set(self.register.now());
        }
    }

    /// New bytes came. Returns how many of them the HTTP library gets now.
    fn received(&self, bytes: &[u8]) -> usize {
        let mut boundary = self.boundary.borrow_mut();
        let taken = boundary.take(bytes);
        let is_serving = self.phase.get() == Phase::Serving;
        if self.phase.get() == Phase::Idle && !boundary.is_fresh() {
            self.enter(Phase::Head);
        }
        drop(boundary);
        if !is_serving {
            self.next_if_complete();
        }
        taken
    }

    /// The head of a request is complete, and its handler begins.
    fn begins(&self, head: &RequestHead, has_body: bool) {
        let mut boundary = self.boundary.borrow_mut();
        boundary.begin(head, has_body);
        self.enter(Phase::Serving);
        if !boundary.is_complete() {
            self.unpark();
        }
    }

    /// The last byte of an answer was passed on for sending.
    fn answered(&self) {
        self.enter(Phase::Head);
        self.next_if_complete();
        self.unpark();
    }

    /// Goes on to the next request if the last one was read to its end. The HTTP library discards
    /// the rest of a request that was answered before that.
    fn next_if_complete(&self) {
        let mut boundary = self.boundary.borrow_mut();
        if !boundary.was_served() || !boundary.is_complete() {
            return;
        }
        *boundary = Boundary::default();
        if self.rest.borrow().is_empty() {
            self.enter(Phase::Idle);
        }
    }

    /// Lets the task sleep until the present request has ended and new bytes come.
    fn park(&self, context: &mut Context<'_>) {
        let is_quiet = self.rest.borrow().is_empty()
            && self.socket.borrow().poll_read_ready(context).is_pending();
        if !is_quiet {
            self.parked.set(Some(context.waker().clone()));
        }
    }

    fn unpark(&self) {
        if let Some(task) = self.parked.take() {
            task.wake();
        }
    }

    /// Bytes of an answer were taken for sending, or found no room.
    fn written(&self, socket: &TcpStream, has_room: bool) {
        if has_room && self.stall.take().is_some() && self.phase.get() == Phase::Head {
            self.since.set(self.register.now());
        }
        let stall = match self.stall.get() {
            _ if has_room => None,
            None => Some(self.stalled(socket)),
            stall => stall,
        };
        self.stall.set(stall);
    }

    fn stalled(&self, socket: &TcpStream) -> Stall {
        Stall {
            since: self.register.now(),
            taken: kernel::bytes_taken(socket),
        }
    }

    /// Since when the client has taken nothing of an answer.
    fn stalled_since(&self) -> Option<Tick> {
        self.stall.get().map(|stall| stall.since)
    }

    /// True if the client has taken nothing of an answer for this long. A slow client takes bytes
    /// long before there is room for more.
    fn is_stuck(&self, ticks_max: Tick) -> bool {
        let Some(stall) = self.stall.get() else {
            return false;
        };
        let waited = self.register.now() - stall.since;
        if waited == 0 || !waited.is_multiple_of(STALL_LOOK_TICKS) {
            return false;
        }
        let now = self.stalled(&self.socket.borrow());
        if now.taken != stall.taken {
            self.stall.set(Some(now));
            return false;
        }
        waited >= ticks_max
    }

    /// Ends it at once. Bytes that were not taken are dropped.
    fn reset(&self) {
        self.enter(Phase::Ended);
        self.stall.set(None);
        let socket = self.socket.borrow();
        // It may be gone already.
        let _ = socket.set_zero_linger();
        let _ = shutdown(&*socket, Shutdown::Both);
    }

    /// Ends it. What the client sends from now on is not read.
    fn end(&self) {
        let is_late_head = self.phase.get() == Phase::Head && !self.boundary.borrow().is_fresh();
        let socket = self.socket.borrow();
        if is_late_head {
            // A client that reads nothing needs no answer.
            let _ = socket.try_write(REQUEST_TIMEOUT);
        }
        self.enter(Phase::Ended);
        // Wakes the task of the connection, which then sees the end of the stream.
        let _ = shutdown(&*socket, Shutdown::Read);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.register.left();
    }
}

/// The connection of a request; `None` in tests without one.
pub fn of(request: &HttpRequest) -> Option<&Rc<Connection>> {
    request.conn_data()
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::time::Duration;

    use actix_web::rt::net::TcpStream;
    use nix::sys::socket::getsockopt;
    use nix::{getsockopt_impl, sockopt_impl};

    /// `TCP_CLOSE` of `<netinet/tcp.h>`.
    const CLOSED: u8 = 7;

    sockopt_impl!(
        TcpInfo,
        GetOnly,
        libc::IPPROTO_TCP,
        libc::TCP_INFO,
        libc::tcp_info
    );

    pub fn silent_for(socket: &TcpStream) -> Option<Duration> {
        let info = getsockopt(socket, TcpInfo).ok()?;
        Some(Duration::from_millis(info.tcpi_last_data_recv.into()))
    }

    pub fn is_reset(socket: &TcpStream) -> bool {
        getsockopt(socket, TcpInfo).is_ok_and(|info| info.tcpi_state == CLOSED)
    }

    pub fn bytes_taken(socket: &TcpStream) -> Option<u64> {
        let info = getsockopt(socket, TcpInfo).ok()?;
        Some(info.tcpi_bytes_acked)
    }
}

/// Other systems do not say.
#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::time::Duration;

    use actix_web::rt::net::TcpStream;

    pub fn silent_for(_: &TcpStream) -> Option<Duration> {
        None
    }

    pub fn is_reset(_: &TcpStream) -> bool {
        false
    }

    pub fn bytes_taken(_: &TcpStream) -> Option<u64> {
        None
    }
}
