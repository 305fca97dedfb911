//! The bytes of a connection, on their way to and from the HTTP library.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, Phase};

/// A connection as the HTTP library reads and writes it.
pub struct Stream(pub(super) Rc<Connection>);

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = &self.0;
        if connection.phase.get() == Phase::Ended {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let mut socket = connection.socket.borrow_mut();
        let polled = Pin::new(&mut *socket).poll_read(context, buffer);
        let bytes = &buffer.filled()[before..];
        if !bytes.is_empty() {
            connection.received(bytes);
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
