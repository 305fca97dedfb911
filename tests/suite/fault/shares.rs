//! Memory-hungry work of operators: a limited number at once, and the next one is busy at once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seckill::domain::sale::StockKind;
use tokio::time::sleep;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::{Buyer, Reply};
use crate::support::operator::{Operator, TOKEN};
use crate::support::orders::new_order_id;
use crate::support::proxy::Proxy;
use crate::support::redis::World;

const DEEP: &str = "/admin/sales/a/audit?deep=true";
const ORDERS: &str = "/admin/sales/a/orders";
/// The command as it is sent. What the server asks about its permissions names it, too.
const SCAN: &str = "\r\nHSCAN\r\n";
/// Exports that a server runs at once.
const EXPORTS_MAX: usize = 10;

/// A server whose scans of orders wait in front of Redis.
struct Scene {
    app: TestApp,
    proxy: Proxy,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        world.sell("a", 0, 10).await;
        let proxy = Proxy::to_shared_redis().await;
        let app = TestApp::with(&world, |config| config.redis.url = Some(proxy.url())).await;
        proxy.hold(SCAN);
        Self { app, proxy }
    }

    /// Asks so often, and waits until each scan waits.
    async fn begin(&self, path: &'static str, count: usize) -> Vec<tokio::task::JoinHandle<Reply>> {
        let begin = |_| {
            let operator = self.app.operator();
            tokio::spawn(async move { operator.get(path).await })
        };
        let begun = (0..count).map(begin).collect();
        let deadline = Instant::now() + PATIENCE;
        while self.proxy.holding() < count {
            assert!(Instant::now() < deadline, "{path} did not begin");
            sleep(Duration::from_millis(1)).await;
        }
        begun
    }

    async fn end(&self, begun: Vec<tokio::task::JoinHandle<Reply>>) {
        self.proxy.let_go().await;
        for reply in join_all(begun).await {
            assert_eq!(reply.expect("an answer").status, 200);
        }
    }
}

async fn assert_busy(operator: &Operator, path: &str) {
    let reply = operator.get(path).await;
    assert_eq!((reply.status, reply.result.as_str()), (503, "busy"));
    assert!(reply.retry_after.is_some(), "{reply:?}");
}

#[tokio::test]
async fn one_deep_audit_runs_at_a_time_and_others_are_busy() {
    let scene = Scene::new().await;
    let operator = scene.app.operator();
    let begun = scene.begin(DEEP, 1).await;
    for _ in 0..3 {
        assert_busy(&operator, DEEP).await;
    }
    let shallow = operator.get("/admin/sales/a/audit").await;
    assert_eq!(shallow.status, 200, "an ordinary audit takes no turn");
    scene.end(begun).await;
    assert_eq!(operator.get(DEEP).await.status, 200, "the turn is over");
    let nowhere = operator.get("/admin/sales/nowhere/audit?deep=true").await;
    assert_eq!(nowhere.status, 404);
    assert_eq!(
        operator.get(DEEP).await.status,
        200,
        "a failure ends a turn"
    );
    scene.app.stop().await;
}

#[tokio::test]
async fn ten_exports_run_at_a_time_and_others_are_busy() {
    let scene = Scene::new().await;
    let operator = scene.app.operator();
    let begun = scene.begin(ORDERS, EXPORTS_MAX).await;
    assert_busy(&operator, ORDERS).await;
    scene.end(begun).await;
    for _ in 0..2 * EXPORTS_MAX {
        assert_eq!(operator.get(ORDERS).await.status, 200, "turns are over");
        let nowhere = operator.get("/admin/sales/nowhere/orders").await;
        assert_eq!(nowhere.status, 404);
    }
    scene.app.stop().await;
}

#[tokio::test]
async fn an_export_whose_client_has_left_ends_its_turn() {
    let scene = Scene::new().await;
    let operator = scene.app.operator();
    for begun in scene.begin(ORDERS, EXPORTS_MAX).await {
        begun.abort();
    }
    scene.proxy.let_go().await;
    let deadline = Instant::now() + PATIENCE;
    while operator.get(ORDERS).await.status != 200 {
        assert!(Instant::now() < deadline, "the turns are not given back");
        sleep(Duration::from_millis(5)).await;
    }
    scene.app.stop().await;
}

/// Begins an export that finds a turn, and reads nothing of it.
async fn begin_export(buyer: &Buyer) -> reqwest::Response {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let deadline = Instant::now() + PATIENCE;
    loop {
        let begun = buyer.begin("GET", ORDERS, &headers, Vec::new()).await;
        if begun.status() == 200 {
            return begun;
        }
        assert!(Instant::now() < deadline, "the turns are not given back");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_export_has_its_turn_until_it_is_read_or_its_client_has_left() {
    let mut world = World::new().await;
    let sale = world.sale("a", StockKind::List, 0).await;
    let key = world.store.keys().orders(sale.event());
    // More than the buffers between the two ends hold, on more than one page.
    let units = format!("\t{:0128}", 0).repeat(64);
    for _ in 0..4 {
        let mut set = redis::cmd("HSET");
        set.arg(&key);
        for number in 0..500 {
            let record = format!("confirmed\t1\tbuyer-{number}\na\t64{units}");
            set.arg(new_order_id(&sale).as_str()).arg(record);
        }
        let _: i64 = set.query_async(&mut world.raw).await.expect("written");
    }
    let app = TestApp::start(&world).await;
    let mut begun = Vec::new();
    for _ in 0..EXPORTS_MAX {
        begun.push(begin_export(&app.buyer).await);
    }
    let operator = app.operator();
    assert_busy(&operator, ORDERS).await;
    let mut read = begun.pop().expect("an export");
    while read.chunk().await.expect("whole").is_some() {}
    drop(begin_export(&app.buyer).await);
    drop(begun);
    let mut again = Vec::new();
    for _ in 0..EXPORTS_MAX {
        again.push(begin_export(&app.buyer).await);
    }
    assert_busy(&operator, ORDERS).await;
    drop(again);
    app.stop().await;
}
