//! `GET /metrics`: Prometheus text. Stock and orders are read from Redis at that moment.

use actix_web::{HttpResponse, web};

use super::Context;
use crate::error::Result;
use crate::metrics::{FeedFigures, GateFigures, SaleFigures};
use crate::store::Store;

/// `GET /metrics`
pub async fn metrics(context: web::Data<Context>) -> HttpResponse {
    let sales = context.store.sales().await.ok();
    let figures: Option<Vec<SaleFigures>> = sales.map(|sales| {
        // A sale that cannot be read has no figures; `seckill sale list` says why.
        let readable = sales.iter().filter_map(|(_, read)| read.as_ref().ok());
        let figures = readable.map(|snapshot| SaleFigures {
            sale: snapshot.sale.id.to_string(),
            units: [
                ("left", snapshot.figures.left),
                ("held", snapshot.figures.held),
                ("confirmed", snapshot.figures.confirmed),
                ("used", snapshot.figures.used),
            ],
            buyers: snapshot.figures.buyers,
        });
        figures.collect()
    });
    let gates = context
        .gates
        .closed()
        .into_iter()
        .map(|(sale, refusal, buyers)| GateFigures {
            sale: sale.to_string(),
            refusal: refusal.code(),
            buyers,
        });
    let gates: Vec<GateFigures> = gates.collect();
    let feeds = feeds(&context.store).await.unwrap_or_default();
    match context.metrics.text(figures.as_deref(), &feeds, &gates) {
        Ok(text) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4")
            .body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

/// How far the relays are behind, whichever process they run in.
async fn feeds(store: &Store) -> Result<Vec<FeedFigures>> {
    let mut feeds = Vec::new();
    for event in store.events_with_feeds().await? {
        let lag = store.feed_lag(&event).await?;
        feeds.extend(lag.map(|lag| FeedFigures {
            event,
            undelivered: lag.undelivered,
            oldest: lag.oldest,
            dead: lag.dead,
        }));
    }
    feeds.sort_by(|a, b| a.event.cmp(&b.event));
    Ok(feeds)
}
