//! The sales as anybody may see them: read together, rarely, however many look.
//!
//! ```text
//! lookers → the last reading, if it is fresh
//!         → one wish ─→ one task ─→ one reading for all who wait
//! ```
//!
//! The task rests after each reading, nine times as long as that took (within bounds): so lookers
//! cost Redis a tenth of one connection's time, with any number of lookers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};

use crate::domain::ids::SaleId;
use crate::domain::sale::EpochMs;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::reply::Snapshot;

/// How many times as long as a reading the rest after it is.
const REST_FACTOR: u32 = 9;
/// The shortest rest, which is how old a reading may be while there are few sales.
const REST_MIN: Duration = Duration::from_millis(250);
/// The longest rest: with so many sales that this is too short, news matters more.
const REST_MAX: Duration = Duration::from_secs(10);

/// All sales as they were read at one time.
#[derive(Debug)]
pub struct Reading {
    /// In the order of their ids. A sale that cannot be read is an error of its own.
    pub sales: Result<Vec<(SaleId, Result<Snapshot>)>>,
    began: Instant,
    ended: Instant,
    fresh_until: Instant,
}

impl Reading {
    fn new(sales: Result<Vec<(SaleId, Result<Snapshot>)>>, began: Instant) -> Self {
        let ended = Instant::now();
        // A failure may be over soon, and hardly costs Redis anything.
        let rest = if sales.is_err() {
            REST_MIN
        } else {
            ((ended - began) * REST_FACTOR).clamp(REST_MIN, REST_MAX)
        };
        Self {
            sales,
            began,
            ended,
            fresh_until: ended + rest,
        }
    }

    /// The time by the clock of Redis now; `None` when no sale was read.
    pub fn server_time(&self) -> Option<EpochMs> {
        let readable = self.sales.iter().flatten();
        let readable = readable.filter_map(|(_, read)| read.as_ref().ok());
        let clock = readable.map(|snapshot| snapshot.now).max()?;
        let since = u64::try_from(self.ended.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(clock.saturating_add(since))
    }
}

/// Where the sales can be seen. Clones share the readings.
#[derive(Debug, Clone)]
pub struct Catalogue {
    wishes: mpsc::Sender<()>,
    readings: watch::Receiver<Option<Arc<Reading>>>,
    timeout: Duration,
}

impl Catalogue {
    /// Starts the task that reads, on the current runtime. It ends when all clones are gone.
    /// `timeout` bounds the wait of a looker.
    pub fn start(store: Store, timeout: Duration) -> Self {
        // One waiting wish is enough: a reading is for everybody.
        let (wishes, wished) = mpsc::channel(1);
        let (published, readings) = watch::channel(None);
        tokio::spawn(read_as_wished(store, wished, published));
        Self {
            wishes,
            readings,
            timeout,
        }
    }

    /// Whether there is such a sale, by a reading that began at most `age_max` ago; `None` without
    /// one, or when it failed. Never waits, and sees to it that the next reading comes.
    pub fn has(&self, id: &SaleId, age_max: Duration) -> Option<bool> {
        let last = self.readings.borrow().clone();
        if last
            .as_ref()
            .is_none_or(|last| Instant::now() >= last.fresh_until)
        {
            let _ = self.wishes.try_send(());
        }
        let young = last.filter(|last| last.began.elapsed() <= age_max)?;
        let sales = young.sales.as_ref().ok()?;
        Some(sales.binary_search_by(|(known, _)| known.cmp(id)).is_ok())
    }

    /// The last reading if it is fresh, or else the next one.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is none in time.
    pub async fn look(&self) -> Result<Arc<Reading>> {
        let mut readings = self.readings.clone();
        let last = readings.borrow_and_update().clone();
        if let Some(last) = last.filter(|last| Instant::now() < last.fresh_until) {
            return Ok(last);
        }
        // A full channel holds a wish already.
        let _ = self.wishes.try_send(());
        let late = |_| Error::Busy(format!("the sales were not read within {:?}", self.timeout));
        let changed = timeout(self.timeout, readings.changed())
            .await
            .map_err(late)?;
        let next = readings.borrow().clone();
        let ended = || Error::Busy("the server is stopping".to_owned());
        changed.map_err(|_| ended())?;
        next.ok_or_else(ended)
    }
}

/// Reads in a task of its own, so that a looker who leaves takes no reading from the others.
async fn read_as_wished(
    store: Store,
    mut wished: mpsc::Receiver<()>,
    published: watch::Sender<Option<Arc<Reading>>>,
) {
    while wished.recv().await.is_some() {
        let began = Instant::now();
        let sales = store.sales().await;
        let reading = Reading::new(sales, began);
        let fresh_until = reading.fresh_until;
        published.send_replace(Some(Arc::new(reading)));
        sleep_until(fresh_until.into()).await;
    }
}
