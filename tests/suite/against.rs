//! `seckill audit ID --against FILE`: compares an export from before a failover with what the sale
//! has now.

use std::path::Path;

use seckill::domain::caller::Caller;
use seckill::domain::ids::OrderId;
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::sale::StockKind;
use serde_json::Value;

use crate::support::orders::held_for;
use crate::support::process::{Ended, program};
use crate::support::redis::World;

/// Runs a command at a world: its exit code, what it printed, and what it said.
fn run(world: &World, words: &[&str]) -> (Option<i32>, String, String) {
    let ended = Ended::of(program().args(words).args(world.arguments(&[])));
    (ended.code, ended.printed, ended.said)
}

/// A sale with this many orders of one unit, the first of them confirmed, and an export of it.
async fn exported(world: &World, format: &str, file: &Path) -> Vec<OrderId> {
    let sale = world.sale("a", StockKind::List, 10).await;
    world.put(&sale, &held_for(3_600_000)).await;
    let mut orders = Vec::new();
    for user in ["=al", "bo", "cy", "di", "ed"] {
        orders.push(world.granted(&sale, user, 1).await);
    }
    let confirmed = world.store.order_confirm(&orders[0]).await;
    assert!(matches!(confirmed, Ok(ChangeOutcome::Changed(_))));
    let (code, printed, said) = run(world, &["orders", "a", "--format", format]);
    assert_eq!(code, Some(0), "{said}");
    std::fs::write(file, printed).expect("written");
    orders
}

#[tokio::test]
async fn what_was_acknowledged_and_is_missing_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    for format in ["ndjson", "csv"] {
        let mut world = World::new().await;
        let file = folder.path().join(format);
        let orders = exported(&world, format, &file).await;
        let against = ["audit", "a", "--against", file.to_str().expect("plain")];

        // Going on is right: one is cancelled, one is confirmed, and there are new ones.
        let cancelled = world
            .store
            .order_cancel(&orders[4], &Caller::Operator)
            .await;
        assert!(matches!(cancelled, Ok(ChangeOutcome::Changed(_))));
        let confirmed = world.store.order_confirm(&orders[3]).await;
        assert!(matches!(confirmed, Ok(ChangeOutcome::Changed(_))));
        let sale = crate::support::redis::sale_id("a");
        let (code, printed, said) = run(&world, &against);
        assert_eq!(code, Some(0), "{printed}{said}");
        assert!(printed.contains("5 orders of the export"), "{printed}");

        // A failover loses an order and a confirmation, and a unit is sold again.
        let records = world.store.keys().orders("a");
        let record: String = world.run(&["HGET", &records, orders[0].as_str()]).await;
        let held = record.replacen("confirmed", "held", 1);
        let held = held.replacen("\t=al\t", "\t=al\t9", 1);
        world.write_record(&orders[0], &held).await;
        let _: u64 = world.run(&["HDEL", &records, orders[1].as_str()]).await;
        let buyers = world.store.keys().buyers(&sale);
        let _: u64 = world.run(&["HDEL", &buyers, "bo"]).await;
        let stock = world.store.keys().stock(&sale);
        let _: u64 = world.run(&["LPUSH", &stock, "sn-2"]).await;
        let again = world.granted(&sale, "eve", 1).await;
        let (code, printed, _) = run(&world, &[&against[..], &["--json"]].concat());
        assert_eq!(code, Some(1), "{printed}");
        let verdict: Value = serde_json::from_str(&printed).expect("JSON");
        assert_eq!(verdict["holds"], false);
        assert_eq!(verdict["against"]["orders"], 5);
        let wrong = verdict["against"]["wrong"].as_array().expect("a list");
        let wrong: Vec<&str> = wrong.iter().filter_map(Value::as_str).collect();
        for words in [
            format!("order {} was confirmed, and is now held", orders[0]),
            format!("order {} of \"bo\" is missing", orders[1]),
            format!(
                "unit \"sn-2\" of order {} is now of order {again}",
                orders[1]
            ),
        ] {
            let named = wrong.iter().any(|wrong| wrong.contains(&words));
            assert!(named, "{words}: {wrong:#?}");
        }
        assert_eq!(wrong.len(), 3, "{wrong:#?}");
    }
}

#[tokio::test]
async fn what_is_no_export_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let world = World::new().await;
    let file = folder.path().join("export");
    let orders = exported(&world, "ndjson", &file).await;
    assert_eq!(orders.len(), 5);
    let path = file.to_str().expect("plain");
    for (text, words) in [
        (Some("order,state\n"), "not an export"),
        (Some("{\"order\":1}\n"), "line 1"),
        (None, "No such file"),
    ] {
        match text {
            Some(text) => std::fs::write(&file, text).expect("written"),
            None => std::fs::remove_file(&file).expect("removed"),
        }
        let (code, _, said) = run(&world, &["audit", "a", "--against", path]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words) && said.contains("--against"), "{said}");
    }
}
