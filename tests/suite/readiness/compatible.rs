//! The walk that every supported server passes, with no more rights than the documents ask for.

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

/// Makes the documented user on the keys of this world, and gives back its address.
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

/// A shop of the documented user, where everything that uses Redis is done once.
struct Walk {
    world: World,
    /// Where the documented user reaches Redis.
    url: RedisUrl,
    app: TestApp,
    receiver: Receiver,
}

const STOCKED: [&str; 10] = [
    "sale put e.list --kind list --hold 1s",
    "stock add e.list --count 1",
    "sale put e.count --kind counter --cancel-until 2100-01-01T00:00:00Z",
    "stock add e.count --count 100",
    "sale put e.seat --kind list",
    "stock add e.seat --count 100",
    "stock remove e.seat --count 1",
    "sale put e.target --kind target",
    "stock add e.target --count 1000",
    "account set e bidder 500",
];
const LOOKED_AT: [&str; 8] = [
    "sale list",
    "orders e.count",
    "account show e bidder",
    "feed dead e",
    "audit e.list --deep",
    "audit e.count --deep",
    "audit e.seat --deep",
    "audit e.target --deep",
];

/// Runs these commands, which must succeed.
fn run_all(url: &RedisUrl, prefix: &str, lines: &[&str]) {
    for line in lines {
        let output = seckill(url, prefix, line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
    }
}

impl Walk {
    async fn start(url: &str) -> Self {
        let mut world = World::at(RedisUrl::new(url)).await;
        let url = make_user(&mut world).await;
        run_all(&url, &world.prefix, &STOCKED);
        let receiver = Receiver::start();
        let app = TestApp::with(&world, |config| {
            config.redis.url = Some(url.clone());
            config.durability = Some(Durability::Fsync);
            config.relay = receiver.patient();
        });
        let app = app.await;
        Self {
            world,
            url,
            app,
            receiver,
        }
    }

    async fn is_ready(&self) {
        let ready = self.app.operator().get("/readyz").await;
        assert_eq!(ready.body, r#"{"status":"ready","durability":"fsync"}"#);
    }

    async fn sells_and_expires(&self) {
        let buyer = &self.app.buyer;
        for answer in ["grabbed", "already_grabbed"] {
            let told = buyer.code("/seckill", "e.list", "first", "1").await;
            assert_eq!(told, answer);
        }
        // The hold has expired.
        until(buyer, "/seckill", "e.list", "second", "grabbed").await;
    }

    async fn sells_several_at_once_and_takes_bids(&self) {
        let buyer = &self.app.buyer;
        let lines = [("e.count", 1), ("e.seat", 2)];
        let placed = buyer.place("x", "r1", &lines).await;
        assert_eq!(placed.result, "grabbed", "{}", placed.body);
        let again = buyer.place("x", "r1", &lines).await;
        assert_eq!(again.json()["order"], placed.json()["order"]);
        let bid = buyer.bid("bidder", "r2", "e.target", 200).await;
        assert_eq!(bid.status, 200, "{}", bid.body);
    }

    async fn cancels_and_delivers(&self) {
        let form = [
            ("username", "third"),
            ("purchase", "1"),
            ("goods", "e.count"),
        ];
        let buyer = &self.app.buyer;
        assert_eq!(buyer.form("/incr", &form).await.result, "grabbed");
        let order = buyer.form("/incr", &form).await.order();
        let path = format!("/orders/{}/cancel", order.expect("an order"));
        let cancelled = self.app.operator().post(&path).await;
        assert_eq!(cancelled.status, 200, "{}", cancelled.body);
        self.receiver.until("e", 6).await;
    }

    async fn loads_its_scripts_again(&mut self) {
        let () = self.world.run(&["SCRIPT", "FLUSH"]).await;
        let (buyer, operator) = (&self.app.buyer, self.app.operator());
        let told = buyer.code("/incr", "e.count", "fourth", "1").await;
        assert_eq!(told, "grabbed");
        assert_eq!(operator.get("/readyz").await.status, 200);
        assert!(buyer.metrics().await.contains("seckill_figures_up 1"));
        assert_eq!(buyer.get("/sales").await.status, 200);
    }

    /// The commands find everything right, without a server.
    async fn ends_right(self) {
        self.app.stop().await;
        let prefix = &self.world.prefix;
        run_all(&self.url, prefix, &LOOKED_AT);
        let doctor = Doctor::at(&self.url, prefix, &[]);
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
}

/// Sells, holds, expires, delivers, audits: everything that uses Redis.
async fn walk(url: &str) {
    let mut walk = Walk::start(url).await;
    walk.is_ready().await;
    walk.sells_and_expires().await;
    walk.sells_several_at_once_and_takes_bids().await;
    walk.cancels_and_delivers().await;
    walk.loads_its_scripts_again().await;
    walk.ends_right().await;
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
