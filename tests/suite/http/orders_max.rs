//! A buyer grabs and cancels until the sale allows no more orders, at each door.

use std::time::{Duration, Instant};

use seckill::domain::ids::OrderId;
use seckill::domain::sale::{SaleEdit, StockKind};
use seckill::store::orders::holds::Slice;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::orders::{at_most, expire, held_for};
use crate::support::redis::{World, sale_id};
use crate::support::wechat::{FAR, on_show, open};

const REFUSED: &str = "您在本场抢购中的订单次数已达上限。";

/// A server with two sales that hold orders, one of each kind, and its strictness.
async fn shop(strict: bool) -> (World, TestApp) {
    let world = World::new().await;
    world.held_sale("e.list", StockKind::List, 50).await;
    world.held_sale("e.cup", StockKind::Counter, 50).await;
    let app = TestApp::with(&world, |config| {
        config.http.strict_status = strict;
        open(config);
    });
    let app = app.await;
    (world, app)
}

async fn cancel(app: &TestApp, order: &str, user: &str) {
    let path = format!("/orders/{order}/cancel");
    let reply = app.buyer.form(&path, &[("username", user)]).await;
    assert_eq!(reply.result, "cancelled", "{reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_20_cancels_a_door_refuses_this_buyer_alone() {
    for (strict, status) in [(false, 200), (true, 409)] {
        let (world, app) = shop(strict).await;
        for (path, goods) in [("/seckill", "e.list"), ("/incr", "e.cup")] {
            let fields = |user| [("username", user), ("purchase", "1"), ("goods", goods)];
            for _ in 0..20 {
                let reply = app.buyer.form(path, &fields("x")).await;
                assert_eq!(reply.told(), (200, "grabbed"));
                cancel(&app, &reply.order().expect("an order"), "x").await;
            }
            for _ in 0..3 {
                let reply = app.buyer.form(path, &fields("x")).await;
                let body = format!(
                    r#"{{"code":"too_many_orders","message":"{REFUSED}","goods":"{goods}"}}"#
                );
                assert_eq!((reply.status, reply.body), (status, body));
                assert_eq!(reply.result, "too_many_orders");
            }
            let reply = app.buyer.form(path, &fields("y")).await;
            assert_eq!(reply.result, "grabbed", "another buyer is not affected");
            let english = [("accept-language", "en"), ("accept", "text/plain")];
            let form = [("content-type", "application/x-www-form-urlencoded")];
            let body = format!("username=x&purchase=1&goods={goods}").into_bytes();
            let headers = [&english[..], &form].concat();
            let told = app.buyer.send("POST", path, &headers, body).await;
            assert_eq!(
                told.body,
                "You have had as many orders of this sale as it allows."
            );
        }
        let counted = "seckill_attempts_total{by=\"redis\",outcome=\"too_many_orders\"} 8\n";
        let metrics = app.buyer.metrics().await;
        assert!(metrics.contains(counted), "{metrics}");

        // The limit is raised while the sale runs.
        let operator = app.operator();
        let put = r#"{"orders_max":21}"#;
        let shown = operator.json("PUT", "/admin/sales/e.cup", put).await.json();
        assert_eq!(shown["orders_max"], 21);
        assert_eq!(app.buyer.code("/incr", "e.cup", "x", "1").await, "grabbed");
        let again = app.buyer.code("/incr", "e.cup", "x", "1").await;
        assert_eq!(again, "already_grabbed");
        let shown = operator
            .json("PUT", "/admin/sales/e.list", r#"{"orders_max":null}"#)
            .await
            .json();
        assert!(shown["orders_max"].is_null(), "{shown}");
        assert_eq!(
            app.buyer.code("/seckill", "e.list", "x", "1").await,
            "grabbed"
        );
        for wrong in ["0", "1000001", "\"none\"", "1.5", "-1"] {
            let put = format!(r#"{{"orders_max":{wrong}}}"#);
            let reply = operator.json("PUT", "/admin/sales/e.cup", &put).await;
            assert_eq!(reply.told(), (400, "invalid_request"));
            assert!(reply.body.contains("orders_max: "), "{}", reply.body);
        }
        for sale in ["e.list", "e.cup"] {
            world.assert_holds(&sale_id(sale)).await;
        }
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_20_cancels_a_basket_is_refused_and_says_by_which_sale() {
    for strict in [false, true] {
        let (world, app) = shop(strict).await;
        let sales = ["e.list", "e.cup"].map(sale_id);
        world.put(&sales[0], &at_most(None)).await;
        let lines = [("e.list", 1), ("e.cup", 2)];
        for round in 0..20 {
            let reply = app.buyer.place("x", &format!("r{round}"), &lines).await;
            assert_eq!(reply.told(), (201, "grabbed"));
            cancel(&app, &reply.order().expect("an order"), "x").await;
        }
        let reply = app.buyer.place("x", "again", &lines).await;
        assert_eq!(reply.told(), (409, "too_many_orders"));
        let body = reply.json();
        assert_eq!(
            (&body["goods"], &body["detail"]),
            (&"e.cup".into(), &REFUSED.into())
        );
        // A request of before keeps its answer, and the other sale has room.
        let before = app.buyer.place("x", "r7", &lines).await;
        assert_eq!(before.result, "already_grabbed");
        let other = app.buyer.place("x", "other", &[("e.list", 1)]).await;
        assert_eq!(other.status, 201);
        assert_eq!(
            app.buyer.code("/incr", "e.cup", "x", "1").await,
            "too_many_orders"
        );
        assert_eq!(app.buyer.place("y", "r", &lines).await.status, 201);
        for sale in &sales {
            world.assert_holds(sale).await;
        }
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_20_tickets_given_back_the_office_says_so() {
    for strict in [false, true] {
        let (world, app) = shop(strict).await;
        let edit = SaleEdit {
            cancel_until: Some(Some(FAR)),
            ..on_show("key")
        };
        let show = world.activity("show", 2, &edit).await;
        // The chat books what the catalogue shows.
        let since = Instant::now();
        while app.buyer.get("/sales/show").await.status != 200 {
            assert!(since.elapsed() < PATIENCE, "it is not shown");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let x = world.bound(&app, "o-x", "2019010001").await;
        let y = world.bound(&app, "o-y", "2019010002").await;
        for _ in 0..20 {
            assert_eq!(x.says("抢票 key").await.text, "恭喜您，抢票成功！");
            assert_eq!(x.says("退票 key").await.text, "退票成功！");
        }
        assert_eq!(x.says("抢票 key").await.text, "退票次数已达上限");
        let clicked = x.clicks("BOOKING_ACTIVITY_show").await;
        assert_eq!(clicked.text, "退票次数已达上限");
        assert_eq!(y.says("抢票 key").await.text, "恭喜您，抢票成功！");
        world.put(&show, &at_most(Some(21))).await;
        assert_eq!(x.says("抢票 key").await.text, "恭喜您，抢票成功！");
        world.assert_holds(&show).await;
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_expired_counts_as_well() {
    let (world, app) = shop(false).await;
    let sale = world.held_sale("late", StockKind::Counter, 5).await;
    world.put(&sale, &at_most(Some(2))).await;
    world.put(&sale, &held_for(1_000)).await;
    for round in 0..2 {
        let grabbed = app.buyer.form(
            "/incr",
            &[("username", "x"), ("purchase", "1"), ("goods", "late")],
        );
        let order = grabbed
            .await
            .order()
            .unwrap_or_else(|| panic!("round {round}"));
        let order = OrderId::parse(&order).expect("an order id");
        // The server's own expirer may be first; which of them it was makes no difference.
        let deadline = Instant::now() + PATIENCE;
        while world.order(&order).await.state.is_alive() {
            assert!(Instant::now() < deadline, "it never expires");
            expire(&world.store, "late", 9, Slice::First)
                .await
                .expect("answered");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let told = app.buyer.code("/incr", "late", "x", "1").await;
    assert_eq!(told, "too_many_orders");
    assert_eq!(app.buyer.code("/incr", "late", "y", "1").await, "grabbed");
    app.stop().await;
    world.assert_holds(&sale).await;
}
