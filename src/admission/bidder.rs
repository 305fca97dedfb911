//! The bidder: decides bids, each in one script call of its own, on a lane of its own.
//!
//! No gate knows targets: only Redis knows whether a request was accepted before, and nobody else
//! sells what bids take.

use std::time::Instant;

use super::names::Pass;
use super::new_id;
use super::solo::{Room, Solo, Turn};
use crate::domain::ids::{RequestId, SaleId, Username};
use crate::domain::money::Amount;
use crate::domain::purchase::bid::{Bid, BidOutcome, BidRefusal};
use crate::failure::Result;
use crate::store::orders::bids::DecidedBid;

/// Most bids of one worker that Redis has not answered.
const BIDS_MAX: usize = 1024;

/// Decides bids.
pub struct Bidder {
    room: Room,
    solo: Solo,
}

impl Bidder {
    pub fn new(solo: Solo) -> Self {
        let room = Room::new(BIDS_MAX, "bids");
        Self { room, solo }
    }

    /// Decides one bid, within the timeout.
    pub async fn bid(
        &self,
        username: Username,
        request: RequestId,
        goods: SaleId,
        amount: Amount,
    ) -> Result<BidOutcome> {
        let turn = self.room.turn(self.solo.timeout)?;
        let learner = &self.solo.learner;
        if learner.names.pass(&goods).await? == Pass::Denied {
            return Ok(BidOutcome::Refused(BidRefusal::NoSuchSale));
        }
        let bid = Bid {
            order: new_id(&goods),
            username,
            request,
            goods,
            amount,
        };
        let decided = self.decide(&bid, &turn).await;
        learner.names.settle(&bid.goods);
        decided.inspect_err(|error| learner.metrics.redis_error(error))
    }

    async fn decide(&self, bid: &Bid, turn: &Turn<'_>) -> Result<BidOutcome> {
        let Solo {
            lane,
            learner,
            memory,
            ..
        } = &self.solo;
        let (goods, sent_at) = (&bid.goods, Instant::now());
        let recalled = memory.recall(goods);
        let given = memory.given(&recalled);
        let DecidedBid {
            outcome,
            past,
            kept,
            acknowledged,
        } = lane.bid_place(bid, given, turn.deadline.into()).await?;
        if !kept {
            learner.doubt_all();
        }
        let outcome = outcome?;
        if let Some(found) = past {
            memory.hear(goods, recalled.as_ref(), &found, acknowledged);
        }
        if outcome != BidOutcome::Refused(BidRefusal::NoSuchSale) {
            learner.names.confirm(goods);
            return Ok(outcome);
        }
        let lost = self.solo.has_lost(goods, recalled.as_ref(), turn.deadline);
        if lost.await? {
            return Ok(BidOutcome::Refused(BidRefusal::Forgot));
        }
        learner.names.deny(goods, sent_at);
        Ok(outcome)
    }
}
