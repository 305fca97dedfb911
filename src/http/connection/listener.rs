//! The listening socket.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::net::sockopt::set_tcp_nodelay;
use tokio::net::TcpSocket;

/// Limit of the bytes of answers that the kernel holds for one connection. It counts its own
/// overhead, so about half are bytes.
const SEND_BUFFER_BYTES: u32 = 256 << 10;

/// Binds to an address. `backlog` is how many connections may wait to be accepted.
///
/// Connections inherit the options of the socket. If a client reads nothing for a minute, the
/// kernel (Linux 5.11 or newer) drops the connection. So it also drops one that the server has
/// closed or that is idle, which the [register](super::register) does not see.
///
/// # Errors
/// The error of the kernel.
pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    set_tcp_nodelay(&socket, true)?;
    kernel::drop_what_is_not_taken(&socket)?;
    socket.bind(address)?;
    socket.listen(backlog)?.into_std()
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::io;
    use std::time::Duration;

    use rustix::net::sockopt::set_tcp_user_timeout;
    use tokio::net::TcpSocket;

    /// Longest time in which a client takes none of the bytes that the kernel holds.
    const UNTAKEN_MAX: Duration = Duration::from_secs(60);

    pub fn drop_what_is_not_taken(socket: &TcpSocket) -> io::Result<()> {
        let milliseconds = u32::try_from(UNTAKEN_MAX.as_millis()).unwrap_or(u32::MAX);
        Ok(set_tcp_user_timeout(socket, milliseconds)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::io;

    use tokio::net::TcpSocket;

    pub fn drop_what_is_not_taken(_: &TcpSocket) -> io::Result<()> {
        Ok(())
    }
}
