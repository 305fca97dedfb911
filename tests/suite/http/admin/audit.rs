//! `GET /admin/sales/…/audit`.

use std::time::Instant;

use seckill::domain::sale::StockKind;
use serde_json::json;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::redis::World;

#[tokio::test]
async fn an_audit_gives_its_verdict() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let id = world.sale("a", StockKind::List, 5).await;
    assert_eq!(app.buyer.code("/seckill", "a", "x", "2").await, "grabbed");
    let audit = |query: &str| {
        let (operator, path) = (operator.clone(), format!("/admin/sales/a/audit{query}"));
        async move { operator.get(&path).await }
    };
    for (query, deep) in [("", false), ("?deep=false", false), ("?deep=true", true)] {
        let reply = audit(query).await;
        assert_eq!(reply.told(), (200, "holds"), "{query}");
        let body = reply.json();
        assert_eq!(
            (&body["holds"], &body["deep"]),
            (&true.into(), &deep.into())
        );
        assert_eq!((&body["left"], &body["confirmed"]), (&3.into(), &2.into()));
        assert_eq!(body["violations"], json!([]));
    }
    for query in [
        "?deep=yes",
        "?deep",
        "?deep=true&deep=true",
        "?depth=1",
        "?deep=%",
    ] {
        assert_eq!(
            audit(query).await.told(),
            (400, "invalid_request"),
            "{query}"
        );
    }
    let nowhere = operator.get("/admin/sales/nowhere/audit?deep=true").await;
    nowhere.assert_problem("404 no_such_sale", "nowhere");

    let stock = format!("{}{{a}}:stock:a", world.prefix);
    let _: i64 = world.run(&["RPUSH", &stock, "sn-1"]).await;
    let shallow = audit("").await;
    assert_eq!(shallow.told(), (200, "violated"));
    assert_eq!(shallow.json()["holds"], false);
    assert!(shallow.body.contains("1 too many"), "{}", shallow.body);
    let deep = audit("?deep=true").await;
    assert_eq!(deep.told(), (200, "violated"));
    assert!(deep.body.contains("in stock"), "{}", deep.body);
    let _: String = world.run(&["RPOP", &stock]).await;
    world.assert_holds(&id).await;
    app.stop().await;
}

#[tokio::test]
async fn a_sale_that_moves_is_not_judged() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let id = world.sale("a", StockKind::List, 20_000).await;
    let store = world.store.clone();
    let mover = tokio::spawn({
        let id = id.clone();
        async move {
            loop {
                store.stock_add_count(&id, 1).await.expect("added");
            }
        }
    });
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = operator.get("/admin/sales/a/audit?deep=true").await;
        if reply.status != 200 {
            reply.assert_problem("409 refused", "moved while it was read");
            break;
        }
        assert!(Instant::now() < deadline, "{}", reply.body);
    }
    mover.abort();
    let _ = mover.await;
    app.stop().await;
}
