//! What nobody needs of an event that is over is exported and then dropped, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::Value;
use seckill::domain::archive::{
    ArchiveOutcome, ArchiveRefusal, Archived, Erased, Piece, is_erased,
};
use seckill::domain::clear::Force;
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::OrderState;
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::payment::{PayOutcome, PayRefusal};
use seckill::domain::purchase::outcome::{Outcome, Refusal};
use seckill::domain::sale::{EditOutcome, EditRefusal, SaleEdit, StockKind};
use seckill::error::{Error, Result};
use seckill::store::Store;
use seckill::store::archive::Keeper;
use seckill::store::sales::clear::Clear;

use crate::support::PATIENCE;
use crate::support::bids::{event, terms};
use crate::support::orders::new_order_id;
use crate::support::process::program;
use crate::support::redis::{PrivateRedis, World, sale_id};
use crate::support::terms::term_text;

/// Keeps pieces in memory, so many times; then it fails.
struct Memory {
    pieces: Vec<Piece>,
    times: usize,
    /// The last ones are kept all the same, as by a process that is killed right after.
    keeps_last: bool,
}

impl Memory {
    fn new() -> Self {
        Self {
            pieces: Vec::new(),
            times: usize::MAX,
            keeps_last: true,
        }
    }
}

impl Keeper for Memory {
    fn keep(&mut self, pieces: &[Piece]) -> Result<()> {
        if self.times > 0 || self.keeps_last {
            self.pieces.extend_from_slice(pieces);
        }
        if self.times == 0 {
            return Err(Error::Refused("killed".to_owned()));
        }
        self.times -= 1;
        Ok(())
    }

    fn looked_at(&mut self, _: u64) {}
}

fn closing(ms: Option<u64>) -> SaleEdit {
    SaleEdit {
        closes_at: Some(ms),
        ..SaleEdit::default()
    }
}

async fn over(world: &World, sale: &SaleId) {
    world.put(sale, &closing(Some(1))).await;
}

async fn archive(store: &Store, keeper: &mut Memory) -> ArchiveOutcome {
    let outcome = store.event_archive(&event("e"), false, keeper).await;
    outcome.expect("answered")
}

async fn archived(world: &World, keeper: &mut Memory) -> Archived {
    match archive(&world.store, keeper).await {
        ArchiveOutcome::Done(archived) => archived,
        ArchiveOutcome::Refused(refusal) => panic!("{refusal:?}"),
    }
}

/// Dead orders, each with its request, as they stand after their units went back.
async fn bury(world: &mut World, sale: &SaleId, orders: usize) -> BTreeSet<String> {
    let (key, requests) = {
        let keys = world.store.keys();
        (keys.orders(sale.event()), keys.requests(sale.event()))
    };
    let ids: Vec<OrderId> = (0..orders).map(|_| new_order_id(sale)).collect();
    let mut write = redis::pipe();
    for (n, id) in ids.iter().enumerate() {
        let record = format!("expired\t1700000000000\tdead-{n}\t1700000000001\tr\n{sale}\t1");
        write.hset(&key, id.as_str(), record).ignore();
        write.hset(&requests, format!("dead-{n}\tr"), id.as_str());
    }
    let _: Value = write.query_async(&mut world.raw).await.expect("written");
    ids.iter().map(ToString::to_string).collect()
}

/// Ids of the orders that are in Redis.
async fn found(world: &mut World) -> BTreeSet<String> {
    let orders = world.store.keys().orders("e");
    world.run(&["HKEYS", &orders]).await
}

fn orders_of(pieces: &[Piece]) -> BTreeSet<String> {
    let orders = pieces.iter().filter_map(|piece| match piece {
        Piece::Order(order) => Some(order.id.to_string()),
        _ => None,
    });
    orders.collect()
}

#[tokio::test]
async fn what_nobody_needs_goes_and_all_else_stays() {
    let mut world = World::new().await;
    let list = world.held_sale("e.list", StockKind::List, 10).await;
    let count = world.held_sale("e.count", StockKind::Counter, 10).await;
    let loan = world.target("e.loan", 1000, &terms(1, 0)).await;
    let mut alive = Vec::new();
    for (sale, user) in [(&list, "held"), (&count, "sold"), (&list, "used")] {
        alive.push(world.granted(sale, user, 2).await);
    }
    let back = world.granted(&list, "back", 2).await;
    let store = world.store.clone();
    for order in &alive[1..] {
        store.order_confirm(order).await.expect("confirmed");
    }
    store.order_use(&alive[2]).await.expect("used");
    store.order_cancel(&back, None).await.expect("cancelled");
    let both = [(&list, StockKind::List, 1), (&count, StockKind::Counter, 1)];
    alive.push(
        world
            .write_order("both", OrderState::Confirmed, 0, &both)
            .await,
    );
    world.pay("e", "al", "p1", 500).await;
    world.pay("e", "al", "p2", -100).await;
    alive.push(world.accepted("al", "bid", &loan, 300).await.id);
    let mut dead = bury(&mut world, &count, 3).await;
    dead.insert(back.to_string());
    for sale in [&list, &count, &loan] {
        over(&world, sale).await;
    }
    let before = world.contents().await;
    let fed = world.feed("e").await.len() as u64;

    let mut memory = Memory::new();
    let done = archived(&world, &mut memory).await;
    let expected = Archived {
        entries: fed,
        dead_letters: 0,
        orders: 4,
        requests: 2,
        payments: 2,
        unreadable: 0,
        erased: None,
    };
    assert_eq!(done, expected);
    assert_eq!(orders_of(&memory.pieces), dead);
    let after = world.contents().await;
    for id in &alive {
        assert_ne!(world.order(id).await.state, OrderState::Cancelled);
    }
    let mut changed: BTreeMap<_, _> = before.clone();
    changed.retain(|key, value| after.get(key) != Some(value));
    let changed: Vec<&str> = changed.keys().map(String::as_str).collect();
    let gone = [
        "{e}:feed",
        "{e}:gone:e.list",
        "{e}:orders",
        "{e}:payments",
        "{e}:requests",
        "{e}:sale:e.count",
        "{e}:sale:e.list",
    ];
    assert_eq!(changed, gone);
    for sale in [&list, &count, &loan] {
        world.assert_holds(sale).await;
    }
    // Nothing is left to do, and the second time says so.
    let again = archived(&world, &mut Memory::new()).await;
    assert_eq!(again, Archived::default());
    assert_eq!(world.contents().await, after);

    // Who holds an order is still shown it, tickets are still checked, and the feed counts on.
    let Outcome::AlreadyGrabbed(own) = world.grab(&count, "sold", 1).await else {
        panic!("the buyer's own order is not shown");
    };
    assert_eq!(own.order, alive[1]);
    let nothing = world.grab(&count, "dead-1", 1).await;
    assert_eq!(nothing, Outcome::Refused(Refusal::Ended));
    store.order_use(&alive[1]).await.expect("used");
    let feed = world.store.keys().feed("e");
    let told: Vec<(String, Value)> = world.run(&["XRANGE", &feed, "-", "+"]).await;
    assert_eq!(told[0].0, format!("0-{}", fed + 1));
    let confirmed = store.order_confirm(&back).await.expect("answered");
    assert_eq!(confirmed, ChangeOutcome::NoSuchOrder);
    world.assert_holds(&count).await;
}

/// Asserts that a refusal says this and leaves everything as it was.
async fn assert_refused(world: &mut World, expected: ArchiveRefusal) {
    let before = world.contents().await;
    let mut memory = Memory::new();
    let told = archive(&world.store, &mut memory).await;
    assert_eq!(told, ArchiveOutcome::Refused(expected));
    assert_eq!(memory.pieces, []);
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn what_is_in_the_way_is_named_and_nothing_changes() {
    let mut world = World::new().await;
    world.sale("elsewhere", StockKind::List, 1).await;
    assert_refused(&mut world, ArchiveRefusal::NoSuchEvent).await;
    let one = world.held_sale("e.a", StockKind::Counter, 9).await;
    let other = world.sale("e.b", StockKind::Counter, 9).await;
    let order = world.granted(&one, "x", 1).await;
    bury(&mut world, &one, 3).await;
    let not_ended = |sale: &SaleId, closes_at| ArchiveRefusal::NotEnded {
        sale: sale.clone(),
        closes_at,
    };
    assert_refused(&mut world, not_ended(&one, None)).await;
    over(&world, &one).await;
    assert_refused(&mut world, not_ended(&other, None)).await;
    let later = world.now().await + 60_000;
    world.put(&other, &closing(Some(later))).await;
    assert_refused(&mut world, not_ended(&other, Some(later))).await;
    over(&world, &other).await;

    world.store.feed_open("e").await.expect("a group");
    let needed = ArchiveRefusal::FeedNeeded {
        group: "relay".to_owned(),
    };
    assert_refused(&mut world, needed.clone()).await;
    let taken = world.store.feed_take("e", "worker", 10).await;
    taken.expect("read").expect("a group");
    assert_refused(&mut world, needed).await;
    let acknowledged = ["0-1".to_owned()];
    let acknowledged = world.store.feed_acknowledge("e", &acknowledged).await;
    acknowledged.expect("acknowledged");

    let key = world.store.keys().sale(&one);
    let _: u64 = world.run(&["HSET", &key, "clearing", "0 reset e.a"]).await;
    let cleared = ArchiveRefusal::BeingCleared {
        command: "reset e.a".to_owned(),
    };
    assert_refused(&mut world, cleared).await;
    let _: u64 = world.run(&["HDEL", &key, "clearing"]).await;
    assert_eq!(archived(&world, &mut Memory::new()).await.orders, 3);
    assert_eq!(world.order(&order).await.state, OrderState::Held);
}

/// Killed between an export and what is dropped next, or out of room for the export, at each of
/// these points.
#[tokio::test]
async fn a_command_that_broke_off_anywhere_loses_nothing() {
    let mut world = World::new().await;
    let sale = world.held_sale("e.a", StockKind::Counter, 2000).await;
    let loan = world.target("e.loan", 1000, &terms(1, 0)).await;
    for n in 0..3 {
        world.granted(&sale, &format!("user-{n}"), 1).await;
        world.pay("e", "al", &format!("p{n}"), 5).await;
    }
    let dead = bury(&mut world, &sale, 1600).await;
    over(&world, &sale).await;
    over(&world, &loan).await;
    let (mut kept, mut runs) = (Vec::new(), 0);
    loop {
        let times = runs % 3;
        let keeps_last = runs % 2 == 0;
        let mut memory = Memory {
            pieces: Vec::new(),
            times,
            keeps_last,
        };
        let outcome = world
            .store
            .event_archive(&event("e"), false, &mut memory)
            .await;
        kept.extend(memory.pieces);
        let here = found(&mut world).await;
        for id in &dead {
            assert!(
                here.contains(id) || orders_of(&kept).contains(id),
                "{id} is lost"
            );
        }
        world.assert_holds(&sale).await;
        world.assert_holds(&loan).await;
        match outcome {
            Ok(ArchiveOutcome::Done(_)) => break,
            Ok(refused) => panic!("{refused:?}"),
            Err(error) => assert!(error.to_string().contains("killed"), "{error}"),
        }
        runs += 1;
        assert!(runs < 50, "it comes to no end");
    }
    assert!(runs > 4, "it broke off only {runs} times");
    assert_eq!(found(&mut world).await.len(), 3);
    assert_eq!(orders_of(&kept), dead);
    let payments = kept.iter().filter_map(|piece| match piece {
        Piece::Payment(payment) => Some(payment.request.as_str()),
        _ => None,
    });
    let payments: BTreeSet<&str> = payments.collect();
    assert_eq!(payments, BTreeSet::from(["p0", "p1", "p2"]));
}

/// While orders are confirmed, used and given back, what is alive is never dropped, and what died
/// is dropped only after it was exported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sold_or_used_meanwhile_is_never_dropped() {
    let mut world = World::new().await;
    let sale = world.held_sale("e.a", StockKind::List, 600).await;
    let mut orders = Vec::new();
    for n in 0..300 {
        orders.push(world.granted(&sale, &format!("user-{n}"), 2).await);
    }
    over(&world, &sale).await;
    let change = |(n, order): (usize, OrderId)| {
        let store = world.store.clone();
        tokio::spawn(async move {
            if n % 3 == 0 {
                store.order_cancel(&order, None).await.expect("cancelled");
                return None;
            }
            store.order_confirm(&order).await.expect("confirmed");
            if n % 3 == 1 {
                store.order_use(&order).await.expect("used");
            }
            Some(order)
        })
    };
    let changes: Vec<_> = orders.iter().cloned().enumerate().map(change).collect();
    let mut memory = Memory::new();
    while !changes.iter().all(|change| change.is_finished()) {
        archived(&world, &mut memory).await;
    }
    let alive = join_all(changes).await;
    let alive = alive.into_iter().filter_map(|change| change.expect("done"));
    let alive: BTreeSet<String> = alive.map(|order| order.to_string()).collect();
    archived(&world, &mut memory).await;
    assert_eq!(alive.len(), 200);
    assert_eq!(found(&mut world).await, alive);
    let all: BTreeSet<String> = orders.iter().map(ToString::to_string).collect();
    assert_eq!(
        orders_of(&memory.pieces),
        all.difference(&alive).cloned().collect()
    );
    let told = memory
        .pieces
        .iter()
        .filter(|piece| matches!(piece, Piece::Entry(_)));
    assert_eq!(
        told.count(),
        300 + 100 + 200 + 100,
        "each entry of the feed, once"
    );
    world.assert_holds(&sale).await;
}

/// A running sale beside it, and buyers who come and go all the while: nothing is archived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_archived_while_a_sale_of_the_event_runs() {
    let mut world = World::new().await;
    let ended = world.held_sale("e.a", StockKind::Counter, 100).await;
    let running = world.held_sale("e.b", StockKind::List, 400).await;
    bury(&mut world, &ended, 10).await;
    over(&world, &ended).await;
    let (mut memory, store) = (Memory::new(), world.store.clone());
    let buyers = async {
        for n in 0..100 {
            let order = world.granted(&running, &format!("user-{n}"), 2).await;
            if n % 2 == 0 {
                store.order_cancel(&order, None).await.expect("cancelled");
            }
        }
    };
    let operator = async {
        for _ in 0..20 {
            let told = archive(&store, &mut memory).await;
            let refused = matches!(
                &told,
                ArchiveOutcome::Refused(ArchiveRefusal::NotEnded { sale, .. }) if *sale == running
            );
            assert!(refused, "{told:?}");
        }
    };
    tokio::join!(buyers, operator);
    assert_eq!(memory.pieces, []);
    assert_eq!(found(&mut world).await.len(), 110);
    world.assert_holds(&running).await;
}

/// A request that was dropped would be judged like a new one, so nothing can be asked again.
#[tokio::test]
async fn an_archived_event_is_closed_for_good_until_it_is_deleted() {
    let world = World::new().await;
    let sale = world.sale("e.a", StockKind::Counter, 9).await;
    let loan = world.target("e.loan", 100, &terms(1, 0)).await;
    assert_eq!(
        world.pay("e", "x", "r", 7).await,
        PayOutcome::Paid { balance: 7 }
    );
    over(&world, &sale).await;
    over(&world, &loan).await;
    archived(&world, &mut Memory::new()).await;
    let put = async |world: &World, id: &str, edit: &SaleEdit| {
        let put = world.store.sale_put(&sale_id(id), edit).await;
        put.expect("answered")
    };
    let new = SaleEdit {
        kind: Some(StockKind::List),
        ..SaleEdit::default()
    };
    let refused = EditOutcome::Refused(EditRefusal::Archived);
    for (id, edit) in [
        ("e.a", &closing(None)),
        ("e.a", &closing(Some(2))),
        ("e.a", &closing(Some(9_999_999_999_999))),
        ("e.loan", &closing(None)),
        ("e.new", &new),
    ] {
        assert_eq!(put(&world, id, edit).await, refused, "{id} {edit:?}");
    }
    let titled = SaleEdit {
        title: Some(term_text("over")),
        ..closing(Some(1))
    };
    assert_eq!(put(&world, "e.a", &titled).await, EditOutcome::Updated);
    for cents in [7, -7, 1] {
        let paid = world.pay("e", "x", "r", cents).await;
        assert_eq!(paid, PayOutcome::Refused(PayRefusal::Archived));
    }
    assert_eq!(world.balance("e", "x").await, Some(7));
    // A reset begins anew, and stays closed.
    let force = Force {
        with_orders: true,
        feed_too: true,
    };
    let sales = [&sale];
    let reset = world
        .store
        .sales_clear(&sales, Clear::Reset, force, &|_| {});
    reset.await.expect("reset");
    assert_eq!(put(&world, "e.a", &closing(None)).await, refused);
    world.store.event_delete("e", force).await.expect("deleted");
    assert_eq!(put(&world, "e.a", &new).await, EditOutcome::Created);
    world.pay("e", "x", "r", 7).await;
}

/// `seckill event archive e` into a file.
fn command(world: &World, file: &Path) -> Command {
    let mut command = program();
    let prefix = format!("redis.prefix={}", world.prefix);
    let url = world.url.expose();
    command.args([
        "event",
        "archive",
        "e",
        "--redis-url",
        url,
        "--set",
        &prefix,
    ]);
    command.arg("--to").arg(file).stdin(Stdio::null());
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
        let mut child = command(&world, &file).stdout(Stdio::null()).spawn();
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
    let run = |command: &mut Command| {
        let output = command.output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said, printed)
    };
    let (code, said, _) = run(&mut command(&world, &file));
    assert_eq!(code, Some(1));
    for words in ["sale e.a has not ended", "never closes", "--closes-at"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(!file.exists(), "a refusal leaves no file");

    over(&world, &sale).await;
    fs::write(&file, "precious").expect("written");
    let (code, said, _) = run(&mut command(&world, &file));
    assert_eq!(code, Some(1));
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(fs::read_to_string(&file).expect("read"), "precious");
    fs::remove_file(&file).expect("removed");

    let (code, said, printed) = run(command(&world, &file).arg("--json"));
    assert_eq!(code, Some(0), "{said}");
    let told: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
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
    let mut again = program();
    let prefix = format!("redis.prefix={}", world.prefix);
    again.args([
        "event",
        "archive",
        "e",
        "--redis-url",
        world.url.expose(),
        "--set",
        &prefix,
    ]);
    let (code, said, printed) = run(again.current_dir(folder.path()));
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(printed.contains("nothing to move"), "{printed}");
    let files: Vec<_> = fs::read_dir(folder.path()).expect("read").collect();
    assert_eq!(files.len(), 1, "{files:?}");
}

/// Memory that 100,000 dead orders with requests take, and that comes back.
#[tokio::test]
async fn the_memory_of_dead_orders_comes_back() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.sale("e.a", StockKind::Counter, 1).await;
    let empty = world.store.memory().await.expect("read").used;
    bury(&mut world, &sale, 100_000).await;
    let feed = world.store.keys().feed("e");
    let tell = "for n = 1, 200000 do redis.call('XADD', KEYS[1], '0-*', 'what', 'held', 'order', \
                'e-abcdefghijklmnopqrst', 'at', '1700000000000') end";
    let _: Value = world.run(&["EVAL", tell, "1", &feed]).await;
    let full = world.store.memory().await.expect("read").used;
    over(&world, &sale).await;
    let done = archived(&world, &mut Memory::new()).await;
    assert_eq!((done.orders, done.entries), (100_000, 200_000));
    let after = world.store.memory().await.expect("read").used;
    println!("used memory: {empty} bytes, with 100,000 dead orders {full}, archived {after}");
    assert!(full - empty > 15_000_000, "{empty} {full}");
    assert!(
        after - empty < (full - empty) / 10,
        "{empty} {full} {after}"
    );
    world.assert_holds(&sale).await;
}

/// Everything that is stored of the event, as text.
async fn everything(world: &mut World) -> String {
    let contents = world.contents().await;
    format!(
        "{:?}",
        contents
            .iter()
            .filter(|(key, _)| key.contains("{e}"))
            .collect::<Vec<_>>()
    )
}

#[tokio::test]
async fn names_are_taken_out_and_the_law_holds() {
    let mut world = World::new().await;
    let list = world.held_sale("e.list", StockKind::List, 10).await;
    let count = world.sale("e.count", StockKind::Counter, 10).await;
    let loan = world.target("e.loan", 1000, &terms(1, 100)).await;
    let sold = world.granted(&count, "person-sold", 2).await;
    world.store.order_use(&sold).await.expect("used");
    let waits = world.granted(&list, "person-waits", 1).await;
    world.granted(&count, "person-waits", 1).await;
    let both = [(&list, StockKind::List, 1), (&count, StockKind::Counter, 1)];
    world
        .write_order("person-both", OrderState::Confirmed, 0, &both)
        .await;
    let accounts = [("person-bids", 700), ("person-saves", 7)];
    world.set_accounts("e", &accounts).await;
    for request in ["r1", "r2"] {
        world.accepted("person-bids", request, &loan, 300).await;
    }
    bury(&mut world, &count, 2).await;
    let sales = [&list, &count, &loan];
    for sale in sales {
        over(&world, sale).await;
    }
    let names = ["sold", "both", "bids", "saves"].map(|name| format!("person-{name}"));
    let erase = async |world: &World| {
        let mut memory = Memory::new();
        let done = world
            .store
            .event_archive(&event("e"), true, &mut memory)
            .await;
        match done.expect("answered") {
            ArchiveOutcome::Done(archived) => archived.erased.expect("asked for"),
            ArchiveOutcome::Refused(refusal) => panic!("{refusal:?}"),
        }
    };
    let told = erase(&world).await;
    assert_eq!(
        told,
        Erased {
            persons: 4,
            kept: 1
        }
    );
    let left = everything(&mut world).await;
    for name in names {
        assert!(!left.contains(&name), "{name} in {left}");
    }
    assert!(
        left.contains("person-waits"),
        "whose order is held can still be found"
    );
    let order = world.order(&sold).await;
    assert_eq!(order.state, OrderState::Used);
    assert!(is_erased(order.username.as_str()), "{}", order.username);
    let own = world.grab(&count, order.username.as_str(), 1).await;
    assert!(matches!(own, Outcome::AlreadyGrabbed(grant) if grant.order == sold));
    let other = world.grab(&count, "person-sold", 1).await;
    assert_eq!(other, Outcome::Refused(Refusal::Ended));
    for sale in sales {
        world.assert_holds(sale).await;
    }
    world.store.order_confirm(&waits).await.expect("confirmed");
    assert_eq!(
        erase(&world).await,
        Erased {
            persons: 1,
            kept: 0
        }
    );
    let left = everything(&mut world).await;
    assert!(!left.contains("person-"), "{left}");
    assert_eq!(erase(&world).await, Erased::default());
    assert_eq!(
        world.order(&sold).await.username,
        order.username,
        "a word stays"
    );
    for sale in sales {
        world.assert_holds(sale).await;
    }
}
