//! What buyers ask for, and all possible answers.

pub mod attempt;
pub mod bid;
pub mod outcome;
pub mod place;
pub mod standing;
