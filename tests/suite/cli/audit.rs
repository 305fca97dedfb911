//! `seckill audit`: its verdicts, beside a running server and on broken data.

use seckill::config::RedisUrl;
use seckill::domain::sale::StockKind;

use super::Shop;
use crate::support::process::{ServerProcess, free_address};
use crate::support::redis::World;
use crate::support::table::rows;

/// Command of Redis that tampers, command that undoes it, audit, words of the verdict. `ORDER` is
/// the order of x, `RECORD` its record, and the other capitals are wrong records of it.
const TAMPERINGS: &str = r#"
    RPUSH {a}:stock:a extra             RPOP {a}:stock:a              audit a         1 too many
    DECR {b}:stock:b                    INCR {b}:stock:b              audit b         1 missing
    HDEL {a}:orders ORDER               HSET {a}:orders ORDER RECORD  audit a --deep  \
        is not a living order
    HDEL {a}:buyers:a x                 HSET {a}:buyers:a x ORDER     audit a --deep  \
        the buyers' index does not name it
    # Far away: what is overdue, the expirer of the server takes out.
    ZADD {a}:holds 9999999999999 ORDER  ZREM {a}:holds ORDER          audit a --deep  \
        which its record does not say
    HSET {a}:orders ORDER HELD          HSET {a}:orders ORDER RECORD  audit a --deep  \
        is held until 5, but the index
    "HSET {a}:requests x\tr ORDER"      "HDEL {a}:requests x\tr"      audit a --deep  \
        whose record does not say so
    HSET {a}:orders ORDER REQUESTED     HSET {a}:orders ORDER RECORD  audit a --deep  \
        the index of requests does not name
    HSET {a}:orders ORDER ONE_UNIT      HSET {a}:orders ORDER RECORD  audit a --deep  \
        names 2 units but counts 1
    HSET {a}:orders ORDER ?             HSET {a}:orders ORDER RECORD  audit a --deep  cannot be read
    LSET {a}:stock:a 0 sn-1             LSET {a}:stock:a 0 sn-3       audit a --deep  in stock
"#;

#[tokio::test]
async fn commands_work_beside_a_running_server_and_the_audit_convicts_tampering() {
    let shop = Shop::new();
    let data_dir = shop.folder.path().join("data");
    let data_dir = data_dir.to_str().expect("a plain path");
    let arguments = ["--demo", "--data-dir", data_dir];
    let server = ServerProcess::start(free_address(), &arguments).await;
    assert_eq!(
        server.buyer.code("/seckill", "a", "x", "2").await,
        "grabbed"
    );
    assert_eq!(server.buyer.code("/incr", "b", "x", "1").await, "grabbed");
    shop.ok("sale pause a");
    assert_eq!(server.buyer.code("/seckill", "a", "y", "1").await, "paused");
    assert_eq!(
        server.buyer.code("/seckill", "a", "x", "1").await,
        "already_grabbed"
    );
    shop.ok("sale resume a");
    assert_eq!(shop.json("audit a --deep")["holds"], true);

    // Each tampering is named, and undone before the next.
    let url = RedisUrl::new(format!("unix://{data_dir}/redis.sock"));
    let mut world = World::at(url).await;
    let orders: Vec<String> = world.run(&["HGETALL", "seckill:{a}:orders"]).await;
    let (order, record) = (orders[0].as_str(), orders[1].as_str());
    let put = |words: &str| -> Vec<String> {
        let word = |word: &str| match word {
            "ORDER" => order.to_owned(),
            "RECORD" => record.to_owned(),
            "ONE_UNIT" => record.replace("\t2\t", "\t1\t"),
            "HELD" => record.replace("confirmed", "held").replace('\n', "\t5\n"),
            "REQUESTED" => record.replace('\n', "\t\tr\n"),
            _ => word.replace('{', "seckill:{"),
        };
        words.split(' ').map(word).collect()
    };
    for row in rows(TAMPERINGS) {
        let [tamper, undo, audit, words] = row.cells();
        let mut run = async |words: &str| {
            let words = put(words);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            world.run::<redis::Value>(&words).await
        };
        run(tamper).await;
        let said = shop.ends(audit, 1).printed;
        assert!(said.contains("VIOLATED") && said.contains(words), "{said}");
        run(undo).await;
        assert_eq!(shop.json(audit)["holds"], true, "after {undo}");
    }
}

#[test]
fn the_exit_codes_of_the_audit_are_in_its_help() {
    let help = Shop::new().ok("audit --help");
    for words in [
        "0  the law holds",
        "1  the law is VIOLATED",
        "3  no verdict",
    ] {
        assert!(help.contains(words), "{help}");
    }
}

#[tokio::test]
async fn an_audit_tells_broken_figures_from_unreadable_ones() {
    let (shop, mut world) = Shop::with_world().await;
    world.sale("a", StockKind::Counter, 5).await;
    let key = format!("{}{{a}}:sale:a", world.prefix);
    for audit in ["audit a", "audit a --deep"] {
        let held = "999999999999999";
        let _: i64 = world.run(&["HSET", &key, "held", held]).await;
        let said = shop.ends(audit, 1).printed;
        assert!(said.contains("granted 999999999999999"), "{said}");
        for unreadable in ["many", "1000000000000000"] {
            let _: i64 = world.run(&["HSET", &key, "held", unreadable]).await;
            let said = shop.fails(audit, 3);
            assert!(
                said.contains(&format!("held is \"{unreadable}\"")),
                "{said}"
            );
        }
        let _: i64 = world.run(&["HDEL", &key, "held"]).await;
        shop.ok(audit);
    }
}

#[tokio::test]
async fn a_recount_gives_the_figures_that_it_judged_or_no_verdict() {
    let mut world = World::new().await;
    let id = world.sale("a", StockKind::List, 5).await;
    let judged = world
        .store
        .recount(&id, &|_| {})
        .await
        .expect("stands still");
    let recounted = judged.expect("exists");
    assert_eq!(
        (recounted.snapshot.figures.left, recounted.violations),
        (5, vec![])
    );
    // The sale moves, then vanishes, while its parts are read.
    let stock = format!("{}{{a}}:stock:a", world.prefix);
    let sale = format!("{}{{a}}:sale:a", world.prefix);
    let client = redis::Client::open(world.url.expose()).expect("a valid address");
    for tamper in [["RPOP", &stock], ["DEL", &sale]] {
        let meanwhile = |_| {
            let mut connection = client.get_connection().expect("connected");
            let mut command = redis::cmd(tamper[0]);
            let _: redis::Value = command
                .arg(tamper[1])
                .query(&mut connection)
                .expect("tampered");
        };
        let error = world.store.recount(&id, &meanwhile).await;
        let said = error.expect_err("no verdict").to_string();
        assert!(said.contains("moved while it was read"), "{said}");
    }
    let gone = world.store.recount(&id, &|_| {}).await.expect("answered");
    assert!(gone.is_none());
    let _: i64 = world.run(&["DEL", &stock]).await;
}
