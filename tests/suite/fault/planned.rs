//! Planned failovers with Redis' own `FAILOVER`, under load, behind one address: every order that
//! was shown to a client is at the new master.

use std::time::{Duration, Instant};

use seckill::domain::durability::Durability;
use seckill::domain::sale::StockKind;
use seckill::private_redis::{Options, Persistence};

use super::failover::{ROUNDS_MAX, until_linked};
use super::promoted::{BUYERS, Load, STOCK, buy, forgot, lost, until_ready};
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::process::free_address;
use crate::support::proxy::Proxy;
use crate::support::redis::{PrivateRedis, World, connect, run};

/// A server that others find at a port of this machine.
struct Server {
    redis: PrivateRedis,
    port: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let port = free_address().port().to_string();
        let own = ["--port", &port, "--bind", "127.0.0.1"];
        let at_once = ["--repl-diskless-sync-delay", "0"];
        let extra = [&own[..], &at_once, arguments].concat();
        let redis = PrivateRedis::start(Options {
            persistence: Persistence::Memory,
            extra: extra.into_iter().map(str::to_owned).collect(),
        });
        Self { redis, port }
    }

    /// Hands over to a replica, and waits until this is a replica itself.
    async fn fail_over_to(&self, replica: &Self) {
        let mut raw = connect(&self.redis.url()).await;
        let to = ["FAILOVER", "TO", "127.0.0.1", &replica.port];
        let () = run(&mut raw, &to).await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let info: String = run(&mut raw, &["INFO", "replication"]).await;
            if info.contains("role:slave") && info.contains("master_failover_state:no-failover") {
                return;
            }
            assert!(Instant::now() < deadline, "no failover: {info}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn planned_failovers(level: Durability) {
    let master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &master.port]);
    let mut pair = [master, replica];
    until_linked(&pair[0].redis).await;
    let world = World::at(pair[0].redis.url()).await;
    world.sale("rush", StockKind::Counter, STOCK).await;
    let front = Proxy::start(pair[0].redis.socket()).await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(front.url());
        config.redis.timeout = Duration::from_secs(1);
        config.durability = Some(level);
    });
    let app = app.await;
    until_ready(&app.buyer).await;
    let buyer = app.buyer.clone();
    let load = Load::start(BUYERS, move |user| buy(buyer.clone(), user));
    load.until_granted(50).await;
    for _ in 0..super::rounds().min(ROUNDS_MAX) {
        pair[0].fail_over_to(&pair[1]).await;
        pair.reverse();
        front.lead_next_to(pair[0].redis.socket());
        until_linked(&pair[0].redis).await;
        load.until_granted_more(50).await;
        until_ready(&app.buyer).await;
    }
    let told = load.end().await;
    let forgot = forgot("rush", &app.buyer).await;
    assert!(!forgot, "an alarm at a level that held");
    app.stop().await;
    assert_eq!(lost(&pair[0].redis, &world, &told).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_loses_nothing_at_replicated_1_with_one_replica() {
    planned_failovers(Durability::Replicated(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_loses_nothing_at_replicated_all() {
    planned_failovers(Durability::ReplicatedAll).await;
}
