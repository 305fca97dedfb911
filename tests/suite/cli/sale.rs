//! `seckill sale …`.

use seckill::domain::sale::StockKind;
use serde_json::json;

use super::Shop;
use crate::support::app::TestApp;
use crate::support::process::Ended;

#[test]
fn a_sale_from_nothing_to_its_audit_without_a_server() {
    let shop = Shop::new();
    a_sale_is_put_and_stocked(&shop);
    an_activity_is_put_on_show_and_taken_off(&shop);
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
    let findings = shop.json("doctor");
    assert!(findings.as_array().is_some_and(|all| all.len() >= 5));
}

fn a_sale_is_put_and_stocked(shop: &Shop) {
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
    shop.write("units.txt", "座位 1\nseat-2\n");
    assert_eq!(
        shop.json("stock add spring.tea --units units.txt")["left"],
        7
    );
    let removed = shop.json("stock remove spring.tea --count 2");
    assert_eq!(removed["units"], json!(["seat-2", "座位 1"]));
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
}

fn an_activity_is_put_on_show_and_taken_off(shop: &Shop) {
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
    let put = Ended::of(shop.command("sale put b").args(lines));
    assert_eq!(put.code, Some(0), "{put:?}");
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
}

#[tokio::test]
async fn one_is_written_as_one() {
    let (shop, _world) = Shop::with_world().await;
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
        assert_eq!(shop.ok(line), printed);
    }
    assert_eq!(
        shop.run("stock remove q.b --count 1").printed,
        "removed 0 of 1 unit from sale q.b: no more are unsold, 0 left\n"
    );
}

#[tokio::test]
async fn one_broken_sale_does_not_hide_the_others() {
    let (shop, mut world) = Shop::with_world().await;
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
    let printed = shop.ends("sale list", 1).printed;
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
    let list = shop.ends("sale list --json", 1).json();
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
fn a_title_that_moves_the_cursor_is_refused() {
    let shop = Shop::new();
    for title in ["two\nlines", "\u{1b}[2J", &"x".repeat(201)] {
        let mut command = shop.command("sale put a --kind list --title");
        let ended = Ended::of(command.arg(title));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.said.contains("the title must be"), "{ended:?}");
    }
    shop.ok("sale put a --kind list --title=");
}

#[tokio::test]
async fn a_limit_of_orders_is_a_number_or_none() {
    let (shop, _world) = Shop::with_world().await;
    shop.ok("sale put a --kind list");
    for (given, shown) in [("7", "7"), ("none", "none"), ("1000000", "1000000")] {
        shop.ok(&format!("sale put a --orders-max {given}"));
        let told = shop.ok("sale show a");
        let line = told.lines().find(|line| line.starts_with("orders max"));
        assert!(line.is_some_and(|line| line.ends_with(shown)), "{told}");
        let number = shown.parse::<u64>().ok();
        assert_eq!(shop.json("sale show a")["orders_max"].as_u64(), number);
        assert_eq!(shop.json("sale list")[0]["orders_max"].as_u64(), number);
    }
    for wrong in ["0", "1000001", "-1", "many", ""] {
        let mut command = shop.command("sale put a");
        command.arg(format!("--orders-max={wrong}"));
        let ended = Ended::of(&mut command);
        assert_eq!(ended.code, Some(2), "{wrong:?}");
        assert!(ended.said.contains("--orders-max"), "{ended:?}");
    }
}
