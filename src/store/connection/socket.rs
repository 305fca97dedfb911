//! The TCP settings of connections to Redis.

use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;

/// After this much silence, and then each second, the kernel asks whether the other end is there.
/// So networks that forget quiet connections see traffic.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(5);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(1);
/// The kernel closes a connection whose sent bytes are not acknowledged for as long as buyers wait,
/// but never before this time: one lost packet takes a part of a second.
const UNACKNOWLEDGED_MIN: Duration = Duration::from_secs(1);

/// The TCP settings: a dead network is noticed even if no call waits for it.
pub fn tcp(timeout: Duration) -> TcpSettings {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY);
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(timeout.max(UNACKNOWLEDGED_MIN));
    #[cfg(not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")))]
    let _ = (timeout, UNACKNOWLEDGED_MIN);
    settings
}
