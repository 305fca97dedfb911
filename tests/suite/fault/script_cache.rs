//! Redis loses its scripts at a restart or a flush. Clients do not notice, and nothing runs twice.

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
        let _: () = world.run(&["CONFIG", "RESETSTAT"]).await;
        let _: () = world.run(&["SCRIPT", "FLUSH"]).await;
        for number in 0..3 {
            let user = format!("user-{round}-{number}");
            assert_eq!(app.buyer.code("/seckill", "a", &user, "1").await, "grabbed");
        }
        // The server also asks each second whether it is ready, with two scripts. Each call that
        // Redis refused is followed by one load: a refusal may be before the count began, or a
        // load still to come. No grab ran twice.
        let stats: String = world.run(&["INFO", "commandstats", "errorstats"]).await;
        let count = |head: &str| -> u64 {
            let line = stats.lines().find_map(|line| line.strip_prefix(head));
            let digits = line.and_then(|line| line.split([',', '\r']).next());
            digits.map_or(0, |digits| digits.parse().expect("a number"))
        };
        let loads = count("cmdstat_script|load:calls=");
        let refused = count("errorstat_NOSCRIPT:count=");
        assert!(
            loads >= 1 && (loads..=loads + 1).contains(&refused),
            "{stats}"
        );
        assert_eq!(count("cmdstat_lpop:calls="), 3, "{stats}");
    }
    world.assert_holds(&sale).await;
    app.stop().await;
}
