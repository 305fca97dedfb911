//! What is shown, as types that become JSON: one for each thing that more than one place shows.

pub mod order;
