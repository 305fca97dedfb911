//! What decides without batches: each request in one script call of its own, on a lane of its own,
//! so that no other attempt waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::gate::learner::Learner;
use super::memory::Memory;
use crate::domain::ids::SaleId;
use crate::domain::sale::history::Past;
use crate::failure::{Failure, Result};
use crate::store::connection::lane::Lane;

/// What a kind of requests needs to be decided one by one. Owns its lane.
pub struct Solo {
    pub lane: Lane,
    pub learner: Learner,
    pub memory: Arc<Memory>,
    /// Longest wait of a buyer.
    pub timeout: Duration,
}

/// The turn of one request; it takes up room until it is dropped.
pub struct Turn<'a> {
    _room: SemaphorePermit<'a>,
    pub asked_at: Instant,
    /// When the buyer stops waiting.
    pub deadline: Instant,
}

/// How many requests may wait for Redis; one more is `busy` at once.
pub struct Room {
    free: Semaphore,
    full: String,
}

impl Room {
    /// Room for so many requests, which are called `what`.
    pub fn new(most: usize, what: &str) -> Self {
        Self {
            free: Semaphore::new(most),
            full: format!("{most} {what} are waiting"),
        }
    }

    /// The turn of a request that came just now and waits up to `timeout`.
    ///
    /// # Errors
    /// [`Failure::Busy`] when there is no room.
    pub fn turn(&self, timeout: Duration) -> Result<Turn<'_>> {
        let full = |_| Failure::Busy(self.full.clone());
        let room = self.free.try_acquire().map_err(full)?;
        let asked_at = Instant::now();
        Ok(Turn {
            _room: room,
            asked_at,
            deadline: asked_at + timeout,
        })
    }
}

impl Solo {
    /// Whether Redis, which says that `goods` does not exist, has forgotten it.
    ///
    /// # Errors
    /// As [`Memory::has_lost`].
    pub async fn has_lost(
        &self,
        goods: &SaleId,
        recalled: Option<&Past>,
        deadline: Instant,
    ) -> Result<bool> {
        let store = &self.learner.store;
        let lost = self
            .memory
            .has_lost(store, goods, recalled, deadline.into());
        lost.await
    }
}
