//! Redis is full: nothing more is sold, and what was sold is settled all the same.

use std::time::Duration;

use seckill::domain::change::ChangeOutcome;
use seckill::domain::order::OrderState;
use seckill::domain::sale::StockKind;
use seckill::error::Error;
use seckill::store::holds::Slice;

use crate::support::orders::{attempt, held_for};
use crate::support::redis::{PrivateRedis, World};

#[tokio::test]
async fn selling_stops_and_settling_goes_on() {
    for kind in [StockKind::List, StockKind::Counter] {
        let redis = PrivateRedis::forgetful();
        let mut world = World::at(redis.url()).await;
        let sale = world.sale("a", kind, 50).await;
        world.put(&sale, &held_for(1)).await;
        let overdue = world.granted(&sale, "late", 2).await;
        world.put(&sale, &held_for(3_600_000)).await;
        let sold = world.granted(&sale, "sold", 1).await;
        let back = world.granted(&sale, "back", 1).await;
        let _: () = world.run(&["CONFIG", "SET", "maxmemory", "1mb"]).await;

        let refused = {
            let lane = world.store.lane();
            let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
            let asked = [attempt(&sale, "new", 1)];
            lane.sale_grab(&sale, kind.door(), &asked, deadline).await
        };
        let Err(Error::Busy(why)) = refused else {
            panic!("a full Redis sells: {refused:?}");
        };
        assert!(why.contains("OOM"), "{why}");

        let store = &world.store;
        for outcome in [
            store.order_confirm(&sold).await,
            store.order_use(&sold).await,
            store.order_cancel(&back, None).await,
        ] {
            let outcome = outcome.expect("decided");
            assert!(matches!(outcome, ChangeOutcome::Changed(_)), "{outcome:?}");
        }
        let outcome = store.order_expire("a", 10, Slice::First).await;
        assert_eq!(outcome.expect("expired").expired, 1);
        assert_eq!(world.order(&overdue).await.state, OrderState::Expired);
        assert_eq!(world.left(&sale).await, 49);
        world.assert_holds(&sale).await;
    }
}
