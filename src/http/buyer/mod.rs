//! The endpoints of buyers and shops, one file for each.

pub mod bid;
pub mod grab;
pub(super) mod listing;
pub mod orders;
pub mod place;
mod sale_view;
pub mod sales;
