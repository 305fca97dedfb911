//! `GET /healthz`: the process is alive. `GET /readyz`: buyers can be served now, and the server is
//! not about to stop.

use std::sync::atomic::Ordering;

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use crate::http::caller::token::{Door, Shown};
use crate::http::context::{Context, Face};
use crate::http::respond::headers::guarded;
use crate::http::respond::problem::Problem;
use crate::store::server::Verified;

/// The answer to others than operators if the server is not ready.
const NO_REASON: &str = "Buyers cannot be served now; the log and operators' requests say why.";

/// `GET /healthz`
pub async fn healthz() -> HttpResponse {
    guarded(&mut HttpResponse::Ok())
        .content_type("application/json")
        .body(r#"{"status":"alive"}"#)
}

/// `GET /readyz`: asks Redis now, and returns the durability in force. Only operators are told why
/// the server is not ready, and where its Redis is.
pub async fn readyz(context: web::Data<Context>, request: HttpRequest) -> HttpResponse {
    let not_ready = |why: String| {
        let why = match hears_reasons(&context, &request) {
            true => why,
            false => NO_REASON.to_owned(),
        };
        Problem::later("not_ready", why).error_response()
    };
    if context.draining.load(Ordering::Relaxed) {
        return not_ready("the server is about to stop".to_owned());
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
        Err(error) => not_ready(error.to_string()),
    }
}

/// True for clients at the operators' address or with their token. A wrong token is counted; a
/// balancer that sends one gets the same answer as others.
fn hears_reasons(context: &Context, request: &HttpRequest) -> bool {
    if context.face == Face::Operators {
        return true;
    }
    match context.token.shown(request) {
        Shown::Token => true,
        Shown::Nothing => false,
        Shown::Wrong => {
            context.token.wrong(request, Door::Readiness);
            false
        }
    }
}
