//! The task that keeps the number of [`Replicas`], one for each process.
//!
//! It looks at the master ten times a second over a connection of its own: a lane would not answer
//! while it waits for replicas. At `replicated:K` it only says when K is too small.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::ConnectionLike;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::peak::{Peak, Record, STILL};
use super::{Count, Master, NotTold, Replicas, not_told, run_id};
use crate::domain::counted::counted;
use crate::domain::durability::Durability;
use crate::failure::{Failure, Result};
use crate::store::Store;
use crate::store::connection::live::Live;
use crate::store::decode::number;
use crate::store::script::PEAK_RECORD;
use crate::store::server::ServerFacts;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for an answer: looks must not stand still for long.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a number is believed while the master does not answer.
const BELIEVED: Duration = Duration::from_secs(3);

/// The running task. It ends when this is dropped.
#[derive(Debug)]
pub struct Watch(JoinHandle<()>);

impl Watch {
    /// Starts it for a store and everything that was cloned from it; `None` where no replicas are
    /// waited for. A replica is not waited for any more when it has been away for `gone`.
    pub fn start(store: &Store, gone: Duration) -> Option<Self> {
        if !store.replicas.are_waited_for() {
            return None;
        }
        let watcher = Watcher {
            store: store.clone(),
            replicas: store.replicas.clone(),
            gone,
            open: None,
            known: Known::of(String::new(), gone),
            answered_at: Instant::now(),
            risk: Alarm::default(),
            away: Alarm::default(),
        };
        Some(Self(tokio::spawn(watcher.run())))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Watcher {
    store: Store,
    replicas: Arc<Replicas>,
    gone: Duration,
    open: Option<Open>,
    known: Known,
    answered_at: Instant,
    /// More replicas are attached than K.
    risk: Alarm,
    /// A replica that is waited for is away.
    away: Alarm,
}

/// A connection, and the master that it leads to.
struct Open {
    live: Live,
    master: Master,
}

/// What is known of the master that was looked at last.
struct Known {
    run_id: String,
    peak: Peak,
}

impl Known {
    fn of(run_id: String, gone: Duration) -> Self {
        let peak = Peak::new(gone);
        Self { run_id, peak }
    }
}

/// Why a look told nothing.
enum Missed {
    /// No answer: what was known may well be true still.
    Silent(Failure),
    /// An answer that says what is known now.
    Told(Count),
}

impl From<NotTold> for Missed {
    fn from(not_told: NotTold) -> Self {
        match not_told {
            NotTold::Refused(why) => Self::Told(Count::Refused(why)),
            NotTold::Failed(failure) => Self::Silent(failure),
        }
    }
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Self {
        Self::Silent(failure)
    }
}

impl Watcher {
    async fn run(mut self) {
        loop {
            match self.look().await {
                Ok(()) => self.answered_at = Instant::now(),
                Err(missed) => self.missed(missed),
            }
            tokio::select! {
                () = sleep(PAUSE) => {}
                () = self.replicas.moved.notified() => {}
            }
        }
    }

    /// Looks at the master once, over a connection that is left behind if anything fails.
    async fn look(&mut self) -> Result<(), Missed> {
        let mut open = match self.open.take() {
            Some(open) if !open.live.is_lost() && !self.replicas.have_left(open.master) => open,
            _ => in_time(self.store.timeout.min(BELIEVED), self.connect()).await?,
        };
        match self.replicas.level() {
            Some(Durability::ReplicatedAll) => in_time(PATIENCE, self.count(&mut open)).await?,
            _ => in_time(PATIENCE, self.compare(&mut open)).await?,
        }
        self.open = Some(open);
        Ok(())
    }

    async fn connect(&mut self) -> Result<Open, Missed> {
        let mut live = self.store.link.connect(self.store.timeout).await?;
        let mut master = Master::UNKNOWN;
        if self.replicas.level() == Some(Durability::ReplicatedAll) {
            let run_id = run_id(&mut live).await?;
            master = self.replicas.opened_to(&run_id);
            if self.known.run_id != run_id {
                self.known = Known::of(run_id, self.gone);
            }
        }
        Ok(Open { live, master })
    }

    /// `replicated:all`: counts, and tells everybody.
    async fn count(&mut self, open: &mut Open) -> Result<(), Missed> {
        let (key, run_id) = (self.store.keys.peaks(), &self.known.run_id);
        let mut ask = redis::pipe();
        ask.cmd("INFO").arg("replication").hget(&key, run_id);
        let told = ask.query_async::<(String, Option<u16>)>(&mut open.live);
        let failed = |error| not_told(&format!("INFO or HGET {key}"), &error);
        let (info, recorded) = told.await.map_err(failed)?;
        let online = online(&info)?;
        let peak = &mut self.known.peak;
        if let Some(record) = peak.look(Instant::now(), online, recorded) {
            peak_record(&mut open.live, &key, run_id, record).await?;
        }
        let known = match peak.number() {
            Some(number) => Count::Replicas(number),
            None => Count::NotYet(format!(
                "nothing is recorded of this master, which has {} online: their number must be \
                 the same for {} s first",
                counted(online, "replica"),
                STILL.as_secs()
            )),
        };
        self.tell(open.master, known, online.into());
        Ok(())
    }

    fn tell(&mut self, master: Master, known: Count, online: u32) {
        if let Count::Replicas(number) = known
            && self.away.rings(online < number, self.gone)
        {
            let gone = self.gone;
            tracing::warn!(
                number,
                online,
                "a replica is away: answers are unknown until it is back, or was away for {gone:?}"
            );
        }
        self.replicas.publish(master, known);
    }

    /// `replicated:K`: says when more replicas are attached than are waited for.
    async fn compare(&mut self, open: &mut Open) -> Result<(), Missed> {
        let mut ask = redis::cmd("INFO");
        let told = ask.arg("replication").query_async::<String>(&mut open.live);
        let info = told.await.map_err(|error| not_told("INFO", &error))?;
        let online = online(&info)?.into();
        let level = self.replicas.level();
        let at_risk = level.is_some_and(|level| level.is_at_risk(online));
        if let (true, Some(level)) = (self.risk.rings(at_risk, self.gone), level) {
            tracing::warn!(
                online,
                "durability {level} waits for fewer replicas than are attached: a failover to one \
                 that lacks an order forgets the order; replicated:all waits for all of them"
            );
        }
        Ok(())
    }

    fn missed(&mut self, missed: Missed) {
        self.open = None;
        let known = match missed {
            Missed::Told(known) => known,
            Missed::Silent(_) if self.answered_at.elapsed() < BELIEVED => return,
            Missed::Silent(error) => {
                Count::NotYet(format!("the replicas cannot be counted: {error}"))
            }
        };
        if self.replicas.count() != known {
            let (Count::NotYet(why) | Count::Refused(why)) = &known else {
                return;
            };
            tracing::warn!(why, "how many replicas must have an order is not known");
        }
        self.replicas.publish(Master::UNKNOWN, known);
    }
}

/// Waits no longer than this for an answer.
async fn in_time<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Missed>>,
) -> Result<T, Missed> {
    let late = |_| Failure::Busy(format!("no answer from Redis within {patience:?}"));
    timeout(patience, answer).await.map_err(late)?
}

/// Replicas that are attached and in step.
fn online(info: &str) -> Result<u16, Missed> {
    let facts = ServerFacts::of(info);
    if facts.info("role") != Some("master") {
        let why = "this Redis is no master".to_owned();
        return Err(Missed::Told(Count::NotYet(why)));
    }
    Ok(u16::try_from(facts.replicas().unwrap_or_default()).unwrap_or(u16::MAX))
}

/// Records the number of a master for those who connect later.
async fn peak_record(
    connection: &mut impl ConnectionLike,
    key: &str,
    run_id: &str,
    record: Record,
) -> Result<u64> {
    let (from, to) = match record {
        Record::Raise(number) => (0, number),
        Record::Lower { from, to } => (from, to),
    };
    let call = PEAK_RECORD.on(&[key.to_owned()]);
    let call = call.arg(run_id).arg(from).arg(to);
    number("peak_record", &call.send(connection).await?)
}

/// Says something once, and again only after it was not so for a while.
#[derive(Debug, Default)]
struct Alarm {
    last: Option<Instant>,
}

impl Alarm {
    /// True when it is so, and was not so for longer than `quiet`.
    fn rings(&mut self, is_so: bool, quiet: Duration) -> bool {
        if !is_so {
            return false;
        }
        let last = self.last.replace(Instant::now());
        last.is_none_or(|last| last.elapsed() > quiet)
    }
}
