//! The audit: the rules that every sale must keep, and the checks that find a violation.

pub mod account;
pub mod bid_violation;
pub mod figures;
pub mod gone;
pub mod gone_violation;
pub mod ledger;
pub mod recount;
mod terms;
pub mod violation;
