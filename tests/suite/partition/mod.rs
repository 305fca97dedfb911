//! Networks that split, delay and lose bytes, and processes that stand still. Each answer is
//! compared with what the winning Redis has in the end. Each test has its own hosts and a control,
//! which shows that the same fault does harm without the protection. Run with `make
//! test-partition`.

use std::time::Duration;

mod clock;
mod held;
mod lab;
mod late;
mod noise;
mod one_way;
mod outage;
mod refusals;
mod shop;
mod split;
mod stopped;
mod till;

/// `redis.timeout` of the servers.
const REDIS_TIMEOUT: Duration = Duration::from_secs(1);
/// For this long after the request, something may still happen.
const EFFECT_WITHIN: Duration = Duration::from_millis(1_100);
