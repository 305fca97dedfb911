//! Ten times more than the engine can do, for a minute: what it cannot do it must refuse, at once
//! and truthfully, and go on with the rest as if nobody else were there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use seckill::domain::sale::StockKind;
use seckill::private_redis::Persistence;

use super::crowd::{self, Seen, Until};
use super::link::Link;
use super::resident::Resident;
use super::{Demand, Findings, megabytes, resident, told, took};
use crate::Result;
use crate::backend::Backend;
use crate::line::Answer;
use crate::plan::{Path, Terms};
use crate::servers::{Programs, Server};

/// Time of a batch in Redis: with full ones some twelve hundred attempts a second.
const BATCH: Duration = Duration::from_millis(100);
/// However many cores there are: each worker has a queue and batches of its own.
const WORKERS: u64 = 1;
/// More than the link lets pass in all phases together.
const UNITS: u64 = 500_000;
/// Load before and after the wave: a batch in flight and a full one waiting, and nobody refused.
const CALM_CONNECTIONS: usize = 256;
const CALM: Duration = Duration::from_secs(10);
const WAVE: Duration = Duration::from_secs(60);
/// A bit more than ten: a generator that shares the cores falls behind a little.
const OVERLOAD: f64 = 10.4;
/// More than wait in all queues together, so that a new request always finds one.
const WAVE_CONNECTIONS: usize = 8_000;
/// Attempts of one worker at most: those that wait, and a batch that is being taken out.
const QUEUE_MAX: u64 = 4096 + 128;
const SAMPLE_PAUSE: Duration = Duration::from_secs(1);
const SAMPLES_MIN: usize = 10;

/// What the server was like at an instant of the wave.
struct Sample {
    memory: u64,
    queue: u64,
}

/// Runs all phases, prints the report and writes it to `results/overload.md`.
pub fn run() -> Result<()> {
    let (programs, runtime) = (Programs::find(), crate::runtime()?);
    let backend = Backend::start(programs.target(), Persistence::Memory)?;
    backend.sell(&runtime, StockKind::List, UNITS, Terms::Plain)?;
    let socket = backend.url().expose().trim_start_matches("unix://").into();
    let link = Link::start(socket, BATCH)?;
    let workers = format!("http.workers={WORKERS}");
    let server = programs.start_set(Path::Grab, &link.url(), &[&workers])?;
    let phases = Phases::run(&server)?;
    let counts = server.settled()?;
    let audited = programs.audit(backend.url().expose(), true);
    let grabbed = phases.grabbed();
    // Nobody knows of the `unknown`; every one of them is a demand that is not met.
    let sold = grabbed..=grabbed + counts.unknown;
    let mut demands = phases.demands();
    demands.extend([
        Demand::audit(sold, &audited),
        Demand::exactly(
            "`grabbed` by the server's own count",
            grabbed,
            counts.grabbed,
        ),
    ]);
    let findings = Findings {
        name: "overload",
        story: story(),
        demands,
        figures: phases.figures(),
    };
    findings.publish(&programs)
}

fn story() -> String {
    format!(
        "A batch takes {BATCH:?} in Redis, one after the other, as with a slow disk, and the server \
         has one worker: so one machine\ncan offer ten times what the server can do. Before and \
         after: {CALM_CONNECTIONS} connections for {} s, as fast as answers come.\nThe wave: new \
         buyers at a constant rate for {} s, whatever the answers.",
        CALM.as_secs(),
        WAVE.as_secs(),
    )
}

/// What was seen.
struct Phases {
    warm: Seen,
    before: Seen,
    wave: Seen,
    after: Seen,
    /// The server once a second, while the wave ran.
    samples: Vec<Sample>,
    /// Its memory before the wave.
    at_rest: Resident,
    /// Its memory at the end.
    afterwards: Resident,
}

impl Phases {
    fn run(server: &Server) -> Result<Self> {
        let calm = |run| crowd::closed(server.address, run, CALM_CONNECTIONS, Until::Time(CALM));
        eprintln!("a warm-up, then the peak: {CALM:?} each over {CALM_CONNECTIONS} connections");
        let (warm, before) = (calm("warm")?, calm("before")?);
        let at_rest = resident::of(server.id())?;
        let (peak, rate) = (goodput(&before), goodput(&before) * OVERLOAD);
        eprintln!("the peak is {peak:.0}/s; the wave: {rate:.0}/s for {WAVE:?}");
        let offer = || crowd::open(server.address, "wave", WAVE_CONNECTIONS, rate, WAVE);
        let (wave, samples) = watched(server, offer)?;
        eprintln!("after it: {CALM:?}");
        let after = calm("after")?;
        Ok(Self {
            warm,
            before,
            wave,
            after,
            samples,
            at_rest,
            afterwards: resident::of(server.id())?,
        })
    }

    fn demands(&self) -> Vec<Demand> {
        let Self {
            before,
            wave,
            after,
            ..
        } = self;
        let peak = goodput(before);
        let busy = |answer: &Answer| answer.status == 503 && answer.code == "busy";
        let other = |answer: &Answer| answer.code != "grabbed" && !busy(answer);
        let silent = |answer: &Answer| busy(answer) && !answer.retry_after;
        let refused = |answer: &Answer| answer.code != "grabbed";
        let calm = before.answers.count(refused) + after.answers.count(refused);
        let mut demands = vec![
            Demand::at_least("offered, × the peak", 10.0, offered(wave) / peak, 2),
            Demand::at_least(
                "goodput in the wave, % of the peak",
                90.0,
                goodput(wave) / peak * 100.0,
                1,
            ),
            Demand::exactly("requests of the wave without an answer", 0, wave.lost),
            Demand::exactly(
                "answers of the wave but `grabbed` and `busy`",
                0,
                wave.answers.count(other),
            ),
            Demand::exactly(
                "`busy` without `Retry-After`",
                0,
                wave.answers.count(silent),
            ),
            Demand::exactly("refused before and after the wave", 0, calm),
            Demand::at_least(
                "rate after, % of the rate before",
                90.0,
                goodput(after) / peak * 100.0,
                1,
            ),
            Demand::at_most(
                "p50 after, % of before",
                120.0,
                ratio(before, after, 50.0),
                0,
            ),
            Demand::at_most(
                "p99 after, % of before",
                150.0,
                ratio(before, after, 99.0),
                0,
            ),
        ];
        demands.extend(bounded(&self.samples));
        demands
    }

    fn figures(&self) -> Vec<(&'static str, String)> {
        let wave = &self.wave;
        let mut figures = vec![
            ("before", calm(&self.before)),
            (
                "the wave",
                format!(
                    "{:.0}/s sent over up to {} connections, {:.0}/s `grabbed`, {} `busy`; {} more \
                     found no free connection",
                    offered(wave),
                    wave.connections,
                    goodput(wave),
                    told(&wave.answers, "busy"),
                    wave.unsent,
                ),
            ),
            ("`grabbed` in the wave took", took(&wave.granted)),
            ("`busy` in the wave took", took(&wave.refused)),
            ("after", calm(&self.after)),
            ("memory of the server", self.memory()),
        ];
        figures.extend(wave.first_loss.clone().map(|why| ("the first loss", why)));
        figures
    }

    fn memory(&self) -> String {
        let shown = self.samples.iter().step_by(self.samples.len() / 10);
        let course = shown.map(|sample| format!("{:.0}", megabytes(sample.memory)));
        format!(
            "{:.1} MB before, {:.1} MB at most (VmHWM), {:.1} MB after; in the wave {}",
            megabytes(self.at_rest.now),
            megabytes(self.afterwards.peak),
            megabytes(self.afterwards.now),
            course.collect::<Vec<_>>().join(", "),
        )
    }

    fn grabbed(&self) -> u64 {
        let all = [&self.warm, &self.before, &self.wave, &self.after];
        all.map(|seen| told(&seen.answers, "grabbed")).iter().sum()
    }
}

/// The queues never hold more than they may, and memory does not grow while the wave lasts.
fn bounded(samples: &[Sample]) -> Vec<Demand> {
    let queue = samples.iter().map(|sample| sample.queue).max().unwrap_or(0);
    // The first third opens the connections.
    let third = samples.len() / 3;
    let most = |part: &[Sample]| part.iter().map(|sample| sample.memory).max().unwrap_or(0);
    let (middle, last) = (
        most(&samples[third..samples.len() - third]),
        most(&samples[samples.len() - third..]),
    );
    vec![
        Demand::at_most(
            "attempts in the queues",
            (WORKERS * QUEUE_MAX) as f64,
            queue as f64,
            0,
        ),
        Demand::at_most(
            "memory in the last third of the wave, % of the middle",
            110.0,
            last as f64 / middle as f64 * 100.0,
            1,
        ),
    ]
}

/// Samples the server while a wave runs; an error when that is too seldom to say anything.
fn watched(server: &Server, wave: impl FnOnce() -> Result<Seen>) -> Result<(Seen, Vec<Sample>)> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut samples = Vec::new();
            while !done.load(Ordering::Relaxed) {
                samples.push(Sample {
                    memory: resident::of(server.id())?.now,
                    queue: server.counts()?.queue,
                });
                std::thread::sleep(SAMPLE_PAUSE);
            }
            Result::Ok(samples)
        });
        let seen = wave();
        done.store(true, Ordering::Relaxed);
        let samples = watcher.join().map_err(|_| "the watcher panicked")??;
        if samples.len() < SAMPLES_MIN {
            return Err(format!("only {} samples of the server", samples.len()).into());
        }
        Ok((seen?, samples))
    })
}

/// Units granted a second.
fn goodput(seen: &Seen) -> f64 {
    told(&seen.answers, "grabbed") as f64 / seen.time.as_secs_f64()
}

/// Requests sent a second.
fn offered(seen: &Seen) -> f64 {
    (seen.answered() + seen.lost) as f64 / seen.sending.as_secs_f64()
}

/// A latency after the wave in per cent of the same before.
fn ratio(before: &Seen, after: &Seen, percentile: f64) -> f64 {
    let of = |seen: &Seen| seen.granted.value_at_percentile(percentile) as f64;
    of(after) / of(before) * 100.0
}

fn calm(seen: &Seen) -> String {
    format!("{:.0}/s `grabbed`, {}", goodput(seen), took(&seen.granted))
}
