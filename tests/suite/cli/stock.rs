//! `seckill stock add` and `seckill stock remove`.

use std::io::Write;
use std::process::Stdio;
use std::time::Instant;

use seckill::domain::sale::StockKind;

use super::Shop;
use crate::support::process::Ended;

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
    let ended = Ended::from(child.wait_with_output().expect("ends"));
    assert!(ended.printed.contains("\"added\":2"), "{ended:?}");
}

#[test]
fn a_million_units_are_loaded_in_seconds() {
    let shop = Shop::new();
    shop.ok("sale put list --kind list");
    shop.ok("sale put count --kind counter");
    let units: String = (0..1_000_000).map(|n| format!("coupon-{n:07}\n")).collect();
    shop.write("units.txt", units);
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

#[test]
fn a_unit_that_was_loaded_twice_is_named_before_it_is_sold() {
    let shop = Shop::new();
    shop.ok("sale put a --kind list");
    shop.write("units.txt", "u\nv\n");
    shop.ok("stock add a --units units.txt");
    assert_eq!(shop.json("audit a --deep")["holds"], true);
    shop.ok("stock add a --units units.txt");
    let said = shop.ends("audit a --deep", 1).printed;
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
        let short = shop.ends(&format!("stock remove a --count {of}"), 1);
        assert_eq!(short.printed, line);
    }
    assert_eq!(
        shop.ok("stock remove b --count 2"),
        "removed 2 units from sale b: 1 left\n"
    );
}

#[tokio::test]
async fn a_removed_unit_is_printed_whatever_its_bytes() {
    let (shop, mut world) = Shop::with_world().await;
    world.sale("a", StockKind::List, 1).await;
    let mut push = redis::cmd("RPUSH");
    push.arg(format!("{}{{a}}:stock:a", world.prefix))
        .arg(&b"x\xff\n"[..]);
    let _: i64 = push.query_async(&mut world.raw).await.expect("pushed");
    assert_eq!(
        shop.ok("stock remove a --count 2"),
        "removed 2 units from sale a: 0 left\nx\u{fffd}\\u{a}\nsn-1\n"
    );
}

#[tokio::test]
async fn a_removal_that_fails_in_the_middle_prints_what_it_took() {
    let (shop, mut world) = Shop::with_world().await;
    for json in ["", " --json"] {
        let id = world.sale("a", StockKind::List, 5_000).await;
        world.store.stock_add_count(&id, 1_000).await.expect("more");
        // One call counts on to 16 digits; the next one refuses to count with them.
        let key = format!("{}{{a}}:sale:a", world.prefix);
        let removed = "999999999999000";
        let _: redis::Value = world.run(&["HSET", &key, "removed", removed]).await;
        let ended = shop.ends(&format!("stock remove a --count 6000{json}"), 1);
        let (printed, said) = (&ended.printed, &ended.said);
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
            let value = ended.json();
            assert_eq!(value["removed"], 5_000);
            assert_eq!(value["units"].as_array().map(Vec::len), Some(5_000));
        }
        let stock = format!("{}{{a}}:stock:a", world.prefix);
        let _: i64 = world.run(&["DEL", &key, &stock]).await;
    }
}
