//! The server: everything built from one configuration, run until a signal, stopped in order.

use std::net::SocketAddr;

use crate::config::Config;
use crate::domain::ids::SaleId;
use crate::domain::sale::{EditOutcome, SaleEdit, StockKind};
use crate::error::{Error, Result};
use crate::http::{self, Listening};
use crate::store::Store;
use crate::store::embedded::{EmbeddedRedis, Options};

/// Units that each demo sale is stocked with.
const DEMO_UNITS: u64 = 50;

/// A server that listens, with its private Redis if it has one.
pub struct App {
    listening: Listening,
    embedded: Option<EmbeddedRedis>,
    demo: bool,
}

impl App {
    /// Builds everything. With no `redis.url`, a private Redis is started first, and the demo
    /// sales are made even when `demo` does not ask for them. `signals`: stop on Ctrl-C and TERM.
    ///
    /// # Errors
    /// What cannot be built: the private Redis, the demo sales, the port.
    pub async fn build(config: &Config, demo: bool, signals: bool) -> Result<Self> {
        let embedded = match &config.redis.url {
            Some(_) => None,
            None => Some(start_embedded(config).await?),
        };
        let url = match (&config.redis.url, &embedded) {
            (Some(url), _) => url.clone(),
            (None, Some(redis)) => redis.url(),
            (None, None) => return Err(Error::Embedded("no Redis".to_owned())),
        };
        let store = Store::new(&url, &config.redis.prefix, config.redis.timeout)?;
        let store = store.with_durability(config.durability);
        let demo = demo || embedded.is_some();
        if demo {
            demo_sale(&store, &config.doors.seckill, StockKind::List).await?;
            demo_sale(&store, &config.doors.incr, StockKind::Counter).await?;
        }
        let listening = http::listen(config, &store, signals)?;
        tracing::info!(address = %listening.address, redis = %url, "listening");
        Ok(Self {
            listening,
            embedded,
            demo,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// True when the demo sales exist.
    pub fn has_demo(&self) -> bool {
        self.demo
    }

    /// Stops the server from elsewhere.
    pub fn stopper(&self) -> impl Future<Output = ()> + Send + use<> {
        let handle = self.listening.handle.clone();
        async move { handle.stop(true).await }
    }

    /// Serves until stopped; then open requests are answered and the private Redis is stopped.
    ///
    /// # Errors
    /// What ended the server, or kept the private Redis from stopping.
    pub async fn run(self) -> Result<()> {
        let served = self.listening.server.await;
        tracing::info!("stopping");
        if let Some(redis) = self.embedded {
            blocking(move || redis.stop()).await?;
        }
        served.map_err(|e| Error::Config(format!("the HTTP server ended: {e}")))
    }
}

/// The command `seckill serve`.
///
/// # Errors
/// As [`App::build`] and [`App::run`].
pub async fn serve(config: Config, demo: bool) -> Result<()> {
    let app = App::build(&config, demo, true).await?;
    let address = app.address();
    println!("seckill listens on http://{address}");
    if app.has_demo() {
        println!("\nbuy from the demo sale {}:\n", config.doors.seckill);
        println!("  curl -d username=alice -d purchase=1 http://{address}/seckill\n");
    }
    app.run().await
}

async fn start_embedded(config: &Config) -> Result<EmbeddedRedis> {
    let data_dir = config.data_dir.clone();
    blocking(move || EmbeddedRedis::start(&data_dir, Options::default())).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Error::Embedded(e.to_string()))?
}

async fn demo_sale(store: &Store, id: &SaleId, kind: StockKind) -> Result<()> {
    if store.sale_snapshot(id).await?.is_some() {
        return Ok(());
    }
    let edit = SaleEdit {
        kind: Some(kind),
        title: Some("demo".to_owned()),
        ..SaleEdit::default()
    };
    // Of two servers that start at once, the one that creates the sale stocks it.
    if store.sale_put(id, &edit).await? == EditOutcome::Created {
        store.stock_add_count(id, DEMO_UNITS).await?;
    }
    Ok(())
}
