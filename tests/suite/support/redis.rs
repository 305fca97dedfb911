//! Private Redis servers, and raw access to them: to seed, to inspect, to break.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use seckill::config::RedisUrl;
use seckill::domain::ids::{OrderId, SaleId, Username};
use seckill::domain::purchase::attempt::{Attempt, Purchase};
use seckill::domain::purchase::outcome::Outcome;
use seckill::domain::sale::{Door, SaleEdit, StockKind};
use seckill::private_redis::{EmbeddedRedis, Options, Persistence};
use seckill::store::Store;
use tempfile::TempDir;

use super::{PATIENCE, TIMEOUT};

/// A private server with a data directory that is deleted with it.
pub struct PrivateRedis {
    server: EmbeddedRedis,
    folder: TempDir,
}

impl PrivateRedis {
    pub fn start(options: Options) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("seckill-")
            .tempdir()
            .expect("folder");
        let server = EmbeddedRedis::start(folder.path(), options).expect("a private Redis");
        Self { server, folder }
    }

    pub fn durable() -> Self {
        Self::start(Options::default())
    }

    pub fn forgetful() -> Self {
        Self::start(Options {
            persistence: Persistence::Memory,
            extra: Vec::new(),
        })
    }

    pub fn url(&self) -> RedisUrl {
        self.server.url()
    }

    pub fn socket(&self) -> std::path::PathBuf {
        self.url().expose().trim_start_matches("unix://").into()
    }

    /// Copies the append-only files into another folder, as a backup would.
    pub fn copy_to(&self, folder: &Path) {
        let (from, to) = (
            self.folder.path().join("appendonlydir"),
            folder.join("appendonlydir"),
        );
        std::fs::create_dir(&to).expect("a new folder");
        for file in std::fs::read_dir(from).expect("append-only files") {
            let file = file.expect("an entry");
            std::fs::copy(file.path(), to.join(file.file_name())).expect("copied");
        }
    }

    /// The same place for another user than the default one.
    pub fn user_url(&self, user: &str, password: &str) -> RedisUrl {
        let url = self.url();
        RedisUrl::new(format!("{}?user={user}&pass={password}", url.expose()))
    }

    /// The process id of the server, which must be running.
    pub fn server_id(&self) -> u32 {
        self.server.server_id().expect("a running server")
    }

    /// `kill -9`; the watcher starts it again.
    pub fn kill(&self) {
        signal("-KILL", self.server_id());
    }
}

impl PrivateRedis {
    /// `kill -9`, and waits until the watcher has started it again.
    pub async fn kill_and_wait(&self) {
        let died = self.server_id();
        self.kill();
        let deadline = Instant::now() + PATIENCE;
        while self.server.server_id().is_none_or(|id| id == died) {
            assert!(Instant::now() < deadline, "not started again");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Sends a signal to a process that this test started.
pub fn signal(signal: &str, process: u32) {
    let status = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(
        status.expect("kill runs").success(),
        "kill {signal} {process}"
    );
    if signal == "-STOP" {
        until_stopped(process);
    }
}

/// Waits until each thread of a process stands still: some run on for a moment.
fn until_stopped(process: u32) {
    let deadline = Instant::now() + PATIENCE;
    let is_stopped = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat"));
        // A thread that has ended meanwhile does nothing either.
        stat.map_or(true, |stat| {
            let state = stat.rsplit(") ").next();
            state.is_some_and(|state| state.starts_with('T'))
        })
    };
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
        let mut tasks = tasks.expect("a running process").flatten();
        if tasks.all(is_stopped) {
            return;
        }
        assert!(Instant::now() < deadline, "{process} runs on");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The server that all tests share. It ends with this process, and its folder goes with it.
pub fn shared_url() -> RedisUrl {
    static SHARED: OnceLock<(PrivateRedis, Child)> = OnceLock::new();
    let (redis, _) = SHARED.get_or_init(|| {
        let redis = PrivateRedis::forgetful();
        let broom = broom(redis.folder.path());
        (redis, broom)
    });
    redis.url()
}

/// A shell that deletes `folder` when this process ends, however it ends: nothing drops a static.
/// It tries again while the server, which ends at the same time, still writes there.
pub fn broom(folder: &Path) -> Child {
    Command::new("sh")
        .args(["-c", "read -r _; until rm -rf \"$0\"; do sleep 0.1; done"])
        .arg(folder)
        .process_group(0) // a Ctrl-C is for this process
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell")
}

/// A key prefix that no other test has.
pub fn new_prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "t{}-{}:",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// What the program is told to use this Redis, this prefix and these settings.
pub fn arguments(url: &RedisUrl, prefix: &str, settings: &[&str]) -> Vec<String> {
    let prefix = format!("redis.prefix={prefix}");
    let settings = [&prefix]
        .into_iter()
        .map(String::as_str)
        .chain(settings.iter().copied());
    let settings = settings.flat_map(|setting| ["--set", setting]);
    let all = ["--redis-url", url.expose()].into_iter().chain(settings);
    all.map(str::to_owned).collect()
}

/// A store with a prefix of its own, and raw access to what it keeps.
pub struct World {
    pub store: Store,
    pub url: RedisUrl,
    pub prefix: String,
    pub raw: MultiplexedConnection,
}

impl World {
    pub async fn new() -> Self {
        Self::at(shared_url()).await
    }

    pub async fn at(url: RedisUrl) -> Self {
        let prefix = new_prefix();
        let store = Store::new(&url, &prefix, TIMEOUT).expect("a store");
        let raw = connect(&url).await;
        Self {
            store,
            url,
            prefix,
            raw,
        }
    }

    /// Looks at another prefix, for a server that has its own configuration.
    pub fn use_prefix(&mut self, prefix: &str) {
        self.store = Store::new(&self.url, prefix, TIMEOUT).expect("a store");
        self.prefix = prefix.to_owned();
    }

    /// What the program is told to work in this world, with these settings.
    pub fn arguments(&self, settings: &[&str]) -> Vec<String> {
        arguments(&self.url, &self.prefix, settings)
    }

    /// Creates a sale and stocks it.
    pub async fn sale(&self, id: &str, kind: StockKind, stock: u64) -> SaleId {
        let id = sale_id(id);
        let edit = SaleEdit {
            kind: Some(kind),
            ..SaleEdit::default()
        };
        self.put(&id, &edit).await;
        if stock > 0 {
            self.store.stock_add_count(&id, stock).await.expect("added");
        }
        id
    }

    /// Creates a sale of counter stock, and sells one unit to each of so many buyers, from
    /// `user-<first>` on.
    pub async fn sell(&self, id: &str, first: usize, orders: usize) -> SaleId {
        let id = match self.store.sale_snapshot(&sale_id(id)).await.expect("read") {
            Some(_) => sale_id(id),
            None => self.sale(id, StockKind::Counter, 1_000_000).await,
        };
        let lane = self.store.lane();
        let attempts: Vec<Attempt> = (first..first + orders)
            .map(|number| Attempt {
                username: Username::parse(format!("user-{number}")).expect("valid"),
                purchase: Purchase::parse("1").expect("valid"),
                order: OrderId::new(&id, rand::random()),
            })
            .collect();
        for batch in attempts.chunks(500) {
            let deadline = tokio::time::Instant::now() + TIMEOUT;
            let sold = lane.sale_grab(&id, Door::Incr, batch, None, deadline).await;
            let sold = sold.expect("sold").outcomes;
            assert!(
                sold.iter()
                    .all(|outcome| matches!(outcome, Ok(Outcome::Grabbed(_))))
            );
        }
        id
    }

    /// Runs a raw command.
    pub async fn run<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        run(&mut self.raw, words).await
    }

    /// Calls of a command since the server began.
    pub async fn calls(&mut self, command: &str) -> u64 {
        let stats: String = self.run(&["INFO", "commandstats"]).await;
        let head = format!("cmdstat_{command}:calls=");
        let line = stats.lines().find_map(|line| line.strip_prefix(&head));
        let calls = line.and_then(|line| line.split(',').next());
        calls.map_or(0, |calls| calls.parse().expect("a number"))
    }

    /// Everything that is stored under this prefix and means something, to compare before and
    /// after, but the version of the data, which the first change writes.
    pub async fn dump(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut keys: Vec<String> = self.run(&["KEYS", &format!("{}*", self.prefix)]).await;
        let version = format!("{}data_version", self.prefix);
        let mark = self.store.keys().wait_mark();
        keys.retain(|key| *key != version && *key != mark);
        keys.sort();
        let mut dump = Vec::new();
        for key in keys {
            let bytes = self.run(&["DUMP", &key]).await;
            dump.push((key, bytes));
        }
        dump
    }

    /// Units that can be sold, by the store's own count.
    pub async fn left(&self, id: &SaleId) -> u64 {
        let snapshot = self.store.sale_snapshot(id).await.expect("snapshot");
        snapshot.expect("the sale exists").figures.for_sale()
    }

    /// The law, recounted from every record: each test that sells ends with it.
    pub async fn assert_holds(&self, id: &SaleId) {
        let judged = self.store.recount(id, &|_| {}).await.expect("recount");
        assert_eq!(judged.expect("the sale exists").violations, []);
    }
}

pub async fn connect(url: &RedisUrl) -> MultiplexedConnection {
    let client = redis::Client::open(url.expose()).expect("a valid address");
    // Left to itself, it waits half a second for an answer and no more.
    let patient = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let connection = client.get_multiplexed_async_connection_with_config(&patient);
    connection.await.expect("connected")
}

/// Runs a raw command.
pub async fn run<T: redis::FromRedisValue>(raw: &mut MultiplexedConnection, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    let command = command.arg(&words[1..]);
    command.query_async(raw).await.expect("raw command")
}

pub fn sale_id(id: &str) -> SaleId {
    SaleId::parse(id).expect("a valid sale id")
}
