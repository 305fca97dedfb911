//! Open loop: requests start at a constant rate, however slowly answers come. The latency of a
//! request counts from the moment at which it should have started, so a server that stalls cannot
//! hide the requests that had to wait for it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::mpsc;

use crate::Result;
use crate::line::{Line, Tally};

/// Longest latency that is told from a longer one, in nanoseconds.
const LATENCY_MAX_NANOS: u64 = 60_000_000_000;
/// Shortest sleep of the pacer: the kernel rounds shorter ones up to about this.
const PACE: Duration = Duration::from_micros(50);

/// Longest wait for answers after the last request was due.
const PATIENCE: Duration = Duration::from_secs(15);

/// A load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Requests a second.
    pub rate: f64,
    /// How long.
    pub time: Duration,
    /// Connections that share the requests in turn.
    pub connections: usize,
    /// Start of the usernames, so that two loads on one sale have different buyers.
    pub run: &'static str,
}

/// What the generator saw.
pub struct Seen {
    /// From the intended start to the whole answer, in nanoseconds.
    pub latency: Histogram<u64>,
    /// From the intended start to the hand-over to a connection: the generator's own share.
    pub pacing: Histogram<u64>,
    /// The answers.
    pub answers: Tally,
}

/// Runs a load on a thread of its own beside the pacer, and waits for every answer.
pub fn run(address: SocketAddr, load: Load) -> Result<Seen> {
    crate::runtime()?.block_on(async {
        let late = |_| format!("answers are missing {PATIENCE:?} after the load");
        tokio::time::timeout(load.time + PATIENCE, drive(address, load))
            .await
            .map_err(late)?
    })
}

async fn drive(address: SocketAddr, load: Load) -> Result<Seen> {
    let mut starts = Vec::new();
    let mut tasks = Vec::new();
    for number in 0..load.connections {
        let (start, inbox) = mpsc::unbounded_channel();
        let line = Line::open(address).await?;
        let name = format!("{}-{number}", load.run);
        starts.push(start);
        tasks.push(tokio::spawn(ask_all(line, name, inbox)));
    }
    let pacer = std::thread::spawn(move || pace(load, &starts));
    let (mut latency, mut answers) = (histogram()?, Tally::default());
    for task in tasks {
        let (own_latency, own_answers) = task.await??;
        latency.add(own_latency)?;
        answers.merge(own_answers);
    }
    let pacing = pacer.join().map_err(|_| "the pacer panicked")??;
    Ok(Seen {
        latency,
        pacing,
        answers,
    })
}

/// Hands each request to the next connection when it is due. A thread of its own, because a
/// runtime's timer has steps of a millisecond.
fn pace(load: Load, starts: &[mpsc::UnboundedSender<Instant>]) -> Result<Histogram<u64>> {
    let mut lag = histogram()?;
    let count = (load.rate * load.time.as_secs_f64()) as u64;
    let begin = Instant::now();
    for (request, start) in (0..count).zip(starts.iter().cycle()) {
        let due = begin + Duration::from_secs_f64(request as f64 / load.rate);
        while Instant::now() < due {
            std::thread::sleep(PACE.min(due.saturating_duration_since(Instant::now())));
        }
        lag.saturating_record(nanos_since(due));
        start.send(due).map_err(|_| "a connection ended early")?;
    }
    Ok(lag)
}

/// One connection: one request after the other, until the pacer is done.
async fn ask_all(
    mut line: Line,
    name: String,
    mut due: mpsc::UnboundedReceiver<Instant>,
) -> Result<(Histogram<u64>, Tally)> {
    let (mut latency, mut answers) = (histogram()?, Tally::default());
    let mut sent = 0u64;
    while let Some(due) = due.recv().await {
        sent += 1;
        answers.add(line.ask(&format!("{name}-{sent}")).await?);
        latency.saturating_record(nanos_since(due));
    }
    Ok((latency, answers))
}

fn nanos_since(instant: Instant) -> u64 {
    u64::try_from(instant.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(LATENCY_MAX_NANOS, 3)?)
}
