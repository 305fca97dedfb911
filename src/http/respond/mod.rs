//! Turns what was decided into the bytes of an answer.

pub mod answer;
pub mod headers;
pub mod pieces;
pub mod problem;
pub mod words;
