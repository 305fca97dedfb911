//! Access of operators over HTTP. They may change sales and settle orders if they send the
//! operators' token. Every change is logged: the address of the client, what it asked for, and the
//! result.

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

/// Checks the token for every path of the operators.
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

/// Makes a change of an operator in a task of its own: once begun, it completes and is logged, even
/// if its sender has left. It does not begin if the connection was reset before, or if the process
/// stood still after the request came.
///
/// # Errors
/// 503: it was not begun, or the server stops before it ends.
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
