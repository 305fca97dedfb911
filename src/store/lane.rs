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
    pub(super) fn new(link: Link, keys: Keys, timeout: Duration) -> Self {
        Self {
            link,
            keys,
            timeout,
            state: Mutex::new(State::Closed),
            timeouts_in_a_row: AtomicU32::new(0),
        }
    }

    /// Decides `attempts` for `sale`, in order, in one step, within the lane's timeout.
    ///
    /// # Errors
    /// [`Error::Busy`] when nothing was executed, [`Error::Unknown`] when it may have been.
    pub async fn sale_grab(
        &self,
        sale: &SaleId,
        door: StockKind,
        attempts: &[Attempt],
    ) -> Result<Batch> {
        let keys = [
            self.keys.sale(sale),
            self.keys.stock(sale),
            self.keys.buyers(sale),
            self.keys.orders(sale.event()),
        ];
        let mut call = SALE_GRAB.on(&keys).arg(sale.as_str()).arg(door.as_str());
        for attempt in attempts {
            call = call
                .arg(attempt.username.as_str())
                .arg(attempt.purchase.get())
                .arg(attempt.order.as_str());
        }
        let deadline = Instant::now() + self.timeout;
        let mut live = self.live(deadline).await?;
        match timeout_at(deadline, call.send(&mut live.connection)).await {
            Ok(replied) => {
                self.timeouts_in_a_row.store(0, Ordering::Relaxed);
                reply::batch(replied?, attempts.len())
            }
            Err(_) => {
                self.count_timeout().await;
                Err(Error::Unknown(format!(
                    "no answer within {:?}",
                    self.timeout
                )))
            }
        }
    }

    /// The open connection; one caller opens it while the others wait for that.
    async fn live(&self, deadline: Instant) -> Result<Live> {
        let late = |_| Error::Busy(format!("no connection to Redis within {:?}", self.timeout));
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
