//! A Redis of its own for each run, so that no run inherits anything from the one before.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use seckill::config::RedisUrl;
use seckill::domain::ids::SaleId;
use seckill::domain::sale::values::{Checked, TermValue};
use seckill::domain::sale::{SaleEdit, StockKind};
use seckill::private_redis::{EmbeddedRedis, Options, Persistence};
use seckill::store::Store;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::plan::Terms;
use crate::{Result, cpu};

/// Commands that the scripts call: their counts say nothing about what clients sent.
const CALLED_BY_SCRIPTS: [&str; 20] = [
    "decrby", "get", "hdel", "hget", "hgetall", "hincrby", "hlen", "hmget", "hset", "incrby",
    "llen", "lpop", "rpop", "rpush", "time", "xadd", "xlen", "zadd", "zcard", "zrem",
];

/// Longer than any run: nothing expires meanwhile.
const HOLD_MS: u64 = 15 * 60 * 1000;

/// Longest wait for Redis.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A running Redis with one sale.
pub struct Backend {
    redis: EmbeddedRedis,
    client: redis::Client,
    // After `redis`: the folder goes when nothing runs in it any more.
    _folder: TempDir,
}

/// What Redis had done at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Processor seconds.
    pub cpu_seconds: f64,
    /// Commands from clients, without those that look at Redis itself.
    pub sent: f64,
    /// Those and the commands inside scripts.
    pub executed: f64,
}

impl Backend {
    /// Starts one below `target/`, which is on a disk where `/tmp` may be memory.
    pub fn start(target: &Path, persistence: Persistence) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(target)?;
        let options = Options {
            persistence,
            extra: Vec::new(),
        };
        let redis = EmbeddedRedis::start(folder.path(), options)?;
        let client = redis::Client::open(redis.url().expose())?;
        Ok(Self {
            redis,
            client,
            _folder: folder,
        })
    }

    /// The address for servers.
    pub fn url(&self) -> RedisUrl {
        self.redis.url()
    }

    /// Creates sale `a` and puts units into it.
    pub fn sell(&self, runtime: &Runtime, kind: StockKind, units: u64, terms: Terms) -> Result<()> {
        let store = Store::new(&self.url(), "seckill:", CALL_TIMEOUT)?;
        let id = SaleId::parse("a").map_err(|e| e.to_string())?;
        let hold = TermValue::number((terms == Terms::Full).then_some(HOLD_MS));
        let edit = SaleEdit {
            kind: Some(kind),
            hold: Some(Checked::check("hold", hold)?),
            feed: Some(terms == Terms::Full),
            ..SaleEdit::default()
        };
        runtime.block_on(async {
            store.sale_put(&id, &edit).await?;
            // In one call thousands of units take milliseconds: no call should take long.
            let mut missing = units;
            while missing > 0 {
                let part = missing.min(5_000);
                store.stock_add_count(&id, part).await?;
                missing -= part;
            }
            Ok(())
        })
    }

    /// What Redis has done so far.
    pub fn work(&self) -> Result<Work> {
        let stats = self.info("commandstats")?;
        let calls = |line: &String| {
            let calls = line.strip_prefix("calls=")?.split(',').next()?;
            calls.parse::<f64>().ok()
        };
        let (mut sent, mut executed) = (0.0, 0.0);
        for (name, line) in &stats {
            let name = name.trim_start_matches("cmdstat_");
            let calls = calls(line).unwrap_or(0.0);
            if name == "info" || name == "client|setinfo" {
                continue;
            }
            executed += calls;
            if !CALLED_BY_SCRIPTS.contains(&name) {
                sent += calls;
            }
        }
        let cpu_seconds =
            cpu::used(self.redis.server_id().ok_or("Redis is not running")?)?.as_secs_f64();
        Ok(Work {
            cpu_seconds,
            sent,
            executed,
        })
    }

    /// Bytes that Redis has allocated.
    pub fn memory(&self) -> Result<f64> {
        let memory = self.info("memory")?;
        Ok(memory.get("used_memory").ok_or("no used_memory")?.parse()?)
    }

    /// Bytes that Redis has allocated for one key; 0 without it.
    pub fn memory_of(&self, key: &str) -> Result<f64> {
        let mut connection = self.client.get_connection()?;
        let mut usage = redis::cmd("MEMORY");
        usage.arg("USAGE").arg(key).arg("SAMPLES").arg(0);
        let bytes: Option<f64> = usage.query(&mut connection)?;
        Ok(bytes.unwrap_or(0.0))
    }

    /// A connection, for direct calls. It waits for a Redis that stalls: that is in the figures.
    pub async fn connection(&self) -> Result<redis::aio::MultiplexedConnection> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(CALL_TIMEOUT));
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        Ok(connection.await?)
    }

    fn info(&self, section: &str) -> Result<HashMap<String, String>> {
        let mut connection = self.client.get_connection()?;
        let text: String = redis::cmd("INFO").arg(section).query(&mut connection)?;
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Ok(pairs
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect())
    }
}
