//! What must hold of every sale, and how it is found that it does not.

pub mod account;
pub mod bid_violation;
pub mod figures;
pub mod gone;
pub mod gone_violation;
pub mod ledger;
pub mod recount;
mod terms;
pub mod violation;
