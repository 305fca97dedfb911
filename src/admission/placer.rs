//! The placer: decides placements, each in one script call of its own, on a lane of its own, so
//! that the doors never wait for them.
//!
//! It asks no gate: only Redis knows whether a request got an order before. But it tells the gates
//! of every sale that an answer is about, before the answer goes out: who knows of an order by
//! this process is never told by a gate of it that there is nothing left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::gate::learner::Learner;
use super::memory::Memory;
use super::names::Pass;
use super::new_id;
use crate::domain::ids::{RequestId, SaleId, Username};
use crate::domain::purchase::outcome::Refusal;
use crate::domain::purchase::place::{Basket, PlaceOutcome, PlaceRefusal, Placement};
use crate::domain::sale::history::Past;
use crate::failure::{Failure, Result};
use crate::store::connection::lane::Lane;
use crate::store::orders::place::Placed;

/// Most placements of one worker that Redis has not answered; one more is `busy` at once.
const PLACEMENTS_MAX: usize = 256;

/// Owns its lane.
pub struct Placer {
    lane: Lane,
    learner: Learner,
    memory: Arc<Memory>,
    room: Semaphore,
    /// Longest wait of a buyer.
    timeout: Duration,
}

impl Placer {
    pub fn new(lane: Lane, learner: Learner, memory: Arc<Memory>, timeout: Duration) -> Self {
        let room = Semaphore::new(PLACEMENTS_MAX);
        Self {
            lane,
            learner,
            memory,
            room,
            timeout,
        }
    }

    /// Decides one placement, within the timeout.
    pub async fn place(
        &self,
        username: Username,
        request: RequestId,
        basket: Basket,
    ) -> Result<PlaceOutcome> {
        let full = |_| Failure::Busy(format!("{PLACEMENTS_MAX} placements are waiting"));
        let _room = self.room.try_acquire().map_err(full)?;
        let asked_at = Instant::now();
        if let Some(goods) = self.denied(&basket).await? {
            return Ok(no_such_sale(goods));
        }
        let placement = Placement {
            username,
            request,
            order: new_id(basket.first()),
            basket,
        };
        let decided = self.decide(&placement, asked_at).await;
        for wish in placement.basket.wishes() {
            self.learner.names.settle(&wish.goods);
        }
        decided.inspect_err(|error| {
            self.learner.metrics.redis_error(error);
            for wish in placement.basket.wishes() {
                self.learner.doubt(&wish.goods, error);
            }
        })
    }

    /// A sale of the basket that Redis has just said is not there.
    ///
    /// # Errors
    /// As [`Names::pass`](super::names::Names::pass).
    async fn denied<'a>(&self, basket: &'a Basket) -> Result<Option<&'a SaleId>> {
        let mut goods: Vec<&SaleId> = basket.wishes().iter().map(|wish| &wish.goods).collect();
        // In one order for all baskets: else two could wait for what the other is to ask.
        goods.sort_unstable();
        for goods in goods {
            if self.learner.names.pass(goods).await? == Pass::Denied {
                return Ok(Some(goods));
            }
        }
        Ok(None)
    }

    async fn decide(&self, placement: &Placement, asked_at: Instant) -> Result<PlaceOutcome> {
        let (deadline, sent_at) = (asked_at + self.timeout, Instant::now());
        let wishes = placement.basket.wishes();
        let recalled: Vec<Option<Past>> = wishes
            .iter()
            .map(|wish| self.memory.recall(&wish.goods))
            .collect();
        let given = recalled.iter().map(|past| self.memory.given(past).cloned());
        let given: Vec<_> = given.collect();
        let placed = self.lane.order_place(placement, &given, deadline.into());
        let Placed {
            outcome,
            standings,
            pasts,
            kept,
            acknowledged,
        } = placed.await?;
        if !kept {
            self.learner.doubt_all();
        }
        let outcome = outcome?;
        let granted = matches!(outcome, PlaceOutcome::Grabbed(_));
        // Before the buyer hears of an order, the gates do.
        for (wish, standing) in wishes.iter().zip(&standings).filter(|_| kept) {
            self.learner.hear(&wish.goods, standing, granted, asked_at);
        }
        for (wish, _) in wishes.iter().zip(&standings) {
            self.learner.names.confirm(&wish.goods);
        }
        for ((wish, recalled), found) in wishes.iter().zip(&recalled).zip(&pasts) {
            let Some(found) = found else { continue };
            self.memory
                .hear(&wish.goods, recalled.as_ref(), found, acknowledged);
        }
        let outcome = self.unless_lost(placement, &recalled, outcome, deadline);
        let outcome = outcome.await?;
        if let PlaceOutcome::Refused(PlaceRefusal::Line {
            goods,
            refusal: Refusal::NoSuchSale,
        }) = &outcome
        {
            self.learner.names.deny(goods, sent_at);
        }
        Ok(outcome)
    }

    /// The outcome, unless it says that a sale does not exist which Redis has forgotten.
    async fn unless_lost(
        &self,
        placement: &Placement,
        recalled: &[Option<Past>],
        outcome: PlaceOutcome,
        deadline: Instant,
    ) -> Result<PlaceOutcome> {
        let PlaceOutcome::Refused(PlaceRefusal::Line {
            goods,
            refusal: Refusal::NoSuchSale,
        }) = &outcome
        else {
            return Ok(outcome);
        };
        let wishes = placement.basket.wishes().iter().zip(recalled);
        let known = wishes.filter(|(wish, _)| wish.goods == *goods);
        let known = known.filter_map(|(_, past)| past.as_ref()).next();
        let store = &self.learner.store;
        if !self
            .memory
            .has_lost(store, goods, known, deadline.into())
            .await?
        {
            return Ok(outcome);
        }
        Ok(PlaceOutcome::Refused(PlaceRefusal::Line {
            goods: goods.clone(),
            refusal: Refusal::Forgot,
        }))
    }
}

fn no_such_sale(goods: &SaleId) -> PlaceOutcome {
    PlaceOutcome::Refused(PlaceRefusal::Line {
        goods: goods.clone(),
        refusal: Refusal::NoSuchSale,
    })
}
