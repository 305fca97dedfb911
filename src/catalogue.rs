//! The public list of sales. One reading of all sales serves all clients.
//!
//! A change through this server is shown at once: the changed sale is read alone and put into the
//! last reading. Every other change appears with the next reading.
//!
//! [`crate::readings`] makes the readings. After each one the task rests for several times as long
//! as it took, within bounds. So any number of clients costs Redis only a part of one connection's
//! time.
//!
//! The ids of the sales are read apart from their figures, when a client names a sale that no
//! server sold before: the walk over the keys is short, and there may be many sales.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::domain::ids::SaleId;
use crate::domain::time::EpochMs;
use crate::failure::{Failure, Result};
use crate::readings::{Missing, Pace, Reader, Readings};
use crate::store::Store;
use crate::store::sales::{Clock, SaleRead};

/// Length of the rest after a reading, as a multiple of the time that the reading took.
const REST_FACTOR: u32 = 3;
/// Shortest rest: the age that a reading may have while there are few sales.
const REST_MIN: Duration = Duration::from_millis(250);
/// Longest rest: with many sales, fresh data matter more than the load.
const REST_MAX: Duration = Duration::from_secs(10);

/// All sales as they were read at one time.
#[derive(Debug)]
pub struct Reading {
    /// In the order of their ids. A sale that cannot be read is an error of its own.
    pub sales: Result<Vec<Arc<SaleRead>>>,
    clock: Option<Clock>,
    began: Instant,
}

impl Reading {
    /// The time by the clock of Redis now; `None` when no sale was read.
    pub fn server_time(&self) -> Option<EpochMs> {
        self.clock.map(Clock::now)
    }
}

/// Where the sales can be seen. Clones share the readings.
#[derive(Clone)]
pub struct Catalogue {
    readings: Readings<Reading>,
    ids: Readings<Result<BTreeSet<SaleId>>>,
    news: Arc<Mutex<News>>,
    store: Store,
    timeout: Duration,
}

impl Catalogue {
    /// Starts the tasks that read, on the current runtime, and their first readings. They end when
    /// all clones are gone. `timeout` is the longest wait of a client.
    pub fn start(store: Store, timeout: Duration) -> Self {
        let readings = Readings::start(Figures {
            store: store.clone(),
            rests: Rests::default(),
        });
        readings.wish();
        let ids = Readings::start(Ids {
            store: store.clone(),
            rests: Rests::default(),
        });
        ids.wish();
        Self {
            readings,
            ids,
            news: Arc::default(),
            store,
            timeout,
        }
    }

    /// Whether the sale exists, by the last reading of ids, which began at most `age_max` ago.
    /// `None` without such a reading, or if it failed. Never waits; starts the next reading.
    pub fn has(&self, id: &SaleId, age_max: Duration) -> Option<bool> {
        let ids = self.ids.last(age_max)?;
        Some(ids.as_ref().as_ref().ok()?.contains(id))
    }

    /// The last reading if it is fresh, or else the next one, with all changes since.
    ///
    /// # Errors
    /// [`Failure::Busy`] if no reading ends in time.
    pub async fn look(&self) -> Result<Arc<Reading>> {
        let reading = self.readings.look(None, self.timeout).await;
        let reading = reading.map_err(|missing| {
            Failure::Busy(match missing {
                Missing::Late => format!("the sales were not read within {:?}", self.timeout),
                Missing::Ended => "the server is stopping".to_owned(),
            })
        })?;
        Ok(self.news().added_to(reading))
    }

    /// Reads a sale that was just changed, so that it is shown from now on.
    pub async fn refresh(&self, id: &SaleId) {
        let asked_at = Instant::now();
        // If this takes too long, the next reading shows it.
        let Ok(found) = timeout(self.timeout, self.store.sale_snapshot(id)).await else {
            return;
        };
        let found = match found {
            Err(Failure::Busy(_)) => return,
            found => found.transpose(),
        };
        let snapshot = found.as_ref().and_then(|found| found.as_ref().ok());
        let told = Told {
            asked_at,
            clock: snapshot.map(|snapshot| Clock::of(snapshot, Instant::now())),
            sale: found.map(|found| Arc::new((id.clone(), found))),
        };
        self.news().hear(id, told);
    }

    /// When a sale was last refreshed: an older reading may not show the change.
    pub fn changed_at(&self) -> Option<Instant> {
        self.news().heard_at
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changed sales that were read alone since the last reading began.
#[derive(Default)]
struct News {
    told: BTreeMap<SaleId, Told>,
    heard_at: Option<Instant>,
    /// The reading that was returned last, and the same with the changed sales.
    shown: Option<(Arc<Reading>, Arc<Reading>)>,
}

struct Told {
    asked_at: Instant,
    /// `None`: the sale does not exist any more.
    sale: Option<Arc<SaleRead>>,
    clock: Option<Clock>,
}

impl News {
    fn hear(&mut self, id: &SaleId, told: Told) {
        self.heard_at = Some(Instant::now());
        self.shown = None;
        let known = self.told.get(id).map(|known| known.asked_at);
        if known.is_none_or(|known| known <= told.asked_at) {
            self.told.insert(id.clone(), told);
        }
    }

    /// The reading with the changes that it may lack. A later reading already has them.
    fn added_to(&mut self, reading: Arc<Reading>) -> Arc<Reading> {
        self.told.retain(|_, told| told.asked_at >= reading.began);
        let Ok(sales) = reading.sales.as_ref() else {
            return reading;
        };
        if self.told.is_empty() {
            return reading;
        }
        if let Some((of, shown)) = &self.shown
            && Arc::ptr_eq(of, &reading)
        {
            return shown.clone();
        }
        let old = sales.iter().filter(|sale| !self.told.contains_key(&sale.0));
        let new = self.told.values().filter_map(|told| told.sale.as_ref());
        let mut sales: Vec<_> = old.chain(new).cloned().collect();
        sales.sort_by(|one, other| one.0.cmp(&other.0));
        let mut clocks = self.told.values().filter_map(|told| told.clock);
        let shown = Arc::new(Reading {
            sales: Ok(sales),
            clock: reading.clock.or_else(|| clocks.next_back()),
            began: reading.began,
        });
        self.shown = Some((reading, shown.clone()));
        shown
    }
}

/// Reads all sales.
struct Figures {
    store: Store,
    rests: Rests,
}

impl Reader for Figures {
    type Seen = Reading;

    async fn read(&mut self) -> (Reading, Pace) {
        let began = Instant::now();
        let (sales, clock) = match self.store.sales_and_clock().await {
            Ok((sales, clock)) => (Ok(sales.into_iter().map(Arc::new).collect()), clock),
            Err(error) => (Err(error), None),
        };
        let rest = self.rests.after(began.elapsed(), sales.is_ok());
        let reading = Reading {
            sales,
            clock,
            began,
        };
        (reading, Pace::of(rest))
    }
}

/// Reads the ids of all sales.
struct Ids {
    store: Store,
    rests: Rests,
}

impl Reader for Ids {
    type Seen = Result<BTreeSet<SaleId>>;

    async fn read(&mut self) -> (Self::Seen, Pace) {
        let began = Instant::now();
        let ids = self.store.sale_ids().await;
        let rest = self.rests.after(began.elapsed(), ids.is_ok());
        (ids, Pace::of(rest))
    }
}

/// How long a task rests.
#[derive(Default)]
struct Rests {
    last_took: Option<Duration>,
}

impl Rests {
    /// The rest after a reading that took so long. The shorter of the last two readings counts: a
    /// delay elsewhere can stretch one. After a failure the rest is short: a retry costs little.
    fn after(&mut self, took: Duration, succeeded: bool) -> Duration {
        if !succeeded {
            return REST_MIN;
        }
        let last = self.last_took.replace(took);
        let work = last.map_or(took, |last| last.min(took));
        (work * REST_FACTOR).clamp(REST_MIN, REST_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_goes_by_the_work_and_has_bounds() {
        let mut rests = Rests::default();
        let ms = Duration::from_millis;
        for (took, rest) in [
            (1, 250),
            (100, 250),
            (100, 300),
            (9_000, 300),
            (100, 300),
            (9_000, 300),
            (9_000, 10_000),
        ] {
            assert_eq!(rests.after(ms(took), true), ms(rest), "{took}");
        }
        assert_eq!(rests.after(ms(9_000), false), REST_MIN);
    }
}
