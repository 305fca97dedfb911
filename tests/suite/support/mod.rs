//! The tools of the tests: servers, buyers, crowds, faults.

use std::time::Duration;

/// Longest wait for what must come: only a failure takes this long, even on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait of a buyer for Redis, where a test does not choose another one: the longest that
/// there is. On a slow machine, too, `busy` and `unknown` belong to the tests of faults.
pub const TIMEOUT: Duration = Duration::from_secs(60);

pub mod app;
pub mod bids;
pub mod bindings;
pub mod browser;
pub mod buyer;
pub mod changes;
pub mod crowd;
pub mod history;
pub mod kept;
pub mod naive;
pub mod native;
pub mod operator;
pub mod orders;
pub mod other_redis;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod redis;
pub mod stalls;
pub mod table;
pub mod terms;
pub mod wechat;
