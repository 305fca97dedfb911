//! The bytes of a connection between the socket and the HTTP library.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, Phase};

/// A connection as the HTTP library reads and writes it.
pub struct Stream(pub(super) Rc<Connection>);

impl AsyncRead for Stream {
    /// Gives one request at a time: later bytes wait until it is answered.
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = &self.0;
        if connection.phase.get() == Phase::Ended {
            return Poll::Ready(Ok(()));
        }
        if connection.boundary.borrow().is_complete() {
            connection.park(context);
            return Poll::Pending;
        }
        let mut rest = connection.rest.borrow_mut();
        if !rest.is_empty() {
            let offered = rest.len().min(buffer.remaining());
            let taken = connection.received(&rest[..offered]);
            buffer.put_slice(&rest[..taken]);
            rest.drain(..taken);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let mut socket = connection.socket.borrow_mut();
        let polled = Pin::new(&mut *socket).poll_read(context, buffer);
        let bytes = &buffer.filled()[before..];
        if !bytes.is_empty() {
            let taken = connection.received(bytes);
            rest.extend_from_slice(&bytes[taken..]);
            buffer.set_filled(before + taken);
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.0.socket.borrow_mut();
        let polled = Pin::new(&mut *socket).poll_write(context, bytes);
        self.0.written(&socket, polled.is_ready());
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.0.socket.borrow_mut();
        Pin::new(&mut *socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.0.socket.borrow_mut();
        Pin::new(&mut *socket).poll_shutdown(context)
    }
}
