//! The operators' commands, as operators run them.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use seckill::domain::sale::{Door, StockKind};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::process::{ServerProcess, free_address, program};
use crate::support::redis::{PrivateRedis, World};

/// A folder with a private Redis of its own.
struct Shop {
    folder: TempDir,
}

impl Shop {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("folder"),
        }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = program();
        command
            .args(line.split_whitespace())
            .current_dir(self.folder.path());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line)
            .stdin(Stdio::null())
            .output()
            .expect("the program runs")
    }

    /// Runs a command that must succeed, and gives back what it printed.
    fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{line}: {said}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// A line for the private part of a Redis that a test can break by hand.
    fn at(world: &World, line: &str) -> String {
        let url = world.url.expose();
        format!(
            "{line} --redis-url {url} --set redis.prefix={}",
            world.prefix
        )
    }

    fn json(&self, line: &str) -> Value {
        let printed = self.ok(&format!("{line} --json"));
        serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{line}: {e} in {printed:?}"))
    }

    /// Runs a command that must fail with this exit code, and gives back what it said.
    fn fails(&self, line: &str, code: i32) -> String {
        let output = self.run(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        said
    }
}

#[test]
fn only_what_begins_something_makes_a_data_directory() {
    let shop = Shop::new();
    let folder = shop.folder.path().join("data");
    let refused = |line: &str, code| {
        let said = shop.fails(line, code);
        for words in [
            folder.to_str().expect("a path"),
            "--data-dir",
            "--redis-url",
        ] {
            assert!(said.contains(words), "{line}: {said}");
        }
    };
    for line in [
        "sale list",
        "sale show a",
        "sale pause a",
        "stock add a --count 1",
        "order show a-abcdfabcdfabcdfabcdf",
        "order use a-abcdfabcdfabcdfabcdf",
        "orders a",
        "feed dead a",
        "account show a",
        "wechat menu",
        "wechat show 2019010001",
    ] {
        refused(line, 1);
    }
    refused("audit a", 3);
    assert!(!folder.exists(), "a command that looks makes nothing");
    // A folder of that name may belong to something else.
    std::fs::create_dir(&folder).expect("made");
    refused("sale list", 1);
    assert!(std::fs::read_dir(&folder).expect("read").next().is_none());
    let told = || {
        let said = shop.run("sale put a --kind list").stderr;
        String::from_utf8_lossy(&said).contains("a new private Redis begins in")
    };
    assert!(told());
    assert!(!told());
    // A machine is looked at before anything runs there.
    let fresh = Shop::new();
    assert!(fresh.json("doctor").as_array().expect("a list").len() > 3);
    shop.ok("stock add a --count 1");
}

#[test]
fn accounts_may_be_the_first_thing_in_a_data_directory() {
    let shop = Shop::new();
    shop.ok("account set q al 50");
    shop.ok("account show q al");
}

#[test]
fn a_sale_from_nothing_to_its_audit_without_a_server() {
    let shop = Shop::new();
    assert_eq!(
        shop.ok("sale put spring.tea --kind list --title 茶 --opens-at 2020-01-01T00:00:00+08:00"),
        "created sale spring.tea\n"
    );
    assert_eq!(
        shop.ok("sale put spring.tea --purchase-max 3"),
        "updated sale spring.tea\n"
    );
    assert_eq!(
        shop.ok("stock add spring.tea --count 5"),
        "added 5 units to sale spring.tea: 5 left\n"
    );
    std::fs::write(shop.folder.path().join("units.txt"), "座位 1\nseat-2\n").expect("written");
    assert_eq!(
        shop.json("stock add spring.tea --units units.txt")["left"],
        7
    );
    let removed = shop.json("stock remove spring.tea --count 2");
    assert_eq!(removed["units"], serde_json::json!(["seat-2", "座位 1"]));
    let sale = shop.json("sale show spring.tea");
    assert_eq!(
        (&sale["added"], &sale["removed"], &sale["left"]),
        (&7.into(), &2.into(), &5.into())
    );
    assert_eq!(
        (sale["opens_at"].as_u64(), &sale["phase"]),
        (Some(1_577_808_000_000), &"open".into())
    );
    let shown = shop.ok("sale show spring.tea");
    assert!(
        shown.contains("2019-12-31T16:00:00Z") && shown.contains('茶'),
        "{shown}"
    );
    shop.ok("sale put b --kind counter");
    let put = "sale put b --keyword gala --place 大礼堂 --starts-at 5 --ends-at 6 --closes-at 6 \
               --picture http://a/b --description 春";
    shop.ok(put);
    let sale = shop.json("sale show b");
    let times = (sale["starts_at"].as_u64(), sale["ends_at"].as_u64());
    assert_eq!(times, (Some(5_000), Some(6_000)));
    let shown = shop.ok("sale show b");
    for said in ["gala", "大礼堂", "1970-01-01T00:00:06Z", "http://a/b", "春"] {
        assert!(shown.contains(said), "{said} is not in {shown}");
    }
    let lines = ["--description", "春\n\n夏"];
    let put = shop.command("sale put b").args(lines).output();
    assert!(put.expect("the program runs").status.success());
    let shown = shop.ok("sale show b");
    let column = "description   春\n\n              夏\n";
    assert!(shown.ends_with(column), "{shown}");
    let said = shop.fails("sale put b --hold 15m", 1);
    assert!(said.contains("an activity with a hold"), "{said}");
    let said = shop.fails("sale put b --picture x", 2);
    assert!(said.contains("http://"), "{said}");
    shop.ok("sale put b --keyword=");
    assert!(shop.ok("sale show b").contains("none: not on show"));
    assert!(shop.json("sale show b")["keyword"].is_null());
    let list = shop.json("sale list");
    assert_eq!(
        (&list[0]["sale"], &list[1]["sale"]),
        (&"b".into(), &"spring.tea".into())
    );
    assert!(shop.ok("sale list").starts_with("SALE"));
    assert_eq!(shop.json("sale pause b")["result"], "paused");
    assert_eq!(shop.json("sale show b")["phase"], "paused");
    assert_eq!(shop.json("sale resume b")["result"], "resumed");
    for audit in ["audit spring.tea", "audit spring.tea --deep"] {
        assert_eq!(shop.json(audit)["holds"], true);
        assert!(shop.ok(audit).contains("holds"));
    }
    assert_eq!(
        shop.json("doctor")
            .as_array()
            .map(|findings| findings.len() >= 5),
        Some(true)
    );
}

#[test]
fn what_is_wrong_is_said_with_its_exit_code() {
    let shop = Shop::new();
    shop.ok("sale put a --kind list");
    shop.ok("sale put b --kind counter");
    std::fs::write(shop.folder.path().join("twice.txt"), "u\nv\nu\n").expect("written");
    for (line, code, words) in [
        ("sale show nowhere", 1, "there is no sale nowhere"),
        ("sale put new --title x", 1, "create it with"),
        (
            "sale put a --kind counter",
            1,
            "kind of a sale never changes",
        ),
        (
            "sale put a --opens-at 2 --closes-at 1",
            1,
            "close before it opens",
        ),
        ("sale put a", 2, "nothing to put"),
        ("sale put A --kind list", 2, "sale id must be"),
        ("sale put a --kind heap", 2, "`list`, `counter` or `target`"),
        (
            "sale put a --opens-at tomorrow",
            2,
            "2026-11-11T00:00:00+08:00",
        ),
        ("sale put a --purchase-max 0", 2, "1..=100"),
        ("sale put a --purchase-max 101", 2, "1..=100"),
        ("sale pause nowhere", 1, "there is no sale nowhere"),
        ("stock add nowhere --count 1", 1, "there is no sale nowhere"),
        ("stock add a --count 0", 2, "1..="),
        ("stock add a --count -1", 2, "-1"),
        ("stock add a", 2, "--count <N>|--units <FILE>"),
        (
            "stock add a --count 1 --units twice.txt",
            2,
            "cannot be used with",
        ),
        ("stock add a --units missing.txt", 2, "missing.txt"),
        (
            "stock add a --units twice.txt",
            2,
            "line 3: unit \"u\" stands in line 1",
        ),
        ("stock add b --count 1000000001", 2, "1..=1000000000"),
        (
            "stock remove nowhere --count 1",
            1,
            "there is no sale nowhere",
        ),
        ("audit nowhere", 3, "there is no sale nowhere"),
        ("audit nowhere --deep", 3, "there is no sale nowhere"),
        (
            "audit a --redis-url redis://127.0.0.1:1",
            3,
            "cannot reach Redis",
        ),
        ("audit A", 2, "sale id must be"),
        ("sale list --redis-url ftp://x", 2, "redis.url"),
        (
            "sale list --redis-url redis://127.0.0.1:1",
            3,
            "cannot reach Redis",
        ),
        ("sale list --set http.workers=none", 2, "http.workers"),
        ("sale list --config missing.toml", 2, "missing.toml"),
        ("serve --listen nowhere", 2, "http.listen"),
        ("fly", 2, "fly"),
    ] {
        let said = shop.fails(line, code);
        assert!(said.contains(words), "{line}: {said}");
    }
    assert_eq!(
        shop.json("sale show a")["added"],
        0,
        "a wrong load adds nothing"
    );
}

#[test]
fn units_come_from_standard_input_too() {
    let shop = Shop::new();
    shop.ok("sale put a --kind list");
    let mut command = shop.command("stock add a --units - --json");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(b"u1\nu2\n")
        .expect("written");
    let output = child.wait_with_output().expect("ends");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"added\":2"));
}

#[test]
fn a_million_units_are_loaded_in_seconds() {
    let shop = Shop::new();
    shop.ok("sale put list --kind list");
    shop.ok("sale put count --kind counter");
    let units: String = (0..1_000_000).map(|n| format!("coupon-{n:07}\n")).collect();
    std::fs::write(shop.folder.path().join("units.txt"), units).expect("written");
    for (line, seconds) in [
        ("stock add count --count 1000000", 30),
        ("stock add list --count 1000000", 120),
        ("stock add list --units units.txt", 240),
    ] {
        let since = Instant::now();
        assert_eq!(shop.json(line)["added"], 1_000_000);
        println!("{line}: {:?}", since.elapsed());
        assert!(
            since.elapsed().as_secs() < seconds,
            "{line}: {:?}",
            since.elapsed()
        );
    }
    assert_eq!(shop.json("sale show list")["left"], 2_000_000);
}

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
    let url = seckill::config::RedisUrl::new(format!("unix://{data_dir}/redis.sock"));
    let mut world = World::at(url).await;
    let orders: Vec<String> = world.run(&["HGETALL", "seckill:{a}:orders"]).await;
    let (order, record) = (orders[0].as_str(), orders[1].as_str());
    let two_units = record.replace("\t2\t", "\t1\t");
    let held = record.replace("confirmed", "held").replace('\n', "\t5\n");
    let requested = record.replace('\n', "\t\tr\n");
    let cases: [(&[&str], &[&str], &str, &str); 11] = [
        (
            &["RPUSH", "seckill:{a}:stock:a", "extra"],
            &["RPOP", "seckill:{a}:stock:a"],
            "audit a",
            "1 too many",
        ),
        (
            &["DECR", "seckill:{b}:stock:b"],
            &["INCR", "seckill:{b}:stock:b"],
            "audit b",
            "1 missing",
        ),
        (
            &["HDEL", "seckill:{a}:orders", order],
            &["HSET", "seckill:{a}:orders", order, record],
            "audit a --deep",
            "is no living order",
        ),
        (
            &["HDEL", "seckill:{a}:buyers:a", "x"],
            &["HSET", "seckill:{a}:buyers:a", "x", order],
            "audit a --deep",
            "the buyers' index does not name it",
        ),
        (
            // Far away: what is overdue, the expirer of the server takes out.
            &["ZADD", "seckill:{a}:holds", "9999999999999", order],
            &["ZREM", "seckill:{a}:holds", order],
            "audit a --deep",
            "which its record does not say",
        ),
        (
            &["HSET", "seckill:{a}:orders", order, &held],
            &["HSET", "seckill:{a}:orders", order, record],
            "audit a --deep",
            "is held until 5, but the index",
        ),
        (
            &["HSET", "seckill:{a}:requests", "x\tr", order],
            &["HDEL", "seckill:{a}:requests", "x\tr"],
            "audit a --deep",
            "whose record does not say so",
        ),
        (
            &["HSET", "seckill:{a}:orders", order, &requested],
            &["HSET", "seckill:{a}:orders", order, record],
            "audit a --deep",
            "the index of requests does not name",
        ),
        (
            &["HSET", "seckill:{a}:orders", order, &two_units],
            &["HSET", "seckill:{a}:orders", order, record],
            "audit a --deep",
            "names 2 units and counts 1",
        ),
        (
            &["HSET", "seckill:{a}:orders", order, "?"],
            &["HSET", "seckill:{a}:orders", order, record],
            "audit a --deep",
            "cannot be read",
        ),
        (
            &["LSET", "seckill:{a}:stock:a", "0", "sn-1"],
            &["LSET", "seckill:{a}:stock:a", "0", "sn-3"],
            "audit a --deep",
            "in stock",
        ),
    ];
    for (tamper, undo, audit, words) in cases {
        let _: redis::Value = world.run(tamper).await;
        let output = shop.run(audit);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{tamper:?}: {said}");
        assert!(
            said.contains("VIOLATED") && said.contains(words),
            "{tamper:?}: {said}"
        );
        let _: redis::Value = world.run(undo).await;
        assert_eq!(shop.json(audit)["holds"], true, "after {undo:?}");
    }
}

#[test]
fn a_unit_that_was_loaded_twice_is_named_before_it_is_sold() {
    let shop = Shop::new();
    shop.ok("sale put a --kind list");
    std::fs::write(shop.folder.path().join("units.txt"), "u\nv\n").expect("written");
    shop.ok("stock add a --units units.txt");
    assert_eq!(shop.json("audit a --deep")["holds"], true);
    shop.ok("stock add a --units units.txt");
    let output = shop.run("audit a --deep");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in [
        "unit \"u\" is in stock twice",
        "unit \"v\" is in stock twice",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn removed_units_are_printed_for_people_too() {
    let shop = Shop::new();
    shop.ok("sale put a --kind list");
    shop.ok("sale put b --kind counter");
    shop.ok("stock add a --count 3");
    shop.ok("stock add b --count 3");
    assert_eq!(
        shop.ok("stock remove a --count 2"),
        "removed 2 units from sale a: 1 left\nsn-3\nsn-2\n"
    );
    for (of, line) in [
        (
            2,
            "removed 1 of 2 units from sale a: no more are unsold, 0 left\nsn-1\n",
        ),
        (
            1,
            "removed 0 of 1 unit from sale a: no more are unsold, 0 left\n",
        ),
    ] {
        let short = shop.run(&format!("stock remove a --count {of}"));
        let printed = String::from_utf8_lossy(&short.stdout);
        assert_eq!((short.status.code(), &*printed), (Some(1), line));
    }
    assert_eq!(
        shop.ok("stock remove b --count 2"),
        "removed 2 units from sale b: 1 left\n"
    );
}

#[tokio::test]
async fn one_is_written_as_one() {
    let (shop, world) = (Shop::new(), World::new().await);
    let at = |line: &str| Shop::at(&world, line);
    for (line, printed) in [
        ("sale put q.b --kind counter", "created sale q.b\n"),
        (
            "stock add q.b --count 1",
            "added 1 unit to sale q.b: 1 left\n",
        ),
        (
            "stock remove q.b --count 1",
            "removed 1 unit from sale q.b: 0 left\n",
        ),
        ("sale put q.p --kind target", "created sale q.p\n"),
        (
            "stock add q.p --count 1",
            "added 1 cent to sale q.p: 1 left\n",
        ),
        (
            "account set q al 1",
            "set 1 account of event q: 1 new, 0 changed, 0 as before\n\
             event q keeps accounts from now on: who has none cannot bid\n",
        ),
    ] {
        assert_eq!(shop.ok(&at(line)), printed);
    }
    let short = shop.run(&at("stock remove q.b --count 1")).stdout;
    assert_eq!(
        String::from_utf8_lossy(&short),
        "removed 0 of 1 unit from sale q.b: no more are unsold, 0 left\n"
    );
}

#[tokio::test]
async fn a_removed_unit_is_printed_whatever_its_bytes() {
    let (shop, mut world) = (Shop::new(), World::new().await);
    world.sale("a", StockKind::List, 1).await;
    let mut push = redis::cmd("RPUSH");
    push.arg(format!("{}{{a}}:stock:a", world.prefix))
        .arg(&b"x\xff\n"[..]);
    let _: i64 = push.query_async(&mut world.raw).await.expect("pushed");
    assert_eq!(
        shop.ok(&Shop::at(&world, "stock remove a --count 2")),
        "removed 2 units from sale a: 0 left\nx\u{fffd}\\u{a}\nsn-1\n"
    );
}

#[tokio::test]
async fn a_removal_that_fails_in_the_middle_prints_what_it_took() {
    let (shop, mut world) = (Shop::new(), World::new().await);
    for json in ["", " --json"] {
        let id = world.sale("a", StockKind::List, 5_000).await;
        world.store.stock_add_count(&id, 1_000).await.expect("more");
        // One call counts on to 16 digits; the next one refuses to count with them.
        let key = format!("{}{{a}}:sale:a", world.prefix);
        let removed = "999999999999000";
        let _: redis::Value = world.run(&["HSET", &key, "removed", removed]).await;
        let output = shop.run(&Shop::at(
            &world,
            &format!("stock remove a --count 6000{json}"),
        ));
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(
            said.contains("removed is not a whole number") && said.contains("5000 of 6000"),
            "{said}"
        );
        if json.is_empty() {
            assert!(
                printed.starts_with("removed 5000 of 6000 units from"),
                "{printed}"
            );
            assert_eq!(printed.lines().count(), 5_001);
            assert!(printed.ends_with("\nsn-1001\n"));
        } else {
            let value: Value = serde_json::from_str(&printed).expect("JSON");
            assert_eq!(value["removed"], 5_000);
            assert_eq!(value["units"].as_array().map(Vec::len), Some(5_000));
        }
        let stock = format!("{}{{a}}:stock:a", world.prefix);
        let _: i64 = world.run(&["DEL", &key, &stock]).await;
    }
}

#[tokio::test]
async fn one_broken_sale_does_not_hide_the_others() {
    let (shop, mut world) = (Shop::new(), World::new().await);
    for id in ["a", "b", "c", "d"] {
        world.sale(id, StockKind::Counter, 5).await;
    }
    for (key, field, value) in [
        ("{b}:sale:b", "held", "many"),
        ("{c}:sale:c", "kind", "heap"),
    ] {
        let key = format!("{}{key}", world.prefix);
        let _: i64 = world.run(&["HSET", &key, field, value]).await;
    }
    let stock = format!("{}{{d}}:stock:d", world.prefix);
    let _: redis::Value = world.run(&["SET", &stock, "few"]).await;
    let output = shop.run(&Shop::at(&world, "sale list"));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 5, "{printed}");
    assert!(
        lines[1].starts_with("a ") && lines[1].contains("counter"),
        "{printed}"
    );
    for (line, why) in [
        (lines[2], "held is \"many\""),
        (lines[3], "kind must be"),
        (lines[4], "is not a whole number: few"),
    ] {
        assert!(
            line.contains("UNREADABLE") && line.contains(why),
            "{printed}"
        );
    }
    let output = shop.run(&Shop::at(&world, "sale list --json"));
    assert_eq!(output.status.code(), Some(1));
    let list: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&list[0]["left"], &list[1]["sale"]),
        (&5.into(), &"b".into())
    );
    let why = list[1]["error"].as_str().unwrap_or_default();
    assert!(why.contains("held is"), "{list}");

    let app = TestApp::start(&world).await;
    let metrics = app.buyer.metrics().await;
    assert!(metrics.contains("seckill_buyers{sale=\"a\"}"), "{metrics}");
    app.stop().await;
}

#[test]
fn the_exit_codes_of_the_audit_are_in_its_help() {
    let help = Shop::new().ok("audit --help");
    for words in [
        "0  the law holds",
        "1  the law is VIOLATED",
        "3  it could not be judged",
    ] {
        assert!(help.contains(words), "{help}");
    }
}

#[tokio::test]
async fn an_audit_tells_broken_figures_from_unreadable_ones() {
    let (shop, mut world) = (Shop::new(), World::new().await);
    world.sale("a", StockKind::Counter, 5).await;
    let key = format!("{}{{a}}:sale:a", world.prefix);
    for audit in ["audit a", "audit a --deep"] {
        let audit = Shop::at(&world, audit);
        let held = "999999999999999";
        let _: i64 = world.run(&["HSET", &key, "held", held]).await;
        let output = shop.run(&audit);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("granted 999999999999999"), "{said}");
        for unreadable in ["many", "1000000000000000"] {
            let _: i64 = world.run(&["HSET", &key, "held", unreadable]).await;
            let said = shop.fails(&audit, 3);
            assert!(
                said.contains(&format!("held is \"{unreadable}\"")),
                "{said}"
            );
        }
        let _: i64 = world.run(&["HDEL", &key, "held"]).await;
        shop.ok(&audit);
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

/// What is printed may find no reader, or no room. Neither is a panic.
#[test]
fn a_result_that_cannot_be_printed_is_told() {
    let shop = Shop::new();
    shop.ok("sale put a --kind list");
    for line in ["sale show a", "sale list --json", "doctor", "orders a"] {
        let mut unread = shop.command(line);
        let mut unread = unread.stdout(Stdio::piped()).spawn().expect("it runs");
        drop(unread.stdout.take());
        assert_eq!(unread.wait().expect("it ends").code(), Some(0), "{line}");
    }
    for line in [
        "sale show a",
        "stock add a --count 1",
        "orders a --format csv",
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let mut command = shop.command(line);
        let command = command.stdout(full.expect("it is there"));
        let output = command.stderr(Stdio::piped()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        assert!(
            said.contains("cannot be printed: No space"),
            "{line}: {said}"
        );
    }
    assert_eq!(shop.json("sale show a")["left"], 1);
}

#[test]
fn a_title_that_moves_the_cursor_is_refused() {
    let shop = Shop::new();
    for title in ["two\nlines", "\u{1b}[2J", &"x".repeat(201)] {
        let mut command = shop.command("sale put a --kind list --title");
        let output = command.arg(title).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("the title must be"), "{said}");
    }
    shop.ok("sale put a --kind list --title=");
}

#[tokio::test]
async fn the_doctor_says_whose_limits_it_read() {
    let redis = PrivateRedis::forgetful();
    let (shop, mut world) = (Shop::new(), World::at(redis.url()).await);
    for (limit, grade) in [("999", "warning"), ("1000", "ok")] {
        let _: redis::Value = world.run(&["CONFIG", "SET", "maxclients", limit]).await;
        let found = shop.json(&Shop::at(&world, "doctor"));
        let findings = found.as_array().expect("a list");
        let finding = |what: &str| findings.iter().find(|finding| finding["what"] == what);
        let clients = finding("clients").expect("clients");
        assert_eq!(clients["grade"], grade, "{clients}");
        assert_eq!(clients["found"], format!("maxclients {limit}"));
        let files = finding("open files").expect("open files");
        let said = files["found"].as_str().unwrap_or_default();
        assert!(
            said.contains("in this shell; the server inherits"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn the_doctor_asks_for_the_replicas_that_are_missing() {
    let redis = PrivateRedis::forgetful();
    let (shop, world) = (Shop::new(), World::at(redis.url()).await);
    let doctor = Shop::at(&world, "doctor --set durability=replicated:1");
    let output = shop.command(&doctor).output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let durability = said.lines().find(|line| line.starts_with("durability"));
    let durability = durability.expect("a line");
    for words in ["WRONG", "has 0 replicas online", "attach so many replicas"] {
        assert!(durability.contains(words), "{words} is not in {durability}");
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
}

#[tokio::test]
async fn the_doctor_asks_for_a_master_that_refuses_when_it_is_cut_off() {
    let redis = PrivateRedis::forgetful();
    let (shop, mut world) = (Shop::new(), World::at(redis.url()).await);
    for (level, to_write, max_lag, grade) in [
        ("replicated:1", "0", "10", Some("warning")),
        ("replicated:1", "1", "10", Some("warning")),
        ("replicated:1", "1", "2", Some("ok")),
        ("replicated:2", "1", "2", Some("warning")),
        ("replicated:all", "1", "2", Some("ok")),
        ("memory", "0", "10", None),
    ] {
        for (name, value) in [("to-write", to_write), ("max-lag", max_lag)] {
            let name = format!("min-replicas-{name}");
            let _: redis::Value = world.run(&["CONFIG", "SET", &name, value]).await;
        }
        let line = format!("doctor --json --set durability={level}");
        let output = shop.run(&Shop::at(&world, &line));
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let mut findings = found.as_array().expect("a list").iter();
        let cut_off = findings.find(|finding| finding["what"] == "cut-off master");
        let found = cut_off.map(|finding| finding["grade"].as_str().expect("a word"));
        assert_eq!(found, grade, "{level} {to_write} {max_lag}");
    }
}

#[tokio::test]
async fn an_order_is_shown_and_led_through_its_life() {
    let (shop, world) = (Shop::new(), World::new().await);
    let sale = world.held_sale("spring.tea", StockKind::List, 5).await;
    let id = world.granted(&sale, "秒杀 x", 2).await;
    let at = |line: &str| Shop::at(&world, &line.replace("ORDER", id.as_str()));
    let shown = shop.ok(&at("order show ORDER"));
    for words in [id.as_str(), "held", "秒杀 x", "2 of spring.tea: sn-1, sn-2"] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
    let refused = shop.fails(&at("order use ORDER"), 1);
    assert!(refused.contains("confirm it first"), "{refused}");
    assert_eq!(
        shop.ok(&at("order confirm ORDER")),
        format!("confirmed order {id}\n")
    );
    let again = shop.json(&at("order confirm ORDER"));
    assert_eq!(
        (&again["result"], &again["state"]),
        (&"already_confirmed".into(), &"confirmed".into())
    );
    // The whole sentence: an order's id is random, and may spell any word that is looked for in it.
    assert_eq!(
        shop.fails(&at("order cancel ORDER"), 1),
        format!(
            "seckill: order {id} is confirmed, and its sale does not take confirmed orders back, \
             or not any more (see `cancel until` in `seckill sale show`)\n"
        )
    );
    assert_eq!(shop.json(&at("order use ORDER"))["result"], "used");
    let order = world.order(&id).await;
    let expected = format!(
        concat!(
            "{{\"order\":\"{}\",\"state\":\"used\",\"username\":\"秒杀 x\",\"created_at\":{},",
            "\"changed_at\":{},\"lines\":[{{\"goods\":\"spring.tea\",\"purchase\":2,",
            "\"units\":[\"sn-1\",\"sn-2\"]}}]}}\n"
        ),
        id,
        order.created_at,
        order.changed_at.expect("a time"),
    );
    assert_eq!(shop.ok(&at("order show ORDER --json")), expected);

    let dead = world.granted(&sale, "y", 1).await;
    let at = |line: &str| Shop::at(&world, &line.replace("ORDER", dead.as_str()));
    assert_eq!(
        shop.ok(&at("order cancel ORDER")),
        format!("cancelled order {dead}\n")
    );
    let refused = shop.fails(&at("order confirm ORDER"), 1);
    assert!(refused.contains("was cancelled at"), "{refused}");
    assert!(refused.contains("refund"), "{refused}");
    let nobody = "spring-abcdfabcdfabcdfabcdf";
    for line in ["show", "confirm", "cancel", "use"] {
        let line = Shop::at(&world, &format!("order {line} {nobody}"));
        let refused = shop.fails(&line, 1);
        assert!(
            refused.contains(&format!("there is no order {nobody}")),
            "{refused}"
        );
        shop.fails(&Shop::at(&world, "order show spring.tea"), 2);
    }
}

#[tokio::test]
async fn the_orders_of_a_sale_are_printed_page_by_page() {
    let (shop, mut world) = (Shop::new(), World::new().await);
    let tea = world.held_sale("spring.tea", StockKind::List, 3000).await;
    let cup = world.sale("spring.cup", StockKind::Counter, 5).await;
    let buyers: Vec<String> = (0..2500).map(|n| format!("user,\"{n}\"")).collect();
    for some in buyers.chunks(500) {
        let asks: Vec<_> = some.iter().map(|user| (user.as_str(), 1)).collect();
        world.grab_all(&tea, Door::Seckill, &asks).await;
    }
    world.granted(&cup, "another", 2).await;
    let at = |line: &str| Shop::at(&world, line);
    let printed = shop.ok(&at("orders spring.tea"));
    let orders = printed
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let names: std::collections::HashSet<String> = orders
        .map(|order: Value| order["username"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names, buyers.iter().cloned().collect());

    let printed = shop.ok(&at("orders spring.cup --format csv"));
    let [head, row] = printed.lines().collect::<Vec<_>>()[..] else {
        panic!("{printed}");
    };
    assert_eq!(
        head,
        "order,state,username,created_at,deadline,changed_at,request_id,goods,purchase,units,requested,bonus,paid,filled"
    );
    assert!(row.contains(",confirmed,another,"), "{row}");
    assert!(row.ends_with(",,,,spring.cup,2,,,,,"), "{row}");
    let printed = shop.ok(&at("orders spring.tea --format csv"));
    assert_eq!(printed.lines().count(), 2501);
    assert!(printed.contains("held,\"user,\"\"7\"\"\","), "quoted");

    // A reader that has seen enough is no failure.
    for format in ["ndjson", "csv"] {
        let mut command = shop.command(&at(&format!("orders spring.tea --format {format}")));
        let mut printing = command.stdout(Stdio::piped()).spawn().expect("it runs");
        drop(printing.stdout.take());
        assert_eq!(
            printing.wait().expect("it ends").code(),
            Some(0),
            "{format}"
        );
    }

    shop.fails(&at("orders spring.tea --format csv --json"), 2);
    shop.fails(&at("orders spring.tea --format xml"), 2);
    let refused = shop.fails(&at("orders spring.cake"), 1);
    assert!(
        refused.contains("there is no sale spring.cake"),
        "{refused}"
    );
    let lost = crate::support::orders::new_order_id(&tea);
    world.write_record(&lost, "held").await;
    let line = Shop::at(&world, "orders spring.cup");
    let said = shop.fails(&line, 1);
    assert!(said.contains(lost.as_str()), "{said}");
}

#[tokio::test]
async fn a_target_from_its_accounts_to_its_audit() {
    let (shop, world) = (Shop::new(), World::new().await);
    let at = |line: &str| Shop::at(&world, line);
    shop.ok(&at(
        "sale put p.loan --kind target --bid-min 50 --bonus-bp 100 --cancel-until 9999999999",
    ));
    let raised = shop.ok(&at("stock add p.loan --count 5000000000"));
    assert_eq!(
        raised,
        "added 5000000000 cents to sale p.loan: 5000000000 left\n"
    );
    let lowered = shop.ok(&at("stock remove p.loan --count 4999990000"));
    assert_eq!(
        lowered,
        "removed 4999990000 cents from sale p.loan: 10000 left\n"
    );
    let sale = shop.json(&at("sale show p.loan"));
    assert_eq!(
        (&sale["bid_min"], &sale["bonus_bp"]),
        (&50.into(), &100.into())
    );
    assert_eq!(sale.get("purchase_max"), None, "{sale}");

    let shown = shop.ok(&at("sale show p.loan"));
    assert!(shown.contains("bid min") && shown.contains("bonus bp"));
    assert!(!shown.contains("purchase max"), "{shown}");
    assert!(!shown.contains("buyers"), "{shown}");
    let audit = shop.ok(&at("audit p.loan"));
    assert!(!audit.contains("buyers"), "{audit}");
    shop.ok(&at("sale put p.tea --kind list"));
    let shown = shop.ok(&at("sale show p.tea"));
    assert!(
        shown.contains("purchase max") && shown.contains("buyers"),
        "{shown}"
    );
    assert!(
        !shown.contains("bid") && !shown.contains("bonus"),
        "{shown}"
    );

    let accounts: String = (0..2500).map(|n| format!("user {n},{n}\n")).collect();
    let folder = shop.folder.path();
    std::fs::write(folder.join("accounts.csv"), &accounts).expect("written");
    let loaded = shop.ok(&at("account load p accounts.csv"));
    assert_eq!(
        loaded,
        "set 2500 accounts of event p: 2500 new, 0 changed, 0 as before\n\
         event p keeps accounts from now on: who has none cannot bid\n"
    );
    std::fs::write(folder.join("wrong.csv"), format!("{accounts}user 7,1\n")).expect("written");
    let said = shop.fails(&at("account load p wrong.csv"), 2);
    assert!(
        said.contains("line 2501")
            && said.contains("line 8")
            && said.contains("nothing was changed"),
        "{said}"
    );
    let set = shop.json(&at("account set p alice 6000"));
    assert_eq!((&set["created"], &set["changed"]), (&1.into(), &0.into()));
    for wrong in [
        "account set p alice -1",
        "account set p.x alice 1",
        "account set p alice 1.5",
        "account set p alice +5",
        "account set p alice 007",
    ] {
        shop.fails(&at(wrong), 2);
    }
    let said = shop.fails(&at("account show p bob"), 1);
    assert!(said.contains("bob has no account in event p"), "{said}");
    assert_eq!(
        shop.json(&at("account show p")).as_array().map(Vec::len),
        Some(2501)
    );

    let loan = crate::support::redis::sale_id("p.loan");
    let bid = world.accepted("alice", "r", &loan, 5000).await;
    let shown = shop.ok(&at("account show p alice"));
    assert_eq!(shown, "USER   BALANCE  PAID IN\nalice  1050     6000\n");
    let shown = shop.ok(&at(&format!("order show {}", bid.id)));
    assert!(
        shown.contains("5000 of 5000 cents for p.loan, bonus 50, paid from the account\n"),
        "{shown}"
    );
    let csv = shop.ok(&at("orders p.loan --format csv"));
    assert!(
        csv.ends_with(",r,p.loan,5000,,5000,50,true,false\r\n"),
        "{csv}"
    );
    let orders = shop.json(&at("orders p.loan"));
    let line = serde_json::json!([{
        "goods": "p.loan", "requested": 5000, "accepted": 5000, "bonus": 50, "paid": true,
    }]);
    assert_eq!(orders["lines"], line);
    for (edit, why) in [
        ("sale put p.loan --bid-min 60", "p.loan has bids"),
        ("sale put p.loan --bonus-bp 0", "p.loan has bids"),
        ("sale put p.loan --hold 5m", "are for targets"),
    ] {
        let said = shop.fails(&at(edit), 1);
        assert!(said.contains(why), "{edit}: {said}");
    }
    let said = shop.fails(&at(&format!("order use {}", bid.id)), 1);
    assert!(said.contains("is a bid"), "{said}");
    let said = shop.fails(&at(&format!("order confirm {}", bid.id)), 1);
    let nothing = format!("order {} is a bid: there is nothing to confirm\n", bid.id);
    assert!(said.ends_with(&nothing), "{said}");
    let audit = shop.json(&at("audit p.loan --deep"));
    assert_eq!(
        (&audit["holds"], &audit["confirmed"], &audit["accounts"]),
        (&true.into(), &5000.into(), &2501.into())
    );
    let said = shop.ok(&at("audit p.loan --deep"));
    assert!(
        said.contains("for each account paid in = balance"),
        "{said}"
    );
    let shallow = shop.json(&at("audit p.loan"));
    assert_eq!(shallow.get("accounts"), None, "they were not looked at");
    let full = world.target("q.full", 10, &terms(1, 0)).await;
    let last = world.accepted("alice", "full", &full, 10).await;
    let said = shop.fails(&at(&format!("order cancel {}", last.id)), 1);
    assert!(said.contains("is a bid, and its target is full"), "{said}");
    shop.ok(&at(&format!("order cancel {}", bid.id)));
    let account = shop.json(&at("account show p alice"));
    assert_eq!(account["balance"], 6000);

    // A cent that comes from nowhere is named.
    let mut raw = world.raw.clone();
    let mut set = redis::cmd("HINCRBY");
    set.arg(world.store.keys().accounts("p"))
        .arg("alice")
        .arg(1);
    let _: u64 = set.query_async(&mut raw).await.expect("raw command");
    let output = shop.run(&at("audit p.loan --deep"));
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("\"alice\" has a balance of 6001, but"),
        "{said}"
    );
}

#[tokio::test]
async fn whoever_makes_an_event_keep_accounts_is_told() {
    let (shop, world) = (Shop::new(), World::new().await);
    let at = |line: &str| Shop::at(&world, line);
    for (line, printed) in [
        (
            "account show q",
            "event q keeps no accounts: everybody may bid\n",
        ),
        ("account show q --json", "[]\n"),
    ] {
        assert_eq!(shop.ok(&at(line)), printed);
    }
    // Nobody bids in an event without targets: perhaps another one is meant.
    world.sale("q.tea", StockKind::Counter, 5).await;
    let first = shop.run(&at("account set q al 50"));
    let said = String::from_utf8_lossy(&first.stderr);
    assert_eq!(first.status.code(), Some(0), "{said}");
    assert!(said.contains("event q has no target"), "{said}");
    assert_eq!(
        String::from_utf8_lossy(&first.stdout),
        "set 1 account of event q: 1 new, 0 changed, 0 as before\n\
         event q keeps accounts from now on: who has none cannot bid\n"
    );
    world.target("q.loan", 100, &terms(1, 0)).await;
    let next = shop.run(&at("account set q bo 50"));
    assert_eq!(String::from_utf8_lossy(&next.stderr), "");
    assert_eq!(
        String::from_utf8_lossy(&next.stdout),
        "set 1 account of event q: 1 new, 0 changed, 0 as before\n"
    );
    let again = shop.json(&at("account set q al 50"));
    assert_eq!(again["first_of_event"], false);
    let other = shop.json(&at("account set r al 50"));
    assert_eq!(other["first_of_event"], true);
}

#[tokio::test]
async fn an_event_without_sales_is_told() {
    let (shop, world) = (Shop::new(), World::new().await);
    world.sale("q.tea", StockKind::Counter, 5).await;
    std::fs::write(shop.folder.path().join("secret"), "sixteen bytes or more").expect("written");
    let receiver = "--webhook http://127.0.0.1:1 --secret-file secret";
    for (line, code) in [
        ("account show EVENT".to_owned(), 0),
        ("account show EVENT al".to_owned(), 1),
        ("feed dead EVENT".to_owned(), 0),
        (format!("feed retry EVENT {receiver}"), 0),
    ] {
        for (event, hinted) in [("q", false), ("qq", true)] {
            let output = shop.run(&Shop::at(&world, &line.replace("EVENT", event)));
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{line}: {said}");
            let hint = "event qq has no sale: is it the event that you mean?";
            assert_eq!(said.contains(hint), hinted, "{line}: {said}");
        }
    }
}

#[tokio::test]
async fn a_hint_that_cannot_be_had_stops_no_command() {
    let redis = PrivateRedis::forgetful();
    let (shop, mut world) = (Shop::new(), World::at(redis.url()).await);
    let _: () = world.run(&["ACL", "SETUSER", "default", "-scan"]).await;
    let show = shop.run(&Shop::at(&world, "account show q"));
    assert_eq!(String::from_utf8_lossy(&show.stderr), "");
    assert_eq!(show.status.code(), Some(0));
    let set = shop.run(&Shop::at(&world, "account set q al 50"));
    assert_eq!(String::from_utf8_lossy(&set.stderr), "");
    assert_eq!(
        String::from_utf8_lossy(&set.stdout),
        "set 1 account of event q: 1 new, 0 changed, 0 as before\n\
         event q keeps accounts from now on: who has none cannot bid\n"
    );
}

#[tokio::test]
async fn money_is_deposited_and_withdrawn_once_for_each_request() {
    let (shop, world) = (Shop::new(), World::new().await);
    let at = |line: &str| Shop::at(&world, line);
    let loan = world.target("p.loan", 1000, &terms(1, 0)).await;
    let first = shop.run(&at("account deposit p al 500 --request-id r1"));
    let said = String::from_utf8_lossy(&first.stderr);
    assert_eq!(first.status.code(), Some(0), "{said}");
    let begins = "seckill: event p keeps accounts from now on: who has none cannot bid\n";
    assert_eq!(said, begins);
    let printed = "deposited 500 cents, account of al in event p: 500 cents then\n";
    assert_eq!(String::from_utf8_lossy(&first.stdout), printed);
    let out = shop.json(&at("account withdraw p al 120 --request-id r2"));
    let whole = serde_json::json!({
        "code": "withdrawn", "username": "al", "request_id": "r2", "amount": 120, "balance": 380,
    });
    assert_eq!(out, whole);
    world.accepted("al", "bid", &loan, 80).await;
    let again = shop.run(&at("account deposit p al 500 --request-id r1"));
    assert_eq!(String::from_utf8_lossy(&again.stderr), "");
    assert_eq!(String::from_utf8_lossy(&again.stdout), printed);
    assert_eq!(
        shop.json(&at("account withdraw p al 120 --request-id r2")),
        whole
    );
    assert_eq!(world.balance("p", "al").await, Some(300));

    // Without a name of its own, a payment gets one that can be said again.
    let new = shop.run(&at("account withdraw p al 50 --json"));
    let said = String::from_utf8_lossy(&new.stderr).into_owned();
    let id = said.strip_prefix("seckill: the request id of this payment is ");
    let id = id.expect("it is told").trim_end();
    let told: Value = serde_json::from_slice(&new.stdout).expect("JSON");
    assert_eq!(
        (&told["request_id"], &told["balance"]),
        (&id.into(), &250.into())
    );
    let again = shop.json(&at(&format!("account withdraw p al 50 --request-id {id}")));
    assert_eq!(again, told);
    assert_eq!(shop.json(&at("account withdraw p al 50"))["balance"], 200);
    world.assert_holds(&loan).await;

    // Nobody bids in an event without targets: perhaps another one is meant.
    world.sale("q.tea", StockKind::Counter, 5).await;
    let hint = shop.run(&at("account deposit q al 1 --request-id r"));
    let said = String::from_utf8_lossy(&hint.stderr).into_owned();
    assert!(said.contains("event q has no target"), "{said}");
}

#[tokio::test]
async fn a_payment_that_is_refused_wrong_or_in_doubt_has_its_exit_code() {
    let (shop, mut world) = (Shop::new(), World::new().await);
    world.target("p.loan", 1000, &terms(1, 0)).await;
    world.set_accounts("p", &[("al", 500)]).await;
    world.pay("p", "al", "r1", 5).await;
    let before = world.dump().await;
    for (line, code, words) in [
        (
            "deposit p al 6 --request-id r1",
            1,
            "belongs to another payment",
        ),
        (
            "withdraw p al 5 --request-id r1",
            1,
            "belongs to another payment",
        ),
        (
            "withdraw p al 506 --request-id r",
            1,
            "al has 505 cents, less than 506",
        ),
        (
            "withdraw p bo 1 --request-id r",
            1,
            "bo has no account in event p",
        ),
        (
            "deposit p al 100000000000000 --request-id r",
            1,
            "would have been paid into",
        ),
        ("deposit p al 0", 2, "from 1 to 100000000000000"),
        ("deposit p al -1", 2, ""),
        ("deposit p al 01", 2, "from 1 to"),
        ("deposit p al 1.5", 2, "from 1 to"),
        ("withdraw p al 100000000000001", 2, "from 1 to"),
        ("deposit p.x al 1", 2, "event"),
        ("deposit p al", 2, "CENTS"),
        ("deposit p al 1 --request-id=", 2, "request-id"),
        (
            "set p al 6 --if-balance 500",
            1,
            "al has 505 cents, not 500; nothing was changed",
        ),
        (
            "set p bo 6 --if-balance 0",
            1,
            "bo has no account in event p",
        ),
        ("set p al 6 --if-balance 0505", 2, "no whole number"),
        ("set p al 6 --if-balance 100000000000001", 2, "is not in"),
    ] {
        let said = shop.fails(&Shop::at(&world, &format!("account {line}")), code);
        assert!(said.contains(words), "{line}: {said}");
    }
    assert_eq!(world.dump().await, before, "something was changed");
    let set = shop.ok(&Shop::at(&world, "account set p al 6 --if-balance 505"));
    assert_eq!(
        set,
        "set 1 account of event p: 0 new, 1 changed, 0 as before\n"
    );
    let same = shop.json(&Shop::at(&world, "account set p al 6 --if-balance 6"));
    assert_eq!(
        (&same["changed"], &same["accounts"]),
        (&0.into(), &1.into())
    );

    // What a script cannot read leaves its outcome in doubt.
    let [accounts, ..] = world.store.keys().of_accounts("p");
    let _: i64 = world.run(&["HSET", &accounts, "al", "x"]).await;
    let said = shop.fails(&Shop::at(&world, "account deposit p al 1"), 4);
    let id = said.split_whitespace().nth(8).expect("an id");
    let advice = format!("the same again with --request-id {id:?} is safe: it is paid once");
    assert!(
        said.contains("outcome unknown") && said.contains(&advice),
        "{said}"
    );
    let said = shop.fails(&Shop::at(&world, "account set p al 1 --if-balance 6"), 4);
    assert!(said.contains("the same again is safe"), "{said}");

    let nowhere = "--redis-url redis://127.0.0.1:1";
    for line in [
        "deposit p al 1",
        "withdraw p al 1",
        "set p al 1 --if-balance 6",
    ] {
        let said = shop.fails(&format!("account {line} {nowhere}"), 3);
        assert!(said.contains("not executed"), "{line}: {said}");
    }
    shop.fails("account withdraw p al 1", 1); // there are no data here
    shop.ok("account deposit p al 1");
}

#[tokio::test]
async fn a_limit_of_orders_is_a_number_or_none() {
    let (shop, world) = (Shop::new(), World::new().await);
    let at = |line: &str| Shop::at(&world, line);
    shop.ok(&at("sale put a --kind list"));
    for (given, shown) in [("7", "7"), ("none", "none"), ("1000000", "1000000")] {
        shop.ok(&at(&format!("sale put a --orders-max {given}")));
        let told = shop.ok(&at("sale show a"));
        let line = told.lines().find(|line| line.starts_with("orders max"));
        assert!(line.is_some_and(|line| line.ends_with(shown)), "{told}");
        let number = shown.parse::<u64>().ok();
        assert_eq!(shop.json(&at("sale show a"))["orders_max"].as_u64(), number);
        assert_eq!(
            shop.json(&at("sale list"))[0]["orders_max"].as_u64(),
            number
        );
    }
    for wrong in ["0", "1000001", "-1", "many", ""] {
        let mut command = shop.command(&at("sale put a"));
        command.arg(format!("--orders-max={wrong}"));
        let output = command.output().expect("the program runs");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("--orders-max"), "{said}");
    }
}

#[tokio::test]
async fn targets_that_take_tiny_bids_are_warned_of() {
    let redis = PrivateRedis::forgetful();
    let (shop, world) = (Shop::new(), World::at(redis.url()).await);
    let put = |line: &str| {
        let mut command = shop.command(&Shop::at(&world, &format!("sale put {line}")));
        let output = command.output().expect("the program runs");
        assert_eq!(output.status.code(), Some(0), "{line}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let target = || {
        let found = shop.json(&Shop::at(&world, "doctor"));
        let findings = found.as_array().expect("a list").clone();
        let finding = findings
            .into_iter()
            .find(|finding| finding["what"] == "targets");
        finding.map(|finding| {
            let word = |name: &str| finding[name].as_str().expect("a text").to_owned();
            (word("grade"), word("found"), word("mend"))
        })
    };
    assert_eq!(put("p.tea --kind list"), "");
    assert_eq!(target(), None, "there is no target");
    assert_eq!(put("p.fine --kind target --bid-min 100"), "");
    assert_eq!(target().expect("a finding").0, "ok");
    let warned = put("p.loan --kind target");
    for words in ["p.loan", "1 cent", "308 bytes", "--bid-min"] {
        assert!(warned.contains(words), "{words} is not in {warned}");
    }
    assert_eq!(
        put("p.loan --title loan"),
        "",
        "only a new target is warned of"
    );
    let (grade, found, mend) = target().expect("a finding");
    assert_eq!(grade, "warning");
    assert!(
        found.contains("p.loan: smallest bid 1 cent, which nobody set"),
        "{found}"
    );
    assert!(mend.contains("--bid-min"), "{mend}");
    put("p.loan --bid-min 1");
    assert_eq!(target().expect("a finding").0, "ok", "somebody chose it");
    shop.ok(&Shop::at(&world, "stock add p.fine --count 1000000000"));
    assert_eq!(target().expect("a finding").0, "ok", "10 million bids");
    shop.ok(&Shop::at(&world, "stock add p.fine --count 100"));
    let (grade, found, _) = target().expect("a finding");
    assert_eq!(grade, "warning");
    let words = "p.fine: smallest bid 100 cents; 10000001 bids may come, of 2937 MiB of Redis";
    assert_eq!(found, words);
    put("p.fine --closes-at 1");
    assert_eq!(
        target().expect("a finding").0,
        "ok",
        "it takes no more bids"
    );
}
