//! The style sheet of all pages, and the script of the check-in page.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};

use crate::http::respond::headers::NOSNIFF;

const STYLE: &str = include_str!("../../../../templates/wechat/style.css");
const SCRIPT: &str = include_str!("../../../../templates/wechat/checkin.js");
/// Long enough for an evening of check-in, short enough for a new version.
const CACHED: &str = "public, max-age=600";

/// `GET /wechat/style.css`
pub async fn style() -> HttpResponse {
    file("text/css; charset=utf-8", STYLE)
}

/// `GET /wechat/checkin.js`
pub async fn script() -> HttpResponse {
    file("text/javascript; charset=utf-8", SCRIPT)
}

fn file(media_type: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((X_CONTENT_TYPE_OPTIONS, NOSNIFF))
        .insert_header((CACHE_CONTROL, CACHED))
        .body(text)
}
