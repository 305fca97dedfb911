//! A million buyers for ten thousand units: does a crowd a hundred times the stock cost Redis
//! anything, and does everybody get a true answer?

use seckill::domain::sale::StockKind;
use seckill::private_redis::Persistence;

use super::crowd::{self, Until};
use super::{Demand, Findings, megabytes, resident, told, took};
use crate::Result;
use crate::backend::Backend;
use crate::plan::{Path, Terms};
use crate::servers::Programs;

const BUYERS: u64 = 1_000_000;
const UNITS: u64 = 10_000;
const CONNECTIONS: usize = 256;
/// Most commands that clients may send to Redis, as a share of the requests.
const COMMANDS_MAX: f64 = 0.05;

/// Runs the wave, prints the report and writes it to `results/million.md`.
pub fn run() -> Result<()> {
    let (programs, runtime) = (Programs::find(), crate::runtime()?);
    // As the private Redis of a server keeps its data.
    let backend = Backend::start(programs.target(), Persistence::Fsync)?;
    backend.sell(&runtime, StockKind::List, UNITS, Terms::Full)?;
    let before = backend.work()?.sent;
    let server = programs.start(Path::HeldFsync, backend.url().expose())?;
    let at_rest = resident::of(server.id())?;
    eprintln!("{BUYERS} buyers over {CONNECTIONS} connections");
    let seen = crowd::closed(
        server.address,
        "buyer",
        CONNECTIONS,
        Until::Requests(BUYERS),
    )?;
    let counts = server.settled()?;
    let (memory, commands) = (resident::of(server.id())?, backend.work()?.sent - before);
    let audited = programs.audit(backend.url().expose(), true);
    let sold_out = told(&seen.answers, "sold_out");
    let failed = seen.answers.count(|answer| answer.status != 200);
    let demands = vec![
        Demand::exactly("answers", BUYERS, seen.answered()),
        Demand::exactly("`grabbed`", UNITS, told(&seen.answers, "grabbed")),
        Demand::exactly("`sold_out`", BUYERS - UNITS, sold_out),
        Demand::exactly("answers that are not 200", 0, failed),
        Demand::exactly("requests without an answer", 0, seen.lost),
        Demand::exactly("`grabbed` by the server's own count", UNITS, counts.grabbed),
        Demand::audit(UNITS..=UNITS, &audited),
        Demand::at_most(
            "Redis commands for 100 requests",
            COMMANDS_MAX * 100.0,
            commands * 100.0 / BUYERS as f64,
            3,
        ),
    ];
    let mut figures = vec![
        ("time", format!("{:.1} s", seen.time.as_secs_f64())),
        (
            "rate",
            format!(
                "{:.0} answers/s",
                seen.answered() as f64 / seen.time.as_secs_f64()
            ),
        ),
        ("`grabbed` took", took(&seen.granted)),
        ("Redis commands sent by clients", format!("{commands:.0}")),
        (
            "resident memory of the server",
            format!(
                "{:.1} MB at rest, {:.1} MB after (VmRSS), {:.1} MB at most (VmHWM)",
                megabytes(at_rest.now),
                megabytes(memory.now),
                megabytes(memory.peak)
            ),
        ),
    ];
    figures.extend(seen.first_loss.map(|why| ("the first loss", why)));
    let story = format!(
        "{BUYERS} buyers, each with a name of its own, ask once for one of {UNITS} list units, over \
         {CONNECTIONS} kept connections,\nas fast as answers come. One server, one Redis that syncs \
         its log before it answers."
    );
    let name = "million";
    Findings {
        name,
        story,
        demands,
        figures,
    }
    .publish(&programs)
}
