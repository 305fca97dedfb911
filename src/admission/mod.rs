//! Admission: decides each attempt. It stands between the HTTP endpoints and the store.
//!
//! ```text
//! attempt → gate (refuses what Redis would refuse) → name → queue → batcher → one script call
//!   → outcome
//! basket → placer → one script call → the gates learn of it → outcome
//! bid → bidder → one script call → outcome
//! cancel → one script call → the gates open → outcome
//! ```
//!
//! Each worker of the HTTP server has an [`Admission`] of its own, with its own queue and lane; the
//! [`Gates`], the [`Memory`] and the [`Names`] are shared by all.

mod batcher;
mod bidder;
pub mod gate;
pub mod memory;
pub mod names;
mod placer;
mod queue;
mod solo;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::batcher::Batcher;
use self::bidder::Bidder;
use self::gate::learner::Learner;
use self::gate::{Gates, Verdict};
use self::memory::Memory;
use self::names::{Names, Pass};
use self::placer::Placer;
use self::queue::{Ask, Line, Queue};
use self::solo::Solo;
use crate::domain::caller::Caller;
use crate::domain::ids::{ORDER_ID_RANDOM_BYTES, OrderId, RequestId, SaleId, Username};
use crate::domain::money::Amount;
use crate::domain::order::change::ChangeOutcome;
use crate::domain::purchase::attempt::{Attempt, Purchase};
use crate::domain::purchase::bid::BidOutcome;
use crate::domain::purchase::outcome::{Outcome, Refusal};
use crate::domain::purchase::place::{Basket, PlaceOutcome};
use crate::domain::sale::Door;
use crate::failure::{Failure, Result};
use crate::metrics::Metrics;
use crate::store::Store;

/// Decides the attempts of one worker.
pub struct Admission {
    store: Store,
    queue: Queue,
    placer: Placer,
    bidder: Bidder,
    gates: Arc<Gates>,
    names: Arc<Names>,
    metrics: Arc<Metrics>,
}

/// Where an attempt goes.
enum Way {
    /// Nowhere: Redis would give this refusal.
    Refused(Refusal),
    /// Into this line.
    Wait(Arc<Line>),
}

impl Admission {
    /// Starts a batcher on the current runtime. When this value is dropped, it answers everything
    /// and ends. Cancellations go over the lanes of `store`.
    pub fn start(
        store: &Store,
        gates: Arc<Gates>,
        memory: Arc<Memory>,
        names: Arc<Names>,
        metrics: Arc<Metrics>,
        timeout: Duration,
    ) -> Self {
        let (queue, inbox) = Queue::new();
        let learner = Learner {
            store: store.clone(),
            gates: gates.clone(),
            names: names.clone(),
            metrics: metrics.clone(),
        };
        let solo = || Solo {
            lane: store.lane(),
            learner: learner.clone(),
            memory: memory.clone(),
            timeout,
        };
        let (placer, bidder) = (Placer::new(solo()), Bidder::new(solo()));
        let batcher = Batcher {
            lane: store.lane(),
            inbox,
            learner,
            memory,
            metrics: metrics.clone(),
            timeout,
        };
        batcher.lane.open_early();
        tokio::spawn(batcher.run());
        Self {
            store: store.clone(),
            queue,
            placer,
            bidder,
            gates,
            names,
            metrics,
        }
    }

    /// Decides one basket, within the timeout.
    ///
    /// # Errors
    /// As [`Failure`] says. Sending the
    /// same request again is safe.
    pub async fn place(
        &self,
        username: Username,
        request: RequestId,
        basket: Basket,
    ) -> Result<PlaceOutcome> {
        let placed = self.placer.place(username, request, basket).await;
        self.metrics.placed(&placed);
        placed
    }

    /// Decides one bid for `goods`, within the timeout.
    ///
    /// # Errors
    /// As [`Admission::place`].
    pub async fn bid(
        &self,
        username: Username,
        request: RequestId,
        goods: SaleId,
        amount: Amount,
    ) -> Result<BidOutcome> {
        let decided = self.bidder.bid(username, request, goods, amount).await;
        self.metrics.bid(&decided);
        decided
    }

    /// Decides one attempt at `door`, within the timeout.
    ///
    /// # Errors
    /// As [`Failure`] says. The same
    /// buyer may safely ask again.
    pub async fn grab(
        &self,
        sale: &SaleId,
        door: Door,
        username: Username,
        purchase: Purchase,
    ) -> Result<Outcome> {
        let id = async { Ok(new_id(sale)) };
        self.grab_as(id, sale, door, username, purchase).await
    }

    /// The same with a unique id for the order. The id is not requested if the gate refuses. The
    /// time that it takes is part of the timeout.
    ///
    /// # Errors
    /// As [`Admission::grab`], and those of `id`, which end the attempt.
    pub async fn grab_as(
        &self,
        id: impl Future<Output = Result<OrderId>>,
        sale: &SaleId,
        door: Door,
        username: Username,
        purchase: Purchase,
    ) -> Result<Outcome> {
        let asked_at = Instant::now();
        let way = match self.gates.check(sale, door, &username, purchase, asked_at) {
            Verdict::Refused(refusal) => Ok(Way::Refused(refusal)),
            Verdict::Ask => self.way(sale).await,
        };
        let decided = match way {
            Ok(Way::Refused(refusal)) => {
                self.metrics.gate_refused(refusal);
                return Ok(Outcome::Refused(refusal));
            }
            Ok(Way::Wait(line)) => match id.await {
                Ok(order) => {
                    let attempt = Attempt {
                        username,
                        purchase,
                        order,
                    };
                    self.ask(line, door, attempt, asked_at).await
                }
                Err(error) => Err(error),
            },
            Err(busy) => Err(busy),
        };
        self.metrics.decided(&decided, asked_at.elapsed());
        decided
    }

    /// Gives back an order or a bid that `caller` may change. When units came back by that, the
    /// next attempt at this server reaches them.
    ///
    /// # Errors
    /// As [`Failure`] says. The same may safely be asked again.
    pub async fn cancel(&self, id: &OrderId, caller: &Caller) -> Result<ChangeOutcome> {
        let outcome = self.store.order_cancel(id, caller).await?;
        if let ChangeOutcome::Changed(order) = &outcome {
            for line in &order.lines {
                self.gates.open(&line.goods);
            }
        }
        Ok(outcome)
    }

    /// A sale was just put: it is known, whatever Redis said before.
    pub fn put(&self, sale: &SaleId) {
        self.names.confirm(sale);
    }

    /// The way of an attempt that no gate refuses. A name that Redis is not asked for gets no
    /// queue.
    async fn way(&self, sale: &SaleId) -> Result<Way> {
        let found = match self.queue.find(sale) {
            Some(line) if line.is_known() => return Ok(Way::Wait(line)),
            found => found,
        };
        let pass = self.names.pass(sale).await?;
        if pass == Pass::Denied {
            return Ok(Way::Refused(Refusal::NoSuchSale));
        }
        let line = found.unwrap_or_else(|| self.queue.line(sale));
        line.set_known(pass == Pass::Known);
        Ok(Way::Wait(line))
    }

    async fn ask(
        &self,
        line: Arc<Line>,
        door: Door,
        attempt: Attempt,
        asked_at: Instant,
    ) -> Result<Outcome> {
        let (answer, outcome) = oneshot::channel();
        let ask = Ask {
            line,
            door,
            attempt,
            asked_at,
            answer,
        };
        self.queue.enter(ask)?;
        self.metrics.entered_queue();
        let ended = |_| Failure::Unknown("the batcher ended by itself".to_owned());
        outcome.await.map_err(ended)?
    }
}

/// A new id for an order of `sale`. It is unique.
pub fn new_id(sale: &SaleId) -> OrderId {
    OrderId::new(sale, rand::random::<[u8; ORDER_ID_RANDOM_BYTES]>())
}
