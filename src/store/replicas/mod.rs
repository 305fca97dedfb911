//! How many replicas must have what is acknowledged, and waiting for them: the one owner of this
//! number, whoever waits.
//!
//! At `replicated:K` it is K. At `replicated:all` it belongs to one master, by its run id, and a
//! task ([`Watch`]) keeps it. A connection leads to the same server for ever, so it counts for the
//! master that it was opened to and for no other: after a failover behind one address, the number
//! of the new master says nothing about what the old one answers.

mod peak;
mod watch;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::ConnectionLike;
use tokio::sync::{Notify, watch as news};
use tokio::time::{Instant, timeout};

pub use self::watch::Watch;
use crate::domain::counted::counted;
use crate::domain::durability::Durability;
use crate::failure::{Failure, Result};

/// Longest wait of [`Replicas::until_counted`]: a number that must stand still first, and one more
/// look or two.
const COUNTED_WITHIN: Duration = Duration::from_secs(5);

/// A master that connections lead to. Later ones compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Master(u32);

impl Master {
    /// Any master, where it makes no difference, and one that does not say which it is.
    const UNKNOWN: Self = Self(0);
}

/// What is known of the number at `replicated:all`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// So many replicas must have an order.
    Replicas(u32),
    /// Not yet, for this reason.
    NotYet(String),
    /// Not as long as Redis refuses to tell.
    Refused(String),
}

/// The level at which orders are acknowledged, and what it means at each master.
pub struct Replicas {
    level: Option<Durability>,
    /// The watched master in the upper half, its number in the lower one, 0 if it is not known:
    /// read as one by everybody who waits.
    watched: AtomicU64,
    /// The master that connections were opened to last.
    newest: AtomicU32,
    run_id: Mutex<String>,
    /// Tells the watch that connections lead to another master by now.
    moved: Notify,
    count: news::Sender<Count>,
}

impl Replicas {
    /// Of a store that acknowledges at `level`.
    pub fn new(level: Option<Durability>) -> Self {
        let count = Count::NotYet("the replicas of this master were not counted yet".to_owned());
        Self {
            level,
            watched: AtomicU64::new(0),
            newest: AtomicU32::new(Master::UNKNOWN.0),
            run_id: Mutex::new(String::new()),
            moved: Notify::new(),
            count: news::Sender::new(count),
        }
    }

    /// The level that was asked for.
    pub fn level(&self) -> Option<Durability> {
        self.level
    }

    /// True when replicas must have an order before it is answered.
    pub fn are_waited_for(&self) -> bool {
        self.level.is_some_and(Durability::waits)
    }

    /// What is known of the number at `replicated:all`.
    pub fn count(&self) -> Count {
        self.count.borrow().clone()
    }

    /// Waits until the number at `replicated:all` is known, or it is plain that it will not be.
    pub async fn until_counted(&self) {
        if self.level != Some(Durability::ReplicatedAll) {
            return;
        }
        let mut count = self.count.subscribe();
        let counted = count.wait_for(|count| !matches!(count, Count::NotYet(_)));
        // Whatever is known by then is what counts.
        let _ = timeout(COUNTED_WITHIN, counted).await;
    }

    /// Asks a connection that was just opened which master it leads to, where that matters.
    ///
    /// # Errors
    /// [`Failure::Busy`] when it does not answer.
    pub async fn greet(&self, connection: &mut impl ConnectionLike) -> Result<Master> {
        if self.level != Some(Durability::ReplicatedAll) {
            return Ok(Master::UNKNOWN);
        }
        match run_id(connection).await {
            Ok(run_id) => Ok(self.opened_to(&run_id)),
            // Selling goes on as far as it can; the watch says what is missing.
            Err(NotTold::Refused(_)) => Ok(Master::UNKNOWN),
            Err(NotTold::Failed(failure)) => Err(failure),
        }
    }

    /// A connection was opened to the server of this run id: the address leads there by now.
    fn opened_to(&self, run_id: &str) -> Master {
        let mut newest = self.newest_run_id();
        if *newest != run_id {
            run_id.clone_into(&mut newest);
            self.newest.fetch_add(1, Ordering::AcqRel);
            self.moved.notify_one();
        }
        Master(self.newest.load(Ordering::Acquire))
    }

    /// True when connections that were opened later lead to another master.
    pub fn have_left(&self, master: Master) -> bool {
        master != Master::UNKNOWN && master < Master(self.newest.load(Ordering::Acquire))
    }

    /// Waits until enough replicas have everything that this connection to `master` wrote.
    ///
    /// # Errors
    /// [`Failure::Unknown`] when fewer have it by `deadline`, or when it cannot be told how many
    /// are enough: it happened, and may yet be forgotten.
    pub async fn wait(
        &self,
        connection: &mut impl ConnectionLike,
        master: Master,
        deadline: Instant,
    ) -> Result<()> {
        match self.needed(master)? {
            0 => Ok(()),
            replicas => wait(connection, replicas, deadline).await,
        }
    }

    /// How many replicas must have what was written at `master`.
    fn needed(&self, master: Master) -> Result<u32> {
        match self.level {
            None | Some(Durability::Memory | Durability::Fsync) => Ok(0),
            Some(Durability::Replicated(count)) => Ok(count),
            Some(Durability::ReplicatedAll) => {
                let (watched, number) = unpacked(self.watched.load(Ordering::Acquire));
                if number == 0 || watched != master {
                    return Err(self.cannot_tell());
                }
                Ok(number)
            }
        }
    }

    #[cold]
    fn cannot_tell(&self) -> Failure {
        let why = match self.count() {
            Count::Replicas(_) => "this connection leads to another master".to_owned(),
            Count::NotYet(why) | Count::Refused(why) => why,
        };
        Failure::Unknown(format!(
            "how many replicas must have it is not known: {why}"
        ))
    }

    /// From now on this is what is known of `master`.
    fn publish(&self, master: Master, count: Count) {
        let number = match count {
            Count::Replicas(number) => number,
            Count::NotYet(_) | Count::Refused(_) => 0,
        };
        self.watched
            .store(packed(master, number), Ordering::Release);
        self.count.send_if_modified(|known| {
            let differs = *known != count;
            *known = count;
            differs
        });
    }

    fn newest_run_id(&self) -> MutexGuard<'_, String> {
        self.run_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn packed(master: Master, number: u32) -> u64 {
    u64::from(master.0) << 32 | u64::from(number)
}

fn unpacked(watched: u64) -> (Master, u32) {
    let [m0, m1, m2, m3, n0, n1, n2, n3] = watched.to_be_bytes();
    let master = Master(u32::from_be_bytes([m0, m1, m2, m3]));
    (master, u32::from_be_bytes([n0, n1, n2, n3]))
}

/// Why a question about replicas has no answer.
enum NotTold {
    /// This Redis does not answer it, however often it is asked.
    Refused(String),
    /// No answer came.
    Failed(Failure),
}

/// The run id of the server that a connection leads to.
///
/// # Errors
/// [`NotTold::Refused`] when this Redis user may not ask, or the server does not say it.
async fn run_id(connection: &mut impl ConnectionLike) -> Result<String, NotTold> {
    let mut ask = redis::cmd("INFO");
    let info = ask.arg("server").query_async::<String>(connection).await;
    let info = info.map_err(|error| not_told("INFO", &error))?;
    let line = info.lines().find_map(|line| line.strip_prefix("run_id:"));
    let hidden = || NotTold::Refused("this Redis does not say its run_id in INFO".to_owned());
    line.map(|id| id.trim().to_owned()).ok_or_else(hidden)
}

/// What an error says about a question about replicas.
fn not_told(what: &str, error: &redis::RedisError) -> NotTold {
    let answers = error.clone().into_server_errors();
    let answer = answers.iter().flat_map(|answers| answers.iter()).next();
    let renamed = error.to_string().contains("unknown command");
    match answer.map(|(_, answer)| answer.code()) {
        Some("NOPERM") => NotTold::Refused(format!("this Redis user may not use {what}: {error}")),
        Some("ERR") if renamed => NotTold::Refused(format!("this Redis has no {what}: {error}")),
        Some("WRONGTYPE") => NotTold::Refused(format!("{what}: {error}")),
        _ => NotTold::Failed(Failure::Busy(format!("{what}: {error}"))),
    }
}

/// Waits until `replicas` replicas have everything that this connection wrote.
async fn wait(
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
        .map_err(|e| Failure::Unknown(format!("WAIT: {e}")))?;
    if acks < replicas {
        let replicas = counted(replicas, "replica");
        let why = format!("only {acks} of {replicas} confirmed it in time");
        return Err(Failure::Unknown(why));
    }
    Ok(())
}
