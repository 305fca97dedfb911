//! What those who watch see: counts, and the figures of sales and feeds, each written once for all
//! who scrape.
//!
//! When Redis does not answer in time the figures are left out, with the sign of it: no figure is
//! shown that may not be true any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::admission::gate::Gates;
use crate::catalogue::{Catalogue, Reading};
use crate::failure::{Failure, Result};
use crate::metrics::Metrics;
use crate::metrics::figures::{self, FeedFigures, GateFigures, LagFigures, SaleFigures};
use crate::readings::{Pace, Reader, Readings};
use crate::store::Store;
use crate::store::feed::FeedState;
use crate::store::sales::snapshot::Snapshot;

/// Longest wait for Redis: when it hangs, what the server itself counted matters most.
const READ_MAX: Duration = Duration::from_secs(1);
/// Longest wait of someone who scrapes, who may come in the middle of a reading.
const LOOK_MAX: Duration = Duration::from_secs(3);
/// How many times as long as the work the rest after it is.
const REST_FACTOR: u32 = 9;
/// The shortest rest.
const REST_MIN: Duration = Duration::from_millis(250);
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(5);

/// Where the figures can be seen. Clones share them.
#[derive(Clone)]
pub struct Figures {
    figures: Readings<String>,
    counts: Readings<Result<Arc<String>>>,
}

impl Figures {
    /// Starts the tasks that write them, on the current runtime. They end when all clones are gone.
    pub fn start(
        store: Store,
        catalogue: Catalogue,
        metrics: Arc<Metrics>,
        gates: Arc<Gates>,
    ) -> Self {
        Self {
            figures: Readings::start(Scribe { store, catalogue }),
            counts: Readings::start(Counter { metrics, gates }),
        }
    }

    /// The figures in the text format of Prometheus.
    pub async fn text(&self) -> Arc<String> {
        let text = self.figures.look(None, LOOK_MAX).await;
        text.unwrap_or_else(|_| Arc::new(figures::text(None)))
    }

    /// What this process counted and which gates are closed, at a moment after the question: only
    /// those who ask at the same time share it.
    ///
    /// # Errors
    /// It cannot be written, or not in time.
    pub async fn counts(&self) -> Result<Arc<String>> {
        let counts = self.counts.look(Some(Instant::now()), LOOK_MAX).await;
        let late = |_| Failure::Busy(format!("nothing was written within {LOOK_MAX:?}"));
        counts.map_err(late)?.as_ref().clone()
    }
}

struct Scribe {
    store: Store,
    catalogue: Catalogue,
}

impl Reader for Scribe {
    type Seen = String;

    async fn read(&mut self) -> (String, Pace) {
        let (sales, (feeds, took)) = tokio::join!(
            timeout(READ_MAX, self.catalogue.look()),
            timed(timeout(READ_MAX, self.store.feeds())),
        );
        let late = |_| Failure::Busy(format!("no figures within {READ_MAX:?}"));
        let sales = sales.map_err(late).flatten();
        let read = sales.and_then(|sales| {
            let feeds = feeds.map_err(late).flatten()?;
            sales.sales.as_ref().map_err(Clone::clone)?;
            Ok((sales, feeds))
        });
        let rest = match &read {
            Ok(_) => (took * REST_FACTOR).clamp(REST_MIN, REST_MAX),
            Err(_) => REST_MIN,
        };
        if let Err(error) = &read {
            tracing::debug!(%error, "the figures are left out");
        }
        // Many sales take long to write, and others work on this thread.
        let written = spawn_blocking(move || {
            let read = read.map(|(sales, feeds)| figures_of(&sales, feeds));
            figures::text(read.ok().as_ref())
        });
        let text = written.await.unwrap_or_else(|_| figures::text(None));
        (text, Pace::of(rest))
    }
}

struct Counter {
    metrics: Arc<Metrics>,
    gates: Arc<Gates>,
}

impl Reader for Counter {
    type Seen = Result<Arc<String>>;

    async fn read(&mut self) -> (Self::Seen, Pace) {
        let (metrics, gates) = (self.metrics.clone(), self.gates.clone());
        let written = timed(spawn_blocking(move || {
            let closed = gates.closed().into_iter();
            let gates = closed.map(|(sale, refusal, buyers)| GateFigures {
                sale: sale.to_string(),
                refusal: refusal.code(),
                buyers,
            });
            let gates = figures::text_of_gates(&gates.collect::<Vec<_>>());
            metrics.text().map(|text| Arc::new(text + &gates))
        }));
        let (written, took) = written.await;
        let written = written.map_err(|ended| ended.to_string());
        let written = written.and_then(|text| text.map_err(|e| e.to_string()));
        let failed = |why| Failure::Busy(format!("the metrics were not written: {why}"));
        let pace = Pace {
            fresh: Duration::ZERO,
            rest: took,
        };
        (written.map_err(failed), pace)
    }
}

async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let done = work.await;
    (done, began.elapsed())
}

fn figures_of(reading: &Reading, feeds: Vec<(String, Result<FeedState>)>) -> figures::Figures {
    let mut figures = figures::Figures::default();
    for sale in reading.sales.iter().flatten() {
        match &sale.1 {
            Ok(snapshot) => figures.sales.push(figures_of_sale(snapshot)),
            Err(_) => figures.unreadable += 1,
        }
    }
    for (event, state) in feeds {
        match state {
            Ok(FeedState { entries, lag }) => figures.feeds.push(FeedFigures {
                event,
                entries,
                lag: lag.map(|lag| LagFigures {
                    undelivered: lag.undelivered,
                    oldest: lag.oldest,
                    dead: lag.dead,
                }),
            }),
            Err(_) => figures.unreadable += 1,
        }
    }
    figures
}

/// Where the units of a sale are.
fn figures_of_sale(snapshot: &Snapshot) -> SaleFigures {
    SaleFigures {
        sale: snapshot.sale.id.to_string(),
        left: snapshot.figures.left,
        granted: [
            ("held", snapshot.figures.held),
            ("confirmed", snapshot.figures.confirmed),
            ("used", snapshot.figures.used),
        ],
        buyers: snapshot.figures.buyers,
        dead_orders: snapshot.dead_orders(),
    }
}
