//! The placer: decides placements, each in one script call of its own, on a lane of its own, so
//! that the doors never wait for them.
//!
//! It asks no gate: only Redis knows whether a request got an order before. But it tells the gates
//! of every sale that an answer is about, before the answer goes out: who knows of an order by
//! this process is never told by a gate of it that there is nothing left.

use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::learner::Learner;
use super::new_id;
use crate::domain::ids::{RequestId, Username};
use crate::domain::place::{Basket, PlaceOutcome, Placement};
use crate::error::{Error, Result};
use crate::store::lane::Lane;
use crate::store::place::Placed;

/// Most placements of one worker that Redis has not answered; one more is `busy` at once.
const PLACEMENTS_MAX: usize = 256;

/// Owns its lane.
pub struct Placer {
    lane: Lane,
    learner: Learner,
    room: Semaphore,
    /// Longest wait of a buyer.
    timeout: Duration,
}

impl Placer {
    pub fn new(lane: Lane, learner: Learner, timeout: Duration) -> Self {
        let room = Semaphore::new(PLACEMENTS_MAX);
        Self {
            lane,
            learner,
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
        let full = |_| Error::Busy(format!("{PLACEMENTS_MAX} placements are waiting"));
        let _room = self.room.try_acquire().map_err(full)?;
        let asked_at = Instant::now();
        let placement = Placement {
            username,
            request,
            order: new_id(basket.first()),
            basket,
        };
        let deadline = asked_at + self.timeout;
        let placed = self.lane.order_place(&placement, deadline.into()).await;
        let Placed { outcome, standings } = placed.inspect_err(|error| {
            self.learner.metrics.redis_error(error);
            for wish in placement.basket.wishes() {
                self.learner.doubt(&wish.goods, error);
            }
        })?;
        let granted = matches!(outcome, PlaceOutcome::Grabbed(_));
        // Before the buyer hears of an order, the gates do.
        for (wish, standing) in placement.basket.wishes().iter().zip(&standings) {
            self.learner.hear(&wish.goods, standing, granted, asked_at);
        }
        Ok(outcome)
    }
}
