//! Networks that split, keep bytes back and lose them, and processes that stand still: each answer
//! is judged against what the Redis that counts has in the end. Each test has hosts of its own, and
//! a control in or beside it, which shows that the same fault does harm where nobody guards against
//! it. For `make test-partition`.

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
/// So long after it was asked for, something may still happen.
const EFFECT_WITHIN: Duration = Duration::from_millis(1_100);
