//! A connection with the master that it leads to: the one place that decides how replicas are
//! waited for. A connection leads to the same server for ever, so what is waited for on it is what
//! that server wrote.

pub(super) mod connect;
pub(super) mod deadline;
pub(super) mod failure;
pub mod lane;
pub(super) mod link;
pub(super) mod live;
mod login;
pub(super) mod permit;
pub(super) mod pool;
mod reach;
pub(super) mod scan;
mod socket;
mod walk;

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Shared, select};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use self::link::Link;
use self::live::Live;
use super::replicas::{Master, Replicas};
use super::script::WAIT_MARK;
use crate::failure::{Failure, Result};

/// A connection to a master that the address has left is itself left, but not before this age: an
/// address that leads now here, now there, would have one opened for every call.
const LEFT_AGE_MIN: Duration = Duration::from_millis(100);
/// The part of the timeout after which a new connection is opened beside one that gives no sign of
/// life: enough is left to open it and to ask there.
const SIGN_OF_LIFE_SHARE: u32 = 4;
/// Readings wait for replicas in rounds, which begin this far apart.
const ROUND_EVERY: Duration = Duration::from_millis(20);

/// An open connection. Cheap to clone; all clones share one socket.
#[derive(Clone)]
pub struct Connected {
    /// The connection itself.
    pub live: Live,
    place: Arc<Place>,
}

/// Where a connection leads to, and who waits there.
struct Place {
    master: Master,
    since: Instant,
    patience: Duration,
    replicas: Arc<Replicas>,
    mark: [String; 1],
    rounds: Mutex<Rounds>,
}

/// The rounds in which readings wait for replicas.
#[derive(Default)]
struct Rounds {
    /// The round that began last, and when.
    last: Option<(Round, Instant)>,
    /// The round that has not begun: it serves every reading that was made before it begins.
    next: Option<Round>,
}

/// A wait that many share.
type Round = Shared<BoxFuture<'static, Result<()>>>;

impl Connected {
    /// Opens a connection and asks which master it leads to. Each step may take `patience`.
    ///
    /// # Errors
    /// [`Failure::Busy`]: it cannot be opened, or must not be used.
    pub async fn open(link: &Link, replicas: &Arc<Replicas>, patience: Duration) -> Result<Self> {
        let mut live = link.connect(patience).await?;
        let late = |_| link.unreachable("no answer in time");
        let greeted = timeout(patience, replicas.greet(&mut live)).await;
        let place = Place {
            master: greeted.map_err(late)??,
            since: Instant::now(),
            patience,
            replicas: replicas.clone(),
            mark: [link.keys().wait_mark()],
            rounds: Mutex::default(),
        };
        let place = Arc::new(place);
        Ok(Self { live, place })
    }

    /// True for a connection that is lost, or leads to a master that the address has left.
    pub fn is_over(&self) -> bool {
        let Place {
            master,
            since,
            replicas,
            ..
        } = &*self.place;
        self.live.is_lost() || replicas.have_left(*master) && since.elapsed() > LEFT_AGE_MIN
    }

    /// This connection when it gives a sign of life, or a new one: whichever is there first.
    pub async fn or_new(
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

    /// Waits until enough replicas have the last write of this connection, if they are waited for.
    ///
    /// # Errors
    /// [`Failure::Unknown`]: it was written, and may yet be forgotten.
    pub async fn wait_for_last_write(&mut self, deadline: Instant) -> Result<()> {
        if !self.place.replicas.are_waited_for() {
            return Ok(());
        }
        let place = self.place.clone();
        let waiting = place.replicas.wait(&mut self.live, place.master, deadline);
        let late = |_| Failure::Unknown("WAIT: no answer in time".to_owned());
        timeout_at(deadline, waiting).await.map_err(late)?
    }

    /// Waits until enough replicas have everything that was written at this server by now, by any
    /// connection, if they are waited for.
    ///
    /// # Errors
    /// [`Failure::Unknown`]: it was written, and may yet be forgotten.
    pub async fn wait_for_all(&mut self, deadline: Instant) -> Result<()> {
        if !self.place.replicas.are_waited_for() {
            return Ok(());
        }
        let late = |_| Failure::Unknown("no answer in time".to_owned());
        let marked = timeout_at(deadline, self.wait_mark()).await.map_err(late)?;
        marked
            .map_err(|error| Failure::Unknown(format!("replicas cannot be waited for: {error}")))?;
        self.wait_for_last_write(deadline).await
    }

    /// The same for a reading: one wait serves all readings that wait here at the moment.
    ///
    /// # Errors
    /// [`Failure::Busy`]: what was read may yet be forgotten.
    pub async fn wait_for_reading(&self, deadline: Instant) -> Result<()> {
        if !self.place.replicas.are_waited_for() {
            return Ok(());
        }
        let late = |_| Failure::Busy("replicas were not heard of in time".to_owned());
        let waited = timeout_at(deadline, self.next_round()).await;
        let short = |error: Failure| {
            Failure::Busy(format!(
                "what was read may yet be forgotten: {}",
                error.reason()
            ))
        };
        waited.map_err(late)?.map_err(short)
    }

    async fn wait_mark(&mut self) -> Result<()> {
        let place = self.place.clone();
        let mark = self.live.ready(WAIT_MARK.on(&place.mark), None).await?;
        self.live.send(mark).await?;
        Ok(())
    }

    /// The round that begins next: when the last one has ended, and not too soon after it began.
    fn next_round(&self) -> Round {
        let rounds = &mut *self.place.rounds();
        if let Some(next) = &rounds.next {
            return next.clone();
        }
        let last = rounds.last.clone();
        let mut connected = self.clone();
        let round = tokio::spawn(async move {
            if let Some((last, begun_at)) = last {
                let _ = last.await;
                sleep_until(begun_at + ROUND_EVERY).await;
            }
            let now = Instant::now();
            connected.place.rounds().begin(now);
            let deadline = now + connected.place.patience;
            connected.wait_for_all(deadline).await
        });
        let ended = |e| Failure::Unknown(format!("waiting for replicas: {e}"));
        let round = async move { round.await.map_err(ended)? };
        let round = round.boxed().shared();
        rounds.next = Some(round.clone());
        round
    }
}

impl Rounds {
    fn begin(&mut self, now: Instant) {
        self.last = self.next.take().map(|round| (round, now));
    }
}

impl Place {
    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
