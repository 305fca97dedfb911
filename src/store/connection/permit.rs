//! Whether scripts that change something may be sent to this Redis.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::failure::{Failure, Result};

/// The permit exists from the start, so a command needs no examiner. It is withdrawn while this
/// Redis would refuse a script in the middle, has data of an unknown version, or is a replica. All
/// connections of a store share one.
#[derive(Debug, Default)]
pub struct Permit {
    /// Read on every call: true while `why` has an error.
    withdrawn: AtomicBool,
    why: Mutex<Option<Failure>>,
    /// Answers wait for replicas, so `WAIT` is needed, too.
    waits: AtomicBool,
    departures: AtomicU64,
}

impl Permit {
    /// Whether scripts may be sent.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<()> {
        if !self.withdrawn.load(Ordering::Acquire) {
            return Ok(());
        }
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        why.clone().map_or(Ok(()), Err)
    }

    /// Takes over the result of an examination: a refusal withdraws the permit, a good result
    /// restores it. Unanswered questions change nothing: the refusal may still hold.
    pub fn examined(&self, refusal: Option<Failure>, all_answered: bool) {
        if refusal.is_some() || all_answered {
            self.set(refusal);
        }
    }

    /// Takes over what a new connection learned. It may be older than an examination, so it never
    /// restores the permit.
    pub fn greeted(&self, refusal: Option<Failure>) {
        if refusal.is_some() {
            self.set(refusal);
        }
    }

    /// Gives up all open connections: one of them led to a master that is a replica now, so others
    /// may, too.
    pub fn depart(&self) {
        self.departures.fetch_add(1, Ordering::AcqRel);
    }

    /// How often connections were given up. Connections that were opened before are lost.
    pub fn departures(&self) -> u64 {
        self.departures.load(Ordering::Acquire)
    }

    fn set(&self, refusal: Option<Failure>) {
        let mut why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        self.withdrawn.store(refusal.is_some(), Ordering::Release);
        *why = refusal;
    }

    /// From now on answers wait for replicas.
    pub fn wait_is_needed(&self) {
        self.waits.store(true, Ordering::Release);
    }

    /// Whether answers wait for replicas.
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }
}
