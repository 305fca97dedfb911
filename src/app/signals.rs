//! The signals that stop the program, and what the server does then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::http::Handle;

/// Receives the signals that stop a program.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// Who asked the program to stop.
#[derive(PartialEq, Eq)]
pub enum Stop {
    /// TERM, from a supervisor.
    Terminate,
    /// Ctrl-C, from a person who waits.
    Interrupt,
}

impl StopSignals {
    /// Listens from now on. HUP stops nothing. There is nothing to reload, and a sale must not end
    /// because someone closes a terminal or tells all programs to reopen their logs.
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

/// Stops the server after a signal. After TERM it goes on serving for `drain`, while balancers see
/// that it is not ready. Each further signal ends the current wait.
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
