//! Redis forgets scripts at a restart or a flush. Nobody notices, and nothing runs twice.

use seckill::domain::sale::StockKind;

use crate::support::app::TestApp;
use crate::support::redis::{PrivateRedis, World};

#[tokio::test]
async fn flushed_scripts_are_loaded_once_and_nothing_runs_twice() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.sale("a", StockKind::List, 50).await;
    let app = TestApp::with(&world, |config| config.http.workers = 1).await;
    assert_eq!(
        app.buyer.code("/seckill", "a", "warm", "1").await,
        "grabbed"
    );
    for round in 0..5 {
        let _: () = world.run(&["SCRIPT", "FLUSH"]).await;
        let _: () = world.run(&["CONFIG", "RESETSTAT"]).await;
        for number in 0..3 {
            let user = format!("user-{round}-{number}");
            assert_eq!(app.buyer.code("/seckill", "a", &user, "1").await, "grabbed");
        }
        // Three answers, one refused call before the load: no grab ran twice.
        assert_eq!(world.calls("script|load").await, 1);
        assert_eq!(world.calls("evalsha").await, 4);
        assert_eq!(world.calls("lpop").await, 3);
    }
    world.assert_holds(&sale).await;
    app.stop().await;
}
