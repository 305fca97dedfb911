//! HTML answers, and what a browser may do with them.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use crate::http::respond::headers::guarded;

/// What a page may load, besides our style sheet. All else is forbidden: were a text ever not
/// escaped, it could still not run.
#[derive(Debug, Clone, Copy)]
pub enum Loads {
    /// Nothing.
    Nothing,
    /// The picture of an activity, from wherever its operator keeps it.
    Picture,
    /// Our script, which may ask our doors.
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

/// A page as an answer that was begun.
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
