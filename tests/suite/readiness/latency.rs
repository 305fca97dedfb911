//! A Redis that is far away.

use std::time::Duration;

use seckill::domain::sale::StockKind;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::proxy::Proxy;
use crate::support::redis::{PrivateRedis, World};

/// A round trip of 400 ms is long, but shorter than the longest wait of a buyer: the endpoints
/// sell, so the server is ready. All questions take one round trip.
#[tokio::test]
async fn a_server_that_sells_is_ready_however_far_redis_is() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    world.sale("e", StockKind::Counter, 1_000).await;
    let front = Proxy::start(redis.socket()).await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(front.url());
        config.redis.timeout = Duration::from_secs(1);
    });
    let app = app.await;
    front.set_latency(Duration::from_millis(400));
    let since = std::time::Instant::now();
    // The first answers may be late: scripts are loaded.
    for number in 0.. {
        let user = format!("user-{number}");
        if app.buyer.code("/incr", "e", &user, "1").await == "grabbed" {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "it does not sell");
    }
    for _ in 0..3 {
        let ready = app.operator().get("/readyz").await;
        assert_eq!(ready.status, 200, "{}", ready.body);
    }
    app.stop().await;
}
