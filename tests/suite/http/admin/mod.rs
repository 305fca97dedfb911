//! The operators' door: sales, stock and audits over HTTP.

mod audit;
mod log;
mod sale;
mod stock;
mod token;

use crate::support::app::TestApp;
use crate::support::redis::World;
use crate::support::table::rows;

const PUT_A: &str = "/admin/sales/a";
const STOCK_A: &str = "/admin/sales/a/stock";

/// Method, path below sale a, body.
const REQUESTS: &str = r#"
    PUT   ""                {"kind":"list"}
    POST  /stock            {"count":1}
    POST  /stock            {"remove":1}
    POST  /pause            ""
    POST  /resume           ""
    GET   /audit            ""
    GET   /audit?deep=true  ""
    GET   /orders           ""
"#;

#[tokio::test]
async fn without_redis_an_operator_is_told_to_wait() {
    let world = World::new().await;
    let app = TestApp::without_redis(&world).await;
    let operator = app.operator();
    for row in rows(REQUESTS) {
        let [method, path, body] = row.cells();
        let path = format!("{PUT_A}{path}");
        let reply = operator.json(method, &path, body).await;
        reply.assert_problem("503 busy", "cannot reach Redis");
        assert_eq!(reply.retry_after.as_deref(), Some("1"));
    }
    app.stop().await;
}
