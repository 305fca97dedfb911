//! How it is spoken: the only user of actix-web.
//!
//! A handler is three steps: read the request into domain types, one call, one answer.

pub mod answer;
pub mod attempt;
mod doors;
pub mod fault;
mod form;
mod metrics;
pub mod negotiate;
mod order_view;
mod place;
mod placement;
mod probes;
mod problem;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpServer, web};

use crate::admission::Admission;
use crate::admission::gate::Gates;
use crate::config::{Config, Doors};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::store::Store;

/// How long an idle connection is kept: longer than the proxies in front usually do.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Longest wait for open requests when the server stops.
const SHUTDOWN_TIMEOUT_SECONDS: u64 = 10;
/// Most open connections of one worker.
const CONNECTIONS_PER_WORKER_MAX: usize = 25_000;

/// What the handlers of one worker need.
struct Context {
    admission: Admission,
    store: Store,
    gates: Arc<Gates>,
    metrics: Arc<Metrics>,
    doors: Doors,
    strict_status: bool,
}

/// A server that listens; nothing is accepted before it is awaited.
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    /// Stops it from elsewhere.
    pub handle: ServerHandle,
    /// Runs it until it is stopped.
    pub server: Server,
}

/// Opens the port. What happens is counted in `metrics`, and told by `GET /metrics`.
///
/// # Errors
/// [`Error::Config`] when the address cannot be listened on.
pub fn listen(config: &Config, store: &Store, metrics: Arc<Metrics>) -> Result<Listening> {
    let (doors, strict_status) = (config.doors.clone(), config.http.strict_status);
    let (store, timeout) = (store.clone(), config.redis.timeout);
    let gates = Arc::new(Gates::default());
    let failed = |e| Error::Config(format!("cannot listen on {}: {e}", config.http.listen));
    // Called once by each worker, on its thread: so each has its own queue and lane.
    let server = HttpServer::new(move || {
        let context = Context {
            admission: Admission::start(&store, gates.clone(), metrics.clone(), timeout),
            store: store.clone(),
            gates: gates.clone(),
            metrics: metrics.clone(),
            doors: doors.clone(),
            strict_status,
        };
        App::new()
            .app_data(web::Data::new(context))
            .configure(routes)
    });
    let server = server
        .workers(config.http.workers)
        .backlog(config.http.backlog)
        .max_connections(CONNECTIONS_PER_WORKER_MAX)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS)
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
        server,
    })
}

/// Every path that this server knows.
fn routes(config: &mut web::ServiceConfig) {
    let path = |path| web::resource(path).default_service(web::to(problem::method_not_allowed));
    // Load balancers look with HEAD.
    let probe = |at, get, head| path(at).route(get).route(head);
    config
        .service(path("/seckill").route(web::post().to(doors::seckill)))
        .service(path("/incr").route(web::post().to(doors::incr)))
        .service(path("/orders").route(web::post().to(place::place)))
        .service(probe(
            "/healthz",
            web::get().to(probes::healthz),
            web::head().to(probes::healthz),
        ))
        .service(path("/metrics").route(web::get().to(metrics::metrics)))
        .service(probe(
            "/readyz",
            web::get().to(probes::readyz),
            web::head().to(probes::readyz),
        ))
        .default_service(web::to(problem::not_found));
}
