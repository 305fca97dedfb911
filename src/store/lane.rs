//! A lane: one connection that many share, opened again when it is lost.
//!
//! A lane says truthfully whether a call that failed was sent. It never sends a call twice.
//!
//! A network may forget a quiet connection and tell neither end (NAT, load balancers). So a lane
//! that nobody used for a while is asked for a sign of life before the next call is put on it. When
//! none comes soon, a new connection is opened beside it, and the first of the two is used: Redis
//! may also be far away. A lane in use pays nothing for that.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Shared, select};
use redis::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::failure;
use super::keys::Keys;
use super::link::{Link, Live};
use super::replicas::{Master, Replicas};
use super::reply::{self, Batch};
use super::script::{Call, SALE_GRAB};
use crate::domain::attempt::Attempt;
use crate::domain::history::Past;
use crate::domain::ids::SaleId;
use crate::domain::outcome::Outcome;
use crate::domain::sale::Door;
use crate::error::{Error, Result};

/// After a failed connect, calls are refused this long before the next try.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// A lane that nobody used for so long gives a sign of life before it is used again.
const QUIET: Duration = Duration::from_secs(1);
/// The part of the timeout after which a new connection is opened beside one that gives no sign of
/// life: enough is left to open it and to ask there.
const SIGN_OF_LIFE_SHARE: u32 = 4;
/// A connection to a master that the address has left is itself left, but not before this age: an
/// address that leads now here, now there, would have one opened for every call.
const LEFT_AGE_MIN: Duration = Duration::from_millis(100);

/// The way to Redis of all that crowds ask.
pub struct Lane {
    link: Link,
    keys: Keys,
    timeout: Duration,
    replicas: Arc<Replicas>,
    state: Arc<Mutex<State>>,
}

/// A connection, and the master that it leads to for ever.
#[derive(Clone)]
struct Connected {
    live: Live,
    master: Master,
    since: Instant,
}

impl Connected {
    /// This connection when it gives a sign of life, or a new one: whichever is there first.
    async fn or_new(
        self,
        new: impl Future<Output = Result<Self>>,
        patience: Duration,
    ) -> Result<Self> {
        let (mut alive, new) = (pin!(self.live.is_alive(patience)), pin!(new));
        match timeout(patience / SIGN_OF_LIFE_SHARE, &mut alive).await {
            Ok(true) => return Ok(self.clone()),
            Ok(false) => return new.await,
            Err(_) => {}
        }
        match select(alive, new).await {
            Either::Left((true, _)) => Ok(self.clone()),
            Either::Left((false, new)) => new.await,
            Either::Right((Ok(new), _)) => Ok(new),
            Either::Right((Err(error), alive)) => match alive.await {
                true => Ok(self.clone()),
                false => Err(error),
            },
        }
    }
}

enum State {
    Closed,
    /// A task of its own opens the connection: no caller's deadline can cut it short.
    Opening(Shared<BoxFuture<'static, Result<Connected>>>),
    Open {
        connected: Connected,
        /// The deadline of the last call. Deadlines are as far apart as calls, and known already.
        used: Instant,
    },
    Failed {
        error: Error,
        retry_at: Instant,
    },
}

impl Lane {
    /// A lane that connects when it is first used, on the runtime that uses it. Orders are
    /// answered when as many replicas have them as `replicas` says.
    pub(super) fn new(link: Link, keys: Keys, timeout: Duration, replicas: Arc<Replicas>) -> Self {
        let state = Arc::new(Mutex::new(State::Closed));
        Self {
            link,
            keys,
            timeout,
            replicas,
            state,
        }
    }

    /// Decides `attempts` for `sale`, in order, in one step, before `deadline`. A sale that has
    /// forgotten some of `past` is stopped.
    ///
    /// # Errors
    /// [`Error::Busy`] when nothing was executed, [`Error::Unknown`] when it may have been. An
    /// order that cannot be read is an error of its own outcome.
    pub async fn sale_grab(
        &self,
        sale: &SaleId,
        door: Door,
        attempts: &[Attempt],
        past: Option<&Past>,
        deadline: Instant,
    ) -> Result<Batch> {
        let keys = self.keys.of_grab(sale);
        let call = SALE_GRAB
            .on(&keys)
            .arg(sale.as_str())
            .arg(door.as_str())
            .arg(self.waits());
        let mut call = call.past(past);
        for attempt in attempts {
            call = call
                .arg(attempt.username.as_str())
                .arg(attempt.purchase.get())
                .arg(attempt.order.as_str());
        }
        let decode = |reply: Value| reply::batch(&reply, sale, door, attempts);
        let shows = |batch: &Batch| batch.outcomes.iter().flatten().any(Outcome::shows_an_order);
        let mut batch = self.decide(call, deadline, decode, shows).await?;
        batch.acknowledged = self.acknowledges(shows(&batch));
        Ok(batch)
    }

    /// Whether a reply is acknowledged at the level in force: when replicas are waited for, only
    /// one that shows an order is.
    pub(super) fn acknowledges(&self, shows_an_order: bool) -> bool {
        !self.replicas.are_waited_for() || shows_an_order
    }

    /// The keys of this store.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What scripts are told about replicas: 1 when orders are answered only when they have them.
    pub(super) fn waits(&self) -> u8 {
        u8::from(self.replicas.are_waited_for())
    }

    /// Sends a call once and decodes its reply; when that shows an order, waits until enough
    /// replicas have it, too.
    ///
    /// # Errors
    /// [`Error::Busy`] when nothing was executed, [`Error::Unknown`] when it may have been.
    pub(super) async fn decide<T>(
        &self,
        call: Call<'_>,
        deadline: Instant,
        decode: impl FnOnce(Value) -> Result<T>,
        shows_an_order: impl FnOnce(&T) -> bool,
    ) -> Result<T> {
        let ask = async |connected: &mut Connected| {
            let Connected { live, master, .. } = connected;
            let decided = decode(live.call(call).await?)?;
            if shows_an_order(&decided) {
                self.replicas.wait(live, *master, deadline).await?;
            }
            Ok(decided)
        };
        let answered = self.ask(deadline, ask).await?;
        answered.unwrap_or_else(|| Err(Error::Unknown("no answer in time".to_owned())))
    }

    /// Sends a call once. When no answer comes in time, `undo` follows on the same connection:
    /// Redis executes `undo` after the call, whenever that arrives. Both are lost with a connection
    /// that is cut.
    ///
    /// # Errors
    /// [`Error::Busy`] when nothing was executed, or `undo` was sent. [`Error::Unknown`] when the
    /// connection was cut and the call may have been executed.
    pub(super) async fn decide_or_undo(
        &self,
        call: Call<'_>,
        undo: Call<'_>,
        deadline: Instant,
    ) -> Result<Value> {
        let mut connected = self.connected_in_time(deadline).await?;
        let live = &mut connected.live;
        if let Ok(answer) = timeout_at(deadline, live.call(call)).await {
            live.answered();
            return answer;
        }
        live.left_unanswered();
        let _ = timeout_at(deadline + self.timeout, live.call(undo)).await;
        Err(Error::Busy("no answer in time".to_owned()))
    }

    /// Fields of hashes, all at once; `None` for each that is not there.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is no answer before `deadline`: reading may be tried again.
    /// [`Error::Contract`] when one of them is no hash.
    pub(super) async fn hash_fields(
        &self,
        fields: &[(String, &str)],
        deadline: Instant,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let mut gets = redis::pipe();
        for (key, field) in fields {
            gets.hget(key, field);
        }
        let ask = async |connected: &mut Connected| gets.query_async(&mut connected.live).await;
        match self.ask(deadline, ask).await? {
            Some(found) => found.map_err(|e| {
                let keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).collect();
                failure::of_read(&keys, &e)
            }),
            None => Err(Error::Busy("no answer from Redis in time".to_owned())),
        }
    }

    /// Asks over the open connection, and tells that whether it answered. `None` when there is no
    /// answer before `deadline`.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is no connection: nothing was asked.
    async fn ask<T>(
        &self,
        deadline: Instant,
        ask: impl AsyncFnOnce(&mut Connected) -> T,
    ) -> Result<Option<T>> {
        let mut connected = self.connected_in_time(deadline).await?;
        match timeout_at(deadline, ask(&mut connected)).await {
            Ok(answer) => {
                connected.live.answered();
                Ok(Some(answer))
            }
            Err(_) => {
                connected.live.left_unanswered();
                Ok(None)
            }
        }
    }

    async fn connected_in_time(&self, deadline: Instant) -> Result<Connected> {
        let late = |_| Error::Busy("no connection to Redis in time".to_owned());
        let connected = timeout_at(deadline, self.connected(deadline)).await;
        connected.map_err(late)?
    }

    /// Begins to open the connection, so that the first caller does not wait for it. Call it on the
    /// runtime that uses the lane.
    pub fn open_early(&self) {
        let state = &mut *lock(&self.state);
        if matches!(state, State::Closed) {
            *state = State::Opening(self.open(None, Instant::now()));
        }
    }

    /// The open connection, or the one that is being opened.
    async fn connected(&self, deadline: Instant) -> Result<Connected> {
        let opening = match &mut *lock(&self.state) {
            State::Open { connected, used }
                if !self.is_over(connected) && deadline < *used + QUIET =>
            {
                *used = deadline.max(*used);
                return Ok(connected.clone());
            }
            State::Failed { error, retry_at } if Instant::now() < *retry_at => {
                return Err(error.clone());
            }
            State::Opening(opening) => opening.clone(),
            state => {
                let quiet = match state {
                    State::Open { connected, .. } if !self.is_over(connected) => {
                        Some(connected.clone())
                    }
                    _ => None,
                };
                let opening = self.open(quiet, deadline);
                *state = State::Opening(opening.clone());
                opening
            }
        };
        opening.await
    }

    /// True for a connection that is lost, or leads to a master that the address has left.
    fn is_over(&self, connected: &Connected) -> bool {
        let Connected {
            live,
            master,
            since,
        } = connected;
        live.is_lost() || self.replicas.have_left(*master) && since.elapsed() > LEFT_AGE_MIN
    }

    /// Opens a connection, unless the `quiet` one gives a sign of life first.
    fn open(
        &self,
        quiet: Option<Connected>,
        used: Instant,
    ) -> Shared<BoxFuture<'static, Result<Connected>>> {
        let (link, timeout, state) = (self.link.clone(), self.timeout, self.state.clone());
        let replicas = self.replicas.clone();
        let opening = tokio::spawn(async move {
            let opened = match quiet {
                Some(quiet) => {
                    quiet
                        .or_new(connect(&link, &replicas, timeout), timeout)
                        .await
                }
                None => connect(&link, &replicas, timeout).await,
            };
            match &opened {
                Ok(_) => link.reach().back(),
                Err(error) => link.reach().lost(error),
            }
            *lock(&state) = match opened.clone() {
                Ok(connected) => State::Open { connected, used },
                Err(error) => State::Failed {
                    error,
                    retry_at: Instant::now() + CONNECT_PAUSE,
                },
            };
            opened
        });
        let ended = |e| Error::Busy(format!("opening a connection: {e}"));
        async move { opening.await.map_err(ended)? }
            .boxed()
            .shared()
    }
}

/// Opens a connection and asks which master it leads to.
async fn connect(link: &Link, replicas: &Replicas, patience: Duration) -> Result<Connected> {
    let mut live = link.connect(patience).await?;
    let late = |_| link.unreachable("no answer in time");
    let greeted = timeout(patience, replicas.greet(&mut live)).await;
    let master = greeted.map_err(late)??;
    let since = Instant::now();
    Ok(Connected {
        live,
        master,
        since,
    })
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
