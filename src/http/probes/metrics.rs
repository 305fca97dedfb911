//! `GET /metrics`: Prometheus text. The counters of this process are those of this moment. The
//! figures of sales and feeds are written once for all scrapes.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data};

use crate::http::context::Context;
use crate::http::respond::headers::guarded;
use crate::http::respond::pieces::Pieces;
use crate::http::respond::problem::Problem;

/// A text that several answers share.
struct Shared(Arc<String>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// `GET /metrics`
pub async fn metrics(context: Data<Context>) -> Result<HttpResponse, Problem> {
    let (counts, figures) = tokio::join!(context.figures.counts(), context.figures.text());
    let counts = counts.map_err(|error| Problem::of_reading(&error))?;
    let parts = [counts, figures].map(|text| Bytes::from_owner(Shared(text)));
    Ok(guarded(&mut HttpResponse::Ok())
        .content_type("text/plain; version=0.0.4")
        .body(Pieces::of(parts)))
}
