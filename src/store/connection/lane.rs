//! A lane: one connection that many callers share. It is opened again when it is lost.
//!
//! A lane always knows whether a failed call was sent. It never sends a call twice.
//!
//! A network (NAT, load balancers) may forget a quiet connection and tell neither end. So a lane
//! that was unused for a while is asked for a sign of life before the next call. If none comes in
//! time, a new connection is opened as well, and the first of the two to answer is used: Redis may
//! just be far away. A lane in use has no such cost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::Value;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use super::link::Link;
use super::live::Ready;
use super::{Connected, failure};
use crate::failure::{Failure, Result};
use crate::store::keys::Keys;
use crate::store::replicas::Replicas;
use crate::store::script::Call;

/// After a failed connect, calls are refused this long before the next try.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// A lane that was unused for this long must give a sign of life before it is used again.
const QUIET: Duration = Duration::from_secs(1);
/// The connection for calls of buyers.
pub struct Lane {
    link: Link,
    keys: Keys,
    timeout: Duration,
    replicas: Arc<Replicas>,
    state: Arc<Mutex<State>>,
}

/// The answer of a call.
#[derive(Debug)]
pub(in crate::store) struct Decided<T> {
    /// What the reply says.
    pub value: T,
    /// Whether as many replicas as required have what the reply depends on. [`Failure::Unknown`] if
    /// they have not, or if it is not known.
    pub kept: Result<()>,
}

impl<T> Decided<T> {
    /// What the reply says, if replicas have what it depends on.
    ///
    /// # Errors
    /// [`Failure::Unknown`]: it may still be lost.
    pub fn if_kept(self) -> Result<T> {
        self.kept.map(|()| self.value)
    }
}

/// What replicas must have before a reply is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Needs {
    /// Nothing: the reply contains nothing that could be lost.
    Nothing,
    /// The last write of the connection, which the call made.
    LastWrite,
    /// Everything that was written before: the call itself may have written nothing.
    Everything,
}

enum State {
    Closed,
    /// A task of its own opens the connection, so no caller's deadline can interrupt it.
    Opening(Shared<BoxFuture<'static, Result<Connected>>>),
    Open {
        connected: Connected,
        /// The deadline of the last call, instead of its time: it is known already, and deadlines
        /// are as far apart as calls.
        used: Instant,
    },
    Failed {
        error: Failure,
        retry_at: Instant,
    },
}

impl Lane {
    /// A lane that connects when it is first used, on the runtime that uses it. Orders are
    /// answered when as many replicas have them as `replicas` says.
    pub(in crate::store) fn new(
        link: Link,
        keys: Keys,
        timeout: Duration,
        replicas: Arc<Replicas>,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::Closed));
        Self {
            link,
            keys,
            timeout,
            replicas,
            state,
        }
    }

    /// Whether a reply acknowledges the past of a sale, once replicas have what it depends on: if
    /// orders wait for replicas, only a reply that shows an order does.
    pub(in crate::store) fn acknowledges(&self, shows_an_order: bool) -> bool {
        !self.replicas.are_waited_for() || shows_an_order
    }

    /// The keys of this store.
    pub(in crate::store) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The argument of scripts about replicas: 1 if orders are answered only when replicas have
    /// them.
    pub(in crate::store) fn waits(&self) -> u8 {
        u8::from(self.replicas.are_waited_for())
    }

    /// Sends a call once and decodes its reply. Then waits until enough replicas have what the
    /// reply depends on.
    ///
    /// # Errors
    /// [`Failure::Busy`]: not executed. [`Failure::Unknown`]: it may have been executed.
    pub(in crate::store) async fn decide<T>(
        &self,
        call: Call<'_>,
        deadline: Instant,
        decode: impl FnOnce(Value) -> Result<T>,
        needs: impl FnOnce(&T) -> Needs,
    ) -> Result<Decided<T>> {
        let mut connected = self.connected_in_time(deadline).await?;
        let ready = self.ready(&mut connected, call, deadline).await?;
        let sent = timeout_at(deadline, connected.live.send(ready)).await;
        let Some(reply) = heard(&connected, sent) else {
            return Err(Failure::Unknown("no answer in time".to_owned()));
        };
        let value = decode(reply?).map_err(Failure::once_sent)?;
        let kept = match needs(&value) {
            Needs::Nothing => Ok(()),
            Needs::LastWrite => connected.wait_for_last_write(deadline).await,
            Needs::Everything => connected.wait_for_all(deadline).await,
        };
        Ok(Decided { value, kept })
    }

    /// Prepares a call that must start by `deadline`.
    async fn ready<'a>(
        &self,
        connected: &mut Connected,
        call: Call<'a>,
        deadline: Instant,
    ) -> Result<Ready<'a>> {
        let ready = connected.live.ready(call, Some(deadline));
        let ready = timeout_at(deadline, ready).await;
        ready.unwrap_or_else(|_| {
            connected.live.left_unanswered();
            let late = "Redis did not answer in time when asked for its clock";
            Err(Failure::Busy(late.to_owned()))
        })
    }

    /// Sends a call once. If no answer comes in time, sends `undo` on the same connection: Redis
    /// executes `undo` after the call, whenever that arrives. If the connection is cut, both are
    /// lost.
    ///
    /// # Errors
    /// [`Failure::Busy`] when nothing was executed, or `undo` was sent. [`Failure::Unknown`] when
    /// the connection was cut and the call may have been executed.
    pub(in crate::store) async fn decide_or_undo(
        &self,
        call: Call<'_>,
        undo: Call<'_>,
        deadline: Instant,
    ) -> Result<Value> {
        let mut connected = self.connected_in_time(deadline).await?;
        let call = self.ready(&mut connected, call, deadline).await?;
        let undo = connected.live.ready(undo, None).await?;
        let sent = timeout_at(deadline, connected.live.send(call)).await;
        if let Some(answer) = heard(&connected, sent) {
            return answer;
        }
        let _ = timeout_at(deadline + self.timeout, connected.live.send(undo)).await;
        Err(Failure::Busy("no answer in time".to_owned()))
    }

    /// Fields of hashes, all at once; `None` for each that does not exist.
    ///
    /// # Errors
    /// [`Failure::Busy`]: no answer before `deadline`; a retry is safe. [`Failure::Unreadable`]:
    /// one of the keys is not a hash.
    pub(in crate::store) async fn hash_fields(
        &self,
        fields: &[(String, &str)],
        deadline: Instant,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let mut connected = self.connected_in_time(deadline).await?;
        read_fields(&mut connected, fields, deadline).await
    }

    /// The same, after replicas have what was read, if orders wait for replicas.
    ///
    /// # Errors
    /// As [`Lane::hash_fields`]; [`Failure::Busy`] also if too few replicas have it.
    pub(in crate::store) async fn hash_fields_kept(
        &self,
        fields: &[(String, &str)],
        deadline: Instant,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let mut connected = self.connected_in_time(deadline).await?;
        let read = read_fields(&mut connected, fields, deadline).await?;
        connected.wait_for_reading(deadline).await?;
        Ok(read)
    }

    async fn connected_in_time(&self, deadline: Instant) -> Result<Connected> {
        let late = |_| Failure::Busy("no connection to Redis in time".to_owned());
        let connected = timeout_at(deadline, self.connected(deadline)).await;
        connected.map_err(late)?
    }

    /// Opens the connection early, so that the first caller does not wait for it. Call it on the
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
            State::Open { connected, used } if !connected.is_over() && deadline < *used + QUIET => {
                *used = deadline.max(*used);
                return Ok(connected.clone());
            }
            State::Failed { error, retry_at } if Instant::now() < *retry_at => {
                return Err(error.clone());
            }
            State::Opening(opening) => opening.clone(),
            state => {
                let quiet = match state {
                    State::Open { connected, .. } if !connected.is_over() => {
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

    /// Opens a connection, unless the `quiet` one gives a sign of life first.
    fn open(
        &self,
        quiet: Option<Connected>,
        used: Instant,
    ) -> Shared<BoxFuture<'static, Result<Connected>>> {
        let (link, timeout, state) = (self.link.clone(), self.timeout, self.state.clone());
        let replicas = self.replicas.clone();
        let opening = tokio::spawn(async move {
            let new = Connected::open(&link, &replicas, timeout);
            let opened = match quiet {
                Some(quiet) => quiet.or_new(new, timeout).await,
                None => new.await,
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
        let ended = |e| Failure::Busy(format!("opening a connection: {e}"));
        async move { opening.await.map_err(ended)? }
            .boxed()
            .shared()
    }
}

async fn read_fields(
    connected: &mut Connected,
    fields: &[(String, &str)],
    deadline: Instant,
) -> Result<Vec<Option<Vec<u8>>>> {
    let mut gets = redis::pipe();
    for (key, field) in fields {
        gets.hget(key, field);
    }
    let read = timeout_at(deadline, gets.query_async(&mut connected.live)).await;
    let late = || Failure::Busy("no answer from Redis in time".to_owned());
    heard(connected, read).ok_or_else(late)?.map_err(|e| {
        let keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).collect();
        failure::of_read(&keys, &e)
    })
}

/// The reply, if it came in time. Tells the connection.
fn heard<T>(connected: &Connected, answer: Result<T, Elapsed>) -> Option<T> {
    match answer {
        Ok(answer) => {
            connected.live.answered();
            Some(answer)
        }
        Err(_) => {
            connected.live.left_unanswered();
            None
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
