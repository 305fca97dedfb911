//! What stands on every answer: a browser takes it for nothing but what it says that it is, and
//! nobody keeps it. Only the files of the pages may be kept.

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};

/// Of [`X_CONTENT_TYPE_OPTIONS`].
pub const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// Of [`CACHE_CONTROL`].
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Puts both on an answer that was begun.
pub fn guarded(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((X_CONTENT_TYPE_OPTIONS, NOSNIFF))
        .insert_header((CACHE_CONTROL, NO_STORE))
}
