//! Backups of running sales, and how to restore them: the commands of `docs/OPERATIONS.md` are run
//! here exactly as written.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use seckill::config::RedisUrl;
use seckill::private_redis::{EmbeddedRedis, Options};
use tempfile::TempDir;

use crate::support::other_redis::OtherRedis;
use crate::support::process::{ServerProcess, free_address, program, seckill};
use crate::support::redis::{PrivateRedis, World};

const PREFIX: &str = "seckill:";

/// The commands below a heading of the document.
fn commands_of(heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATIONS.md");
    let text = std::fs::read_to_string(path).expect("UTF-8");
    let head = format!("\n## {heading}\n");
    let (_, section) = text.split_once(&head).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap_or_default().to_owned());
    let blocks: Vec<String> = blocks.collect();
    assert!(!blocks.is_empty(), "no commands in {heading}");
    blocks
}

/// Runs them in `folder`, with `seckill` on the PATH; each must succeed.
fn run_commands_of(heading: &str, folder: &Path) {
    for block in commands_of(heading) {
        let output = in_shell(&block, folder);
        assert!(output.status.success(), "{heading}: {block}: {output:?}");
    }
}

fn in_shell(commands: &str, folder: &Path) -> Output {
    let program = PathBuf::from(program().get_program());
    let programs = program.parent().expect("its folder");
    let path = std::env::var_os("PATH").expect("a PATH");
    let paths = [programs.to_owned()]
        .into_iter()
        .chain(std::env::split_paths(&path));
    let mut shell = Command::new("sh");
    let shell = shell.args(["-ec", commands]).current_dir(folder);
    let shell = shell.env("PATH", std::env::join_paths(paths).expect("a PATH"));
    shell.output().expect("a shell")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// What a private Redis on `data_dir` has of the sale `a`, which must hold.
async fn orders_in(data_dir: &Path) -> Vec<String> {
    let redis = EmbeddedRedis::start(data_dir, Options::default()).expect("started");
    let orders = orders_at(redis.url()).await;
    redis.stop().expect("stopped");
    orders
}

async fn orders_at(url: RedisUrl) -> Vec<String> {
    let mut world = World::at(url).await;
    world.use_prefix(PREFIX);
    world
        .assert_holds(&crate::support::redis::sale_id("a"))
        .await;
    world.run(&["HKEYS", "seckill:{a}:orders"]).await
}

/// A folder with `data`, which has this many orders of the sale `a`.
async fn sold(orders: usize) -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let redis = EmbeddedRedis::start(&folder.path().join("data"), Options::default());
    let redis = redis.expect("started");
    let mut world = World::at(redis.url()).await;
    world.use_prefix(PREFIX);
    world.sell("a", 0, orders).await;
    redis.stop().expect("stopped");
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_running_sale_has_every_order_that_was_acknowledged_before() {
    let folder = sold(1).await;
    let data = folder.path().join("data");
    let arguments = ["--data-dir", text(&data), "--set", "doors.incr=a"];
    let server = Arc::new(ServerProcess::start(free_address(), &arguments).await);
    let done = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let crowd: Vec<_> = (0..4)
        .map(|buyer| {
            let (server, done, acknowledged) = (server.clone(), done.clone(), acknowledged.clone());
            tokio::spawn(async move {
                for attempt in 0.. {
                    if done.load(Ordering::SeqCst) {
                        return;
                    }
                    let user = format!("buyer-{buyer}-{attempt}");
                    let fields = [("username", user.as_str()), ("purchase", "1")];
                    let order = server.buyer.form("/incr", &fields).await.order();
                    let order = order.expect("an order");
                    acknowledged.lock().expect("not poisoned").push(order);
                }
            })
        })
        .collect();
    let mut rewriting =
        World::at(RedisUrl::new(format!("unix://{}/redis.sock", text(&data)))).await;
    let mut backups = Vec::new();
    for number in 0..4 {
        let _: Result<String, _> = redis::cmd("BGREWRITEAOF")
            .query_async(&mut rewriting.raw)
            .await;
        let before = acknowledged.lock().expect("not poisoned").clone();
        let path = folder.path().join(format!("backup-{number}"));
        let arguments = ["backup", text(&path), "--data-dir", text(&data), "--json"];
        let output = tokio::task::spawn_blocking({
            let arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
            move || seckill(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let output = output.await.expect("ran");
        assert!(output.status.success(), "{output:?}");
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(said["bytes"].as_u64() > Some(0), "{said}");
        backups.push((path, before));
    }
    done.store(true, Ordering::SeqCst);
    for buyer in crowd {
        buyer.await.expect("served to the end");
    }
    for (path, before) in backups {
        let kept = orders_in(&path).await;
        let lost: Vec<_> = before
            .iter()
            .filter(|order| !kept.contains(order))
            .collect();
        assert!(lost.is_empty(), "{path:?} lacks {lost:?}");
    }
}

#[tokio::test]
async fn a_backup_is_written_only_where_nothing_is() {
    let folder = sold(1).await;
    let data = folder.path().join("data");
    let full = folder.path().join("full");
    std::fs::create_dir(&full).expect("folder");
    std::fs::write(full.join("file"), "kept").expect("written");
    for path in [&full, &data] {
        let output = seckill(&["backup", text(path), "--data-dir", text(&data)]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("is not empty"), "{said}");
    }
    assert_eq!(std::fs::read_dir(&full).expect("a folder").count(), 1);
    let empty = tempfile::tempdir().expect("folder");
    let output = seckill(&["backup", "x", "--data-dir", text(empty.path())]);
    assert_eq!(
        output.status.code(),
        Some(1),
        "nothing to back up: {output:?}"
    );
}

/// A backup that was killed is no empty shop.
#[tokio::test]
async fn nothing_starts_on_a_backup_that_was_killed() {
    // A second for each key: the snapshot is never done.
    let slow = ["--rdb-key-save-delay", "1000000"];
    let redis = PrivateRedis::start(Options {
        extra: slow.map(str::to_owned).to_vec(),
        ..Options::default()
    });
    let mut world = World::at(redis.url()).await;
    world.use_prefix(PREFIX);
    for event in 0..100 {
        let key = format!("{PREFIX}key-{event}");
        let _: () = world.run(&["SET", &key, "x"]).await;
    }
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("backup");
    let url = redis.url();
    let mut backup = program();
    let backup = backup.args(["backup", text(&path), "--redis-url", url.expose()]);
    let mut backup = backup.spawn().expect("started");
    let base = path.join("appendonlydir/appendonly.aof.1.base.rdb");
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while !base.exists() {
        assert!(std::time::Instant::now() < deadline, "no snapshot begins");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    backup.kill().expect("killed");
    backup.wait().expect("ended");
    assert!(!base.with_file_name("appendonly.aof.manifest").exists());
    let started = EmbeddedRedis::start(&path, Options::default());
    let said = started.err().expect("refused").to_string();
    for way in ["Restore the whole directory", "move it away"] {
        assert!(said.contains(way), "{said}");
    }
}

#[tokio::test]
async fn a_redis_of_ones_own_is_backed_up_and_one_that_refuses_leaves_nothing() {
    let port = free_address().port().to_string();
    let acl = ["--user", "shop", "on", ">secret", "~*", "&*", "+@all"];
    let poor = [
        "--user", "poor", "on", ">secret", "~*", "&*", "+@all", "-sync",
    ];
    let arguments = [
        &["--port", &port, "--bind", "127.0.0.1"],
        &acl[..],
        &poor[..],
    ]
    .concat();
    let redis = PrivateRedis::start(Options {
        extra: arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect(),
        ..Options::default()
    });
    let mut world = World::at(redis.url()).await;
    world.use_prefix(PREFIX);
    world.sell("a", 0, 10).await;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("backup");
    let url = |user: &str| format!("redis://{user}:secret@127.0.0.1:{port}");
    let output = seckill(&["backup", text(&path), "--redis-url", &url("poor")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("gives no snapshot") && said.contains("NOPERM"),
        "{said}"
    );
    assert_eq!(std::fs::read_dir(&path).expect("a folder").count(), 0);
    let output = seckill(&["backup", text(&path), "--redis-url", &url("shop")]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains(text(&path)) && said.contains("bytes"),
        "{said}"
    );
    assert_eq!(orders_in(&path).await.len(), 10);
}

#[tokio::test]
async fn a_backup_is_restored_as_the_document_says() {
    let folder = sold(20).await;
    run_commands_of("Back up", folder.path());
    std::fs::remove_dir_all(folder.path().join("data/appendonlydir")).expect("lost");
    run_commands_of("Restore", folder.path());
    assert_eq!(orders_in(&folder.path().join("data")).await.len(), 20);
}

#[tokio::test]
async fn a_snapshot_is_imported_as_the_document_says() {
    let folder = sold(20).await;
    run_commands_of("Back up", folder.path());
    let base = "backup-1/appendonlydir/appendonly.aof.1.base.rdb";
    let snapshot = std::fs::read(folder.path().join(base)).expect("a snapshot");
    let data = folder.path().join("data");
    std::fs::remove_dir_all(&data).expect("moved away");
    std::fs::create_dir(&data).expect("folder");
    std::fs::write(data.join("dump.rdb"), snapshot).expect("written");
    run_commands_of("Import a dump.rdb", folder.path());
    assert_eq!(orders_in(&data).await.len(), 20);
}

#[tokio::test]
async fn the_data_move_to_another_redis_and_back_as_the_document_says() {
    let folder = sold(20).await;
    let other = folder.path().join("other-redis");
    std::fs::create_dir(&other).expect("folder");
    run_commands_of("Move to a Redis of your own", folder.path());
    let redis = OtherRedis::start(&other, &[]).await;
    let socket = redis.socket();
    let url = format!("unix://{}", text(&socket));
    assert_eq!(orders_at(RedisUrl::new(url.clone())).await.len(), 20);
    let mut world = World::at(RedisUrl::new(url.clone())).await;
    world.use_prefix(PREFIX);
    world.sell("a", 20, 5).await;
    let back = folder.path().join("back");
    let output = seckill(&["backup", text(&back), "--redis-url", &url]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(orders_in(&back).await.len(), 25);
}
