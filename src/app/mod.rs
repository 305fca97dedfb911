//! The server: everything built from one configuration, run until a signal, stopped in order.

mod demo;
mod signals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;

use self::signals::{StopSignals, stop_in_order};
use crate::config::{AdminToken, Config, Wechat};
use crate::domain::bytes::shown;
use crate::domain::ids::SaleId;
use crate::domain::sale::StockKind;
use crate::error::{Error, Result};
use crate::expirer::Expirer;
use crate::http::{self, Listening};
use crate::memory::MemoryWatch;
use crate::metrics::Metrics;
use crate::private_redis::{self, EmbeddedRedis, MemoryLimit, Options};
use crate::readiness::Readiness;
use crate::relay::Relay;
use crate::store::Store;
use crate::store::replicas::Watch;

/// A server that listens, with its private Redis if it has one.
pub struct App {
    listening: Listening,
    readiness: Readiness,
    expirer: Expirer,
    memory: MemoryWatch,
    relay: Option<Relay>,
    replicas: Option<Watch>,
    embedded: Option<EmbeddedRedis>,
    demo: bool,
    token: AdminToken,
    signals: Option<StopSignals>,
    drain: Duration,
}

impl App {
    /// Builds everything. With no `redis.url`, a private Redis is started first. `demo`: with the
    /// demo sales. `signals`: stop on Ctrl-C and TERM.
    ///
    /// # Errors
    /// What cannot be built: the private Redis, the demo sales, the port.
    pub async fn build(config: &Config, demo: bool, signals: bool) -> Result<Self> {
        let (url, embedded) = match &config.redis.url {
            Some(url) => (url.clone(), None),
            None => {
                let redis = start_embedded(config).await?;
                (redis.url(), Some(redis))
            }
        };
        let store = Store::configured(config, &url)?;
        let replicas = Watch::start(&store, config.redis.replica_gone);
        let readiness = Readiness::start(&store, config.wechat.token.is_some());
        if demo {
            demo::put(&store, &config.doors.seckill, StockKind::List).await?;
            demo::put(&store, &config.doors.incr, StockKind::Counter).await?;
        }
        warn_of_token(config);
        warn_of_office(&config.wechat);
        let token = config.admin.token.clone();
        let token = token.unwrap_or_else(AdminToken::random);
        let metrics = Arc::new(registered()?);
        let relay = match &config.relay.webhook {
            Some(_) => Some(build_relay(config, &store, &metrics)?),
            None => None,
        };
        let listening = http::listen(config, &store, metrics.clone(), &readiness.asker(), &token)?;
        let memory = MemoryWatch::start(&store, metrics.clone())?;
        let expirer = Expirer::start(&store, metrics);
        tracing::info!(address = %listening.address, redis = %url, "listening");
        Ok(Self {
            listening,
            readiness,
            expirer,
            memory,
            relay,
            replicas,
            embedded,
            demo,
            token,
            signals: signals.then(StopSignals::listen).transpose()?,
            drain: config.http.drain,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Where it listens for operators.
    pub fn admin_address(&self) -> SocketAddr {
        let admin = self.listening.admin_address;
        admin.unwrap_or(self.listening.address)
    }

    /// True when the demo sales exist.
    pub fn has_demo(&self) -> bool {
        self.demo
    }

    /// What operators must show: the configured token, or the one that was made up.
    pub fn token(&self) -> &AdminToken {
        &self.token
    }

    /// Stops the server from elsewhere.
    pub fn stopper(&self) -> impl Future<Output = ()> + Send + use<> {
        let handle = self.listening.handle.clone();
        async move { handle.stop(true).await }
    }

    /// Serves until stopped; then open requests are answered, the relay finishes what is in
    /// flight, and the private Redis is stopped.
    ///
    /// # Errors
    /// What ended the server, or kept the private Redis from stopping.
    pub async fn run(self) -> Result<()> {
        let Listening {
            handle, draining, ..
        } = &self.listening;
        if let Some(signals) = self.signals {
            let (handle, draining) = (handle.clone(), draining.clone());
            tokio::spawn(stop_in_order(signals, handle, draining, self.drain));
        }
        let (stop, stopping) = watch::channel(false);
        let relay = self.relay.map(|relay| tokio::spawn(relay.run(stopping)));
        let served = self.listening.server.run().await;
        tracing::info!("stopping");
        self.expirer.stop().await;
        stop.send_replace(true);
        if let Some(relay) = relay {
            let ended = relay.await;
            ended.map_err(|e| Error::Config(format!("the relay ended: {e}")))?;
        }
        // The relay was the last that waited for replicas, and that needed leave to change data.
        drop(self.replicas);
        drop(self.readiness);
        drop(self.memory);
        if let Some(redis) = self.embedded {
            blocking(move || redis.stop()).await?;
        }
        served.map_err(|e| Error::Config(format!("the HTTP server ended: {e}")))
    }
}

/// Takes as many open files as this machine allows: each connection of a client needs one. Shells
/// often start programs with far fewer.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// The command `seckill serve`.
///
/// # Errors
/// As [`App::build`] and [`App::run`].
pub async fn serve(config: Config, demo: bool) -> Result<()> {
    raise_open_files();
    let app = App::build(&config, demo, true).await?;
    let address = app.address();
    println!("seckill listens on http://{address}");
    if config.http.admin_listen.is_some() {
        println!("for operators on http://{}", app.admin_address());
    }
    if app.has_demo() {
        println!("\nbuy from the demo sale {}:\n", config.doors.seckill);
        println!("  curl -d username=alice -d purchase=1 http://{address}/seckill\n");
    }
    if config.wechat.token.is_some() {
        let site = config.wechat.site(address);
        let site = site.as_str();
        println!(
            "the ticket office, for the settings of the platform and for the staff at the door:\n"
        );
        println!("  {site}/wechat\n  {site}/wechat/checkin\n");
    }
    if config.wechat.is_unguarded() {
        println!(
            "WARNING: wechat.ignore_signature is on. Whoever reaches /wechat can book and return"
        );
        println!("tickets for every user. Use it for tests and load plans only.\n");
    }
    if config.admin.token.is_none() {
        println!("the operators' token of this run (set admin.token_file to choose one):\n");
        println!("  {}\n", operators_line(&app, &config.doors.seckill));
    }
    app.run().await
}

/// Warns of an operators' token that others than this machine may guess; `seckill doctor` says how
/// to mend it.
fn warn_of_token(config: &Config) {
    if config.admin.has_short_token(&config.http) {
        tracing::warn!(
            "admin.token is short: someone who reaches this server may find it by trying"
        );
    }
}

/// What whoever runs the ticket office should mend; `seckill doctor` says how.
fn warn_of_office(wechat: &Wechat) {
    if wechat.is_unguarded() {
        tracing::warn!(
            "wechat.ignore_signature is on: whoever reaches /wechat can speak for every user"
        );
    }
    if wechat.has_short_token() {
        tracing::warn!(
            "wechat.token is short: whoever has a link to the binding page may find it by trying"
        );
    }
    if wechat.has_no_site() {
        tracing::warn!(
            "wechat.site is not set: links lead to where this server listens, where phones may not find it"
        );
    }
}

/// The command `seckill relay`: delivers until a signal, then finishes what is in flight; the
/// second signal ends that, too. It waits for a Redis that is away, and never runs one itself:
/// whoever ran the private Redis for as long as a relay runs would keep the server out.
///
/// # Errors
/// What cannot be used of the configuration.
pub async fn relay(config: Config) -> Result<()> {
    let url = match &config.redis.url {
        Some(url) => url.clone(),
        None => private_redis::address(&config.data_dir)?,
    };
    let store = Store::configured(&config, &url)?;
    let _replicas = Watch::start(&store, config.redis.replica_gone);
    let _readiness = Readiness::start(&store, false);
    let relay = Relay::new(store, &config.relay, Arc::new(registered()?))?;
    if let Some(webhook) = &config.relay.webhook {
        println!("seckill delivers the feed to {webhook}");
    }
    let (stop, stopping) = watch::channel(false);
    let delivering = relay.run(stopping);
    let mut signals = StopSignals::listen()?;
    let stopped = async {
        signals.next().await;
        tracing::info!("stopping");
        stop.send_replace(true);
        signals.next().await;
    };
    tokio::select! {
        () = delivering => {}
        () = stopped => {}
    }
    Ok(())
}

/// All metrics, at zero.
fn registered() -> Result<Metrics> {
    Metrics::new().map_err(|e| Error::Config(format!("metrics: {e}")))
}

/// A relay with connections of its own: it must not wait for those of the operators.
fn build_relay(config: &Config, store: &Store, metrics: &Arc<Metrics>) -> Result<Relay> {
    let store = store.clone().with_own_connections()?;
    Relay::new(store, &config.relay, metrics.clone())
}

/// A line that an operator can run: it looks at the demo sale, or creates a sale.
fn operators_line(app: &App, sale: &SaleId) -> String {
    let (address, token) = (app.admin_address(), app.token().expose());
    let bearer = format!("-H 'Authorization: Bearer {token}'");
    let url = format!("http://{address}/admin/sales/{sale}");
    if app.has_demo() {
        return format!("curl {bearer} {url}/audit");
    }
    let json = "-H 'Content-Type: application/json' -d '{\"kind\":\"list\"}'";
    format!("curl -X PUT {bearer} {json} {url}")
}

async fn start_embedded(config: &Config) -> Result<EmbeddedRedis> {
    let data_dir = config.data_dir.clone();
    let max = config.redis.maxmemory.unwrap_or_default();
    let limit = MemoryLimit::here(max);
    let start = move || EmbeddedRedis::start(&data_dir, Options::within(limit));
    let started = blocking(start).await?;
    let of = limit.of.map_or("an unknown size".to_owned(), shown);
    match limit.bytes {
        0 => tracing::warn!(%max, "no limit of memory for the private Redis; there are {of}"),
        bytes => {
            let may = shown(bytes);
            tracing::info!(%max, "the private Redis may use {may} of memory; there are {of}");
        }
    }
    Ok(started)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Error::PrivateRedis(e.to_string()))?
}
