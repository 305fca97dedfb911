//! `GET /metrics`: Prometheus text. Stock and orders are read from Redis at that moment.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use tokio::time::timeout;

use super::Context;
use super::headers::guarded;
use crate::error::Result;
use crate::metrics::{FeedFigures, GateFigures, LagFigures, SaleFigures};
use crate::store::Store;

/// Longest wait for Redis: when it hangs, what the server itself counted matters most.
const READING_MAX: Duration = Duration::from_secs(2);

/// `GET /metrics`
pub async fn metrics(context: web::Data<Context>) -> HttpResponse {
    let (sales, feeds) = tokio::join!(
        timeout(READING_MAX, sales(&context.store)),
        timeout(READING_MAX, feeds(&context.store)),
    );
    let (sales, feeds) = (sales.ok().and_then(Result::ok), feeds.ok());
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
    let feeds = feeds.and_then(Result::ok).unwrap_or_default();
    match context.metrics.text(sales.as_deref(), &feeds, &gates) {
        Ok(text) => guarded(&mut HttpResponse::Ok())
            .content_type("text/plain; version=0.0.4")
            .body(text),
        Err(error) => guarded(&mut HttpResponse::InternalServerError()).body(error.to_string()),
    }
}

/// Where the units of each sale are.
async fn sales(store: &Store) -> Result<Vec<SaleFigures>> {
    let sales = store.sales().await?;
    // A sale that cannot be read has no figures; `seckill sale list` says why.
    let readable = sales.iter().filter_map(|(_, read)| read.as_ref().ok());
    let figures = readable.map(|snapshot| SaleFigures {
        sale: snapshot.sale.id.to_string(),
        left: snapshot.figures.left,
        granted: [
            ("held", snapshot.figures.held),
            ("confirmed", snapshot.figures.confirmed),
            ("used", snapshot.figures.used),
        ],
        buyers: snapshot.figures.buyers,
        dead_orders: snapshot.dead_orders(),
    });
    Ok(figures.collect())
}

/// How long the feeds are, and how far the relays are behind, whichever process they run in.
async fn feeds(store: &Store) -> Result<Vec<FeedFigures>> {
    let mut feeds = Vec::new();
    for event in store.events_with_feeds().await? {
        let lag = store.feed_lag(&event).await?;
        feeds.push(FeedFigures {
            entries: store.feed_length(&event).await?,
            lag: lag.map(|lag| LagFigures {
                undelivered: lag.undelivered,
                oldest: lag.oldest,
                dead: lag.dead,
            }),
            event,
        });
    }
    feeds.sort_by(|a, b| a.event.cmp(&b.event));
    Ok(feeds)
}
