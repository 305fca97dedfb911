//! Takes accepted sockets, and passes their connections to the HTTP library.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Request};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Service, ServiceFactory, ServiceResponse};
use actix_web::rt::net::TcpStream;
use actix_web::rt::time::timeout;
use futures_util::future::{Either, LocalBoxFuture};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};

use super::register::{Limits, Lingering, Register};
use super::served::Served;
use super::stream::Stream;
use crate::metrics::Metrics;

/// How long a client that is still sending is read, so that it sees the last answer.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes of an answer that the HTTP library keeps while it is sent.
const WRITE_BUFFER_BYTES: usize = 16 << 10;
/// The answer to an address that has as many connections as it may have.
const TOO_MANY_CONNECTIONS: &str = "HTTP/1.1 429 Too Many Requests\r\n\
    connection: close\r\nretry-after: 1\r\ncontent-type: application/problem+json\r\n\
    content-length: 148\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Too Many Requests\",\"status\":429,\
    \"code\":\"too_many_connections\",\"detail\":\"Your address has too many open connections.\"}";

/// An [`Entrance`] that cannot fail to be built.
pub trait Worker:
    ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
{
}

impl<S> Worker for S where
    S: ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
{
}

/// What one worker does with the sockets of a listener. `ended` resolves when the server stops.
pub fn entrance<A, F>(
    application: A,
    limits: Limits,
    metrics: Arc<Metrics>,
    ended: impl Fn() -> F + 'static,
) -> impl Worker
where
    F: Future<Output = ()> + 'static,
    A: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<BoxBody>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    A::Future: 'static,
    A::Service: 'static,
    <A::Service as Service<Request>>::Future: Unpin + 'static,
{
    let http = HttpService::build()
        .graceful_shutdown_signal(ended)
        // The register has the timers of heads and of idle connections.
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(LINGER)
        .h1_write_buffer_size(WRITE_BUFFER_BYTES)
        .on_connect_ext(|stream: &Stream, data| {
            data.insert(stream.0.clone());
        })
        .h1(Served::new(application));
    Entrance {
        http,
        register: Register::start(limits, metrics),
    }
}

struct Entrance<H> {
    http: H,
    register: Rc<Register>,
}

impl<H> ServiceFactory<TcpStream> for Entrance<H>
where
    H: ServiceFactory<
            (Stream, Option<SocketAddr>),
            Config = (),
            Response = (),
            Error = DispatchError,
            InitError = (),
        >,
    H::Future: 'static,
{
    type Response = ();
    type Error = DispatchError;
    type Config = ();
    type Service = Entrance<H::Service>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Service, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let (http, register) = (self.http.new_service(()), self.register.clone());
        Box::pin(async {
            let http = http.await?;
            Ok(Entrance { http, register })
        })
    }
}

impl<S> Service<TcpStream> for Entrance<S>
where
    S: Service<(Stream, Option<SocketAddr>), Response = (), Error = DispatchError>,
{
    type Response = ();
    type Error = DispatchError;
    type Future = Either<S::Future, LocalBoxFuture<'static, Result<(), DispatchError>>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), DispatchError>> {
        self.http.poll_ready(context)
    }

    fn call(&self, socket: TcpStream) -> Self::Future {
        let peer = socket.peer_addr().ok();
        match self.register.admit(socket, peer) {
            Ok(stream) => Either::Left(self.http.call((stream, peer))),
            Err(socket) => {
                let refused = refuse(socket, self.register.lingering());
                Either::Right(Box::pin(refused))
            }
        }
    }
}

/// Answers without reading. If allowed, waits briefly until the client closes.
async fn refuse(mut socket: TcpStream, leave: Option<Lingering>) -> Result<(), DispatchError> {
    if leave.is_none() {
        // If there is no room for it at once, there is no answer.
        let _ = socket.try_write(TOO_MANY_CONNECTIONS.as_bytes());
        return Ok(());
    }
    let refused = async {
        socket.write_all(TOO_MANY_CONNECTIONS.as_bytes()).await?;
        socket.shutdown().await?;
        copy(&mut (&mut socket).take(1 << 16), &mut sink()).await
    };
    // A client that does not read the answer does not need it.
    let _ = timeout(LINGER, refused).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let (head, body) = TOO_MANY_CONNECTIONS.split_once("\r\n\r\n").expect("a body");
        let length = format!("content-length: {}", body.len());
        assert!(head.contains(&length), "{length}");
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
