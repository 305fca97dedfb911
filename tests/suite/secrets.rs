//! What other users of the machine and of the network may not learn: files of the private Redis,
//! secrets, and the operators' token.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::operator::{Operator, TOKEN};
use crate::support::process::{Ended, ServerProcess, free_address, program, seckill};
use crate::support::redis::{arguments, new_prefix, shared_url};

/// A user whom nothing belongs to.
const NOBODY: u32 = 65_534;

fn mode(path: &Path) -> u32 {
    let known = std::fs::metadata(path).expect("it is there");
    known.permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

/// Everything in `folder`, down to the last file.
fn everything_in(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(path) = found.get(seen).cloned() {
        seen += 1;
        let entries = std::fs::read_dir(path).into_iter().flatten();
        found.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    found
}

/// True when another user can read the file; nobody can tell who may not become one.
fn others_read(path: &Path) -> bool {
    let mut command = Command::new("cat");
    let command = command.arg(path).uid(NOBODY).gid(NOBODY);
    let read = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    read.is_ok_and(|status| status.success())
}

/// A server on the private Redis in `data`, started by a shell that hides nothing from others.
async fn open_handed(data: &Path) -> (ServerProcess, std::path::PathBuf) {
    let (address, logged) = (free_address(), data.with_extension("logged"));
    let server = program();
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", "umask 022; exec \"$0\" \"$@\""]);
    let shell = shell.arg(server.get_program());
    let child = shell
        .args(["serve", "--demo", "--listen", &address.to_string()])
        .arg("--data-dir")
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&logged).expect("created"))
        .spawn();
    let server = ServerProcess::adopt(child.expect("started"), address).await;
    (server, logged)
}

#[tokio::test]
async fn nobody_else_reads_or_locks_the_data_of_the_private_redis() {
    let folder = tempfile::tempdir().expect("folder");
    set_mode(folder.path(), 0o755);
    let data = folder.path().join("data");
    let (server, logged) = open_handed(&data).await;
    let bought = server.buyer.code("/seckill", "a", "private-name", "1");
    assert_eq!(bought.await, "grabbed");
    let found = everything_in(&data);
    for name in ["seckill.lock", "version.json", "redis.log", "appendonlydir"] {
        assert!(found.contains(&data.join(name)), "{name}: {found:?}");
    }
    for path in &found {
        assert_eq!(mode(path) & 0o077, 0, "{path:?} is open to others");
        assert!(path.is_dir() || !others_read(path), "{path:?}");
    }
    server.kill();
    let logged = std::fs::read_to_string(logged).expect("UTF-8");
    assert!(!logged.contains("other users"), "{logged}");
}

#[tokio::test]
async fn an_open_directory_is_told_and_its_locks_are_closed() {
    let folder = tempfile::tempdir().expect("folder");
    set_mode(folder.path(), 0o755);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("created");
    set_mode(&data, 0o755);
    let lock = data.join("seckill.lock");
    std::fs::write(&lock, "").expect("as an older version made it");
    set_mode(&lock, 0o644);
    let (server, logged) = open_handed(&data).await;
    assert_eq!(mode(&lock), 0o600);
    assert!(!others_read(&lock), "who can read it can lock it");
    let logged = std::fs::read_to_string(logged).expect("UTF-8");
    let path = data.to_str().expect("a plain path");
    assert!(logged.contains(&format!("chmod 700 {path}")), "{logged}");
    assert_eq!(mode(&data), 0o755, "it may be meant so");
    let found = || {
        let output = seckill(&["doctor", "--data-dir", path]);
        let report = String::from_utf8(output.stdout).expect("UTF-8");
        let line = report.lines().find(|line| line.starts_with("data folder"));
        line.expect("a finding").to_owned()
    };
    assert!(found().contains("warning") && found().contains("755"));
    set_mode(&data, 0o700);
    assert!(found().contains("ok"), "{}", found());
    server.kill();
}

#[tokio::test]
async fn a_token_from_a_file_opens_and_one_on_the_command_line_is_warned_of() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).expect("written");
    let in_file = format!("admin.token_file={}", file.display());
    let on_line = format!("admin.token={TOKEN}");
    for (set, is_told) in [(&in_file, false), (&on_line, true)] {
        let (server, record) = ServerProcess::apart(&["--set", set]).await;
        let operator = Operator::new(&server.buyer, TOKEN);
        let put = operator.json("PUT", "/admin/sales/a", r#"{"kind":"list"}"#);
        assert_eq!(put.await.status, 201);
        let (logged, printed) = (record.logged(), record.printed());
        let told = "WARN seckill::cli: admin.token stands on the command line";
        assert_eq!(logged.contains(told), is_told, "{logged}");
        assert!(!logged.contains(TOKEN) && !printed.contains(TOKEN));
    }
}

#[test]
fn every_secret_on_a_command_line_is_warned_of() {
    for (secret, named) in [
        (
            "--redis-url=redis://:hunter2hunter2hu@127.0.0.1:1",
            "redis.password_file",
        ),
        ("--set=wechat.token=hunter2hunter2hu", "wechat.token_file"),
        ("--set=relay.secret=hunter2hunter2hu", "relay.secret_file"),
        (
            "--set=relay.webhook=https://x:hunter2@x",
            "the settings file",
        ),
    ] {
        // Redis is not asked, because the last of these settings cannot be used.
        let output = seckill(&["doctor", secret, "--set", "http.workers=0"]);
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("WARN") && said.contains(named), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn a_short_token_is_for_this_machine_only() {
    let address = free_address();
    let everywhere = format!("http.listen=0.0.0.0:{}", address.port());
    let told = "admin.token is short";
    for (chars, may_start, is_told) in [(15, false, false), (16, true, true), (32, true, false)] {
        let token = format!("admin.token={}", "x".repeat(chars));
        if !may_start {
            let output = seckill(&["serve", "--set", &everywhere, "--set", &token]);
            let said = String::from_utf8(output.stderr).expect("UTF-8");
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains("at least 16 characters"), "{said}");
        }
        let (server, record) = ServerProcess::apart(&["--set", &token]).await;
        assert!(!record.logged().contains(told), "on loopback: {chars}");
        server.kill();
        if !may_start {
            continue;
        }
        let listen = format!("0.0.0.0:{}", free_address().port());
        let settings = arguments(&shared_url(), &new_prefix(), &[&token]);
        let log = tempfile::NamedTempFile::new().expect("a file");
        let child = program()
            .args(["serve", "--listen", &listen])
            .args(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.reopen().expect("opened"))
            .spawn();
        let port = listen.replace("0.0.0.0", "127.0.0.1").parse();
        let child = child.expect("started");
        let server = ServerProcess::adopt(child, port.expect("an address")).await;
        let logged = std::fs::read_to_string(log.path()).expect("UTF-8");
        assert_eq!(logged.contains(told), is_told, "{chars}: {logged}");
        let set_listen = format!("http.listen={listen}");
        let mut doctor = program();
        doctor
            .args(["doctor", "--set", &set_listen])
            .args(&settings);
        let report = Ended::of(&mut doctor).printed;
        let line = report.lines().find(|line| line.starts_with("admin token"));
        let line = line.expect("a finding");
        assert_eq!(line.contains("warning"), is_told, "{line}");
        server.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_tokens_are_counted_and_logged_once_a_second_at_most() {
    let token = format!("admin.token={TOKEN}");
    let (server, record) =
        ServerProcess::apart(&["--set", &token, "--set", "wechat.token=AAAAA"]).await;
    let buyer = server.buyer.clone();
    let doors = [
        ("PUT", "/admin/sales/a", "admin"),
        ("GET", "/orders/a-00000000000000000000", "orders"),
        ("POST", "/orders/a-00000000000000000000/cancel", "orders"),
        ("POST", "/orders/a-00000000000000000000/confirm", "orders"),
        ("POST", "/wechat/checkin", "checkin"),
    ];
    let count = |metrics: &str, door: &str| {
        let row = format!("seckill_wrong_tokens_total{{door=\"{door}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&row));
        line.and_then(|count| count.parse().ok())
    };
    let before = buyer.metrics().await;
    for door in ["admin", "orders", "checkin"] {
        assert_eq!(count(&before, door), Some(0u64), "shown from the start");
    }
    let since = Instant::now();
    for guess in 0..40 {
        let bearer = format!("Bearer guess-{guess}");
        let headers = [("authorization", bearer.as_str())];
        for (method, path, _) in doors {
            let reply = buyer.send(method, path, &headers, Vec::new()).await;
            assert_eq!(reply.status, 401, "{method} {path}");
        }
        // Who shows nothing guesses nothing.
        let reply = buyer.send("PUT", "/admin/sales/a", &[], Vec::new()).await;
        assert_eq!(reply.status, 401);
    }
    let seconds = since.elapsed().as_secs();
    let metrics = buyer.metrics().await;
    for (door, times) in [("admin", 40), ("orders", 120), ("checkin", 40)] {
        assert_eq!(count(&metrics, door), Some(times), "{door}");
    }
    let logged = record.logged();
    let lines = logged
        .lines()
        .filter(|line| line.contains("wrong operators' token"));
    let lines: Vec<_> = lines.collect();
    let most = usize::try_from(seconds).expect("few") + 1;
    assert!((1..=most).contains(&lines.len()), "{seconds} s: {logged}");
    assert!(lines[0].contains("WARN") && lines[0].contains("who=\"127.0.0.1:"));
    assert!(!logged.contains("guess-"), "{logged}");
}
