//! The test that every supported server passes, with no more permissions than the documents name.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use seckill::config::RedisUrl;
use seckill::domain::durability::Durability;
use tempfile::TempDir;
use tokio::net::UnixStream;

use super::{Doctor, seckill};
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::receiver::Receiver;
use crate::support::redis::World;

/// A server program that runs as others run it: not started by `seckill`.
struct Server {
    child: Child,
    folder: TempDir,
}

impl Server {
    async fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let fsync = [
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
        ];
        let child = Command::new(program)
            .args(["--port", "0", "--unixsocket", "redis.sock"])
            .args(fsync)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let server = Self { child, folder };
        let since = Instant::now();
        while UnixStream::connect(server.socket()).await.is_err() {
            assert!(since.elapsed() < PATIENCE, "{program:?} does not listen");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The words of the line in docs/REDIS.md that makes the user.
fn documented() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/REDIS.md");
    let text = std::fs::read_to_string(path).expect("docs/REDIS.md");
    let mut lines = text.lines().filter(|line| line.starts_with("ACL SETUSER "));
    let line = lines.next().expect("a line that makes the user");
    assert_eq!(lines.next(), None, "there is one such line");
    line.split(' ').map(str::to_owned).collect()
}

/// Creates the documented user on the keys of this world, and returns its address.
async fn make_user(world: &mut World) -> RedisUrl {
    let mut words = documented();
    let keys = words
        .iter_mut()
        .find(|word| *word == "~seckill:*")
        .expect("the keys");
    *keys = format!("~{}*", world.prefix);
    let user = words[2].clone();
    let password = words
        .iter()
        .find_map(|word| word.strip_prefix('>'))
        .expect("a password");
    let url = format!("{}?user={user}&pass={password}", world.url.expose());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let () = world.run(&words).await;
    RedisUrl::new(url)
}

/// Asks until the answer is this one.
async fn until(buyer: &Buyer, path: &str, goods: &str, user: &str, expected: &str) {
    let since = Instant::now();
    loop {
        let code = buyer.code(path, goods, user, "1").await;
        if code == expected {
            return;
        }
        assert!(
            since.elapsed() < PATIENCE,
            "{goods}: {code} instead of {expected}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sells, holds, expires, delivers, audits: everything that uses Redis.
async fn walk(url: &str) {
    let mut world = World::at(RedisUrl::new(url)).await;
    let url = make_user(&mut world).await;
    let prefix = world.prefix.clone();
    let ok = |line: &str| {
        let output = seckill(&url, &prefix, line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    ok("sale put e.list --kind list --hold 1s");
    ok("stock add e.list --count 1");
    ok("sale put e.count --kind counter --cancel-until 2100-01-01T00:00:00Z");
    ok("stock add e.count --count 100");
    ok("sale put e.seat --kind list");
    ok("stock add e.seat --count 100");
    ok("stock remove e.seat --count 1");
    ok("sale put e.target --kind target");
    ok("stock add e.target --count 1000");
    ok("account set e bidder 500");

    let receiver = Receiver::start();
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(url.clone());
        config.durability = Some(Durability::Fsync);
        config.relay = receiver.patient();
    });
    let app = app.await;
    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.body, r#"{"status":"ready","durability":"fsync"}"#);

    assert_eq!(
        app.buyer.code("/seckill", "e.list", "first", "1").await,
        "grabbed"
    );
    assert_eq!(
        app.buyer.code("/seckill", "e.list", "first", "1").await,
        "already_grabbed"
    );
    until(&app.buyer, "/seckill", "e.list", "second", "grabbed").await; // the hold has expired
    let placed = app
        .buyer
        .place("x", "r1", &[("e.count", 1), ("e.seat", 2)])
        .await;
    assert_eq!(placed.result, "grabbed", "{}", placed.body);
    let again = app
        .buyer
        .place("x", "r1", &[("e.count", 1), ("e.seat", 2)])
        .await;
    assert_eq!(again.json()["order"], placed.json()["order"]);
    let bid = app.buyer.bid("bidder", "r2", "e.target", 200).await;
    assert_eq!(bid.status, 200, "{}", bid.body);
    assert_eq!(
        app.buyer.code("/incr", "e.count", "third", "1").await,
        "grabbed"
    );
    let form = [
        ("username", "third"),
        ("purchase", "1"),
        ("goods", "e.count"),
    ];
    let order = app
        .buyer
        .form("/incr", &form)
        .await
        .order()
        .expect("an order");
    let cancelled = app
        .operator()
        .post(&format!("/orders/{order}/cancel"))
        .await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    receiver.until("e", 6).await;

    let () = world.run(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(
        app.buyer.code("/incr", "e.count", "fourth", "1").await,
        "grabbed"
    );
    assert_eq!(app.operator().get("/readyz").await.status, 200);
    assert!(app.buyer.metrics().await.contains("seckill_figures_up 1"));
    assert_eq!(app.buyer.get("/sales").await.status, 200);
    app.stop().await;

    for line in [
        "sale list",
        "orders e.count",
        "account show e bidder",
        "feed dead e",
    ] {
        ok(line);
    }
    for sale in ["e.list", "e.count", "e.seat", "e.target"] {
        ok(&format!("audit {sale} --deep"));
    }
    let doctor = Doctor::at(&url, &prefix, &[]);
    let wrong = doctor
        .findings
        .iter()
        .filter(|finding| finding["grade"] == "WRONG");
    assert_eq!(wrong.count(), 0, "{:?}", doctor.findings);
    let (_, found) = doctor.finding("permissions");
    assert!(
        found.contains("may not run REPLCONF, SYNC:"),
        "nothing but backups is forbidden: {found}"
    );
    assert_eq!(doctor.finding("durability").0, "ok");
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
    candidates.find(|program| program.is_file())
}

#[tokio::test]
async fn the_documented_user_may_do_everything() {
    let program = on_path("redis-server").or_else(|| on_path("valkey-server"));
    let server = Server::start(&program.expect("a server program")).await;
    walk(&server.url()).await;
}

#[tokio::test]
#[ignore = "needs the programs of `make servers`"]
async fn redis_8_passes_the_walk() {
    let server = Server::start(&fetched("redis-server")).await;
    walk(&server.url()).await;
}

#[tokio::test]
#[ignore = "needs the programs of `make servers`"]
async fn valkey_9_passes_the_walk() {
    let server = Server::start(&fetched("valkey-server")).await;
    walk(&server.url()).await;
}

fn fetched(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/servers")
        .join(name);
    assert!(path.is_file(), "{path:?} is missing: run `make servers`");
    path
}
