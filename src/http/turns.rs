//! Turns: limits how many memory-hungry requests a server answers at once. A request that gets no
//! turn is `busy` at once; it does not wait.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most exports of orders at once.
pub const EXPORTS_MAX: usize = 10;

/// The turns of all workers.
#[derive(Clone)]
pub struct Turns {
    /// Lists of units: up to 150 MB each.
    pub loading: Seats,
    /// Deep audits: each keeps something of every order of an event in memory.
    pub auditing: Seats,
    /// Exports of orders: a page of about 1,000 orders each, up to 16 MB.
    pub exporting: Seats,
}

/// This many turns at once.
#[derive(Clone)]
pub struct Seats(Arc<Semaphore>);

/// A turn. It ends when this is dropped.
pub struct Turn {
    _seat: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            loading: Seats::new(1),
            auditing: Seats::new(1),
            exporting: Seats::new(EXPORTS_MAX),
        }
    }
}

impl Seats {
    fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// A turn, if one is free.
    pub fn take(&self) -> Option<Turn> {
        let seat = self.0.clone().try_acquire_owned().ok()?;
        Some(Turn { _seat: seat })
    }
}
