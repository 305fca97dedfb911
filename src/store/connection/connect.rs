//! Opens a connection and asks at once whether it may be used.

use std::sync::Arc;
use std::time::Duration;

use tokio::join;
use tokio::time::timeout;

use super::link::Link;
use super::live::Live;
use crate::failure::Result;
use crate::store::server::greeting::Greeting;

/// Round trips of a greeting: a script that Redis does not know is loaded and called again.
pub(in crate::store) const ROUND_TRIPS_MAX: u32 = 3;

impl Link {
    /// Opens a shared connection, driven by the current runtime, and asks whether it may be used.
    ///
    /// # Errors
    /// [`Failure::Busy`](crate::failure::Failure::Busy): it cannot be opened, or must not be used.
    /// No script has been sent.
    pub async fn connect(&self, connect_timeout: Duration) -> Result<Live> {
        let mut live = self.open(connect_timeout).await?;
        let mut clock = live.clone();
        // If the clock cannot be read now, the first call reads it.
        let asking = async { join!(Greeting::ask(&live, self), clock.read_clock()).0 };
        let asking = timeout(connect_timeout * ROUND_TRIPS_MAX, asking).await;
        let greeting = asking.map_err(|_| self.unreachable("no answer in time"))?;
        self.permit().greeted(greeting.refusal(self));
        greeting.verdict(self)?;
        live.replica = greeting.replica(self);
        live.unversioned = greeting.unversioned(self.keys()).map(Arc::new);
        Ok(live)
    }
}
