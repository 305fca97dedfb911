//! The learner: tells the gates what replies say, and fetches the buyers of a sale when a gate
//! wants to close, in small steps beside the doors' traffic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::buyers::{BUYERS_MAX, Buyers};
use super::{Gates, Learned};
use crate::admission::names::Names;
use crate::domain::ids::{SaleId, Username};
use crate::domain::purchase::standing::Standing;
use crate::failure::{Failure, Result};
use crate::metrics::Metrics;
use crate::store::Store;

/// Pause after buyers could not be learned.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// Pause for a sale with more buyers than a gate remembers.
const TOO_MANY_PAUSE: Duration = Duration::from_secs(60);

/// What one worker needs to keep gates and names true.
#[derive(Clone)]
pub struct Learner {
    pub store: Store,
    pub gates: Arc<Gates>,
    pub names: Arc<Names>,
    pub metrics: Arc<Metrics>,
}

/// The turn of the one who learns. Should its task die, the gate would wait for it for ever.
struct Turn<'a> {
    gates: &'a Gates,
    sale: &'a SaleId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.gates.give_up(self.sale, FAILURE_PAUSE);
    }
}

impl Learner {
    /// Passes on what a reply says, and whether it granted an order; starts learning when the gate
    /// wants to close.
    pub fn hear(&self, sale: &SaleId, standing: &Standing, granted: bool, asked_at: Instant) {
        if self.gates.hear(sale, standing, granted, asked_at) {
            let (learner, sale) = (self.clone(), sale.clone());
            tokio::spawn(async move { learner.learn(&sale).await });
        }
    }

    /// Opens the gate after a failure that may have been none: an order may have been granted of
    /// which no reply told. Called before anybody is told that the outcome is unknown.
    pub fn doubt(&self, sale: &SaleId, error: &Failure) {
        match error {
            Failure::Busy(_) => {}
            Failure::Unknown(_) | Failure::Unreadable(_) => self.gates.open(sale),
        }
    }

    /// Opens all gates: too few replicas have what replies rest on, so nobody knows any more what
    /// is sold out.
    pub fn doubt_all(&self) {
        self.gates.open_all();
    }

    async fn learn(&self, sale: &SaleId) {
        let _turn = Turn {
            gates: &self.gates,
            sale,
        };
        match self.learned(sale).await {
            Ok(Some(learned)) => {
                let (buyers, took) = (learned.buyers.len(), learned.took);
                tracing::debug!(%sale, buyers, ?took, "gate closes");
                self.gates.close(sale, learned);
                self.metrics.gate_learned(took);
            }
            Ok(None) => self.gates.give_up(sale, TOO_MANY_PAUSE),
            Err(error) => {
                tracing::warn!(%sale, %error, "the buyers of a sale could not be learned");
            }
        }
    }

    /// All buyers, and the sale after they were read: if no order was granted since the
    /// reading began, nobody is missing. `None` when they are too many, or the sale is gone.
    async fn learned(&self, sale: &SaleId) -> Result<Option<Learned>> {
        let since = Instant::now();
        let fingerprint = |name: &Username| self.gates.fingerprint(name);
        let read = self.store.buyers(sale, BUYERS_MAX, fingerprint).await?;
        Ok(read.map(|read| Learned {
            standing: read.snapshot.standing(),
            buyers: Buyers::new(read.buyers),
            asked_at: read.asked_at,
            took: since.elapsed(),
        }))
    }
}
