//! Headers of every answer: browsers must not guess its type, and caches must not store it. Only
//! the files of the pages may be cached.

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};

/// For [`X_CONTENT_TYPE_OPTIONS`].
pub const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// For [`CACHE_CONTROL`].
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Adds both to an answer.
pub fn guarded(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((X_CONTENT_TYPE_OPTIONS, NOSNIFF))
        .insert_header((CACHE_CONTROL, NO_STORE))
}
