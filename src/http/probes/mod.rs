//! What machines ask that watch a server.

pub mod health;
pub mod metrics;
