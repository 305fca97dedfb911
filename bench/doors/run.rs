//! One run: a fresh Redis, a fresh server, a warm-up, the load, the audit.

use std::time::Duration;

use seckill::domain::sale::StockKind;
use seckill::private_redis::Persistence;
use tokio::runtime::Runtime;

use crate::backend::{Backend, Work};
use crate::line::{Answer, Tally};
use crate::plan::{Case, Path};
use crate::servers::{Programs, SETTLING, Server};
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
/// A deep audit of more orders than this takes longer than the run.
const DEEP_ORDERS_MAX: u64 = 60_000;

/// A server that is ready for load, with its Redis.
pub struct Stage<'a> {
    programs: &'a Programs,
    path: Path,
    units: u64,
    warm_up: Told,
    // Before the backend: the server goes first.
    server: Server,
    backend: Option<Backend>,
}

/// What the load generators were told.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// Answers that were 2xx.
    granted: u64,
    /// Answers that were not.
    refused: u64,
    /// Most requests that were sent and whose answers were not awaited.
    open: u64,
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
            Path::PerRequest | Path::Grab | Path::Held | Path::SoldOut => Some(Persistence::Memory),
            Path::HeldFsync => Some(Persistence::Fsync),
        };
        let units = match path {
            Path::SoldOut => UNITS_SOLD_OUT,
            _ => (seconds + 1) * UNITS_PER_SECOND,
        };
        let start = |persistence| Backend::start(programs.target(), persistence);
        let backend = persistence.map(start).transpose()?;
        if let Some(backend) = &backend {
            backend.sell(runtime, StockKind::List, units, path.terms())?;
        }
        let url = backend.as_ref().map(Backend::url);
        let server = programs.start(path, url.as_ref().map_or("none", |url| url.expose()))?;
        let warm_up = Told::of(&steady::run(server.address, WARM_UP)?.answers);
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
        self.audit(Told::of(&seen.answers))?;
        Ok(seen)
    }

    /// Runs wrk and measures, then audits.
    pub fn closed(&self, case: Case, seconds: u32) -> Result<Sample> {
        let (server_before, redis_before) = self.work()?;
        let seen = wrk::run(self.server.address, case.connections, seconds)?;
        let (server, redis) = self.work()?;
        expect(seen.answers > 0, "every request was refused".into())?;
        self.audit(Told {
            granted: seen.answers,
            refused: seen.refused,
            open: case.connections.into(),
        })?;
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

    /// The law holds, and the units sold are those of the answers. A refused request is no
    /// failure: the server says whether it may have sold something.
    fn audit(&self, load: Told) -> Result<()> {
        let Some(backend) = &self.backend else {
            return Ok(());
        };
        let told = self.warm_up.and(load);
        let counts = if self.path.is_seckill() {
            Some(self.server.settled()?)
        } else {
            std::thread::sleep(SETTLING);
            None
        };
        let deep = told.granted <= DEEP_ORDERS_MAX || self.path == Path::SoldOut;
        let sold = self.programs.audit(backend.url().expose(), deep)?;
        if self.path == Path::SoldOut {
            let all = format!("{sold} of {} units sold", self.units);
            expect(sold == self.units, all)?;
        } else {
            let ran_out = "the stock ran out: too few units for this machine";
            expect(sold < self.units, ran_out.into())?;
            expect(told.allows(sold), format!("{sold} units sold: {told:?}"))?;
        }
        if let Some(counts) = counts {
            let agree = counts.allow(sold) && told.refused <= counts.refused();
            let compared = format!("{sold} units sold: {told:?}, the server: {counts:?}");
            expect(agree, compared)?;
        }
        Ok(())
    }
}

impl Told {
    fn of(answers: &Tally) -> Self {
        let granted = answers.count(Answer::is_granted);
        Self {
            granted,
            refused: answers.count(|_| true) - granted,
            open: 0,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            granted: self.granted + other.granted,
            refused: self.refused + other.refused,
            open: self.open + other.open,
        }
    }

    /// Every granted request sold a unit; of the others nobody here knows.
    fn allows(self, sold: u64) -> bool {
        (self.granted..=self.granted + self.refused + self.open).contains(&sold)
    }
}

fn expect(holds: bool, what: String) -> Result<()> {
    if holds { Ok(()) } else { Err(what.into()) }
}
