//! Whether scripts that change something may be sent to this Redis.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::failure::{Failure, Result};

/// Given from the start, so that a command needs no examiner, and withdrawn while it is known that
/// this Redis would refuse a script in the middle, that its data are not ours to change, or that it
/// is a replica. All connections of a store share one.
#[derive(Debug, Default)]
pub struct Permit {
    /// What crowds look at: true while `why` has an error.
    withdrawn: AtomicBool,
    why: Mutex<Option<Failure>>,
    /// Replicas are waited for, so `WAIT` is needed, too.
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

    /// Takes over what an examiner heard: a refusal withdraws the permit, answers without any
    /// give it. Questions that were not answered change nothing: what was refused may still be.
    pub fn examined(&self, refusal: Option<Failure>, all_answered: bool) {
        if refusal.is_some() || all_answered {
            self.set(refusal);
        }
    }

    /// Takes over what a new connection heard. It may be older than what an examiner heard, so it
    /// never gives the permit.
    pub fn greeted(&self, refusal: Option<Failure>) {
        if refusal.is_some() {
            self.set(refusal);
        }
    }

    /// Gives up all connections that are open: one of them led to a master that is a replica now,
    /// so others may, too.
    pub fn depart(&self) {
        self.departures.fetch_add(1, Ordering::AcqRel);
    }

    /// How often connections were given up. Those that were opened before are lost.
    pub fn departures(&self) -> u64 {
        self.departures.load(Ordering::Acquire)
    }

    fn set(&self, refusal: Option<Failure>) {
        let mut why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        self.withdrawn.store(refusal.is_some(), Ordering::Release);
        *why = refusal;
    }

    /// Answers wait for replicas from now on.
    pub fn wait_is_needed(&self) {
        self.waits.store(true, Ordering::Release);
    }

    /// Whether answers wait for replicas.
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }
}
