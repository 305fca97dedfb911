//! The endpoints for programs that watch a server.

pub mod health;
pub mod metrics;
