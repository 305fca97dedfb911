//! Who may change sales and settle orders over HTTP: whoever shows the operators' token. Every
//! change of theirs is logged: who asked (the address of the other end), for what, and what became
//! of it.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, ResponseError};

use super::token::Door;
use super::who;
use crate::http::connection;
use crate::http::context::Context;
use crate::http::extract::body::discard;
use crate::http::respond::problem::Problem;

/// Stands before every path of the operators.
pub async fn guard(
    context: Data<Context>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match context.token.required(request.request(), Door::Admin) {
        Ok(()) => next.call(request).await,
        Err(problem) => {
            let body = request.extract::<actix_web::web::Payload>().await?;
            discard(body).await;
            Ok(request.into_response(problem.error_response()))
        }
    }
}

/// Makes a change that an operator asked for, in a task of its own: once begun, it ends and is
/// logged, also when its sender has left. It is not begun when the connection was reset before, or
/// the process stood still after the request came.
///
/// # Errors
/// 503 when it was not begun, or the server stops in the middle.
pub async fn carry_out<T: 'static>(
    context: &Context,
    request: &HttpRequest,
    change: impl Future<Output = T> + 'static,
) -> Result<T, Problem> {
    if context.standstill.held_up(request) {
        return Err(Problem::held_up());
    }
    if connection::of(request).is_some_and(|connection| connection.is_reset()) {
        let (who, method, path) = (who(request), request.method().as_str(), request.path());
        tracing::info!(who, method, path, became = "dropped", "change over HTTP");
        return Err(Problem::later("busy", "the connection was reset"));
    }
    let ended = |_| Problem::unknown("the server is stopping");
    actix_web::rt::spawn(change).await.map_err(ended)
}
