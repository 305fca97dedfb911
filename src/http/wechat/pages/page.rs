//! HTML answers, and their content security policy.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use crate::http::respond::headers::guarded;

/// What a page may load, except our style sheet. Everything else is forbidden: even a text that was
/// not escaped by mistake could not run.
#[derive(Debug, Clone, Copy)]
pub enum Loads {
    /// Nothing.
    Nothing,
    /// The picture of an activity, from any host.
    Picture,
    /// Our script, which may call our endpoints.
    Script,
}

impl Loads {
    fn policy(self) -> String {
        let more = match self {
            Self::Nothing => "img-src data:",
            Self::Picture => "img-src data: https: http:",
            Self::Script => "img-src data:; script-src 'self'; connect-src 'self'",
        };
        format!(
            "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'; {more}"
        )
    }
}

/// A page.
pub fn page(status: StatusCode, template: &impl Template, loads: Loads) -> HttpResponse {
    filled(&mut HttpResponse::build(status), template, loads)
}

/// A page as the body of an answer.
pub fn filled(
    response: &mut HttpResponseBuilder,
    template: &impl Template,
    loads: Loads,
) -> HttpResponse {
    guarded(response)
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, loads.policy()))
        // Addresses hold openids and tickets.
        .insert_header((REFERRER_POLICY, "no-referrer"));
    // Texts and numbers always render.
    response.body(template.render().unwrap_or_default())
}
