//! `GET /admin/sales/{id}/orders`: every order, in both forms, in bounded memory.

use std::collections::BTreeSet;
use std::time::Instant;

use seckill::domain::ids::SaleId;
use seckill::domain::sale::StockKind;
use serde_json::Value;

use crate::support::app::TestApp;
use crate::support::operator::{Operator, TOKEN};
use crate::support::orders::new_order_id;
use crate::support::process::{ServerProcess, free_address};
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{PrivateRedis, World};

const ORDERS_A: &str = "/admin/sales/a/orders";
const HEAD: &str = "order,state,username,created_at,deadline,changed_at,request_id,goods,purchase,units,requested,bonus,paid,filled\r\n";
/// The most that a server may need for an export on top of what it needs anyway, in KiB.
const EXPORT_KIB_MAX: u64 = 16 * 1024;

/// Writes records as the scripts do, without what belongs to them: an export only reads them.
async fn write_records(world: &mut World, event: &str, records: &[(String, String)]) {
    let key = format!("{}{{{event}}}:orders", world.prefix);
    for part in records.chunks(1_000) {
        let mut set = redis::cmd("HSET");
        set.arg(&key).arg(part);
        let _: i64 = set.query_async(&mut world.raw).await.expect("written");
    }
}

#[tokio::test]
async fn the_bytes_of_both_forms_are_a_contract() {
    let mut world = World::new().await;
    let sale = world.sale("a.tea", StockKind::List, 0).await;
    world.sale("a.cup", StockKind::Counter, 0).await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let id = new_order_id(&sale).to_string();
    let record = "held\t1700000000000\t=HYPERLINK(\"x\")\t1700000900000\t-req, 1\na.tea\t2\tsn-1\t座位 2\na.cup\t1";
    write_records(&mut world, "a", &[(id.clone(), record.to_owned())]).await;
    let json = format!(
        r#"{{"order":"{id}","state":"held","username":"=HYPERLINK(\"x\")","created_at":1700000000000,"deadline":1700000900000,"request_id":"-req, 1","lines":[{{"goods":"a.tea","purchase":2,"units":["sn-1","座位 2"]}},{{"goods":"a.cup","purchase":1}}]}}"#
    );
    for query in ["", "?format=ndjson"] {
        let reply = operator
            .get(&format!("/admin/sales/a.tea/orders{query}"))
            .await;
        assert_eq!(
            (reply.status, reply.content_type.as_str()),
            (200, "application/x-ndjson")
        );
        assert_eq!(reply.body, format!("{json}\n"));
    }
    for (sale, purchase, units) in [("a.tea", 2, "sn-1\t座位 2"), ("a.cup", 1, "")] {
        let path = format!("/admin/sales/{sale}/orders?format=csv");
        let reply = operator.get(&path).await;
        assert_eq!(
            (reply.status, reply.content_type.as_str()),
            (200, "text/csv; charset=utf-8; header=present")
        );
        let name = r#""'=HYPERLINK(""x"")""#;
        let row = format!(
            "{id},held,{name},1700000000000,1700000900000,,\"'-req, 1\",{sale},{purchase},{units},,,,\r\n"
        );
        assert_eq!(reply.body, format!("{HEAD}{row}"));
    }
    world.sale("a.none", StockKind::List, 0).await;
    let none = operator.get("/admin/sales/a.none/orders").await;
    assert_eq!((none.status, none.body.as_str()), (200, ""));
    let none = operator.get("/admin/sales/a.none/orders?format=csv").await;
    assert_eq!((none.status, none.body.as_str()), (200, HEAD));

    // A record that cannot be read is shown as that, and hides no other.
    let lost = new_order_id(&sale).to_string();
    write_records(&mut world, "a", &[(lost.clone(), "?".to_owned())]).await;
    let reply = operator.get("/admin/sales/a.tea/orders").await;
    let lines: BTreeSet<&str> = reply.body.lines().collect();
    assert!(
        lines.len() == 2 && lines.contains(json.as_str()),
        "{lines:?}"
    );
    let error = lines.iter().find(|line| line.starts_with(r#"{"error":"#));
    assert!(error.expect("the error").contains(&lost));
    let reply = operator.get("/admin/sales/a.tea/orders?format=csv").await;
    let row = reply
        .body
        .lines()
        .find(|row| row.contains(&lost))
        .expect("a row");
    assert!(row.starts_with(",unreadable,"), "{row}");
    app.stop().await;
}

#[tokio::test]
async fn every_wrong_export_is_named() {
    let world = World::new().await;
    world.sale("a", StockKind::List, 1).await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    for (path, status, code) in [
        ("/admin/sales/nowhere/orders", 404, "no_such_sale"),
        ("/admin/sales/A/orders", 400, "invalid_request"),
        ("/admin/sales/a/orders?format=xml", 400, "invalid_request"),
        ("/admin/sales/a/orders?format=", 400, "invalid_request"),
        ("/admin/sales/a/orders?page=1", 400, "invalid_request"),
        (
            "/admin/sales/a/orders?format=csv&format=csv",
            400,
            "invalid_request",
        ),
    ] {
        let reply = operator.get(path).await;
        assert_eq!(reply.told(), (status, code), "{path}");
        assert_eq!(reply.content_type, "application/problem+json");
    }
    app.stop().await;
}

/// Orders of an export, and the units that each of them has: many small ones when there is time.
fn orders_and_units() -> (usize, usize) {
    if crate::fault::rounds() > 1 {
        (1_000_000, 1)
    } else {
        (50_000, 10)
    }
}

/// The most memory that a process ever had, in KiB; `None` where systems do not tell.
fn peak_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

async fn seed(world: &mut World, sale: &SaleId) -> usize {
    let (orders, units) = orders_and_units();
    let records: Vec<(String, String)> = (0..orders)
        .map(|number| {
            let units: String = (0..units)
                .map(|unit| format!("\tunit-{number:07}-{unit:02}-{:048}", 0))
                .collect();
            let record = format!("confirmed\t1700000000000\tbuyer-{number:07}\na\t10{units}");
            (new_order_id(sale).to_string(), record)
        })
        .collect();
    write_records(world, "a", &records).await;
    orders
}

#[tokio::test]
async fn an_export_of_many_orders_needs_little_memory() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.sale("a", StockKind::List, 0).await;
    let orders = seed(&mut world, &sale).await;
    let arguments = world.arguments(&[&format!("admin.token={TOKEN}")]);
    let server = ServerProcess::start(free_address(), &arguments).await;
    let operator = Operator::new(&server.buyer, TOKEN);
    assert_eq!(operator.get("/admin/sales/a/audit").await.status, 200);
    let before = peak_kib(server.id());
    for format in ["ndjson", "csv"] {
        let since = Instant::now();
        let path = format!("{ORDERS_A}?format={format}");
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("authorization", bearer.as_str())];
        let mut response = server.buyer.begin("GET", &path, &headers, Vec::new()).await;
        assert_eq!(response.status(), 200);
        let (mut bytes, mut lines) = (0, 0);
        while let Some(piece) = response.chunk().await.expect("whole") {
            bytes += piece.len();
            lines += piece.iter().filter(|&&byte| byte == b'\n').count();
        }
        println!(
            "{format}: {lines} lines, {bytes} bytes in {:?}",
            since.elapsed()
        );
        assert_eq!(lines, orders + usize::from(format == "csv"));
        assert!(
            bytes as u64 / 1024 > 2 * EXPORT_KIB_MAX,
            "too little to tell"
        );
    }
    if let (Some(before), Some(after)) = (before, peak_kib(server.id())) {
        println!("peak memory: {before} KiB before, {after} KiB after");
        assert!(
            after - before < EXPORT_KIB_MAX,
            "{before} KiB, then {after} KiB"
        );
    }
}

#[tokio::test]
async fn an_export_that_breaks_off_does_not_look_whole() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.sale("a", StockKind::List, 0).await;
    // Far more than the buffers between the two ends hold.
    let units: String = (0..100).map(|unit| format!("\t{unit:0128}")).collect();
    let records: Vec<_> = (0..8_000)
        .map(|number| {
            let record = format!("confirmed\t1\tbuyer-{number}\na\t100{units}");
            (new_order_id(&sale).to_string(), record)
        })
        .collect();
    write_records(&mut world, "a", &records).await;
    let proxy = Proxy::start(redis.socket()).await;
    let app = TestApp::with(&world, |config| config.redis.url = Some(proxy.url())).await;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let mut response = app.buyer.begin("GET", ORDERS_A, &headers, Vec::new()).await;
    assert_eq!(response.status(), 200);
    assert!(response.chunk().await.expect("a piece").is_some());
    proxy.set(Fault::CutBefore);
    let cut = loop {
        match response.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(cut, "the export looked whole");
    proxy.set(Fault::None);
    app.stop().await;
}

#[tokio::test]
async fn a_json_line_is_an_order_as_the_buyer_sees_it() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::List, 2).await;
    let app = TestApp::start(&world).await;
    let fields = [("username", "x"), ("purchase", "1")];
    let order = app.buyer.form("/seckill", &fields).await.order();
    let seen = format!("/orders/{}?username=x", order.expect("an order"));
    let seen: Value = app.buyer.get(&seen).await.json();
    assert_eq!(app.operator().get(ORDERS_A).await.json(), seen);
    world.assert_holds(&sale).await;
    app.stop().await;
}
