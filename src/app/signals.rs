//! How a program is asked to stop, and what the server does then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::http::Handle;

/// What asks a program to stop.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// Who asked.
#[derive(PartialEq, Eq)]
pub enum Stop {
    /// TERM: a supervisor.
    Terminate,
    /// Ctrl-C: a person who waits.
    Interrupt,
}

impl StopSignals {
    /// Listens from now on. HUP stops nothing: there is nothing to reload, and whoever closes a
    /// terminal or tells all programs to reopen their logs must not end a sale.
    pub fn listen() -> Result<Self> {
        let failed = |e| Error::Config(format!("cannot listen to signals: {e}"));
        let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                tracing::info!("SIGHUP: there is nothing to reload; SIGTERM stops the program");
            }
        });
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    pub async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.terminate.recv() => Stop::Terminate,
            _ = self.interrupt.recv() => Stop::Interrupt,
        }
    }
}

/// Stops the server when a signal asks for it; after TERM it serves on for `drain`, while balancers
/// see that it is not ready. Each further signal ends what the last one waits for.
pub async fn stop_in_order(
    mut signals: StopSignals,
    server: Handle,
    draining: Arc<AtomicBool>,
    drain: Duration,
) {
    let asked = signals.next().await;
    draining.store(true, Ordering::Relaxed);
    if asked == Stop::Terminate && !drain.is_zero() {
        tracing::info!(?drain, "draining: not ready, and still serving");
        tokio::select! {
            () = sleep(drain) => {}
            _ = signals.next() => {}
        }
    }
    tokio::join!(server.stop(true), async {
        signals.next().await;
        server.stop(false).await;
    });
}
