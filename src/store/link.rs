//! Where Redis is and how to reach it: the address, parsed once, for both kinds of connections.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, Pipeline,
    ProtocolVersion, PushInfo, PushKind, RedisFuture, RedisResult, Value,
};
use tokio::time::timeout;

use super::data_version::Unversioned;
use super::greeting::Greeting;
use super::keys::Keys;
use super::login;
use super::permit::Permit;
use super::reach::Reach;
use super::script::Call;
use super::socket;
use crate::config::{RedisAccess, RedisUrl};
use crate::error::{Error, Result};

/// Commands that may wait in one connection before a sender has to wait.
const PIPELINE_COMMANDS_MAX: usize = 8192;

/// A connection that left so many calls in a row unanswered is replaced: a hung server keeps its
/// socket open, so nothing else would ever end it.
const UNANSWERED_IN_A_ROW_MAX: u32 = 3;

/// What a server says that is no master, or none any more. One that is loading becomes one.
const NO_MASTER: [&str; 2] = ["MASTERDOWN", "READONLY"];

/// A connection to a server that is no master is left, but not before this age: a new one may well
/// lead to the same server, and would be opened for every call.
const NO_MASTER_AGE_MIN: Duration = Duration::from_millis(100);

/// Round trips of a greeting: a script that Redis does not know is loaded and called again.
pub(super) const ROUND_TRIPS_MAX: u32 = 3;

/// What a script answers whose user may not run one of its commands, up to Redis 7.0 and from 7.2
/// on. Everything before that command was done.
const CUT_IN_HALF: [&str; 2] = ["can't run this command", "ACL failure in script"];

/// A parsed address, and what all connections to it share.
#[derive(Debug, Clone)]
pub struct Link {
    client: Client,
    access: RedisAccess,
    keys: Keys,
    permit: Arc<Permit>,
    reach: Arc<Reach>,
}

/// A connection that many callers share, and whether it has been lost. Cheap to clone; all clones
/// share one socket.
#[derive(Clone)]
pub struct Live {
    connection: MultiplexedConnection,
    health: Arc<Health>,
    permit: Arc<Permit>,
    opened_at: Instant,
    /// The departures that had happened before it was opened.
    departures: u64,
    /// Why nothing may be changed there: the server was a replica when it was greeted.
    replica: Option<Error>,
    /// What to write before the first change.
    unversioned: Option<Arc<Unversioned>>,
}

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

#[derive(Default)]
struct Health {
    lost: AtomicBool,
    unanswered_in_a_row: AtomicU32,
}

impl Live {
    /// True from the moment that the socket closed, so that nothing is sent into the void, when
    /// the server left too many calls unanswered, and when it is no master: whatever the address
    /// leads to by now, this connection leads to that server for ever.
    pub fn is_lost(&self) -> bool {
        self.health.lost.load(Ordering::Acquire) || self.departures != self.permit.departures()
    }

    /// Whether the server gives a sign of life in time.
    pub async fn is_alive(&self, patience: Duration) -> bool {
        let ping = redis::cmd("PING");
        let mut live = self.clone();
        let answer = timeout(patience, live.req_packed_command(&ping)).await;
        match answer {
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
            self.health.lost.store(true, Ordering::Release);
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

    /// Sends a call that changes something, unless it is known that this Redis would refuse it in
    /// the middle.
    ///
    /// # Errors
    /// [`Error::Busy`] when the call certainly did not run, [`Error::Unknown`] when it may have.
    pub async fn call(&mut self, call: Call<'_>) -> Result<Value> {
        if let Some(replica) = &self.replica {
            self.leave_no_master("replica");
            return Err(replica.clone());
        }
        self.permit.check()?;
        if let Some(unversioned) = self.unversioned.clone() {
            unversioned.write_first(self).await;
        }
        call.send(self).await
    }

    /// Sends a call that changes nothing, under the same condition: its reading would be cut short,
    /// or of data that this program does not know.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is no answer, [`Error::Contract`] when the script cannot read
    /// what it finds.
    pub async fn look(&mut self, call: Call<'_>) -> Result<Value> {
        self.permit.check()?;
        call.look(self).await
    }

    /// Looks at what the server answered.
    fn hear(&self, code: Option<&str>, detail: Option<&str>) {
        let cut = |detail: &str| CUT_IN_HALF.iter().any(|words| detail.contains(words));
        if detail.is_some_and(cut) {
            // The next connection asks what is allowed, and is not used for scripts.
            self.health.lost.store(true, Ordering::Release);
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

impl Link {
    /// Parses the address. `timeout` is how long sent bytes may go unacknowledged, within reason.
    ///
    /// # Errors
    /// [`Error::Config`] with the address, without its password, or with a file of it.
    pub fn new(access: RedisAccess, keys: Keys, timeout: Duration) -> Result<Self> {
        let url = &access.url;
        let wrong = |why: &dyn std::fmt::Display| {
            Error::Config(format!(
                "redis.url {url}: {why}; expected redis://, rediss:// or unix://"
            ))
        };
        if url.expose().starts_with("redis+") {
            return Err(wrong(
                &"Sentinel and Cluster addresses are not supported yet",
            ));
        }
        if url.expose().starts_with("rediss://") {
            // Fails only when a provider is installed already, which is just as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let info = url.expose().into_connection_info();
        let info = info.map_err(|e| wrong(&format!("{e}{}", login::encoding_advice(url))))?;
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let info = info
            .set_redis_settings(settings)
            .set_tcp_settings(socket::tcp(timeout));
        login::check(&info, &access)?;
        let client = login::client(info, &access)?;
        Ok(Self {
            client,
            access,
            keys,
            permit: Arc::default(),
            reach: Arc::default(),
        })
    }

    /// What the log hears of this Redis.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The meaning of a failure before anything was sent.
    pub fn unreachable(&self, error: impl std::fmt::Display) -> Error {
        let url = &self.access.url;
        Error::Busy(format!("cannot reach Redis at {url}: {error}"))
    }

    /// The parsed address with the password, for those who speak to Redis themselves.
    ///
    /// # Errors
    /// [`Error::Busy`] when the file of the password cannot be read.
    pub async fn info(&self) -> Result<ConnectionInfo> {
        let client = login::with_password(&self.client, &self.access).await?;
        Ok(client.get_connection_info().clone())
    }

    /// The address, without user and password.
    pub fn url(&self) -> &RedisUrl {
        &self.access.url
    }

    /// The place in the address: host and port.
    pub fn place(&self) -> String {
        let url = self.access.url.to_string();
        let place = url
            .split_once("://")
            .map_or(url.as_str(), |(_, place)| place);
        place.split('/').next().unwrap_or_default().to_owned()
    }

    /// The Redis user of the connections.
    pub fn username(&self) -> &str {
        let settings = self.client.get_connection_info().redis_settings();
        settings.username().unwrap_or("default")
    }

    /// The keys of the store at this address.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether scripts may be sent there.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// How connections of this program behave. Replies are timed by the callers, who know what
    /// a missing one means.
    fn settings(connect_timeout: Duration) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_COMMANDS_MAX)
    }

    /// Opens a shared connection, driven by the current runtime, and asks whether it may be used.
    ///
    /// # Errors
    /// [`Error::Busy`]: it cannot be opened, or must not be used. No script has been sent.
    pub async fn connect(&self, connect_timeout: Duration) -> Result<Live> {
        let mut live = self.open(connect_timeout).await?;
        let asking = Greeting::ask(&live, self);
        let asking = timeout(connect_timeout * ROUND_TRIPS_MAX, asking).await;
        let greeting = asking.map_err(|_| self.unreachable("no answer in time"))?;
        self.permit.greeted(&greeting, self);
        greeting.verdict(self)?;
        live.replica = greeting.replica(self);
        live.unversioned = greeting.unversioned(self.keys()).map(Arc::new);
        Ok(live)
    }

    /// Opens a shared connection of which nothing is known yet.
    ///
    /// # Errors
    /// [`Error::Busy`]: nothing has been sent.
    pub async fn open(&self, connect_timeout: Duration) -> Result<Live> {
        let health = Arc::new(Health::default());
        let seen = health.clone();
        let settings = Self::settings(connect_timeout).set_push_sender(move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                seen.lost.store(true, Ordering::Release);
            }
            Ok::<_, redis::aio::SendError>(())
        });
        let departures = self.permit.departures();
        let client = login::with_password(&self.client, &self.access).await?;
        let connecting = client.get_multiplexed_async_connection_with_config(&settings);
        let failed = |e| self.unreachable(format!("{e}{}", login::advice(&self.access, &e)));
        let connection = connecting.await.map_err(failed)?;
        Ok(Live {
            connection,
            health,
            permit: self.permit.clone(),
            opened_at: Instant::now(),
            departures,
            replica: None,
            unversioned: None,
        })
    }
}
