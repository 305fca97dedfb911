//! Watches the private server: restarts it when it ends, and logs what its log reports.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::data_dir::DataDir;
use super::disk;
use super::process::Process;
use super::server_log::{Alarms, LogReader};
use crate::error::Result;

/// First pause before a server that died is started again; doubles each time.
const RESTART_PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest such pause. Nothing is sold meanwhile, and the cause may be gone by then.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(1);
/// After a run longer than this, the pauses begin with the first one again.
const RAN_WELL_MIN: Duration = Duration::from_secs(5);
/// Pause between two readings of the log of a running server.
const LOG_PAUSE: Duration = Duration::from_secs(1);
/// No process has this id.
const NO_SERVER: u32 = 0;

/// What the watching threads and the owner of the server share.
pub struct Watch {
    dir: DataDir,
    stopping: Mutex<bool>,
    stop: Condvar,
    server_id: AtomicU32,
    alarms: Mutex<Alarms>,
}

impl Watch {
    /// A new watch, before the first start.
    pub fn new(dir: &DataDir) -> Self {
        Self {
            dir: dir.clone(),
            stopping: Mutex::new(false),
            stop: Condvar::new(),
            server_id: AtomicU32::new(NO_SERVER),
            alarms: Mutex::new(Alarms::from_now(dir)),
        }
    }

    /// The process id of the running server; `None` between the end of one and the next.
    pub fn server_id(&self) -> Option<u32> {
        let id = self.server_id.load(Ordering::Relaxed);
        (id != NO_SERVER).then_some(id)
    }

    /// A server runs.
    pub fn started(&self, process: &Process) {
        self.server_id.store(process.id(), Ordering::Relaxed);
        self.tell_alarms();
    }

    /// From now on no server is restarted.
    pub fn stop(&self) {
        *self.stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.notify_all();
    }

    /// Logs what the log reports while the server runs, until told to stop.
    pub fn follow_log(&self) {
        while !self.wait_for_stop(LOG_PAUSE) {
            // The thread that starts the server reports a failed start.
            if self.server_id().is_some() {
                self.tell_alarms();
            }
        }
    }

    /// Restarts the server whenever it ends, until told to stop.
    pub fn keep_running(&self, first: Process, start: impl Fn() -> Result<Process>) {
        let mut running = Some(first);
        let mut pause = RESTART_PAUSE_MIN;
        let mut told = String::new();
        loop {
            if let Some(process) = running.take() {
                let ran = self.wait_for_end(process, pause);
                if ran > RAN_WELL_MIN {
                    pause = RESTART_PAUSE_MIN;
                    self.alarms().forget_told();
                }
            }
            if self.wait_for_stop(pause) {
                return;
            }
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
            match start() {
                Ok(process) => {
                    self.started(&process);
                    told.clear();
                    running = Some(process);
                }
                Err(error) => {
                    self.alarms().tell_beside(&error.to_string());
                    if error.to_string() != told {
                        told = error.to_string();
                        tracing::error!(%error, "cannot start the private Redis: retrying");
                    }
                }
            }
        }
    }

    /// Waits until the server ends, and logs why unless it was told to. Returns how long it ran.
    fn wait_for_end(&self, mut process: Process, pause: Duration) -> Duration {
        let mut log = LogReader::at_end(&self.dir);
        let since = Instant::now();
        let status = process.wait();
        // Another process may get its id from now on.
        self.server_id.store(NO_SERVER, Ordering::Relaxed);
        if self.is_stopping() {
            self.tell_alarms();
            return since.elapsed();
        }
        let log = log.read().unwrap_or_default();
        let reasons = self.alarms().end(&self.dir, &status, &log);
        if reasons.is_empty() {
            tracing::warn!(status, ?pause, "the private Redis ended: restarting it");
        } else {
            tracing::error!(
                status,
                ?pause,
                reasons,
                "the private Redis ended: restarting it"
            );
        }
        if let Ok(free) = disk::free_bytes(self.dir.path())
            && free < disk::FREE_BYTES_MIN
        {
            tracing::error!(free, "the disk of the private Redis is full, or nearly so");
        }
        since.elapsed()
    }

    fn tell_alarms(&self) {
        self.alarms().tell();
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for `pause`, or less. True if told to stop.
    fn wait_for_stop(&self, pause: Duration) -> bool {
        let stopping = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .stop
            .wait_timeout_while(stopping, pause, |stopping| !*stopping);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
