//! A part fails in the middle of a sale: nothing is oversold, no acknowledged order is lost, and no
//! answer claims an unknown outcome to be known.

mod clock;
pub mod failover;
mod forgot;
mod full;
mod killed;
mod late;
mod leavers;
mod overload;
mod placed;
mod planned;
mod promoted;
mod quiet_network;
mod redis_connection;
mod refusals;
mod relayed;
mod replica_count;
mod scans;
mod script_cache;
mod settled;
mod shared;
mod shares;
mod shutdown;
mod standstill;
mod storm;
mod unknown_names;
mod waits;

/// Rounds of the tests that kill: 1 in `make test`, many in `make test-long`.
pub fn rounds() -> usize {
    let rounds = std::env::var("SECKILL_TEST_ROUNDS");
    rounds
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(1)
}
