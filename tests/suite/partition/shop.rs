//! Two Redis servers and two seckill servers on hosts of their own, which a test reads and breaks.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use redis::Value;
use seckill::domain::ids::SaleId;
use seckill::domain::sale::StockKind;

use super::REDIS_TIMEOUT;
use super::lab::{Host, Lab, SHARED};
use super::till::{Till, Way};
use crate::fault::failover::until_in_step;
use crate::support::PATIENCE;
use crate::support::bids::{FAR, terms};
use crate::support::history::History;
use crate::support::kept::Kept;
use crate::support::operator::{Operator, TOKEN};
use crate::support::other_redis::OtherRedis;
use crate::support::process::{ServerProcess, program};
use crate::support::redis::{World, sale_id, signal};

const REDIS_PORT: u16 = 6379;
const SERVER_PORT: u16 = 8080;

/// A shop; the replica is there at every level.
pub struct Shop {
    pub servers: [ServerProcess; 2],
    /// What the first master keeps, seen from inside, whatever the network does.
    pub master: World,
    /// The same of its replica.
    pub replica: World,
    pub redis: [OtherRedis; 2],
    pub lab: Lab,
}

impl Shop {
    pub async fn open(lab: Lab, durability: &str) -> Self {
        Self::with_clock(lab, durability, &[]).await
    }

    /// The same with a master that has this environment.
    pub async fn with_clock(lab: Lab, durability: &str, clock: &[(&str, &Path)]) -> Self {
        let [m, r] = [
            a_redis(&lab, Host::M, clock).await,
            a_redis(&lab, Host::R, &[]).await,
        ];
        let master = World::at(m.url()).await;
        let mut replica = World::at(r.url()).await;
        replica.use_prefix(&master.prefix);
        follow(&mut replica, Host::M).await;
        until_in_step(&mut master.raw.clone(), 1).await;
        let prefix = &master.prefix;
        let servers = [
            a_server(&lab, Host::S1, prefix, durability).await,
            a_server(&lab, Host::S2, prefix, durability).await,
        ];
        Self {
            servers,
            master,
            replica,
            redis: [m, r],
            lab,
        }
    }

    pub fn operator(&self, server: usize) -> Operator {
        Operator::new(&self.servers[server].buyer, TOKEN)
    }

    /// A way to buy at these servers.
    pub fn till(&self, servers: &[usize], way: Way, goods: &str) -> Till {
        let buyers = servers.iter().map(|&at| self.servers[at].buyer.clone());
        Till::new(way, goods, buyers.collect())
    }

    /// A sale for this way to buy; what it grants may be cancelled.
    pub async fn sale(&self, way: Way, goods: &str, stock: u64) -> SaleId {
        let (world, mut terms) = (&self.master, terms(1, 0));
        let kind = match way {
            Way::Bid => return world.target(goods, stock, &terms).await,
            Way::List => StockKind::List,
            Way::Counter | Way::Basket => StockKind::Counter,
        };
        terms.bid_min = None;
        terms.bonus_bp = None;
        terms.cancel_until = Some(Some(FAR));
        let sale = world.sale(goods, kind, stock).await;
        world.put(&sale, &terms).await;
        sale
    }

    /// Makes the replica a master of its own.
    pub async fn promote(&mut self) {
        let () = self.replica.run(&["REPLICAOF", "NO", "ONE"]).await;
    }

    /// Makes the old master the replica of the promoted one, and leads both servers there.
    pub async fn demote(&mut self) {
        follow(&mut self.master, Host::R).await;
        until_in_step(&mut self.replica.raw, 1).await;
        for (number, server) in [Host::S1, Host::S2].into_iter().enumerate() {
            self.lab.lead(server, Host::R);
            self.servers[number].until_ready().await;
        }
    }

    /// Everything that is wrong with these answers, by the Redis that counts.
    pub async fn wrong(counts: &mut World, goods: &str, history: &History) -> Vec<String> {
        let mut violations = history.violations(u64::MAX);
        let kept = Kept::read(counts, &sale_id(goods)).await;
        violations.extend(kept.violations(history));
        violations
    }

    /// All keys of an event at the master.
    pub async fn event(&mut self, name: &str) -> BTreeMap<String, Value> {
        let mut contents = self.master.contents().await;
        let tag = format!("{{{name}}}:");
        contents.retain(|key, _| key.starts_with(&tag));
        contents
    }

    /// A connection from a server's host to Redis without the protection.
    pub fn plain(&self, from: Host) -> Plain {
        let to = SocketAddr::from((SHARED, REDIS_PORT));
        let stream = self.lab.on(from, || TcpStream::connect(to));
        Plain(stream.expect("connected"))
    }

    /// Waits until the master has this key, and deletes it.
    pub async fn until_done(&mut self, key: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.master.run::<u64>(&["DEL", key]).await == 0 {
            assert!(Instant::now() < deadline, "{key} never comes");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The control of what is late: a connection without deadlines.
pub struct Plain(TcpStream);

impl Plain {
    /// Asks Redis to set a key, and does not wait for the answer.
    pub fn set(&mut self, key: &str) {
        let command = format!("SET {key} 1\r\n");
        self.0.write_all(command.as_bytes()).expect("sent");
    }
}

/// A process that stands still until this is dropped.
pub struct Stopped(u32);

impl Stopped {
    pub fn process(id: u32) -> Self {
        signal("-STOP", id);
        Self(id)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("-CONT", self.0);
    }
}

async fn a_redis(lab: &Lab, host: Host, environment: &[(&str, &Path)]) -> OtherRedis {
    let folder = lab.folder(host);
    let port = REDIS_PORT.to_string();
    let network = ["--port", &port, "--protected-mode", "no"];
    let durable = ["--appendfsync", "always"];
    let replicated = ["--repl-diskless-sync-delay", "0", "--repl-timeout", "5"];
    let pings = ["--repl-ping-replica-period", "1"];
    let arguments = [&network[..], &durable, &replicated, &pings].concat();
    let spawn = |command: &mut std::process::Command| lab.spawn(host, command);
    OtherRedis::started_by(spawn, &folder, &arguments, environment).await
}

async fn follow(world: &mut World, master: Host) {
    let (address, port) = (master.address().to_string(), REDIS_PORT.to_string());
    let () = world.run(&["REPLICAOF", &address, &port]).await;
}

async fn a_server(lab: &Lab, host: Host, prefix: &str, durability: &str) -> ServerProcess {
    lab.lead(host, Host::M);
    let address = SocketAddr::from((host.address(), SERVER_PORT));
    let mut command = program();
    let url = format!("redis://{SHARED}:{REDIS_PORT}");
    command.args(["serve", "--listen", &address.to_string()]);
    command.args(["--redis-url", &url]);
    for setting in [
        format!("admin.token={TOKEN}"),
        "http.workers=2".to_owned(),
        format!("redis.prefix={prefix}"),
        format!("redis.timeout={}ms", REDIS_TIMEOUT.as_millis()),
        format!("durability={durability}"),
    ] {
        command.args(["--set", &setting]);
    }
    command.current_dir(lab.folder(host)).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = lab.spawn(host, &mut command);
    ServerProcess::adopt(child.expect("the program starts"), address).await
}
