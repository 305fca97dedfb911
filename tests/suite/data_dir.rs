//! The private Redis never starts over: it starts only on complete data, and damage that its log
//! reports is logged.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use seckill::private_redis::{EmbeddedRedis, Options};
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::process::{ServerProcess, free_address, program, seckill};
use crate::support::redis::{World, signal};

const PREFIX: &str = "kept:";
const ORDERS: usize = 20;

fn start(folder: &Path) -> seckill::error::Result<EmbeddedRedis> {
    EmbeddedRedis::start(folder, Options::default())
}

/// The data directory of a private Redis that sold, and was stopped in order.
async fn sold() -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let redis = start(folder.path()).expect("started");
    let mut world = World::at(redis.url()).await;
    world.use_prefix(PREFIX);
    world.sell("a", 0, ORDERS).await;
    redis.stop().expect("stopped");
    folder
}

/// Starts a private Redis and counts its orders.
async fn orders_in(folder: &Path) -> usize {
    let redis = start(folder).expect("started");
    let mut world = World::at(redis.url()).await;
    let orders: usize = world.run(&["HLEN", &format!("{PREFIX}{{a}}:orders")]).await;
    redis.stop().expect("stopped");
    orders
}

fn log_folder(folder: &Path) -> PathBuf {
    folder.join("appendonlydir")
}

/// The file of the log with this ending.
fn log_file(folder: &Path, ending: &str) -> PathBuf {
    let entries = std::fs::read_dir(log_folder(folder)).expect("a folder");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .find(|path| path.to_string_lossy().ends_with(ending))
        .expect("a file of the log")
}

/// Both a server and a command are refused, in one sentence with these words.
fn assert_refused(folder: &Path, words: &[&str]) {
    let data_dir = folder.to_str().expect("a plain path");
    let listen = free_address().to_string();
    let serve = ["serve", "--data-dir", data_dir, "--listen", &listen];
    let put = ["sale", "put", "b", "--kind", "list", "--data-dir", data_dir];
    for arguments in [&serve[..], &put[..]] {
        let output = seckill(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "one sentence: {said}");
        for words in words {
            assert!(said.contains(words), "no {words:?}: {said}");
        }
    }
}

/// Takes `path` away, sees that nothing starts, and that nothing is lost when it is back.
async fn assert_needed(folder: &Path, path: &Path, words: &str) {
    let away = folder.with_extension("away");
    std::fs::rename(path, &away).expect("moved");
    let both_ways = ["Restore the whole directory", "move it away", words];
    assert_refused(folder, &both_ways);
    std::fs::rename(&away, path).expect("moved back");
    assert_eq!(orders_in(folder).await, ORDERS, "{words}");
}

#[tokio::test]
async fn a_log_that_is_not_whole_is_refused_until_it_is() {
    let folder = sold().await;
    let folder = folder.path();
    assert_needed(folder, &log_folder(folder), "its appendonlydir is gone").await;
    for (ending, words) in [
        (".manifest", "but no appendonly.aof.manifest"),
        (".incr.aof", ".incr.aof, which its appendonly.aof.manifest"),
        (".base.rdb", ".base.rdb, which its appendonly.aof.manifest"),
    ] {
        assert_needed(folder, &log_file(folder, ending), words).await;
    }
}

#[tokio::test]
async fn a_log_of_which_only_the_lock_is_left_is_refused() {
    let folder = sold().await;
    std::fs::remove_dir_all(log_folder(folder.path())).expect("deleted");
    std::fs::remove_file(folder.path().join("version.json")).expect("deleted");
    assert_refused(folder.path(), &["its appendonlydir is gone"]);
    // An operator who moves the directory away begins anew.
    let away = tempfile::tempdir().expect("folder");
    std::fs::rename(folder.path(), away.path().join("data")).expect("moved");
    assert_eq!(orders_in(folder.path()).await, 0);
}

#[tokio::test]
async fn a_snapshot_without_a_log_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let snapshot = folder.path().join("dump.rdb");
    std::fs::write(&snapshot, "REDIS0010").expect("written");
    assert_refused(folder.path(), &["dump.rdb", "docs/OPERATIONS.md", "move"]);
    std::fs::remove_file(&snapshot).expect("deleted");
    assert_eq!(orders_in(folder.path()).await, 0);
}

#[tokio::test]
async fn a_first_start_that_failed_keeps_nobody_from_the_next() {
    let folder = tempfile::tempdir().expect("folder");
    let extra = vec!["--maxmemory-policy".to_owned(), "sometimes".to_owned()];
    let options = Options {
        extra,
        ..Options::default()
    };
    EmbeddedRedis::start(folder.path(), options)
        .err()
        .expect("refused");
    assert_eq!(orders_in(folder.path()).await, 0);
}

/// Waits until the condition holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "still waiting: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn redis_of(data_dir: &str) -> u32 {
    let url = seckill::config::RedisUrl::new(format!("unix://{data_dir}/redis.sock"));
    let info: String = World::at(url).await.run(&["INFO", "server"]).await;
    let id = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"));
    id.and_then(|id| id.trim().parse().ok()).expect("an id")
}

#[tokio::test]
async fn the_restart_after_a_crash_has_the_same_rules() {
    let folder = tempfile::tempdir().expect("folder");
    let data_dir = folder.path().to_str().expect("a plain path");
    let arguments = ["--demo", "--data-dir", data_dir];
    let (server, record) = ServerProcess::recorded(free_address(), &arguments).await;
    let grabbed = server
        .buyer
        .form("/seckill", &[("username", "x"), ("purchase", "1")]);
    let order = grabbed.await.order().expect("an order");
    let manifest = log_file(folder.path(), ".manifest");
    let away = folder.path().join("manifest.away");
    std::fs::rename(&manifest, &away).expect("moved");
    signal("-KILL", redis_of(data_dir).await);
    let refused = "ERROR seckill::private_redis::watch: cannot start the private Redis";
    until("a refused restart", || record.logged().contains(refused)).await;
    assert_eq!(server.buyer.code("/seckill", "a", "y", "1").await, "busy");
    std::fs::rename(&away, &manifest).expect("moved back");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = server
            .buyer
            .form("/seckill", &[("username", "x"), ("purchase", "1")]);
        let reply = reply.await;
        if reply.result == "already_grabbed" {
            assert_eq!(reply.order(), Some(order));
            break;
        }
        assert!(Instant::now() < deadline, "{reply:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let logged = record.logged();
    assert!(
        logged.contains("but no appendonly.aof.manifest"),
        "{logged}"
    );
    assert_eq!(
        logged.matches("cannot start the private Redis").count(),
        1,
        "said once: {logged}"
    );
}

#[tokio::test]
async fn a_redis_that_dies_again_and_again_is_away_for_a_second_at_most() {
    let folder = tempfile::tempdir().expect("folder");
    let data_dir = folder.path().to_str().expect("a plain path");
    let (server, record) = ServerProcess::recorded(free_address(), &["--data-dir", data_dir]).await;
    for died in 1..=7 {
        signal("-KILL", redis_of(data_dir).await);
        let ended = || record.logged().matches("the private Redis ended").count();
        until("its end in the log", || ended() == died).await;
        server.until_ready().await;
    }
    let logged = record.logged();
    let pauses = logged.split("pause=").skip(1);
    let pauses: Vec<_> = pauses
        .filter_map(|rest| rest.split_whitespace().next())
        .collect();
    // One that is killed before it answered is told in other words.
    assert!(pauses.len() >= 5, "{logged}");
    let allowed = ["100ms", "200ms", "400ms", "800ms", "1s"];
    for pause in pauses {
        assert!(allowed.contains(&pause), "{pause}: {logged}");
    }
    server.kill();
}

fn writer(folder: &Path) -> serde_json::Value {
    let text = std::fs::read(folder.join("version.json")).expect("written");
    serde_json::from_slice(&text).expect("JSON")
}

#[tokio::test]
async fn data_name_who_wrote_them_and_old_data_get_the_name() {
    let folder = sold().await;
    let named = writer(folder.path());
    assert_eq!(named["format"], 1);
    std::fs::remove_file(folder.path().join("version.json")).expect("deleted");
    assert_eq!(orders_in(folder.path()).await, ORDERS);
    assert_eq!(writer(folder.path()), named);
    // An older patch of the same program.
    let mut older = named.clone();
    let version = named["version"].as_str().expect("a version");
    let minor = version.rsplit_once('.').expect("a patch").0;
    older["version"] = format!("{minor}.9999").into();
    let path = folder.path().join("version.json");
    std::fs::write(&path, older.to_string()).expect("written");
    assert_eq!(orders_in(folder.path()).await, ORDERS);
    assert_eq!(writer(folder.path()), named);
}

#[tokio::test]
async fn data_of_newer_programs_are_refused_in_one_sentence() {
    let folder = sold().await;
    let named = writer(folder.path());
    let path = folder.path().join("version.json");
    let refused_with = |key: &str, value: serde_json::Value, words: &[&str]| {
        let mut newer = named.clone();
        newer[key] = value;
        std::fs::write(&path, newer.to_string()).expect("written");
        assert_refused(folder.path(), words);
    };
    let program = named["program"].as_str().expect("a name");
    let newest = format!("were written by {program} 99.1.2");
    let words = [newest.as_str(), "is older", "restore a backup"];
    refused_with("version", "99.1.2".into(), &words);
    refused_with("format", 2.into(), &["its format is 2", "a newer seckill"]);
    std::fs::write(&path, "rubbish").expect("written");
    assert_refused(
        folder.path(),
        &["does not say which program wrote the data"],
    );
    std::fs::write(&path, named.to_string()).expect("written");
    assert_eq!(orders_in(folder.path()).await, ORDERS);
}

#[tokio::test]
async fn a_format_that_the_server_does_not_know_is_refused_in_one_sentence() {
    let folder = sold().await;
    let base = log_file(folder.path(), ".base.rdb");
    let good = std::fs::read(&base).expect("a base file");
    for (magic, words) in [
        ("REDIS9999", "Can't handle RDB format version 9999"),
        ("VALKEY980", "the format of Valkey 9"),
    ] {
        let newer = [magic.as_bytes(), &good[magic.len()..]].concat();
        std::fs::write(&base, &newer).expect("written");
        assert_refused(
            folder.path(),
            &["no server program on PATH reads them", words],
        );
        assert_eq!(
            std::fs::read(&base).expect("still there"),
            newer,
            "nothing is cut off"
        );
    }
    std::fs::write(&base, &good).expect("written");
    assert_eq!(orders_in(folder.path()).await, ORDERS);
}

fn doctor(folder: &Path) -> String {
    let data_dir = folder.to_str().expect("a plain path");
    let output = seckill(&["doctor", "--data-dir", data_dir]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn finding<'a>(report: &'a str, what: &str) -> &'a str {
    let line = report.lines().find(|line| line.starts_with(what));
    line.unwrap_or_else(|| panic!("no {what}: {report}"))
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_told_once_and_named_by_the_doctor() {
    let folder = sold().await;
    assert!(finding(&doctor(folder.path()), "redis log").contains("ok"));
    let commands = std::fs::File::options()
        .write(true)
        .open(log_file(folder.path(), ".incr.aof"))
        .expect("opened");
    let bytes = commands.metadata().expect("a size").len();
    commands.set_len(bytes - 7).expect("cut");
    let data_dir = folder.path().to_str().expect("a plain path");
    // The demo writes to the log again: without that, the next start cuts off what is left of the
    // transaction that was cut in the middle, and says so once more.
    let arguments = ["--demo", "--data-dir", data_dir];
    let (server, record) = ServerProcess::recorded(free_address(), &arguments).await;
    let said = "!!! Truncating the AOF";
    until("the alarm", || record.logged().contains(said)).await;
    // Its own alarms are not told again when Redis goes on.
    let report = doctor(folder.path());
    let log = finding(&report, "redis log");
    assert!(log.contains("WRONG") && log.contains(said), "{report}");
    let errors: Vec<String> = record.logged().lines().map(str::to_owned).collect();
    let errors = errors.iter().filter(|line| line.contains(said));
    assert_eq!(errors.filter(|line| line.contains("ERROR")).count(), 1);
    server.kill();
    std::fs::remove_file(folder.path().join("redis.log")).expect("deleted");
    assert!(finding(&doctor(folder.path()), "redis log").contains("ok"));
}

/// A server whose files may not grow above this many KiB: for Redis, the disk is full.
#[tokio::test]
async fn a_full_disk_is_told_and_named_by_the_doctor_and_loses_nothing() {
    let folder = sold().await;
    let data_dir = folder.path().to_str().expect("a plain path");
    let size = log_file(folder.path(), ".incr.aof")
        .metadata()
        .expect("a size")
        .len();
    let blocks = size / 512 + 8; // of 512 bytes, as `ulimit -f` of a POSIX shell counts
    let address = free_address();
    let logged = folder.path().join("logged");
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let server = program();
    let mut shell = std::process::Command::new("sh");
    let shell = shell.args(["-c", &limited]).arg(server.get_program());
    let child = shell
        .args([
            "serve",
            "--data-dir",
            data_dir,
            "--listen",
            &address.to_string(),
        ])
        .args(["--set", "redis.prefix=kept:", "--set", "doors.incr=a"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&logged).expect("created"))
        .spawn()
        .expect("started");
    let server = ServerProcess::adopt(child, address).await;
    let mut acknowledged = Vec::new();
    let said = "Can't recover from AOF write error";
    let log = || std::fs::read_to_string(&logged).expect("UTF-8");
    let deadline = Instant::now() + PATIENCE;
    for buyer in 0.. {
        let user = format!("late-{buyer}");
        let fields = [("username", user.as_str()), ("purchase", "1")];
        let reply = server.buyer.form("/incr", &fields).await;
        if let Some(order) = reply.order() {
            acknowledged.push(order);
        }
        if log().contains(said) {
            break;
        }
        assert!(Instant::now() < deadline, "never full: {}", log());
    }
    assert!(!acknowledged.is_empty());
    until("told that it ended", || log().contains("Redis ended")).await;
    let quoted = log();
    let told = quoted
        .lines()
        .filter(|line| line.contains("ERROR") && line.contains(said));
    assert_eq!(told.count(), 1, "{quoted}");
    server.kill();
    let report = doctor(folder.path());
    let found = finding(&report, "redis log");
    assert!(found.contains("WRONG") && found.contains(said), "{report}");
    finding(&report, "disk");
    let redis = start(folder.path()).expect("started with room");
    let mut world = World::at(redis.url()).await;
    for order in acknowledged {
        let exists: bool = world.run(&["HEXISTS", "kept:{a}:orders", &order]).await;
        assert!(exists, "{order} was acknowledged and is lost");
    }
    world.use_prefix(PREFIX);
    let sale = world.sell("a", ORDERS, 1).await;
    world.assert_holds(&sale).await;
    redis.stop().expect("stopped");
}
