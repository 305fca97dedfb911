//! `GET /healthz`: the process is alive. `GET /readyz`: a buyer could be served now, and the server
//! is not about to stop.

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, ResponseError, web};

use super::Context;
use super::headers::guarded;
use super::problem::Problem;
use crate::store::server::Verified;

/// `GET /healthz`
pub async fn healthz() -> HttpResponse {
    guarded(&mut HttpResponse::Ok())
        .content_type("application/json")
        .body(r#"{"status":"alive"}"#)
}

/// `GET /readyz`: asks Redis now, and says what its durability is.
pub async fn readyz(context: web::Data<Context>) -> HttpResponse {
    if context.draining.load(Ordering::Relaxed) {
        let stopping = "the server is about to stop".to_owned();
        return Problem::later("not_ready", stopping).error_response();
    }
    match context.readiness.ask().await {
        Ok(Verified { level, at_risk }) => {
            let level = level.map_or("unknown".to_owned(), |level| level.to_string());
            let at_risk = if at_risk { r#","at_risk":true"# } else { "" };
            let body = format!(r#"{{"status":"ready","durability":"{level}"{at_risk}}}"#);
            guarded(&mut HttpResponse::Ok())
                .content_type("application/json")
                .body(body)
        }
        Err(error) => Problem::later("not_ready", error.to_string()).error_response(),
    }
}
