//! What the tests are told in: servers, buyers, crowds, faults.

pub mod app;
pub mod bids;
pub mod bindings;
pub mod browser;
pub mod buyer;
pub mod crowd;
pub mod history;
pub mod naive;
pub mod operator;
pub mod orders;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod redis;
pub mod wechat;
