//! Redis is full: nothing more is sold, but orders can still be confirmed and cancelled.

use futures_util::future::join_all;
use seckill::domain::caller::Caller;
use seckill::domain::order::OrderState;
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::sale::StockKind;
use seckill::failure::Failure;
use seckill::store::orders::holds::Slice;

use crate::support::TIMEOUT;
use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::bindings::openid;
use crate::support::orders::{attempt, expire, held_for};
use crate::support::redis::{PrivateRedis, World};
use crate::support::wechat::{BUSY, Follower, office, on_show, text};

#[tokio::test]
async fn selling_stops_and_settling_goes_on() {
    for kind in [StockKind::List, StockKind::Counter] {
        let redis = PrivateRedis::forgetful();
        let mut world = World::at(redis.url()).await;
        let sale = world.sale("a", kind, 50).await;
        world.hold_for(&sale, 1).await;
        let overdue = world.granted(&sale, "late", 2).await;
        world.put(&sale, &held_for(3_600_000)).await;
        let sold = world.granted(&sale, "sold", 1).await;
        let back = world.granted(&sale, "back", 1).await;
        let _: () = world.run(&["CONFIG", "SET", "maxmemory", "1mb"]).await;

        let refused = {
            let lane = world.store.lane();
            let deadline = tokio::time::Instant::now() + TIMEOUT;
            let asked = [attempt(&sale, "new", 1)];
            lane.sale_grab(&sale, kind.door(), &asked, None, deadline)
                .await
        };
        let Err(Failure::Busy(why)) = refused else {
            panic!("a full Redis sells: {refused:?}");
        };
        assert!(why.contains("OOM"), "{why}");

        let store = &world.store;
        for outcome in [
            store.order_confirm(&sold).await,
            store.order_use(&sold).await,
            store.order_cancel(&back, &Caller::Operator).await,
        ] {
            let outcome = outcome.expect("decided");
            assert!(matches!(outcome, ChangeOutcome::Changed(_)), "{outcome:?}");
        }
        let outcome = expire(store, "a", 10, Slice::First).await;
        assert_eq!(outcome.expect("expired").expired, 1);
        assert_eq!(world.order(&overdue).await.state, OrderState::Expired);
        assert_eq!(world.left(&sale).await, 49);
        world.assert_holds(&sale).await;
    }
}

/// A buyer with an order gets it at the endpoint where they bought. Nobody else is told anything.
#[tokio::test]
async fn a_holder_is_answered_at_the_door() {
    for (door, kind, other) in [
        ("/seckill", StockKind::List, "/incr"),
        ("/incr", StockKind::Counter, "/seckill"),
    ] {
        let redis = PrivateRedis::forgetful();
        let mut world = World::at(redis.url()).await;
        let sale = world.sale("a", kind, 50).await;
        world.put(&sale, &held_for(3_600_000)).await;
        let app = TestApp::start(&world).await;
        let asks = async |door: &str, user: &str, purchase: &str| {
            let fields = [("goods", "a"), ("username", user), ("purchase", purchase)];
            app.buyer.form(door, &fields).await
        };
        let sold = asks(door, "holder", "2").await;
        assert_eq!(sold.result, "grabbed");
        let back = asks(door, "back", "1").await.order().expect("an order");
        let repeated = asks(door, "holder", "1").await;
        assert_eq!(repeated.result, "already_grabbed");
        let _: () = world.run(&["CONFIG", "SET", "maxmemory", "1mb"]).await;

        assert_eq!(asks(door, "holder", "1").await, repeated);
        let cancel = format!("/orders/{back}/cancel");
        let cancelled = app.buyer.form(&cancel, &[("username", "back")]).await;
        assert_eq!(cancelled.result, "cancelled");
        for (door, user, purchase) in [
            (door, "stranger", "1"),
            (door, "back", "1"),
            (door, "holder", "3"),
            (other, "holder", "1"),
        ] {
            let reply = asks(door, user, purchase).await;
            assert_eq!(
                (reply.status, reply.result.as_str()),
                (503, "busy"),
                "{user}"
            );
        }
        // Many at once: each gets their own order.
        let crowd = (0..20).map(|buyer| {
            let user = if buyer % 2 == 0 { "holder" } else { "stranger" };
            let reply = asks(door, user, "1");
            async move { (user, reply.await) }
        });
        for (user, reply) in join_all(crowd).await {
            assert_eq!(reply.order(), repeated.order().filter(|_| user == "holder"));
        }
        let _: () = world.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
        assert_eq!(asks(door, "stranger", "1").await.result, "grabbed");
        world.assert_holds(&sale).await;
        app.stop().await;
    }
}

#[tokio::test]
async fn no_bid_is_accepted_and_one_goes_back() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let loan = world.target("p.loan", 100, &terms(1, 1_000)).await;
    world.set_accounts("p", &[("x", 100), ("y", 100)]).await;
    let app = TestApp::start(&world).await;
    let kept = app.buyer.bid("x", "r", "p.loan", 40).await;
    let back = app.buyer.bid("y", "r", "p.loan", 50).await;
    let back = back.order().expect("an order");
    let _: () = world.run(&["CONFIG", "SET", "maxmemory", "1mb"]).await;

    // The script does not run at all, so buyers are not even told what they have.
    for (user, request, cents) in [("x", "new", 10), ("x", "r", 40)] {
        let reply = app.buyer.bid(user, request, "p.loan", cents).await;
        assert_eq!((reply.status, reply.result.as_str()), (503, "busy"));
        assert_eq!(reply.retry_after.as_deref(), Some("1"));
    }
    let cancel = format!("/orders/{back}/cancel");
    for code in ["cancelled", "already_cancelled"] {
        let reply = app.buyer.form(&cancel, &[("username", "y")]).await;
        assert_eq!(reply.result, code, "{reply:?}");
    }
    assert_eq!(world.left(&loan).await, 60);
    world.assert_holds(&loan).await;

    let _: () = world.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(world.balance("p", "y").await, Some(100));
    let again = app.buyer.bid("x", "r", "p.loan", 40).await;
    assert_eq!(again.result, "already_bid");
    assert_eq!(again.order(), kept.order());
    let new = app.buyer.bid("x", "new", "p.loan", 10).await;
    assert_eq!(new.result, "bid_accepted");
    world.assert_holds(&loan).await;
    app.stop().await;
}

/// The claim of a message stands before everything that is said in the chat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chat_books_and_binds_nothing_and_takes_back() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let app = office(&world).await;
    let holder = world.bound(&app, "o-1", "2019010001").await;
    let buyer = world.bound(&app, "o-2", "2019010002").await;
    let stranger = Follower::new(&app, "o-3");
    let ticket = holder.says("抢票 key").await.ticket();
    let _: () = world.run(&["CONFIG", "SET", "maxmemory", "1mb"]).await;

    assert_eq!(holder.says("取票 key").await.ticket(), ticket);
    assert_eq!(holder.says("退票 key").await.text, "退票成功！");
    let [books, binds] = [text("o-2", "抢票 key"), text("o-3", "绑定 2019010003")];
    let (booked, bound) = tokio::join!(buyer.delivers(&books), stranger.delivers(&binds));
    assert_eq!((booked.text.as_str(), bound.text.as_str()), (BUSY, BUSY));
    let freed = holder.says("解绑").await.text;
    assert!(freed.contains("学号绑定已经解除"), "{freed}");
    assert_eq!(world.left(&sale).await, 5);
    for (who, number) in [("o-1", None), ("o-2", Some("2019010002")), ("o-3", None)] {
        let found = world.store.number_of(&openid(who)).await.expect("read");
        assert_eq!(found.as_ref().map(|found| found.as_str()), number, "{who}");
    }
    world.assert_holds(&sale).await;

    // Nothing was remembered that would be in the way later.
    let _: () = world.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(buyer.says("抢票 key").await.text, "恭喜您，抢票成功！");
    world.assert_holds(&sale).await;
    app.stop().await;
}
