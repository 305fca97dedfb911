//! Waiting for replicas: what is acknowledged is on so many of them.

use redis::aio::ConnectionLike;
use tokio::time::Instant;

use crate::domain::counted::counted;
use crate::error::{Error, Result};

/// Waits until `replicas` replicas have everything that this connection wrote.
///
/// # Errors
/// [`Error::Unknown`] when fewer have it by `deadline`: it happened, and may yet be forgotten.
pub async fn wait(
    connection: &mut impl ConnectionLike,
    replicas: u32,
    deadline: Instant,
) -> Result<()> {
    let patience = deadline.saturating_duration_since(Instant::now()) * 9 / 10;
    // 0 would wait for ever.
    let patience_ms = u64::try_from(patience.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    let mut wait = redis::cmd("WAIT");
    wait.arg(replicas).arg(patience_ms);
    let acks: u32 = wait
        .query_async(connection)
        .await
        .map_err(|e| Error::Unknown(format!("WAIT: {e}")))?;
    if acks < replicas {
        let replicas = counted(replicas, "replica");
        return Err(Error::Unknown(format!(
            "the order is at {acks} of {replicas}"
        )));
    }
    Ok(())
}
