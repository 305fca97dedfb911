//! `seckill event archive`: its file, and that it may be killed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use seckill::domain::sale::StockKind;

use super::{bury, found, over};
use crate::support::PATIENCE;
use crate::support::process::{Ended, program};
use crate::support::redis::World;

/// `seckill event archive e`
fn command(world: &World) -> Command {
    let mut command = program();
    command
        .args(["event", "archive", "e"])
        .args(world.arguments(&[]))
        .stdin(Stdio::null());
    command
}

/// Ids of the orders in an archive; a last line that was cut off tells of none.
fn orders_in(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let orders = lines.filter_map(|line: serde_json::Value| {
        let id = line["order"].as_str()?.to_owned();
        (line["kind"] == "order").then_some(id)
    });
    orders.collect()
}

/// `kill -9` while it works, again and again: what is not in Redis any more is in a file.
#[tokio::test]
async fn a_command_that_is_killed_loses_nothing() {
    let mut world = World::new().await;
    let sale = world.held_sale("e.a", StockKind::Counter, 100).await;
    let alive = world.granted(&sale, "x", 1).await;
    let dead = bury(&mut world, &sale, 6_000).await;
    over(&world, &sale).await;
    let folder = tempfile::tempdir().expect("folder");
    let (mut kept, mut kills) = (BTreeSet::new(), 0);
    for run in 0.. {
        let file = folder.path().join(format!("{run}.ndjson"));
        let mut archive = command(&world);
        let mut child = archive.arg("--to").arg(&file).stdout(Stdio::null()).spawn();
        let child = child.as_mut().expect("the program starts");
        let since = Instant::now();
        // Each time a little more of it, until it comes to its end.
        let enough = 1 + 90_000 * run;
        let ended = loop {
            if let Some(status) = child.try_wait().expect("its own child") {
                break Some(status);
            }
            if fs::metadata(&file).is_ok_and(|file| file.len() >= enough) {
                break None;
            }
            assert!(since.elapsed() < PATIENCE, "it goes on and on");
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        child.kill().expect("killed");
        child.wait().expect("ended");
        kept.append(&mut orders_in(&file));
        let mut safe = found(&mut world).await;
        safe.extend(kept.iter().cloned());
        assert!(dead.is_subset(&safe), "orders are lost after run {run}");
        world.assert_holds(&sale).await;
        match ended {
            Some(status) => {
                assert_eq!(status.code(), Some(0));
                break;
            }
            None => kills += 1,
        }
    }
    assert!(kills > 1, "it was killed {kills} times");
    assert_eq!(kept, dead);
    assert_eq!(found(&mut world).await, BTreeSet::from([alive.to_string()]));
}

#[tokio::test]
async fn the_command_makes_one_private_file_and_says_what_it_did() {
    let mut world = World::new().await;
    let sale = world.held_sale("e.a", StockKind::Counter, 100).await;
    world.granted(&sale, "x", 1).await;
    let dead = bury(&mut world, &sale, 3).await;
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("spring.ndjson");
    let refused = Ended::of(command(&world).arg("--to").arg(&file));
    assert_eq!(refused.code, Some(1));
    let said = refused.said;
    for words in ["sale e.a has not ended", "never closes", "--closes-at"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(!file.exists(), "a refusal leaves no file");

    over(&world, &sale).await;
    fs::write(&file, "precious").expect("written");
    let refused = Ended::of(command(&world).arg("--to").arg(&file));
    assert_eq!(refused.code, Some(1));
    assert!(refused.said.contains("exists already"), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).expect("read"), "precious");
    fs::remove_file(&file).expect("removed");

    let done = Ended::of(command(&world).arg("--json").arg("--to").arg(&file));
    assert_eq!(done.code, Some(0), "{done:?}");
    let told = done.json();
    for (name, number) in [
        ("orders", 3),
        ("entries", 1),
        ("requests", 0),
        ("unreadable", 0),
    ] {
        assert_eq!(told[name], number, "{name} in {told}");
    }
    assert_eq!(told["file"].as_str(), file.to_str());
    assert_eq!(orders_in(&file), dead);
    let mode = fs::metadata(&file).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The default name, in the folder where it is run; nothing is left, so there is no file.
    let again = Ended::of(command(&world).current_dir(folder.path()));
    assert_eq!((again.code, again.said.as_str()), (Some(0), ""));
    assert!(again.printed.contains("nothing to move"), "{again:?}");
    let files: Vec<_> = fs::read_dir(folder.path()).expect("read").collect();
    assert_eq!(files.len(), 1, "{files:?}");
}
