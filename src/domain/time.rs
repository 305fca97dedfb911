//! Times as numbers.

/// Milliseconds since the Unix epoch.
pub type EpochMs = u64;
