//! When it is decided: between the doors and the store.
//!
//! Each worker of the HTTP server has an [`Admission`] of its own, with its own lane to Redis.

use crate::domain::attempt::{Attempt, Purchase};
use crate::domain::ids::{ORDER_ID_RANDOM_BYTES, OrderId, SaleId, Username};
use crate::domain::outcome::Outcome;
use crate::domain::sale::StockKind;
use crate::error::{Error, Result};
use crate::store::lane::Lane;

/// Decides attempts, one store call each.
pub struct Admission {
    lane: Lane,
}

impl Admission {
    /// An admission that asks the store through `lane`.
    pub fn new(lane: Lane) -> Self {
        Self { lane }
    }

    /// Decides one attempt at `door`.
    ///
    /// # Errors
    /// [`Error::Busy`] when it was certainly not executed; anything else means that it may have
    /// been, and that the same buyer may safely ask again.
    pub async fn grab(
        &self,
        sale: &SaleId,
        door: StockKind,
        username: Username,
        purchase: Purchase,
    ) -> Result<Outcome> {
        let order = OrderId::new(sale, rand::random::<[u8; ORDER_ID_RANDOM_BYTES]>());
        let attempt = Attempt {
            username,
            purchase,
            order,
        };
        let batch = self.lane.sale_grab(sale, door, &[attempt]).await?;
        let outcome = batch.outcomes.into_iter().next();
        outcome.ok_or_else(|| Error::Contract("sale_grab answered nothing".to_owned()))
    }
}
