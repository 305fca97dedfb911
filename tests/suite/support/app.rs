//! The real server, in this process, on a free port.

use seckill::app::App;
use seckill::config::{AdminToken, Config, RedisUrl};
use tokio::task::JoinHandle;

use super::TIMEOUT;
use super::buyer::Buyer;
use super::operator::{Operator, TOKEN};
use super::redis::World;

/// A place where nothing listens.
pub const NO_REDIS: &str = "redis://127.0.0.1:1";

/// A server on the world's Redis and prefix; stops with [`TestApp::stop`].
pub struct TestApp {
    pub buyer: Buyer,
    /// Someone at the operators' address, which is that of buyers unless it is configured.
    pub watcher: Buyer,
    server: JoinHandle<()>,
    stopper: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl TestApp {
    pub async fn start(world: &World) -> Self {
        Self::with(world, |_| {}).await
    }

    pub async fn with(world: &World, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config_for(&world.url, &world.prefix);
        change(&mut config);
        let app = App::build(&config, false, false)
            .await
            .expect("the server starts");
        let buyer = Buyer::new(app.address());
        let watcher = Buyer::new(app.admin_address());
        let stopper = Box::pin(app.stopper());
        let server = tokio::spawn(async move { app.run().await.expect("runs to its end") });
        Self {
            buyer,
            watcher,
            server,
            stopper,
        }
    }

    /// Two servers of one shop.
    pub async fn two(world: &World) -> [Self; 2] {
        [Self::start(world).await, Self::start(world).await]
    }

    /// A server that cannot reach its Redis.
    pub async fn without_redis(world: &World) -> Self {
        let nowhere = |config: &mut Config| config.redis.url = Some(RedisUrl::new(NO_REDIS));
        Self::with(world, nowhere).await
    }

    /// Someone who has the operators' token of this server.
    pub fn operator(&self) -> Operator {
        Operator::new(&self.buyer, TOKEN)
    }

    pub async fn stop_all(servers: impl IntoIterator<Item = Self>) {
        for server in servers {
            server.stop().await;
        }
    }

    pub async fn stop(self) {
        drop((self.buyer, self.watcher));
        self.stopper.await;
        self.server.await.expect("stopped");
    }
}

pub fn config_for(url: &RedisUrl, prefix: &str) -> Config {
    let mut config = Config::default();
    config.http.listen = ([127, 0, 0, 1], 0).into();
    config.http.workers = 2;
    config.redis.url = Some(url.clone());
    config.redis.prefix = prefix.to_owned();
    config.redis.timeout = TIMEOUT;
    config.admin.token = AdminToken::parse(TOKEN).ok();
    config
}
