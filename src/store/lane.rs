//! A lane: one shared connection for the doors, opened again when it is lost.
//!
//! A lane says truthfully whether a call that failed was sent. It never sends a call twice.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::keys::Keys;
use super::link::{Link, Live};
use super::reply::{self, Batch};
use super::script::SALE_GRAB;
use crate::domain::attempt::Attempt;
use crate::domain::ids::SaleId;
use crate::domain::outcome::Outcome;
use crate::domain::sale::StockKind;
use crate::error::{Error, Result};

/// After a failed connect, calls are refused this long before the next try.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// A connection that left so many calls in a row unanswered is replaced: a hung server keeps
/// its socket open, so nothing else would ever end it.
const TIMEOUTS_IN_A_ROW_MAX: u32 = 3;

/// The doors' way to Redis.
pub struct Lane {
    link: Link,
    keys: Keys,
    timeout: Duration,
    replicas: u32,
    state: Mutex<State>,
    timeouts_in_a_row: AtomicU32,
}

enum State {
    Closed,
    Open(Live),
    Failed { error: Error, retry_at: Instant },
}

impl Lane {
    /// A lane that connects when it is first used, on the runtime that uses it.
    /// Orders are answered when `replicas` replicas have them.
    pub(super) fn new(link: Link, keys: Keys, timeout: Duration, replicas: u32) -> Self {
        Self {
            link,
            keys,
            timeout,
            replicas,
            state: Mutex::new(State::Closed),
            timeouts_in_a_row: AtomicU32::new(0),
        }
    }

    /// Decides `attempts` for `sale`, in order, in one step, before `deadline`.
    ///
    /// # Errors
    /// [`Error::Busy`] when nothing was executed, [`Error::Unknown`] when it may have been.
    pub async fn sale_grab(
        &self,
        sale: &SaleId,
        door: StockKind,
        attempts: &[Attempt],
        deadline: Instant,
    ) -> Result<Batch> {
        let keys = [
            self.keys.sale(sale),
            self.keys.stock(sale),
            self.keys.buyers(sale),
            self.keys.orders(sale.event()),
        ];
        let waits = u8::from(self.replicas > 0);
        let mut call = SALE_GRAB
            .on(&keys)
            .arg(sale.as_str())
            .arg(door.as_str())
            .arg(waits);
        for attempt in attempts {
            call = call
                .arg(attempt.username.as_str())
                .arg(attempt.purchase.get())
                .arg(attempt.order.as_str());
        }
        let mut live = self.live(deadline).await?;
        let decided = timeout_at(deadline, async {
            let reply = call.send(&mut live.connection).await?;
            let batch = reply::batch(reply, attempts.len())?;
            if self.replicas > 0 && batch.outcomes.iter().any(Outcome::shows_an_order) {
                self.wait_for_replicas(&mut live, deadline).await?;
            }
            Ok(batch)
        });
        match decided.await {
            Ok(decided) => {
                self.timeouts_in_a_row.store(0, Ordering::Relaxed);
                decided
            }
            Err(_) => {
                self.count_timeout().await;
                Err(Error::Unknown("no answer in time".to_owned()))
            }
        }
    }

    /// Waits until enough replicas have everything that this connection wrote.
    async fn wait_for_replicas(&self, live: &mut Live, deadline: Instant) -> Result<()> {
        let patience = deadline.saturating_duration_since(Instant::now()) * 9 / 10;
        // 0 would wait for ever.
        let patience_ms = u64::try_from(patience.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.replicas).arg(patience_ms);
        let acks: u32 = wait
            .query_async(&mut live.connection)
            .await
            .map_err(|e| Error::Unknown(format!("WAIT: {e}")))?;
        if acks < self.replicas {
            let wanted = self.replicas;
            return Err(Error::Unknown(format!(
                "{acks} of {wanted} replicas have the order"
            )));
        }
        Ok(())
    }

    /// The open connection; one caller opens it while the others wait for that.
    async fn live(&self, deadline: Instant) -> Result<Live> {
        let late = |_| Error::Busy("no connection to Redis in time".to_owned());
        timeout_at(deadline, async {
            let mut state = self.state.lock().await;
            match &*state {
                State::Open(live) if !live.is_lost() => return Ok(live.clone()),
                State::Failed { error, retry_at } if Instant::now() < *retry_at => {
                    return Err(error.clone());
                }
                State::Open(_) | State::Failed { .. } | State::Closed => {}
            }
            *state = match self.link.connect(self.timeout).await {
                Ok(live) => State::Open(live),
                Err(error) => State::Failed {
                    error,
                    retry_at: Instant::now() + CONNECT_PAUSE,
                },
            };
            match &*state {
                State::Open(live) => Ok(live.clone()),
                State::Failed { error, .. } => Err(error.clone()),
                State::Closed => Err(Error::Busy("the connection was closed".to_owned())),
            }
        })
        .await
        .map_err(late)?
    }

    async fn count_timeout(&self) {
        let in_a_row = self.timeouts_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if in_a_row >= TIMEOUTS_IN_A_ROW_MAX {
            self.timeouts_in_a_row.store(0, Ordering::Relaxed);
            tracing::warn!(in_a_row, "Redis does not answer: opening a new connection");
            *self.state.lock().await = State::Closed;
        }
    }
}
