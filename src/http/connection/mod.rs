//! The connections of clients: what each is doing, how long it may be silent, and how many may be
//! open.
//!
//! ```text
//! accepted → entrance ─ register (a place?) ─→ stream → HTTP library → served → handlers
//!                          └ every 250 ms: ends what is silent for too long
//! ```
//!
//! The HTTP library has a timer for the first request of a connection only, so its timers are off
//! and those here are the only ones. Only silence of the other end is
//! bounded: while a request is served, nothing here counts, however long it takes.

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

/// What is sent instead of an answer to a head that does not become whole.
const REQUEST_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    connection: close\r\ncontent-length: 0\r\n\r\n";

/// How often the kernel is asked what was taken of an answer that finds no room: once a second.
const STALL_LOOK_TICKS: Tick = 4;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It was just opened, or the first bytes of a request came: its head is not whole.
    Head,
    /// A request is read, worked on or answered.
    Serving,
    /// The last answer is given, and nothing came since.
    Idle,
    /// This server has ended it.
    Ended,
}

/// An answer for which there is no room on the way.
#[derive(Debug, Clone, Copy)]
struct Stall {
    /// Since when the other end has taken nothing.
    since: Tick,
    /// How many bytes it had taken by then; `None` when the kernel does not say.
    taken: Option<u64>,
}

/// A connection of a client.
pub struct Connection {
    socket: RefCell<TcpStream>,
    register: Rc<Register>,
    phase: Cell<Phase>,
    /// Since when it is in this phase.
    since: Cell<Tick>,
    boundary: RefCell<Boundary>,
    /// What came after the present request.
    rest: RefCell<Vec<u8>>,
    /// The task of the connection, when it waits for the end of the present request to read on.
    parked: Cell<Option<Waker>>,
    /// Set while its other end takes nothing of what is written.
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

    /// How long ago the last bytes arrived, read or not; `None` when the kernel does not say.
    pub fn silent_for(&self) -> Option<Duration> {
        kernel::silent_for(&self.socket.borrow())
    }

    /// True when the other end has reset the connection, so nobody hears an answer. An end that
    /// only sends no more is still there.
    pub fn is_reset(&self) -> bool {
        kernel::is_reset(&self.socket.borrow())
    }

    /// What was ended stays so.
    fn enter(&self, phase: Phase) {
        if self.phase.get() != Phase::Ended {
            self.phase.set(phase);
            self.since.set(self.register.now());
        }
    }

    /// These bytes came. How many of them the HTTP library gets now.
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

    /// The head of a request is whole, and its handler begins.
    fn begins(&self, head: &RequestHead, has_body: bool) {
        let mut boundary = self.boundary.borrow_mut();
        boundary.begin(head, has_body);
        self.enter(Phase::Serving);
        if !boundary.is_complete() {
            self.unpark();
        }
    }

    /// The last byte of an answer is handed over to be sent.
    fn answered(&self) {
        self.enter(Phase::Head);
        self.next_if_complete();
        self.unpark();
    }

    /// Goes on to the next request when the last one was read to its end. One that was answered
    /// before that is thrown away by the HTTP library as it comes.
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

    /// Lets the task sleep until the present request has ended, and until bytes come.
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

    /// Bytes of an answer were taken to be sent, or found no room.
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

    /// Since when the other end has taken nothing of an answer.
    fn stalled_since(&self) -> Option<Tick> {
        self.stall.get().map(|stall| stall.since)
    }

    /// True when the other end has taken nothing of an answer for so long. A slow one takes bytes
    /// long before it makes room for more.
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

    /// Ends it at once. What was not taken is dropped.
    fn reset(&self) {
        self.enter(Phase::Ended);
        self.stall.set(None);
        let socket = self.socket.borrow();
        // It may be gone already.
        let _ = socket.set_zero_linger();
        let _ = shutdown(&*socket, Shutdown::Both);
    }

    /// Ends it. What it sends from now on is not read.
    fn end(&self) {
        let is_late_head = self.phase.get() == Phase::Head && !self.boundary.borrow().is_fresh();
        let socket = self.socket.borrow();
        if is_late_head {
            // A client that reads nothing needs no answer.
            let _ = socket.try_write(REQUEST_TIMEOUT);
        }
        self.enter(Phase::Ended);
        // Wakes the task of the connection, which finds the end of the stream.
        let _ = shutdown(&*socket, Shutdown::Read);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.register.left();
    }
}

/// The connection over which a request came; `None` in tests without one.
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
