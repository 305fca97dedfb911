//! The sales as anybody may see them: read together, rarely, however many look.
//!
//! What is changed through this server is shown at once: such a sale is read alone and put into
//! the last reading. All else is seen with the next reading.
//!
//! The readings are those of [`crate::readings`]. The task rests after each of them, several times
//! as long as that took (within bounds): so lookers cost Redis a part of one connection's time,
//! however many they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::domain::ids::SaleId;
use crate::domain::sale::EpochMs;
use crate::error::{Error, Result};
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
    news: Arc<Mutex<News>>,
    store: Store,
    timeout: Duration,
}

impl Catalogue {
    /// Starts the task that reads, on the current runtime, and its first reading. It ends when all
    /// clones are gone. `timeout` bounds the wait of a looker.
    pub fn start(store: Store, timeout: Duration) -> Self {
        let readings = Readings::start(Walk {
            store: store.clone(),
            last_took: None,
        });
        readings.wish();
        Self {
            readings,
            news: Arc::default(),
            store,
            timeout,
        }
    }

    /// Whether there is such a sale, by a reading that began at most `age_max` ago; `None` without
    /// one, or when it failed. Never waits, and sees to it that the next reading comes.
    pub fn has(&self, id: &SaleId, age_max: Duration) -> Option<bool> {
        let reading = self.readings.last(age_max)?;
        let sales = reading.sales.as_ref().ok()?;
        let told = self.news().tell(id, reading.began);
        let is_listed = || sales.binary_search_by(|sale| sale.0.cmp(id)).is_ok();
        Some(told.unwrap_or_else(is_listed))
    }

    /// The last reading if it is fresh, or else the next one, with all that was changed since.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is none in time.
    pub async fn look(&self) -> Result<Arc<Reading>> {
        let reading = self.readings.look(None, self.timeout).await;
        let reading = reading.map_err(|missing| {
            Error::Busy(match missing {
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
            Err(Error::Busy(_)) => return,
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

    /// Whether there is such a sale, as was heard since that time; `None`: nothing was heard of it.
    fn tell(&self, id: &SaleId, since: Instant) -> Option<bool> {
        let told = self.told.get(id).filter(|told| told.asked_at >= since)?;
        Some(told.sale.is_some())
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
struct Walk {
    store: Store,
    last_took: Option<Duration>,
}

impl Reader for Walk {
    type Seen = Reading;

    async fn read(&mut self) -> (Reading, Pace) {
        let began = Instant::now();
        let (sales, clock) = match self.store.sales_and_clock().await {
            Ok((sales, clock)) => (Ok(sales.into_iter().map(Arc::new).collect()), clock),
            Err(error) => (Err(error), None),
        };
        let rest = match &sales {
            Ok(_) => self.rest_after(began.elapsed()),
            // A failure may be over soon, and hardly costs Redis anything.
            Err(_) => REST_MIN,
        };
        let reading = Reading {
            sales,
            clock,
            began,
        };
        (reading, Pace::of(rest))
    }
}

impl Walk {
    /// A reading that was held up says little of its work: the shorter one of two does.
    fn rest_after(&mut self, took: Duration) -> Duration {
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
        let mut walk = Walk {
            store: Store::new(
                &crate::config::RedisUrl::new("redis://127.0.0.1:1"),
                "x:",
                Duration::from_secs(1),
            )
            .expect("a store"),
            last_took: None,
        };
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
            assert_eq!(walk.rest_after(ms(took)), ms(rest), "{took}");
        }
    }
}
