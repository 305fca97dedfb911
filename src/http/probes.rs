//! `GET /healthz`: the process is alive. `GET /readyz`: a buyer could be served now.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, web};

use super::Context;
use super::answer::RETRY_AFTER_SECONDS;
use super::problem::problem;

/// `GET /healthz`
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(r#"{"status":"alive"}"#)
}

/// `GET /readyz`: runs the grab script on Redis, on a sale that cannot exist, and verifies that
/// the configured durability is what Redis does.
pub async fn readyz(context: web::Data<Context>) -> HttpResponse {
    let ready = match context.store.sale_grab_probe().await {
        Ok(()) => context.store.verified_durability().await,
        Err(error) => Err(error),
    };
    match ready {
        Ok(durability) => {
            let body = format!(r#"{{"status":"ready","durability":"{durability}"}}"#);
            HttpResponse::Ok()
                .content_type("application/json")
                .body(body)
        }
        Err(error) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let mut response = problem(status, "not_ready", &error.to_string());
            let seconds = HeaderValue::from_static(RETRY_AFTER_SECONDS);
            response.headers_mut().insert(RETRY_AFTER, seconds);
            response
        }
    }
}
