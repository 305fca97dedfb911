//! A failover that is planned (`FAILOVER`, by which no write is lost), in the middle of a scan. A
//! cursor of one server is nonsense at another: whoever went on with it would miss entries. So
//! gates learn all buyers, audits have the right verdict or none, exports are complete or fail.

use std::collections::BTreeSet;
use std::process::Output;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::Value;
use seckill::config::RedisUrl;
use seckill::domain::ids::SaleId;
use seckill::domain::sale::StockKind;
use seckill::failure::Failure;
use seckill::private_redis::{Options, Persistence};
use seckill::store::Store;
use seckill::store::recount::NoVerdict;

use super::failover::until_linked;
use crate::support::app::TestApp;
use crate::support::buyer::Buyer;
use crate::support::operator::TOKEN;
use crate::support::process::{free_address, seckill};
use crate::support::proxy::Proxy;
use crate::support::redis::{PrivateRedis, World, connect, run};
use crate::support::{PATIENCE, TIMEOUT};

/// A page takes so long that the failover comes before the last one.
const LATENCY: Duration = Duration::from_millis(30);
/// Holders who ask again.
const ASKING: usize = 1_000;

/// Buyers, and rounds: many of both when there is time.
fn buyers_and_rounds() -> (usize, usize) {
    match super::rounds() {
        1 => (20_000, 1),
        rounds => (150_000, rounds.min(20)),
    }
}

/// Two servers that replicate each other, and an address that leads to the master.
struct Switch {
    servers: [(PrivateRedis, u16); 2],
    master: usize,
    front: Proxy,
}

impl Switch {
    async fn start() -> Self {
        let master = on_a_port(&[]);
        let replica = on_a_port(&["--replicaof", "127.0.0.1", &master.1.to_string()]);
        let front = Proxy::start(master.0.socket()).await;
        until_linked(&master.0).await;
        Self {
            servers: [master, replica],
            master: 0,
            front,
        }
    }

    fn master(&self) -> &PrivateRedis {
        &self.servers[self.master].0
    }

    /// Sells one unit to each of so many buyers; then nothing is left.
    async fn sold_out(&self, buyers: usize) -> (World, SaleId) {
        let world = World::at(self.master().url()).await;
        let stock = buyers as u64;
        world.sale("a", StockKind::Counter, stock).await;
        let sale = world.sell("a", 0, buyers).await;
        until_linked(self.master()).await;
        (world, sale)
    }

    /// Waits until a scan is under way, then makes the other server the master.
    async fn fail_over_in_a_scan(&mut self, scans_before: u64) {
        let mut old = World::at(self.master().url()).await;
        let deadline = Instant::now() + PATIENCE;
        while old.calls("hscan").await < scans_before + 3 {
            assert!(Instant::now() < deadline, "nobody scans");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (next, port) = &self.servers[1 - self.master];
        let () = old
            .run(&["FAILOVER", "TO", "127.0.0.1", &port.to_string()])
            .await;
        let mut raw = connect(&next.url()).await;
        loop {
            let role: Vec<Value> = run(&mut raw, &["ROLE"]).await;
            if role.first() == Some(&Value::BulkString(b"master".to_vec())) {
                break;
            }
            assert!(Instant::now() < deadline, "no failover");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.front.lead_next_to(next.socket());
        self.master = 1 - self.master;
    }

    /// Scans at the master so far.
    async fn scans(&self) -> u64 {
        let mut world = World::at(self.master().url()).await;
        world.calls("hscan").await
    }

    /// Runs one command of the program while the master changes.
    async fn run_over_a_failover(&mut self, world: &World, words: &[&str]) -> Output {
        let before = self.scans().await;
        self.front.set_latency(LATENCY);
        let (url, prefix) = (self.front.url(), format!("redis.prefix={}", world.prefix));
        let options = ["--redis-url", url.expose(), "--set", &prefix];
        let words: Vec<String> = words.iter().chain(&options).map(|w| (*w).into()).collect();
        let running = tokio::task::spawn_blocking(move || {
            seckill(&words.iter().map(String::as_str).collect::<Vec<_>>())
        });
        self.fail_over_in_a_scan(before).await;
        self.front.set_latency(Duration::ZERO);
        let done = running.await.expect("it ran");
        until_linked(self.master()).await;
        done
    }
}

/// A server in memory, at a port of its own: `FAILOVER` names hosts and ports.
fn on_a_port(arguments: &[&str]) -> (PrivateRedis, u16) {
    let port = free_address().port();
    let listen = ["--port", &port.to_string(), "--bind", "127.0.0.1"].map(str::to_owned);
    let at_once = ["--repl-diskless-sync-delay", "0"].map(str::to_owned);
    let arguments = arguments.iter().map(|&argument| argument.to_owned());
    let extra = listen.into_iter().chain(at_once).chain(arguments).collect();
    let redis = PrivateRedis::start(Options {
        persistence: Persistence::Memory,
        extra,
    });
    (redis, port)
}

/// Asks until the answer is definite.
async fn ask(buyer: &Buyer, user: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let code = buyer.code("/incr", "a", user, "1").await;
        if !matches!(code.as_str(), "busy" | "unknown") {
            return code;
        }
        assert!(Instant::now() < deadline, "{user}: {code}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Strangers ask until the gate of the sale is closed.
async fn until_closed(buyer: &Buyer) {
    let deadline = Instant::now() + PATIENCE;
    while !buyer.metrics().await.contains("\nseckill_gate_buyers{") {
        assert!(Instant::now() < deadline, "the gate stays open");
        assert_eq!(ask(buyer, "stranger").await, "sold_out");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_learns_over_a_failover_knows_every_buyer() {
    let (buyers, rounds) = buyers_and_rounds();
    let mut switch = Switch::start().await;
    let (world, _) = switch.sold_out(buyers).await;
    for round in 0..rounds {
        let app = TestApp::with(&world, |config| {
            config.redis.url = Some(switch.front.url());
        });
        let app = app.await;
        let before = switch.scans().await;
        switch.front.set_latency(LATENCY);
        assert_eq!(ask(&app.buyer, "stranger").await, "sold_out");
        switch.fail_over_in_a_scan(before).await;
        switch.front.set_latency(Duration::ZERO);
        until_closed(&app.buyer).await;
        let holders: Vec<String> = (0..ASKING)
            .map(|number| format!("user-{}", number * (buyers / ASKING) + round))
            .collect();
        let mut wrong = Vec::new();
        for holders in holders.chunks(50) {
            let codes = join_all(holders.iter().map(|holder| ask(&app.buyer, holder))).await;
            wrong.extend(codes.into_iter().filter(|code| code != "already_grabbed"));
        }
        assert_eq!(wrong, [""; 0], "round {round}");
        until_linked(switch.master()).await;
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deep_audit_over_a_failover_is_right_or_has_no_verdict() {
    let (buyers, rounds) = buyers_and_rounds();
    let mut switch = Switch::start().await;
    let (world, sale) = switch.sold_out(buyers).await;
    for round in 0..rounds {
        let audit = switch.run_over_a_failover(&world, &["audit", "a", "--deep"]);
        let audit = audit.await;
        let said = String::from_utf8_lossy(&audit.stderr).into_owned();
        let code = audit.status.code();
        assert!(matches!(code, Some(0 | 3)), "{round}: {code:?} {said}");
    }
    let mut stands = World::at(switch.master().url()).await;
    stands.use_prefix(&world.prefix);
    stands.assert_holds(&sale).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_over_a_failover_is_complete_or_fails() {
    let (buyers, rounds) = buyers_and_rounds();
    let mut switch = Switch::start().await;
    let (world, _) = switch.sold_out(buyers).await;
    for round in 0..rounds {
        let export = switch.run_over_a_failover(&world, &["orders", "a", "--format", "csv"]);
        let export = export.await;
        let (code, printed) = (export.status.code(), export.stdout);
        let said = String::from_utf8_lossy(&export.stderr).into_owned();
        let printed = String::from_utf8(printed).expect("UTF-8");
        let orders: BTreeSet<&str> = printed.lines().skip(1).collect();
        match code {
            Some(0) => assert_eq!(orders.len(), buyers, "round {round}"),
            Some(1) => assert!(said.contains("the list is incomplete"), "{said}"),
            other => panic!("round {round}: {other:?} {said}"),
        }
    }
}

/// The server of a scan becomes a replica in the middle, and stays reachable: what it shows may lag
/// behind its master, so the end of the scan says so. The user of this scan may not ask `ROLE` or
/// `INFO`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_whose_server_becomes_a_replica_does_not_count() {
    let user = "--user shop on >secret ~* &* +@all -role -info";
    let (redis, port) = on_a_port(&user.split(' ').collect::<Vec<_>>());
    let mut world = World::at(redis.url()).await;
    let url = RedisUrl::new(format!("redis://shop:secret@127.0.0.1:{port}"));
    let store = Store::new(&url, &world.prefix, TIMEOUT).expect("a store");
    let sale = world.sell("a", 0, 3_000).await;
    let all = async |demoted_after: usize, raw: &mut World| {
        let mut pages = store.orders("a").await?;
        let mut orders = 0;
        for page in 0.. {
            if page == demoted_after {
                let () = raw.run(&["REPLICAOF", "127.0.0.1", "1"]).await;
            }
            match pages.next().await? {
                Some(page) => orders += page.len(),
                None => break,
            }
        }
        Ok::<_, Failure>(orders)
    };
    assert!(all(usize::MAX, &mut world).await.expect("whole") >= 3_000);
    let judged = store.recount(&sale, &|_| {}).await.expect("judged");
    assert_eq!(judged.expect("the sale exists").violations, []);
    let cut = all(1, &mut world).await;
    let says =
        |failure: &Failure| matches!(failure, Failure::Busy(why) if why.contains("a replica"));
    assert!(cut.as_ref().is_err_and(says), "{cut:?}");
    for refused in [
        all(usize::MAX, &mut world).await.map(drop),
        recounted(&store, &sale).await,
        store.sales().await.map(drop),
    ] {
        assert!(refused.as_ref().is_err_and(says), "{refused:?}");
    }
    let () = world.run(&["REPLICAOF", "NO", "ONE"]).await;
    assert!(all(usize::MAX, &mut world).await.expect("whole") >= 3_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_over_http_breaks_off_when_its_server_becomes_a_replica() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.sale("a", StockKind::List, 0).await;
    // Far more than the buffers between the two ends hold.
    let units: String = (0..100).map(|unit| format!("\t{unit:0128}")).collect();
    for number in 0..8_000 {
        let record = format!("confirmed\t1\tbuyer-{number}\na\t100{units}");
        let id = crate::support::orders::new_order_id(&sale);
        world.write_record(&id, &record).await;
    }
    let app = TestApp::start(&world).await;
    let (path, bearer) = ("/admin/sales/a/orders", format!("Bearer {TOKEN}"));
    let headers = [("authorization", bearer.as_str())];
    for demoted in [false, true] {
        let mut response = app.buyer.begin("GET", path, &headers, Vec::new()).await;
        assert_eq!(response.status(), 200);
        assert!(response.chunk().await.expect("a piece").is_some());
        if demoted {
            let () = world.run(&["REPLICAOF", "127.0.0.1", "1"]).await;
        }
        let cut = loop {
            match response.chunk().await {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert_eq!(cut, demoted);
    }
    app.stop().await;
}

/// A recount of a sale that nobody changes.
pub(super) async fn recounted(store: &Store, sale: &SaleId) -> Result<(), Failure> {
    match store.recount(sale, &|_| {}).await {
        Ok(_) => Ok(()),
        Err(NoVerdict::Failed(failure)) => Err(failure),
        Err(NoVerdict::Moved(why)) => panic!("nobody changed it: {why}"),
    }
}
