//! `GET /healthz`: the process is alive. `GET /readyz`: a buyer could be served now.

use actix_web::{HttpResponse, ResponseError, web};

use super::Context;
use super::problem::Problem;
use crate::store::server::Verified;

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
        Ok(Verified { level, at_risk }) => {
            let at_risk = if at_risk { r#","at_risk":true"# } else { "" };
            let body = format!(r#"{{"status":"ready","durability":"{level}"{at_risk}}}"#);
            HttpResponse::Ok()
                .content_type("application/json")
                .body(body)
        }
        Err(error) => Problem::later("not_ready", error.to_string()).error_response(),
    }
}
