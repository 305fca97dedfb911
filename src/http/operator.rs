//! Who may change sales and settle orders over HTTP: whoever shows the operators' token. Every
//! change of theirs is logged: who asked (the address of the other end), for what, and what became
//! of it.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, ResponseError};
use subtle::ConstantTimeEq;

use super::Context;
use super::attempt;
use super::problem::Problem;
use super::socket::{self, Socket};
use crate::config::AdminToken;

/// What a request shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// No bearer token.
    Nothing,
    /// A token, but not the right one.
    Wrong,
    /// The operators' token.
    Token,
}

/// Looks at the token of a request, in a time that says nothing about the right one.
pub fn shown(request: &HttpRequest, token: &AdminToken) -> Shown {
    let header = request.headers().get(AUTHORIZATION);
    let bearer = header.and_then(|header| bearer(header.as_bytes()));
    match bearer {
        None => Shown::Nothing,
        Some(bearer) if bool::from(bearer.ct_eq(token.expose().as_bytes())) => Shown::Token,
        Some(_) => Shown::Wrong,
    }
}

/// The token of `Bearer TOKEN`; `None` for other schemes, which proxies may need for themselves.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = header.split_at_checked(SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then_some(token.trim_ascii())
}

/// Refuses a request that does not show the operators' token.
///
/// # Errors
/// 401.
pub fn required(request: &HttpRequest, token: &AdminToken) -> Result<(), Problem> {
    match shown(request, token) {
        Shown::Token => Ok(()),
        Shown::Wrong => Err(wrong()),
        Shown::Nothing => Err(Problem::unauthorized(
            "Send the operators' token: `Authorization: Bearer TOKEN`.",
        )),
    }
}

/// 401 for a token that is not the right one.
pub fn wrong() -> Problem {
    Problem::unauthorized("This is not the operators' token (setting `admin.token`).")
}

/// The address of who asks, for the log.
pub fn who(request: &HttpRequest) -> String {
    let address = request.peer_addr();
    address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

/// Stands before every path of the operators.
pub async fn guard(
    context: Data<Context>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match required(request.request(), &context.token) {
        Ok(()) => next.call(request).await,
        Err(problem) => {
            let body = request.extract::<actix_web::web::Payload>().await?;
            attempt::discard(body).await;
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
    if socket::of(request).is_some_and(Socket::is_reset) {
        let (who, method, path) = (who(request), request.method().as_str(), request.path());
        tracing::info!(who, method, path, became = "dropped", "change over HTTP");
        return Err(Problem::later("busy", "the connection was reset"));
    }
    let ended = |_| Problem::unknown("the server is stopping");
    actix_web::rt::spawn(change).await.map_err(ended)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_the_token_itself_opens() {
        let token = AdminToken::parse("secret-1").expect("valid");
        for (header, expected) in [
            ("Bearer secret-1", Shown::Token),
            ("bearer secret-1", Shown::Token),
            ("BEARER  secret-1 ", Shown::Token),
            ("Bearer secret-2", Shown::Wrong),
            ("Bearer secret-", Shown::Wrong),
            ("Bearer secret-11", Shown::Wrong),
            ("Bearer Secret-1", Shown::Wrong),
            ("Bearer ", Shown::Wrong),
            ("Bearer", Shown::Nothing),
            ("Basic secret-1", Shown::Nothing),
            ("secret-1", Shown::Nothing),
            ("", Shown::Nothing),
        ] {
            let request = TestRequest::default().insert_header((AUTHORIZATION, header));
            let request = request.to_http_request();
            assert_eq!(shown(&request, &token), expected, "{header:?}");
        }
        let request = TestRequest::default().to_http_request();
        assert_eq!(shown(&request, &token), Shown::Nothing);
    }
}
