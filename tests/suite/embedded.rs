//! The private Redis: started, watched, stopped; data kept; one user at a time.

use std::fs::TryLockError;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use seckill::domain::sale::StockKind;
use seckill::private_redis::{EmbeddedRedis, Options};
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::process::{ServerProcess, free_address, program, seckill};
use crate::support::redis::{PrivateRedis, World, broom};

/// Waits until the process is gone.
async fn until_gone(process: u32) {
    let deadline = Instant::now() + PATIENCE;
    while Path::new(&format!("/proc/{process}")).exists() {
        assert!(
            Instant::now() < deadline,
            "process {process} is still there"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn data_are_kept_between_runs() {
    let folder = tempfile::tempdir().expect("folder");
    for run in 0..3 {
        let redis = EmbeddedRedis::start(folder.path(), Options::default()).expect("started");
        let mut world = World::at(redis.url()).await;
        world.use_prefix("kept:");
        let sale = world.sale("a", StockKind::List, 10).await;
        assert_eq!(world.left(&sale).await, 10 * (run + 1));
        world.assert_holds(&sale).await;
        redis.stop().expect("stopped");
    }
}

#[tokio::test]
async fn a_server_that_dies_is_started_again_with_its_data() {
    let redis = PrivateRedis::durable();
    let world = World::at(redis.url()).await;
    let sale = world.sale("a", StockKind::List, 10).await;
    for _ in 0..2 {
        redis.kill_and_wait().await;
        assert_eq!(world.left(&sale).await, 10);
    }
}

#[tokio::test]
async fn a_server_whose_socket_was_deleted_stops_in_order() {
    let folder = tempfile::tempdir().expect("folder");
    let redis = EmbeddedRedis::start(folder.path(), Options::default()).expect("started");
    let mut world = World::at(redis.url()).await;
    world.use_prefix("kept:");
    let sale = world.sale("a", StockKind::List, 10).await;
    std::fs::remove_file(folder.path().join("redis.sock")).expect("deleted");
    redis.stop().expect("stopped, not killed");
    let again = EmbeddedRedis::start(folder.path(), Options::default()).expect("started");
    assert_eq!(world.left(&sale).await, 10, "nothing was lost");
    again.stop().expect("stopped");
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let data_dir = folder.path().to_str().expect("a plain path");
    let first = ServerProcess::start(free_address(), &["--demo", "--data-dir", data_dir]).await;
    let listen = free_address().to_string();
    let since = Instant::now();
    let second = seckill(&["serve", "--data-dir", data_dir, "--listen", &listen]);
    assert!(since.elapsed() < Duration::from_secs(25), "not at once");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("in use by process {}", first.id())),
        "{said}"
    );
    assert!(said.contains("choose another data_dir"), "{said}");
    assert_eq!(
        first.buyer.code("/seckill", "a", "x", "1").await,
        "grabbed",
        "the first goes on"
    );
}

#[tokio::test]
async fn a_killed_server_leaves_nothing_behind_that_blocks_the_next() {
    let folder = tempfile::tempdir().expect("folder");
    let data_dir = folder.path().to_str().expect("a plain path");
    let mut order = None;
    for _ in 0..3 {
        let arguments = ["--demo", "--data-dir", data_dir];
        let server = ServerProcess::start(free_address(), &arguments).await;
        let fields = [("username", "x"), ("purchase", "2")];
        let reply = server.buyer.form("/seckill", &fields).await;
        assert!(reply.result.ends_with("grabbed"), "{reply:?}");
        let previous = order.replace(reply.order().expect("an order"));
        assert!(previous.is_none_or(|previous| Some(previous) == order));
        server.kill();
    }
}

#[tokio::test]
async fn not_even_kill_9_leaves_a_redis_running() {
    let folder = tempfile::tempdir().expect("folder");
    let data_dir = folder.path().to_str().expect("a plain path");
    let server = ServerProcess::start(free_address(), &["--data-dir", data_dir]).await;
    let url = seckill::config::RedisUrl::new(format!("unix://{data_dir}/redis.sock"));
    let mut world = World::at(url).await;
    let info: String = world.run(&["INFO", "server"]).await;
    let redis = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"));
    let redis = redis
        .and_then(|id| id.trim().parse().ok())
        .expect("a process id");
    server.kill();
    until_gone(redis).await;
}

#[tokio::test]
async fn the_folder_of_the_shared_redis_goes_with_the_tests() {
    let folder = tempfile::tempdir().expect("folder").keep();
    std::fs::write(folder.join("redis.log"), "").expect("written");
    let mut broom = broom(&folder);
    drop(broom.stdin.take()); // as the end of this process would
    let deadline = Instant::now() + PATIENCE;
    while folder.exists() {
        assert!(Instant::now() < deadline, "{folder:?} is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    broom.wait().expect("ended");
}

#[tokio::test]
async fn a_server_without_redis_on_its_path_says_how_to_install_one() {
    let folder = tempfile::tempdir().expect("folder");
    let mut command = program();
    command
        .args(["serve", "--data-dir"])
        .arg(folder.path().join("data"));
    let output = command.env("PATH", folder.path()).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("apt-get install redis-server"), "{said}");
}

#[tokio::test]
async fn a_redis_that_cannot_start_quotes_its_log() {
    let folder = tempfile::tempdir().expect("folder");
    let extra = vec!["--maxmemory-policy".to_owned(), "sometimes".to_owned()];
    let options = Options {
        extra,
        ..Options::default()
    };
    let error = EmbeddedRedis::start(folder.path(), options)
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains("ended at once"), "{error}");
    assert!(error.contains("maxmemory-policy"), "{error}");
}

/// A process of the program that runs next to this test; killed when dropped.
struct Beside {
    child: Child,
    stderr: PathBuf,
}

impl Beside {
    fn start(folder: &Path, name: &str, arguments: &[&str]) -> Self {
        let stderr = folder.join(name);
        let mut command = program();
        let command = command.args(arguments).arg("--data-dir").arg(folder);
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&stderr).expect("created"))
            .spawn()
            .expect("the program starts");
        Self { child, stderr }
    }

    /// `stock add`, which stays attached until its units were given.
    fn stock_add(folder: &Path, name: &str) -> Self {
        Self::start(folder, name, &["stock", "add", "a", "--units", "-"])
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.stderr).expect("UTF-8")
    }

    async fn until_said(&self, words: &str) {
        until(words, || self.said().contains(words)).await;
    }

    fn give(&mut self, unit: &str) {
        let mut stdin = self.child.stdin.take().expect("not given before");
        stdin.write_all(unit.as_bytes()).expect("written");
    }

    async fn assert_succeeds(&mut self) {
        let mut status = None;
        until("the end", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        })
        .await;
        let succeeded = status.is_some_and(|status| status.success());
        assert!(succeeded, "{status:?}: {}", self.said());
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "still waiting for {what:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A folder with the list sale `a`, and a command that owns its Redis.
async fn owned_by_a_command() -> (TempDir, Beside) {
    let folder = tempfile::tempdir().expect("folder");
    let data_dir = folder.path().to_str().expect("a plain path");
    let put = ["sale", "put", "a", "--kind", "list", "--data-dir", data_dir];
    assert!(seckill(&put).status.success());
    let owner = Beside::stock_add(folder.path(), "owner");
    let socket = folder.path().join("redis.sock");
    until("the owner's Redis", || UnixStream::connect(&socket).is_ok()).await;
    (folder, owner)
}

#[tokio::test]
async fn a_command_lets_its_redis_run_while_another_uses_it() {
    let (folder, mut owner) = owned_by_a_command().await;
    let mut user = Beside::stock_add(folder.path(), "user");
    until("the user", || {
        let users = std::fs::File::open(folder.path().join("users.lock"));
        users.is_ok_and(|users| {
            let tried = users.try_lock();
            // Closing the file is not enough: a child of another test that is just being started
            // has it, too, and would be taken for the user.
            let _ = users.unlock();
            matches!(tried, Err(TryLockError::WouldBlock))
        })
    })
    .await;
    owner.give("one\n");
    owner.until_said("waiting for other commands").await;
    user.give("two\n");
    user.assert_succeeds().await;
    owner.assert_succeeds().await;
    let data_dir = folder.path().to_str().expect("a plain path");
    let shown = seckill(&["sale", "show", "a", "--json", "--data-dir", data_dir]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["left"], 2);
}

#[tokio::test]
async fn a_server_waits_for_a_command_to_end() {
    let (folder, mut owner) = owned_by_a_command().await;
    let listen = free_address().to_string();
    let server = Beside::start(folder.path(), "server", &["serve", "--listen", &listen]);
    let pid = owner.child.id();
    server.until_said("waiting for the command that uses").await;
    assert!(server.said().contains(&format!("process {pid} ")));
    owner.give("one\n");
    owner.assert_succeeds().await;
    server.until_said("listening").await;
}

/// An executable shell script. A shell writes it: a program that this process has open, which a
/// child of another test may inherit for a moment, cannot be run.
fn script(path: &Path, lines: &str) {
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
    let mut shell = Command::new("sh");
    let written = shell.args(["-c", write]).arg(path).arg(lines).status();
    assert!(written.expect("a shell").success(), "{path:?}");
}

/// Where a program of this machine is.
fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
    candidates
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("no {name} on PATH"))
}

#[test]
fn make_installs_a_redis_when_there_is_only_an_old_one() {
    let folder = tempfile::tempdir().expect("folder");
    let file = |name: &str| folder.path().join(name);
    for name in ["sed", "env"] {
        std::os::unix::fs::symlink(on_path(name), file(name)).expect("linked");
    }
    script(&file("id"), "echo 0");
    script(
        &file("redis-server"),
        "echo 'Redis server v=6.0.16 sha=0:0'",
    );
    let make = || {
        let mut command = Command::new(on_path("make"));
        command.args(["--no-print-directory", "redis", "SHELL=/bin/sh"]);
        command.env_remove("MAKEFLAGS"); // of the `make test` that may run this
        let command = command.current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = command.env("PATH", folder.path()).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };

    let (done, said) = make();
    assert!(!done && said.contains("no package manager found"), "{said}");

    script(&file("apt-get"), "exit 0");
    let (done, said) = make();
    assert!(!done && said.contains("valkey"), "{said}");

    let newer = "echo \"echo 'Redis server v=7.0.15 sha=0:0'\" > \"${0%/*}/redis-server\"";
    script(&file("apt-get"), &format!("[ \"$1\" = update ] || {newer}"));
    let (done, said) = make();
    assert!(done, "{said}");

    script(&file("apt-get"), "echo again >&2; exit 1");
    assert_eq!(make(), (true, String::new()), "nothing to install");
}

#[tokio::test]
async fn only_a_demo_puts_something_on_sale() {
    for (arguments, goods) in [(&[][..], &[][..]), (&["--demo"], &["a", "b"])] {
        let folder = tempfile::tempdir().expect("folder");
        let data_dir = folder.path().to_str().expect("a plain path");
        let arguments = [&["--data-dir", data_dir], arguments].concat();
        let (server, record) = ServerProcess::recorded(free_address(), &arguments).await;
        let sales = server.buyer.get("/sales").await.json();
        let sales = sales["sales"].as_array().expect("a list");
        let on_sale: Vec<_> = sales.iter().map(|sale| &sale["goods"]).collect();
        assert_eq!(on_sale, goods);
        let printed = record.printed();
        assert_eq!(
            printed.contains("demo sale"),
            !goods.is_empty(),
            "{printed}"
        );
        server.kill();
    }
}

#[test]
fn what_people_try_first_is_a_demo() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut make = Command::new("make");
    let make = make.args(["--dry-run", "run"]).env_remove("MAKEFLAGS");
    let output = make.current_dir(root).output().expect("runs");
    let commands = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(commands.contains("seckill serve --demo\n"), "{commands}");
    let compose = std::fs::read_to_string(root.join("docker-compose.yml")).expect("a file");
    assert!(compose.contains("command: serve --demo\n"), "{compose}");
}

/// A folder whose `redis-server` hangs when it is asked for its version.
fn hanging_program() -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let sleep = on_path("sleep");
    let hang = format!("exec {} 3600", sleep.display());
    script(&folder.path().join("redis-server"), &hang);
    folder
}

#[test]
fn a_program_that_hangs_is_named_and_does_not_keep_the_start_for_ever() {
    let (programs, folder) = (hanging_program(), tempfile::tempdir().expect("folder"));
    let mut command = program();
    let command = command.args(["serve", "--data-dir"]).arg(folder.path());
    let since = Instant::now();
    let output = command.env("PATH", programs.path()).output().expect("runs");
    assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("redis-server does not report its version within 5s"),
        "{said}"
    );
}

#[tokio::test]
async fn a_program_that_hangs_hides_no_other() {
    let (programs, folder) = (hanging_program(), tempfile::tempdir().expect("folder"));
    let path = std::env::var_os("PATH").expect("a PATH");
    let folders = std::iter::once(programs.path().to_owned()).chain(std::env::split_paths(&path));
    let address = free_address();
    let log = folder.path().join("logged");
    let child = program()
        .args(["serve", "--listen", &address.to_string(), "--data-dir"])
        .arg(folder.path().join("data"))
        .env("PATH", std::env::join_paths(folders).expect("a PATH"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).expect("created"))
        .spawn();
    let server = ServerProcess::adopt(child.expect("started"), address).await;
    server.kill();
    let logged = std::fs::read_to_string(log).expect("UTF-8");
    let words = ["WARN", "redis-server does not report its version within 5s"];
    assert!(words.iter().all(|words| logged.contains(words)), "{logged}");
}

/// The append-only file that is written now.
fn append_only_file(data_dir: &Path) -> PathBuf {
    let entries = std::fs::read_dir(data_dir.join("appendonlydir")).expect("a folder");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .find(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .expect("an append-only file")
}

#[tokio::test]
async fn a_redis_with_broken_data_quotes_its_log_of_this_run() {
    let folder = tempfile::tempdir().expect("folder");
    let start = || EmbeddedRedis::start(folder.path(), Options::default());
    start().expect("started").stop().expect("stopped");
    let mut data = std::fs::File::options()
        .append(true)
        .open(append_only_file(folder.path()))
        .expect("opened");
    data.write_all(b"this is no command\r\n").expect("written");
    let error = start().err().expect("refused").to_string();
    assert!(error.contains("Bad file format"), "{error}");
    assert!(!error.contains("User requested shutdown"), "{error}");
}

#[test]
fn the_log_grows_by_a_few_lines_a_run() {
    let folder = tempfile::tempdir().expect("folder");
    let data_dir = folder.path().to_str().expect("a plain path");
    for run in 1..=3 {
        let output = seckill(&["sale", "put", "a", "--kind", "list", "--data-dir", data_dir]);
        assert!(output.status.success(), "{output:?}");
        let log = std::fs::read_to_string(folder.path().join("redis.log")).expect("a log");
        assert!(log.lines().count() <= 10 * run, "after {run} runs:\n{log}");
    }
}
