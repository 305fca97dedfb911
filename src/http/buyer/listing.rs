//! All sales as JSON, written once for all who look: each page is a part of the same bytes.
//!
//! A listing has the time and the phases of the moment when it was written. It is written anew when
//! it is [`AGE_MAX`] old, when a sale opens or closes, and when somebody changed a sale here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use tokio::task::spawn_blocking;

use super::sale_view::SaleView;
use crate::catalogue::{Catalogue, Reading};
use crate::domain::time::EpochMs;
use crate::failure::{Failure, Result};
use crate::readings::{Missing, Pace, Reader, Readings};
use crate::store::sales::snapshot::Snapshot;

/// How far the time of a listing may lag, unless it takes long to write.
const AGE_MAX: Duration = Duration::from_millis(100);
/// How many times as long as it takes to write one it may serve.
const AGE_FACTOR: u32 = 10;

/// All sales at one moment.
pub struct Listing {
    server_time: Option<EpochMs>,
    /// The sales, with commas between them.
    text: Bytes,
    /// Where each of them ends, in the order of their ids.
    ends: Vec<(Arc<str>, usize)>,
}

/// Some of them, and after which one the next page begins, if there is one.
pub struct Page<'a> {
    /// The clock of Redis; `None` when no sale was read.
    pub server_time: Option<EpochMs>,
    /// The sales, with commas between them.
    pub sales: Bytes,
    /// The last sale of this page, unless it is the last of all.
    pub next: Option<&'a str>,
}

impl Listing {
    fn new(reading: &Reading) -> (Self, Duration) {
        let server_time = reading.server_time();
        let sales = reading.sales.iter().flatten();
        // A sale that cannot be read has nothing to show; `seckill sale list` says why.
        let readable = sales.filter_map(|sale| sale.1.as_ref().ok());
        let (mut text, mut ends, mut change) = (Vec::new(), Vec::new(), EpochMs::MAX);
        for (snapshot, now) in readable.zip(server_time.into_iter().cycle()) {
            if !text.is_empty() {
                text.push(b',');
            }
            // Strings and numbers always serialise.
            let _ = serde_json::to_writer(&mut text, &SaleView::new(snapshot, now));
            ends.push((snapshot.sale.id.as_str().into(), text.len()));
            change = change.min(until_change(snapshot, now));
        }
        let text = text.into();
        let listing = Self {
            server_time,
            text,
            ends,
        };
        (listing, Duration::from_millis(change))
    }

    /// Up to `limit` sales whose ids come after this one.
    pub fn page(&self, after: &str, limit: usize) -> Page<'_> {
        let first = self.ends.partition_point(|(id, _)| **id <= *after);
        let end = self.ends.len().min(first + limit);
        let page = &self.ends[first..end];
        let sales = page.last().map_or_else(Bytes::new, |&(_, to)| {
            let before = first.checked_sub(1).map(|before| self.ends[before].1);
            let from = before.map_or(0, |before| before + 1); // behind its comma
            self.text.slice(from..to)
        });
        let last = page.last().map(|(id, _)| &**id);
        Page {
            server_time: self.server_time,
            sales,
            next: last.filter(|_| end < self.ends.len()),
        }
    }
}

/// How long the phase of a sale stays what it is, in ms.
fn until_change(snapshot: &Snapshot, now: EpochMs) -> u64 {
    let opens = snapshot.sale.opens_at;
    // It is open until the end of that millisecond.
    let closes = snapshot
        .sale
        .closes_at
        .map(|closes| closes.saturating_add(1));
    let changes = [opens, closes].into_iter().flatten();
    let next = changes.filter(|&change| change > now).min();
    next.map_or(u64::MAX, |next| next - now)
}

/// Where listings are written. Clones share them.
#[derive(Clone)]
pub struct Listings {
    readings: Readings<Result<Listing>>,
    catalogue: Catalogue,
    timeout: Duration,
}

impl Listings {
    /// Starts the task that writes them, on the current runtime. It ends when all clones are gone.
    /// `timeout` bounds the wait of a looker for Redis.
    pub fn start(catalogue: Catalogue, timeout: Duration) -> Self {
        let readings = Readings::start(Writer(catalogue.clone()));
        Self {
            readings,
            catalogue,
            timeout,
        }
    }

    /// The listing of now.
    ///
    /// # Errors
    /// [`Failure::Busy`] when there is none in time.
    pub async fn look(&self) -> Result<Arc<Result<Listing>>> {
        let since = self.catalogue.changed_at();
        // The one that is being written may be too old, so two are waited for.
        let look = self.readings.look(since, self.timeout * 2).await;
        look.map_err(|missing| {
            Failure::Busy(match missing {
                Missing::Late => "the sales were not read in time".to_owned(),
                Missing::Ended => "the server is stopping".to_owned(),
            })
        })
    }
}

struct Writer(Catalogue);

impl Reader for Writer {
    type Seen = Result<Listing>;

    async fn read(&mut self) -> (Result<Listing>, Pace) {
        let at_once = Pace::of(Duration::ZERO);
        let reading = match self.0.look().await {
            Ok(reading) => reading,
            Err(error) => return (Err(error), at_once),
        };
        if let Err(error) = &reading.sales {
            return (Err(error.clone()), at_once);
        }
        // Many sales take long to write, and others work on this thread.
        let written = spawn_blocking(move || {
            let began = Instant::now();
            (Listing::new(&reading), began.elapsed())
        });
        match written.await {
            Ok(((listing, change), took)) => {
                let fresh = (took * AGE_FACTOR).max(AGE_MAX).min(change);
                (Ok(listing), Pace { fresh, rest: took })
            }
            Err(error) => (Err(Failure::Busy(error.to_string())), at_once),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(ids: &[&str]) -> Listing {
        let text = ids.join(",");
        let ends = ids.iter().scan(0, |end, id| {
            let from = if *end == 0 { 0 } else { *end + 1 };
            *end = from + id.len();
            Some((Arc::from(*id), *end))
        });
        Listing {
            server_time: Some(1),
            ends: ends.collect(),
            text: text.into(),
        }
    }

    #[test]
    fn pages_follow_each_other_and_leave_nothing_out() {
        let ids = ["a", "a.b", "bb", "c-c", "d"];
        let listing = listing(&ids);
        for limit in 1..=6 {
            let (mut after, mut seen) = ("", Vec::new());
            loop {
                let page = listing.page(after, limit);
                let sales = String::from_utf8(page.sales.to_vec()).expect("UTF-8");
                let sales: Vec<String> = sales.split(',').map(str::to_owned).collect();
                assert!(sales.len() <= limit);
                seen.extend(sales);
                match page.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
            assert_eq!(seen, ids, "{limit}");
        }
        let page = |after| listing.page(after, 1).sales;
        assert_eq!(page("b"), "bb", "an id that is not there has its place");
        assert_eq!(page("d"), "");
        let nothing = self::listing(&[]);
        assert!(nothing.page("", 9).sales.is_empty() && nothing.page("", 9).next.is_none());
    }
}
