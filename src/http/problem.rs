//! Errors outside the buying doors: `application/problem+json` (RFC 9457) with a stable code.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::answer::RESULT_HEADER;
use super::attempt;

/// The body.
#[derive(Serialize)]
struct Problem<'a> {
    status: u16,
    code: &'a str,
    title: &'a str,
    detail: &'a str,
}

/// A problem with a stable `code`.
pub fn problem(status: StatusCode, code: &str, detail: &str) -> HttpResponse {
    let problem = Problem {
        status: status.as_u16(),
        code,
        title: status.canonical_reason().unwrap_or("Error"),
        detail,
    };
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "application/problem+json"))
        .insert_header((RESULT_HEADER, code))
        .body(serde_json::to_vec(&problem).unwrap_or_default())
}

/// 404 for every path that is not in the table.
pub async fn not_found(request: HttpRequest, body: Payload) -> HttpResponse {
    attempt::discard(body).await;
    let detail = format!("There is nothing at {}.", request.path());
    problem(StatusCode::NOT_FOUND, "not_found", &detail)
}

/// 405 for a method that a path does not have.
pub async fn method_not_allowed(request: HttpRequest, body: Payload) -> HttpResponse {
    attempt::discard(body).await;
    let allowed = match request.path() {
        "/seckill" | "/incr" => "POST",
        _ => "GET",
    };
    let detail = format!(
        "{} takes {allowed}, not {}.",
        request.path(),
        request.method()
    );
    let mut response = problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        &detail,
    );
    let allowed = actix_web::http::header::HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}
