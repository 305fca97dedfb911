//! What buyers and shops ask for, one file for each endpoint.

pub mod bid;
pub mod grab;
pub(super) mod listing;
pub mod orders;
pub mod place;
mod sale_view;
pub mod sales;
