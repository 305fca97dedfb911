//! The disk under a data directory.

use std::io;
use std::path::Path;

/// Fewer free bytes than this are an alarm: Redis may fail to write at any moment.
pub const FREE_BYTES_MIN: u64 = 100 << 20;

/// Bytes that are free for this user on the disk of `path`.
///
/// # Errors
/// The path does not exist.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
