//! What an operator can do, on the command line or over HTTP.

pub mod account;
pub mod against;
pub mod archive;
pub mod audit;
pub mod clear;
pub mod orders;
pub mod sale;
pub mod stock;
pub mod times;
pub mod units;
