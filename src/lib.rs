//! `seckill`: an admission engine for flash sales. It decides, for a crowd far larger than the
//! stock, who gets a unit.
//!
//! One request, told once:
//!
//! 1. [`http`] reads the request into domain types, or answers what is wrong with it.
//! 2. [`admission`] gives the attempt an order id and hands it to a lane.
//! 3. [`store`] sends one script call, once, and knows what a missing reply means.
//! 4. `lua/sale_grab.lua` decides in one step: who holds an order, the window, the stock.
//! 5. [`store::orders::grab`] decodes the words of the script into [`domain::purchase::outcome`].
//! 6. [`http`] says the outcome.
//!
//! Modules use only those above them in this list; `tests/tidy` checks it.

pub mod domain;

pub mod config;
pub mod error;
pub mod failure;
pub mod metrics;
pub mod readings;

pub mod private_redis;

pub mod store;

pub mod admission;
pub mod catalogue;
pub mod expirer;
pub mod memory;
pub mod operation;
pub mod readiness;
pub mod relay;

pub mod figures;
pub mod wechat;

pub mod cli;
pub mod http;

pub mod app;
