//! The socket that connections come from.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::net::sockopt::set_tcp_nodelay;
use tokio::net::TcpSocket;

/// What the kernel may hold of the answers on one connection, as it counts: about half of it is
/// bytes.
const SEND_BUFFER_BYTES: u32 = 256 << 10;

/// Binds to an address. `backlog`: connections that may wait to be accepted.
///
/// The sockets of connections inherit the options. When a client takes nothing for a minute, the
/// kernel (Linux 5.11 or newer) drops the connection: it may hold bytes of one that the server has
/// closed or that is idle, which the [register](super::register) does not see.
///
/// # Errors
/// What the kernel says.
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

    /// Longest time in which nothing is taken of what the kernel holds.
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
