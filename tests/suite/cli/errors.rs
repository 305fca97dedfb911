//! What is said of commands that are wrong or cannot be done, and their exit codes.

use std::process::Stdio;

use seckill::domain::sale::StockKind;

use super::Shop;
use crate::support::process::Ended;
use crate::support::redis::{PrivateRedis, World};
use crate::support::table::rows;

/// Command, exit code, words of what is said. Sale a is a list, sale b counts.
const WRONG_COMMANDS: &str = r#"
    sale show nowhere                         1  there is no sale nowhere
    sale put new --title x                    1  create it with
    sale put a --kind counter                 1  kind of a sale never changes
    sale put a --opens-at 2 --closes-at 1     1  close before it opens
    sale put a                                2  nothing to put
    sale put A --kind list                    2  sale id must be
    sale put a --kind heap                    2  `list`, `counter` or `target`
    sale put a --opens-at tomorrow            2  2026-11-11T00:00:00+08:00
    sale put a --purchase-max 0               2  1..=100
    sale put a --purchase-max 101             2  1..=100
    sale pause nowhere                        1  there is no sale nowhere
    stock add nowhere --count 1               1  there is no sale nowhere
    stock add a --count 0                     2  1..=
    stock add a --count -1                    2  -1
    stock add a                               2  --count <N>|--units <FILE>
    stock add a --count 1 --units twice.txt   2  cannot be used with
    stock add a --units missing.txt           2  missing.txt
    stock add a --units twice.txt             2  line 3: unit "u" stands in line 1
    stock add b --count 1000000001            2  1..=1000000000
    stock remove nowhere --count 1            1  there is no sale nowhere
    audit nowhere                             3  there is no sale nowhere
    audit nowhere --deep                      3  there is no sale nowhere
    audit a --redis-url redis://127.0.0.1:1   3  cannot reach Redis
    audit A                                   2  sale id must be
    sale list --redis-url ftp://x             2  redis.url
    sale list --redis-url redis://127.0.0.1:1  3  cannot reach Redis
    sale list --set http.workers=none         2  http.workers
    sale list --config missing.toml           2  missing.toml
    serve --listen nowhere                    2  http.listen
    fly                                       2  fly
"#;

#[test]
fn what_is_wrong_is_said_with_its_exit_code() {
    let shop = Shop::new();
    shop.ok("sale put a --kind list");
    shop.ok("sale put b --kind counter");
    shop.write("twice.txt", "u\nv\nu\n");
    for row in rows(WRONG_COMMANDS) {
        let [line, code, words] = row.cells();
        let said = shop.fails(line, code.parse().expect("a number"));
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(
        shop.json("sale show a")["added"],
        0,
        "a wrong load adds nothing"
    );
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
        let ended = Ended::from(command.stderr(Stdio::piped()).output().expect("it runs"));
        assert_eq!(ended.code, Some(1), "{line}: {ended:?}");
        let words = "cannot be printed: No space";
        assert!(ended.said.contains(words), "{line}: {ended:?}");
    }
    assert_eq!(shop.json("sale show a")["left"], 1);
}

#[tokio::test]
async fn a_hint_that_cannot_be_had_stops_no_command() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let shop = Shop::of(&world);
    let _: () = world.run(&["ACL", "SETUSER", "default", "-scan"]).await;
    assert_eq!(shop.ends("account show q", 0).said, "");
    let set = shop.run("account set q al 50");
    assert_eq!(set.said, "");
    assert_eq!(
        set.printed,
        "set 1 account of event q: 1 new, 0 changed, 0 as before\n\
         event q keeps accounts from now on: who has none cannot bid\n"
    );
}

#[tokio::test]
async fn an_event_without_sales_is_told() {
    let (shop, world) = Shop::with_world().await;
    world.sale("q.tea", StockKind::Counter, 5).await;
    shop.write("secret", "sixteen bytes or more");
    let receiver = "--webhook http://127.0.0.1:1 --secret-file secret";
    for (line, code) in [
        ("account show EVENT".to_owned(), 0),
        ("account show EVENT al".to_owned(), 1),
        ("feed dead EVENT".to_owned(), 0),
        (format!("feed retry EVENT {receiver}"), 0),
    ] {
        for (event, hinted) in [("q", false), ("qq", true)] {
            let said = shop.ends(&line.replace("EVENT", event), code).said;
            let hint = "event qq has no sale: is it the event that you mean?";
            assert_eq!(said.contains(hint), hinted, "{line}: {said}");
        }
    }
}
