//! The HTTP server. It is the only user of actix-web.
//!
//! A handler is three steps: read the request into domain types, one call, one answer.

mod admin;
mod buyer;
mod caller;
mod connection;
mod context;
pub mod extract;
mod probes;
pub mod respond;
pub mod routes;
mod serving;
mod standstill;
mod turns;
mod wechat;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_service::IntoServiceFactory;
use actix_web::dev::Server;
use actix_web::{App, web};
use rustix::process::{Resource, getrlimit};

pub use self::buyer::grab::AttemptRequest;
use self::buyer::listing::Listings;
use self::caller::token::Token;
use self::connection::{Addresses, Limits, entrance};
use self::context::{Context, Face, TicketOffice};
pub use self::serving::{Handle, Serving};
use self::standstill::Standstill;
use self::turns::Turns;
use crate::admission::Admission;
use crate::admission::gate::Gates;
use crate::admission::memory::Memory;
use crate::admission::names::{Names, READING_AGE_MAX};
use crate::catalogue::Catalogue;
use crate::config::{AdminToken, Config, Doors, Http};
use crate::error::{Error, Result};
use crate::figures::Figures;
use crate::metrics::Metrics;
use crate::readiness::Asker;
use crate::store::Store;
use crate::wechat::links::Links;
use crate::wechat::office::{Account, Office};
use crate::wechat::seal::Sealer;
use crate::wechat::signature::Guard;

/// Longest wait for open requests when the server stops, in addition to a buyer's wait for Redis.
const SHUTDOWN_MARGIN_SECONDS: u64 = 10;
/// Most connections at the operators' address, if there is one.
const OPERATORS_CONNECTIONS_MAX: usize = 128;

/// A server that listens. It accepts nothing before it is awaited.
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it listens for operators, if that is another address.
    pub admin_address: Option<SocketAddr>,
    /// Stops it from elsewhere.
    pub handle: Handle,
    /// If true, the server says that it is not ready, and goes on serving.
    pub draining: Arc<AtomicBool>,
    /// Runs it until it is stopped.
    pub server: Serving,
}

/// What all workers of the server share.
struct Shared {
    gates: Arc<Gates>,
    memory: Arc<Memory>,
    names: Arc<Names>,
    metrics: Arc<Metrics>,
    catalogue: Catalogue,
    listings: Listings,
    figures: Figures,
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
    fn context(&self, store: &Store, face: Face) -> Context {
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
            metrics: metrics.clone(),
            catalogue: self.catalogue.clone(),
            listings: self.listings.clone(),
            figures: self.figures.clone(),
            readiness: self.readiness.clone(),
            doors: self.doors.clone(),
            strict_status: self.strict_status,
            face,
            token: self.token.clone(),
            draining: self.draining.clone(),
            standstill: Standstill::watch(),
            turns: self.turns.clone(),
            tickets,
        }
    }
}

/// Opens the ports. Events are counted in `metrics`, which `GET /metrics` shows. `readiness`
/// answers `GET /readyz`. `token` is what operators must send.
///
/// # Errors
/// [`Error::Config`]: an address cannot be listened on.
pub fn listen(
    config: &Config,
    store: &Store,
    metrics: Arc<Metrics>,
    readiness: &Asker,
    token: &AdminToken,
) -> Result<Listening> {
    let timeout = config.redis.timeout;
    let draining = Arc::<AtomicBool>::default();
    let gates = Arc::<Gates>::default();
    let lookers = store.clone().for_lookers()?;
    let catalogue = Catalogue::start(lookers.clone(), timeout);
    let read = catalogue.clone();
    let listed = move |sale: &_| read.has(sale, READING_AGE_MAX);
    let shared = Arc::new(Shared {
        gates: gates.clone(),
        memory: Arc::new(Memory::new(config.redis.on_forgot, metrics.clone())),
        names: Arc::new(Names::new(listed, metrics.clone(), timeout / 2)),
        metrics: metrics.clone(),
        listings: Listings::start(catalogue.clone(), timeout),
        figures: Figures::start(lookers, catalogue.clone(), metrics.clone(), gates),
        catalogue,
        readiness: readiness.clone(),
        doors: config.doors.clone(),
        strict_status: config.http.strict_status,
        timeout,
        token: Arc::new(Token::new(token, metrics)),
        draining: draining.clone(),
        turns: Turns::default(),
        opened: open_office(config),
    });
    let (public, admin) = match config.http.admin_listen {
        None => (open(config, store, &shared, Face::Everyone)?, None),
        Some(_) => (
            open(config, store, &shared, Face::Public)?,
            Some(open(config, store, &shared, Face::Operators)?),
        ),
    };
    let (address, public) = public;
    let (admin_address, admin) = admin.unzip();
    let server = Serving::of([Some(public), admin].into_iter().flatten());
    Ok(Listening {
        address,
        admin_address,
        handle: server.handle(),
        draining,
        server,
    })
}

/// Opens the port of one face.
fn open(
    config: &Config,
    store: &Store,
    shared: &Arc<Shared>,
    face: Face,
) -> Result<(SocketAddr, Server)> {
    let http = &config.http;
    let (listen, workers) = match (face, http.admin_listen) {
        // Operators are few, and one worker has connections of its own.
        (Face::Operators, Some(admin)) => (admin, 1),
        _ => (http.listen, http.workers),
    };
    let failed = |e| Error::Config(format!("cannot listen on {listen}: {e}"));
    let listener = connection::bind(listen, http.backlog).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let limits = limits(http, face);
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(limits.places)
        .shutdown_timeout(shared.timeout.as_secs() + SHUTDOWN_MARGIN_SECONDS)
        .disable_signals();
    let (store, shared) = (store.clone(), shared.clone());
    let stopping = builder.graceful_shutdown_signal();
    // Called once by each worker, on its thread: so each has its own queue and lane.
    let worker = move || {
        let application = App::new()
            .app_data(web::Data::new(shared.context(&store, face)))
            .configure(|config| routes::configure(config, face));
        let stopping = stopping.clone();
        let stopped = move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        };
        let metrics = shared.metrics.clone();
        entrance(application.into_factory(), limits.clone(), metrics, stopped)
    };
    let server = builder.listen("seckill", listener, worker);
    Ok((address, server.map_err(failed)?.run()))
}

/// How many connections each worker may have: as many as the open files of this process allow. An
/// operators' address gets an eighth of them, up to a limit.
fn limits(http: &Http, face: Face) -> Limits {
    let files = getrlimit(Resource::Nofile).current;
    let places = connection::places(files);
    let operators = match http.admin_listen {
        Some(_) => (places / 8).clamp(1, OPERATORS_CONNECTIONS_MAX),
        None => 0,
    };
    if face == Face::Operators {
        return Limits {
            places: operators,
            addresses: None,
        };
    }
    let places = connection::of_worker(places - operators, http.workers);
    let proxies = http.trusted_proxies.clone();
    let per_address = http.connections_per_address;
    Limits {
        places,
        addresses: per_address.map(|most| Addresses::new(most, proxies)),
    }
}

/// The ticket office with its check of signatures, and the account for its pages; `None` without a
/// token of the platform.
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
