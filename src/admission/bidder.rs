//! The bidder: decides bids, each in one script call of its own, on a lane of its own.
//!
//! No gate knows targets: only Redis knows whether a request was accepted before, and nobody else
//! sells what bids take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::new_id;
use crate::domain::bid::{Amount, Bid, BidOutcome};
use crate::domain::ids::{RequestId, SaleId, Username};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::store::lane::Lane;

/// Most bids of one worker that Redis has not answered; one more is `busy` at once.
const BIDS_MAX: usize = 1024;

/// Owns its lane.
pub struct Bidder {
    lane: Lane,
    metrics: Arc<Metrics>,
    room: Semaphore,
    /// Longest wait of a buyer.
    timeout: Duration,
}

impl Bidder {
    pub fn new(lane: Lane, metrics: Arc<Metrics>, timeout: Duration) -> Self {
        let room = Semaphore::new(BIDS_MAX);
        Self {
            lane,
            metrics,
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
        let full = |_| Error::Busy(format!("{BIDS_MAX} bids are waiting"));
        let _room = self.room.try_acquire().map_err(full)?;
        let deadline = Instant::now() + self.timeout;
        let bid = Bid {
            order: new_id(&goods),
            username,
            request,
            goods,
            amount,
        };
        let decided = self.lane.bid_place(&bid, deadline.into()).await;
        decided.inspect_err(|error| self.metrics.redis_error(error))
    }
}
