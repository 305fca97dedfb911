//! `http.admin_listen`: what is for operators is there, and nowhere else.

use seckill::domain::sale::StockKind;
use seckill::http::routes;

use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::operator::{Operator, TOKEN};
use crate::support::redis::World;
use crate::support::wechat;

/// Routes that only operators find, once they have an address of their own: all of `/admin`, and
/// these.
const WATCHED: [&str; 1] = ["/metrics"];

/// What an address says to a request that shows the token: its status, and whether there is such a
/// path.
async fn answer(buyer: &Buyer, method: &str, path: &str) -> (u16, bool) {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let response = buyer.begin(method, path, &headers, Vec::new()).await;
    let result = response.headers().get("x-seckill-result");
    let is_there = result.is_none_or(|result| result != "not_found");
    (response.status().as_u16(), is_there)
}

#[tokio::test]
async fn each_route_is_where_it_belongs() {
    let world = World::new().await;
    world.sale("a", StockKind::List, 5).await;
    let app = TestApp::with(&world, |config| {
        wechat::open(config);
        config.http.admin_listen = Some(([127, 0, 0, 1], 0).into());
    });
    let app = app.await;
    assert_ne!(app.buyer.address(), app.watcher.address());
    let mut seen = 0;
    for (method, path) in routes::all() {
        let is_operators = path.starts_with("/admin") || WATCHED.contains(&path.as_str());
        let path = path.replace("{id}", "a").replace("{event}", "a");
        let path = path.replace("{user}", "x");
        let (_, public) = answer(&app.buyer, &method, &path).await;
        assert_eq!(public, !is_operators, "{method} {path} for everybody");
        let (_, admin) = answer(&app.watcher, &method, &path).await;
        assert!(admin, "{method} {path} for operators");
        seen += usize::from(is_operators);
    }
    assert!(seen > 10, "{seen} routes of operators");
    // Nothing of it is there: no guard, no method, with the token or without.
    for path in ["/admin", "/admin/", "/admin/nothing", "/metrics"] {
        for method in ["GET", "PUT", "DELETE"] {
            let reply = app.buyer.send(method, path, &[], Vec::new()).await;
            assert_eq!(reply.told(), (404, "not_found"), "{path}");
        }
    }
    let refused = app.watcher.get("/admin/nothing").await;
    assert_eq!(refused.result, "unauthorized");
    let operator = Operator::new(&app.watcher, TOKEN);
    let paused = operator.post("/admin/sales/a/pause").await;
    assert_eq!(paused.result, "paused");
    let seen = app.buyer.get("/sales/a").await.json();
    assert_eq!(seen["phase"], "paused", "one server");
    app.stop().await;
}

#[tokio::test]
async fn with_one_address_everything_is_there() {
    let world = World::new().await;
    world.sale("a", StockKind::List, 5).await;
    let app = TestApp::start(&world).await;
    assert_eq!(app.buyer.address(), app.watcher.address());
    for path in ["/metrics", "/sales", "/readyz", "/healthz"] {
        assert_eq!(app.buyer.get(path).await.status, 200, "{path}");
    }
    assert_eq!(app.buyer.get("/admin").await.status, 401);
    app.stop().await;
}

#[tokio::test]
async fn only_operators_hear_why_a_server_is_not_ready() {
    let world = World::new().await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(seckill::config::RedisUrl::new("redis://127.0.0.1:1"));
        config.http.admin_listen = Some(([127, 0, 0, 1], 0).into());
    });
    let app = app.await;
    let wrong = Operator::new(&app.buyer, "wrong");
    for (ready, hears) in [
        (app.buyer.get("/readyz").await, false),
        (wrong.get("/readyz").await, false),
        (app.operator().get("/readyz").await, true),
        (app.watcher.get("/readyz").await, true),
    ] {
        assert_eq!(ready.told(), (503, "not_ready"));
        assert_eq!(ready.body.contains("127.0.0.1:1"), hears, "{}", ready.body);
        let fields = ready.json();
        let fields = fields.as_object().expect("an object");
        assert_eq!(fields.len(), 4, "{fields:?}");
    }
    let counted = r#"seckill_wrong_tokens_total{door="readyz"} 1"#;
    let metrics = app.watcher.get("/metrics").await.body;
    assert!(metrics.contains(counted), "{metrics}");
    app.stop().await;
}
