//! The bidder: decides bids, each in one script call of its own, on a lane of its own.
//!
//! No gate knows targets: only Redis knows whether a request was accepted before, and nobody else
//! sells what bids take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::gate::learner::Learner;
use super::memory::Memory;
use super::names::Pass;
use super::new_id;
use crate::domain::ids::{RequestId, SaleId, Username};
use crate::domain::money::Amount;
use crate::domain::purchase::bid::{Bid, BidOutcome, BidRefusal};
use crate::failure::{Failure, Result};
use crate::store::connection::lane::Lane;
use crate::store::orders::bids::DecidedBid;

/// Most bids of one worker that Redis has not answered; one more is `busy` at once.
const BIDS_MAX: usize = 1024;

/// Owns its lane.
pub struct Bidder {
    lane: Lane,
    learner: Learner,
    memory: Arc<Memory>,
    room: Semaphore,
    /// Longest wait of a buyer.
    timeout: Duration,
}

impl Bidder {
    pub fn new(lane: Lane, learner: Learner, memory: Arc<Memory>, timeout: Duration) -> Self {
        let room = Semaphore::new(BIDS_MAX);
        Self {
            lane,
            learner,
            memory,
            room,
            timeout,
        }
    }

    /// Decides one bid, within the timeout.
    pub async fn bid(
        &self,
        username: Username,
        request: RequestId,
        goods: SaleId,
        amount: Amount,
    ) -> Result<BidOutcome> {
        let full = |_| Failure::Busy(format!("{BIDS_MAX} bids are waiting"));
        let _room = self.room.try_acquire().map_err(full)?;
        let asked_at = Instant::now();
        if self.learner.names.pass(&goods).await? == Pass::Denied {
            return Ok(BidOutcome::Refused(BidRefusal::NoSuchSale));
        }
        let bid = Bid {
            order: new_id(&goods),
            username,
            request,
            goods,
            amount,
        };
        let decided = self.decide(&bid, asked_at).await;
        self.learner.names.settle(&bid.goods);
        decided.inspect_err(|error| self.learner.metrics.redis_error(error))
    }

    async fn decide(&self, bid: &Bid, asked_at: Instant) -> Result<BidOutcome> {
        let (deadline, sent_at) = (asked_at + self.timeout, Instant::now());
        let goods = &bid.goods;
        let recalled = self.memory.recall(goods);
        let given = self.memory.given(&recalled);
        let decided = self.lane.bid_place(bid, given, deadline.into()).await?;
        let DecidedBid {
            outcome,
            past,
            kept,
            acknowledged,
        } = decided;
        if !kept {
            self.learner.doubt_all();
        }
        let outcome = outcome?;
        if let Some(found) = past {
            self.memory
                .hear(goods, recalled.as_ref(), &found, acknowledged);
        }
        let is_gone = outcome == BidOutcome::Refused(BidRefusal::NoSuchSale);
        let memory = &self.memory;
        if is_gone
            && memory
                .has_lost(
                    &self.learner.store,
                    goods,
                    recalled.as_ref(),
                    deadline.into(),
                )
                .await?
        {
            return Ok(BidOutcome::Refused(BidRefusal::Forgot));
        }
        match is_gone {
            true => self.learner.names.deny(goods, sent_at),
            false => self.learner.names.confirm(goods),
        }
        Ok(outcome)
    }
}
