//! Tells a connection when its requests begin and when they are answered.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::{Request, Response};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{AppConfig, Payload, Service, ServiceFactory, ServiceResponse, forward_ready};
use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;

use super::Connection;

/// Wraps the application, so that connections see their requests.
pub struct Served<A> {
    application: A,
}

impl<A> Served<A> {
    /// Wraps this application.
    pub fn new(application: A) -> Self {
        Self { application }
    }
}

impl<A> ServiceFactory<Request> for Served<A>
where
    A: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<BoxBody>,
            Error = actix_web::Error,
        >,
    A::Future: 'static,
    <A::Service as Service<Request>>::Future: Unpin,
{
    type Response = Response<Answer>;
    type Error = actix_web::Error;
    type Config = ();
    type Service = Served<A::Service>;
    type InitError = A::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, Self::InitError>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let application = self.application.new_service(AppConfig::default());
        Box::pin(async { application.await.map(Served::new) })
    }
}

impl<S> Service<Request> for Served<S>
where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error>,
    S::Future: Unpin,
{
    type Response = Response<Answer>;
    type Error = actix_web::Error;
    type Future = Handling<S::Future>;

    forward_ready!(application);

    fn call(&self, mut request: Request) -> Self::Future {
        let has_body = !matches!(request.payload(), Payload::None);
        let connection = request.conn_data::<Rc<Connection>>().cloned();
        if let Some(connection) = &connection {
            connection.begins(request.head(), has_body);
        }
        Handling {
            serving: Some(Serving(connection)),
            handler: self.application.call(request),
        }
    }
}

/// A request that is being served, from its complete head to the end of its answer.
struct Serving(Option<Rc<Connection>>);

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.answered();
        }
    }
}

/// A running handler.
pub struct Handling<F> {
    serving: Option<Serving>,
    handler: F,
}

impl<F> Future for Handling<F>
where
    F: Future<Output = Result<ServiceResponse<BoxBody>, actix_web::Error>> + Unpin,
{
    type Output = Result<Response<Answer>, actix_web::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(Pin::new(&mut self.handler).poll(context))?;
        let serving = self.serving.take();
        let response = Response::from(response);
        Poll::Ready(Ok(response.map_body(|_, body| Answer {
            body,
            _serving: serving,
        })))
    }
}

/// The body of an answer. The HTTP library drops it after it has taken the last byte.
pub struct Answer {
    body: BoxBody,
    _serving: Option<Serving>,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
