//! One run: a fresh Redis, a fresh server, a warm-up, the load, the audit.

use std::time::Duration;

use seckill::domain::sale::StockKind;
use seckill::store::embedded::Persistence;
use tokio::runtime::Runtime;

use crate::backend::{Backend, Work};
use crate::plan::{Case, Path};
use crate::servers::{Programs, Server};
use crate::steady::{self, Load};
use crate::{Result, cpu, wrk};

/// Units for each second of load: more than any server here can sell.
const UNITS_PER_SECOND: u64 = 200_000;
/// Units of the sale that is sold out by the warm-up.
const UNITS_SOLD_OUT: u64 = 100;
/// Enough to open every connection to Redis, load the script and sell out a small sale.
const WARM_UP: Load = Load {
    rate: 2_000.0,
    time: Duration::from_millis(250),
    connections: 8,
    run: "warm",
};
/// The last requests of wrk are still being decided when it ends.
const SETTLING: Duration = Duration::from_millis(150);
/// A deep audit of more orders than this takes longer than the run.
const DEEP_ORDERS_MAX: u64 = 60_000;

/// A server that is ready for load, with its Redis.
pub struct Stage<'a> {
    programs: &'a Programs,
    path: Path,
    units: u64,
    warm_up: u64,
    // Before the backend: the server goes first.
    server: Server,
    backend: Option<Backend>,
}

/// The figures of one run.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// What the load generator saw.
    pub seen: wrk::Seen,
    /// Microseconds of processor time of the server for each answer.
    pub server_cpu: f64,
    /// The same of Redis.
    pub redis_cpu: Option<f64>,
    /// Commands from clients for 1,000 answers.
    pub sent: Option<f64>,
    /// The same with the commands inside scripts.
    pub executed: Option<f64>,
}

impl<'a> Stage<'a> {
    /// Starts everything and warms it up, for a load of so many seconds.
    pub fn set(
        programs: &'a Programs,
        runtime: &Runtime,
        path: Path,
        seconds: u64,
    ) -> Result<Self> {
        let persistence = match path {
            Path::Bare => None,
            Path::PerRequest | Path::Grab | Path::SoldOut => Some(Persistence::Memory),
            Path::GrabFsync => Some(Persistence::Fsync),
        };
        let units = match path {
            Path::SoldOut => UNITS_SOLD_OUT,
            _ => (seconds + 1) * UNITS_PER_SECOND,
        };
        let start = |persistence| Backend::start(programs.target(), persistence);
        let backend = persistence.map(start).transpose()?;
        if let Some(backend) = &backend {
            backend.sell(runtime, StockKind::List, units)?;
        }
        let url = backend.as_ref().map(Backend::url);
        let server = programs.start(path, url.as_ref().map_or("none", |url| url.expose()))?;
        let warm_up = steady::run(server.address, WARM_UP)?.latency.len();
        Ok(Self {
            programs,
            path,
            units,
            warm_up,
            server,
            backend,
        })
    }

    /// Runs a load at a constant rate, then audits.
    pub fn steady(&self, load: Load) -> Result<steady::Seen> {
        let seen = steady::run(self.server.address, load)?;
        let answers = seen.latency.len();
        self.audit(answers, 0)?;
        Ok(seen)
    }

    /// Runs wrk and measures, then audits.
    pub fn closed(&self, case: Case, seconds: u32) -> Result<Sample> {
        let (server_before, redis_before) = self.work()?;
        let seen = wrk::run(self.server.address, case.connections, seconds)?;
        let (server, redis) = self.work()?;
        self.audit(seen.answers, u64::from(case.connections))?;
        let answers = seen.answers as f64;
        let work = redis_before.zip(redis);
        let between = |figure: fn(&Work) -> f64| {
            work.map(|(before, after)| (figure(&after) - figure(&before)) / answers)
        };
        Ok(Sample {
            seen,
            server_cpu: (server - server_before) * 1e6 / answers,
            redis_cpu: between(|work| work.cpu_seconds * 1e6),
            sent: between(|work| work.sent * 1e3),
            executed: between(|work| work.executed * 1e3),
        })
    }

    fn work(&self) -> Result<(f64, Option<Work>)> {
        let server = cpu::used(self.server.id())?.as_secs_f64();
        let redis = self.backend.as_ref().map(Backend::work).transpose()?;
        Ok((server, redis))
    }

    /// The law holds, and as many units are sold as were answered `grabbed`. `open` requests were
    /// sent and their answers not awaited.
    fn audit(&self, answers: u64, open: u64) -> Result<()> {
        let Some(backend) = &self.backend else {
            return Ok(());
        };
        std::thread::sleep(SETTLING);
        let asked = answers + self.warm_up;
        let deep = asked <= DEEP_ORDERS_MAX || self.path == Path::SoldOut;
        let sold = self.programs.audit(backend.url().expose(), deep)?;
        if self.path == Path::SoldOut {
            expect(
                sold == self.units,
                format!("{sold} of {} units sold", self.units),
            )?;
        } else {
            expect(
                sold < self.units,
                "the stock ran out: too few units for this machine".into(),
            )?;
            let all = (asked..=asked + open).contains(&sold);
            expect(
                all,
                format!("{sold} units sold to {asked} answers and {open} open"),
            )?;
        }
        if self.path.is_seckill() {
            let grabbed = self.server.grabbed()?;
            expect(
                grabbed == sold,
                format!("{grabbed} answered grabbed, {sold} sold"),
            )?;
        }
        Ok(())
    }
}

fn expect(holds: bool, what: String) -> Result<()> {
    if holds { Ok(()) } else { Err(what.into()) }
}
