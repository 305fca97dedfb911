//! An open connection: what was noticed of it and of the server that it leads to, and how calls are
//! sent over it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};
use tokio::time::{Instant, timeout};

use super::deadline::{Bounds, Freshness};
use super::failure;
use super::permit::Permit;
use crate::domain::time::EpochMs;
use crate::failure::{Failure, Result};
use crate::store::script::{self, Call};
use crate::store::server::clock::{self, Reading};
use crate::store::server::data_version::Unversioned;

/// A connection that left so many calls in a row unanswered is replaced: a hung server keeps its
/// socket open, so nothing else would ever end it.
const UNANSWERED_IN_A_ROW_MAX: u32 = 3;

/// What a server says that is no master, or none any more. One that is loading becomes one.
const NO_MASTER: [&str; 2] = ["MASTERDOWN", "READONLY"];

/// A connection to a server that is no master is left, but not before this age: a new one may well
/// lead to the same server, and would be opened for every call.
const NO_MASTER_AGE_MIN: Duration = Duration::from_millis(100);

/// What a script answers whose user may not run one of its commands, up to Redis 7.0 and from 7.2
/// on. Everything before that command was done.
const CUT_IN_HALF: [&str; 2] = ["can't run this command", "ACL failure in script"];

/// A connection that many callers share, and whether it has been lost. Cheap to clone; all clones
/// share one socket.
#[derive(Clone)]
pub struct Live {
    connection: MultiplexedConnection,
    health: Arc<Health>,
    permit: Arc<Permit>,
    clock: Arc<Bounds>,
    opened_at: Instant,
    /// The departures that had happened before it was opened.
    departures: u64,
    /// Why nothing may be changed there: the server was a replica when it was greeted.
    pub(in crate::store) replica: Option<Failure>,
    /// What to write before the first change.
    pub(in crate::store) unversioned: Option<Arc<Unversioned>>,
}

/// A call that may be sent over the connection that made it ready, and no other: its deadline is
/// one of the clock of that server.
pub struct Ready<'a>(Call<'a>);

/// What a server says about itself to everybody: access rules cannot forbid `HELLO`.
#[derive(Debug, Clone)]
pub struct Hello {
    /// `master` or `replica`.
    pub role: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
    /// The version of the server program.
    pub version: String,
}

impl Hello {
    /// True for a server that takes writes.
    pub fn is_master(&self) -> bool {
        self.role == "master"
    }
}

/// What is noticed of a connection.
#[derive(Default)]
pub struct Health {
    lost: AtomicBool,
    unanswered_in_a_row: AtomicU32,
}

impl Health {
    /// The socket closed, or the connection must not be used any more.
    pub fn is_over(&self) {
        self.lost.store(true, Ordering::Release);
    }
}

impl Live {
    /// A connection of which nothing is known yet, opened after so many `departures`.
    pub(in crate::store) fn new(
        connection: MultiplexedConnection,
        health: Arc<Health>,
        permit: Arc<Permit>,
        departures: u64,
    ) -> Self {
        Self {
            connection,
            health,
            permit,
            clock: Arc::default(),
            opened_at: Instant::now(),
            departures,
            replica: None,
            unversioned: None,
        }
    }

    /// True from the moment that the socket closed, so that nothing is sent into the void, when
    /// the server left too many calls unanswered, and when it is no master: whatever the address
    /// leads to by now, this connection leads to that server for ever.
    pub fn is_lost(&self) -> bool {
        self.health.lost.load(Ordering::Acquire) || self.departures != self.permit.departures()
    }

    /// Whether the server gives a sign of life in time: what its clock shows.
    pub async fn is_alive(&self, patience: Duration) -> bool {
        let mut live = self.clone();
        match timeout(patience, live.read_clock()).await {
            Ok(Ok(_)) => !self.is_lost(),
            // A refusal is a sign of life, too.
            Ok(Err(error)) => error.code().is_some() && !self.is_lost(),
            Err(_) => false,
        }
    }

    /// A call was answered.
    pub fn answered(&self) {
        self.health.unanswered_in_a_row.store(0, Ordering::Relaxed);
    }

    /// A call got no answer in time.
    pub fn left_unanswered(&self) {
        let in_a_row = self
            .health
            .unanswered_in_a_row
            .fetch_add(1, Ordering::Relaxed)
            + 1;
        if in_a_row == UNANSWERED_IN_A_ROW_MAX {
            tracing::warn!(
                in_a_row,
                "Redis does not answer: a new connection is opened"
            );
            self.health.is_over();
        }
    }

    /// Asks the server what it is.
    pub async fn hello(&mut self) -> RedisResult<Hello> {
        let told: HashMap<String, Value> = redis::cmd("HELLO").query_async(self).await?;
        let word = |name: &str| match told.get(name) {
            Some(Value::BulkString(word)) => String::from_utf8_lossy(word).into_owned(),
            Some(Value::SimpleString(word)) => word.clone(),
            _ => String::new(),
        };
        Ok(Hello {
            role: word("role"),
            mode: word("mode"),
            version: word("version"),
        })
    }

    /// Reads the clock of the server, from which deadlines are reckoned.
    pub async fn read_clock(&mut self) -> RedisResult<Reading> {
        let reading = clock::read(self).await?;
        self.answered();
        self.clock.hear(reading);
        Ok(reading)
    }

    /// What the clock of the server shows at `at`, at the least.
    async fn clock_at_least(&mut self, at: Instant) -> Result<EpochMs> {
        match self.clock.freshness(Instant::now()) {
            Freshness::Fresh => {}
            Freshness::Ageing => {
                let mut live = self.clone();
                tokio::spawn(async move {
                    if live.read_clock().await.is_err() {
                        live.clock.gave_up();
                    }
                });
            }
            Freshness::Stale => {
                let read = self.read_clock().await;
                read.map_err(|e| failure::of_read(&[], &e))?;
            }
        }
        let stepped = || Failure::Busy("the clock of Redis was set back just now".to_owned());
        self.clock.at_least(at).ok_or_else(stepped)
    }

    /// Makes a call ready that changes something, unless it is known that this Redis would refuse
    /// it in the middle. It may start until `start_by`, or whenever it comes.
    ///
    /// # Errors
    /// [`Failure::Busy`]: nothing was sent.
    pub async fn ready<'a>(
        &mut self,
        call: Call<'a>,
        start_by: Option<Instant>,
    ) -> Result<Ready<'a>> {
        if let Some(replica) = &self.replica {
            self.leave_no_master("replica");
            return Err(replica.clone());
        }
        self.permit.check()?;
        if let Some(unversioned) = self.unversioned.clone() {
            unversioned.write_first(self).await;
        }
        match start_by {
            Some(start_by) => Ok(Ready(call.start_by(self.clock_at_least(start_by).await?))),
            None => Ok(Ready(call)),
        }
    }

    /// Sends a call once.
    ///
    /// # Errors
    /// [`Failure::Busy`] when the call certainly did not run, [`Failure::Unknown`] when it may
    /// have.
    pub async fn send(&mut self, Ready(call): Ready<'_>) -> Result<Value> {
        let reply = call.send(self).await?;
        if script::is_late(&reply) {
            // Perhaps the clock was set forward: it is read before the next call.
            self.clock.doubt();
            return Err(Failure::Busy(
                "it came to Redis after its deadline".to_owned(),
            ));
        }
        Ok(reply)
    }

    /// Sends a call that changes nothing, under the same condition: its reading would be cut short,
    /// or of data that this program does not know.
    ///
    /// # Errors
    /// [`Failure::Busy`] when there is no answer, [`Failure::Unreadable`] when the script cannot
    /// read what it finds.
    pub async fn look(&mut self, call: Call<'_>) -> Result<Value> {
        self.permit.check()?;
        call.look(self).await
    }

    /// Looks at what the server answered.
    fn hear(&self, code: Option<&str>, detail: Option<&str>) {
        let cut = |detail: &str| CUT_IN_HALF.iter().any(|words| detail.contains(words));
        if detail.is_some_and(cut) {
            // The next connection asks what is allowed, and is not used for scripts.
            self.health.is_over();
            return;
        }
        if let Some(code) = code.filter(|code| NO_MASTER.contains(code)) {
            self.leave_no_master(code);
        }
    }

    fn leave_no_master(&self, code: &str) {
        if self.opened_at.elapsed() < NO_MASTER_AGE_MIN {
            return;
        }
        if !self.health.lost.swap(true, Ordering::AcqRel) {
            tracing::warn!(code, "Redis is no master: a new connection is opened");
        }
    }
}

impl ConnectionLike for Live {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let answered = async move {
            let answer = self.connection.send_packed_command(command).await;
            match &answer {
                Ok(Value::ServerError(error)) => self.hear(Some(error.code()), error.details()),
                Ok(_) => {}
                Err(error) => self.hear(error.code(), error.detail()),
            }
            answer
        };
        answered.boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let answered = async move {
            let connection = &mut self.connection;
            let answers = connection.send_packed_commands(commands, offset, count);
            let answers = answers.await;
            match &answers {
                Ok(values) => values.iter().for_each(|answer| {
                    if let Value::ServerError(error) = answer {
                        self.hear(Some(error.code()), error.details());
                    }
                }),
                Err(error) => self.hear(error.code(), error.detail()),
            }
            answers
        };
        answered.boxed()
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
