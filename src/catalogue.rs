//! The sales as anybody may see them: read together, rarely, however many look.
//!
//! What is changed through this server is shown at once: such a sale is read alone and put into
//! the last reading. All else is seen with the next reading.
//!
//! The readings are those of [`crate::readings`]. The task rests after each of them, several times
//! as long as that took (within bounds): so lookers cost Redis a part of one connection's time,
//! however many they are.
//!
//! The ids of the sales are read apart from their figures, when somebody asks for a name that no
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

/// How many times as long as a reading the rest after it is.
const REST_FACTOR: u32 = 3;
/// The shortest rest, which is how old a reading may be while there are few sales.
const REST_MIN: Duration = Duration::from_millis(250);
/// The longest rest: with so many sales that this is too short, news matters more.
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
    /// all clones are gone. `timeout` bounds the wait of a looker.
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

    /// Whether there is such a sale, by the last reading of ids, which began at most `age_max` ago;
    /// `None` without one, or when it failed. Never waits, and sees to it that the next one comes.
    pub fn has(&self, id: &SaleId, age_max: Duration) -> Option<bool> {
        let ids = self.ids.last(age_max)?;
        Some(ids.as_ref().as_ref().ok()?.contains(id))
    }

    /// The last reading if it is fresh, or else the next one, with all that was changed since.
    ///
    /// # Errors
    /// [`Failure::Busy`] when there is none in time.
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

    /// Reads a sale that was changed just now, so that it is shown from now on.
    pub async fn refresh(&self, id: &SaleId) {
        let asked_at = Instant::now();
        // What is not known in time, the next reading shows.
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

    /// When a sale was refreshed last: what was made of a look before may lack it.
    pub fn changed_at(&self) -> Option<Instant> {
        self.news().heard_at
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sales that were read alone, because they had been changed, since the last reading began.
#[derive(Default)]
struct News {
    told: BTreeMap<SaleId, Told>,
    heard_at: Option<Instant>,
    /// The reading that was looked at last, and the same with the news.
    shown: Option<(Arc<Reading>, Arc<Reading>)>,
}

struct Told {
    asked_at: Instant,
    /// `None`: there is no such sale any more.
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

    /// The reading with the news that it may lack: a reading that began later has them.
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

/// Reads which sales there are.
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
    /// The rest after a reading that took so long. One that was held up says little of its work:
    /// the shorter one of two does. A failure may be over soon, and hardly costs Redis anything.
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
