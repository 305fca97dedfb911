//! What the kernel knows of the connection of a request.

use std::any::Any;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;

/// The connection of a request, as the kernel sees it. Systems other than Linux say nothing of it.
pub struct Socket(kernel::Handle);

/// Keeps the socket of a new connection for its requests.
pub fn keep(connection: &dyn Any, data: &mut Extensions) {
    if let Some(handle) = kernel::handle(connection) {
        data.insert(Socket(handle));
    }
}

/// The socket over which a request came, if it is known.
pub fn of(request: &HttpRequest) -> Option<&Socket> {
    request.conn_data()
}

impl Socket {
    /// How long ago the last bytes arrived, read or not; `None` when the kernel does not say.
    pub fn silent_for(&self) -> Option<Duration> {
        kernel::silent_for(&self.0)
    }

    /// True when the other end has reset the connection, so nobody hears an answer. An end that
    /// only sends no more is still there.
    pub fn is_reset(&self) -> bool {
        kernel::is_reset(&self.0)
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::any::Any;
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;

    use actix_web::rt::net::TcpStream;
    use nix::sys::socket::getsockopt;
    use nix::{getsockopt_impl, sockopt_impl};

    /// A second descriptor of the socket: the first one belongs to the HTTP library.
    pub type Handle = OwnedFd;
    /// `TCP_CLOSE` of `<netinet/tcp.h>`.
    const CLOSED: u8 = 7;

    sockopt_impl!(
        TcpInfo,
        GetOnly,
        libc::IPPROTO_TCP,
        libc::TCP_INFO,
        libc::tcp_info
    );

    pub fn handle(connection: &dyn Any) -> Option<Handle> {
        let stream = connection.downcast_ref::<TcpStream>()?;
        stream.as_fd().try_clone_to_owned().ok()
    }

    pub fn silent_for(handle: &Handle) -> Option<Duration> {
        let info = getsockopt(handle, TcpInfo).ok()?;
        Some(Duration::from_millis(info.tcpi_last_data_recv.into()))
    }

    pub fn is_reset(handle: &Handle) -> bool {
        getsockopt(handle, TcpInfo).is_ok_and(|info| info.tcpi_state == CLOSED)
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::any::Any;
    use std::time::Duration;

    pub enum Handle {}

    pub fn handle(_: &dyn Any) -> Option<Handle> {
        None
    }

    pub fn silent_for(handle: &Handle) -> Option<Duration> {
        match *handle {}
    }

    pub fn is_reset(handle: &Handle) -> bool {
        match *handle {}
    }
}
