//! How it is spoken: the only user of actix-web.
//!
//! A handler is three steps: read the request into domain types, one call, one answer.

mod admin;
pub mod answer;
pub mod attempt;
mod bid;
mod bid_request;
mod doors;
pub mod fault;
mod fields;
mod form;
mod headers;
mod metrics;
pub mod negotiate;
mod operator;
mod orders;
mod pages;
mod place;
mod placement;
mod probes;
mod problem;
pub mod routes;
mod sales;
mod socket;
mod standstill;
mod token;
mod turns;
mod wechat;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::dev::Server;
pub use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};

use self::standstill::Standstill;
use self::token::Token;
use self::turns::Turns;
use self::wechat::TicketOffice;
use crate::admission::Admission;
use crate::admission::gate::Gates;
use crate::admission::memory::Memory;
use crate::admission::names::{Names, READING_AGE_MAX};
use crate::catalogue::Catalogue;
use crate::config::{AdminToken, Config, Doors};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::readiness::Asker;
use crate::store::Store;
use crate::wechat::links::Links;
use crate::wechat::office::{Account, Office};
use crate::wechat::seal::Sealer;
use crate::wechat::signature::Guard;

/// How long an idle connection is kept: longer than the proxies in front usually do.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Longest wait for open requests when the server stops, beyond that of a buyer for Redis.
const SHUTDOWN_MARGIN_SECONDS: u64 = 10;
/// Most open connections of one worker.
const CONNECTIONS_PER_WORKER_MAX: usize = 25_000;

/// What the handlers of one worker need.
struct Context {
    admission: Arc<Admission>,
    store: Store,
    gates: Arc<Gates>,
    metrics: Arc<Metrics>,
    catalogue: Catalogue,
    readiness: Asker,
    doors: Doors,
    strict_status: bool,
    token: Arc<Token>,
    draining: Arc<AtomicBool>,
    standstill: Arc<Standstill>,
    turns: Turns,
    /// None without a token of the platform.
    tickets: Option<TicketOffice>,
}

/// A server that listens; nothing is accepted before it is awaited.
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    /// Stops it from elsewhere.
    pub handle: ServerHandle,
    /// When true, the server says that it is not ready, and serves on.
    pub draining: Arc<AtomicBool>,
    /// Runs it until it is stopped.
    pub server: Server,
}

/// What all workers of the server share.
struct Shared {
    gates: Arc<Gates>,
    memory: Arc<Memory>,
    names: Arc<Names>,
    metrics: Arc<Metrics>,
    catalogue: Catalogue,
    readiness: Asker,
    doors: Doors,
    strict_status: bool,
    timeout: Duration,
    token: Arc<Token>,
    draining: Arc<AtomicBool>,
    turns: Turns,
    opened: Option<(Guard, Arc<Account>)>,
}

impl Shared {
    /// What one worker needs, with connections and a queue of its own.
    fn context(&self, store: &Store) -> Context {
        let store = store.clone().with_own_lanes();
        let (gates, memory, metrics) = (&self.gates, self.memory.clone(), &self.metrics);
        let admission = Admission::start(
            &store,
            gates.clone(),
            memory,
            self.names.clone(),
            metrics.clone(),
            self.timeout,
        );
        let admission = Arc::new(admission);
        let tickets = self.opened.clone().map(|(guard, account)| TicketOffice {
            guard,
            office: Office {
                admission: admission.clone(),
                store: store.clone(),
                catalogue: self.catalogue.clone(),
                metrics: metrics.clone(),
                account,
            },
        });
        Context {
            admission,
            store,
            gates: gates.clone(),
            metrics: metrics.clone(),
            catalogue: self.catalogue.clone(),
            readiness: self.readiness.clone(),
            doors: self.doors.clone(),
            strict_status: self.strict_status,
            token: self.token.clone(),
            draining: self.draining.clone(),
            standstill: Standstill::watch(),
            turns: self.turns.clone(),
            tickets,
        }
    }
}

/// Opens the port. What happens is counted in `metrics`, and told by `GET /metrics`; `readiness`
/// answers `GET /readyz`; `token` is what operators must show.
///
/// # Errors
/// [`Error::Config`] when the address cannot be listened on.
pub fn listen(
    config: &Config,
    store: &Store,
    metrics: Arc<Metrics>,
    readiness: &Asker,
    token: &AdminToken,
) -> Result<Listening> {
    let (store, timeout) = (store.clone(), config.redis.timeout);
    let draining = Arc::<AtomicBool>::default();
    let catalogue = Catalogue::start(store.clone(), timeout);
    let read = catalogue.clone();
    let listed = move |sale: &_| read.has(sale, READING_AGE_MAX);
    let shared = Shared {
        gates: Arc::default(),
        memory: Arc::new(Memory::new(config.redis.on_forgot, metrics.clone())),
        metrics: metrics.clone(),
        names: Arc::new(Names::new(listed, metrics.clone())),
        catalogue,
        readiness: readiness.clone(),
        doors: config.doors.clone(),
        strict_status: config.http.strict_status,
        timeout,
        token: Arc::new(Token::new(token, metrics)),
        draining: draining.clone(),
        turns: Turns::default(),
        opened: open_office(config),
    };
    let shared = Arc::new(shared);
    let failed = |e| Error::Config(format!("cannot listen on {}: {e}", config.http.listen));
    // Called once by each worker, on its thread: so each has its own queue and lane.
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(shared.context(&store)))
            .configure(routes::configure)
    });
    let server = server
        .workers(config.http.workers)
        .backlog(config.http.backlog)
        .max_connections(CONNECTIONS_PER_WORKER_MAX)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(timeout.as_secs() + SHUTDOWN_MARGIN_SECONDS)
        .on_connect(socket::keep)
        .disable_signals()
        .tcp_nodelay(true)
        .bind(config.http.listen)
        .map_err(failed)?;
    let address = server
        .addrs()
        .first()
        .copied()
        .unwrap_or(config.http.listen);
    let server = server.run();
    Ok(Listening {
        address,
        handle: server.handle(),
        draining,
        server,
    })
}

/// Who watches the door of the ticket office, and what its account says of itself; `None` without
/// a token of the platform.
fn open_office(config: &Config) -> Option<(Guard, Arc<Account>)> {
    let wechat = &config.wechat;
    let token = wechat.token.as_ref()?;
    let guard = Guard::new(token.clone(), wechat.ignore_signature);
    let account = Account {
        name: wechat.name.clone(),
        links: Links::new(wechat.site(config.http.listen), Sealer::new(token)),
        number_pattern: wechat.number_pattern.clone(),
    };
    Some((guard, Arc::new(account)))
}
