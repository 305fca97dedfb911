//! What buyers ask for, and the closed sets of answers to it.

pub mod attempt;
pub mod bid;
pub mod outcome;
pub mod place;
pub mod standing;
