//! Open loop: requests start at a constant rate, however slowly answers come. The latency of a
//! request counts from the moment at which it should have started, so a server that stalls cannot
//! hide the requests that had to wait for it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::Result;

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
}

/// Runs a load on a thread of its own beside the pacer, and waits for every answer.
pub fn run(address: SocketAddr, load: Load) -> Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
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
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (start, inbox) = mpsc::unbounded_channel();
        let line = Line {
            stream,
            run: load.run,
            number,
            buffer: Vec::new(),
        };
        starts.push(start);
        tasks.push(tokio::spawn(line.run(inbox)));
    }
    let pacer = std::thread::spawn(move || pace(load, &starts));
    let mut latency = histogram()?;
    for task in tasks {
        latency.add(task.await??)?;
    }
    let pacing = pacer.join().map_err(|_| "the pacer panicked")??;
    Ok(Seen { latency, pacing })
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

/// One connection.
struct Line {
    stream: TcpStream,
    run: &'static str,
    number: usize,
    buffer: Vec<u8>,
}

impl Line {
    /// One request after the other, until the pacer is done.
    async fn run(mut self, mut due: mpsc::UnboundedReceiver<Instant>) -> Result<Histogram<u64>> {
        let mut latency = histogram()?;
        let mut sent = 0u64;
        while let Some(due) = due.recv().await {
            sent += 1;
            self.ask(sent).await?;
            latency.saturating_record(nanos_since(due));
        }
        Ok(latency)
    }

    async fn ask(&mut self, sent: u64) -> Result<()> {
        let (run, number) = (self.run, self.number);
        let body = format!("goods=a&purchase=1&username={run}-{number}-{sent}");
        let length = body.len();
        let request = format!(
            "POST /seckill HTTP/1.1\r\nhost: bench\r\ncontent-length: {length}\r\n\
             content-type: application/x-www-form-urlencoded\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("a connection was closed".into());
            }
            if is_whole(&self.buffer)? {
                return Ok(());
            }
        }
    }
}

/// True when the answer is complete; an error when it is not a 200.
fn is_whole(answer: &[u8]) -> Result<bool> {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(false);
    };
    let text = std::str::from_utf8(&answer[..head])?;
    if !text.starts_with("HTTP/1.1 200") {
        return Err(format!("an answer that is not 200: {text}").into());
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let wanted = name.eq_ignore_ascii_case("content-length");
        wanted.then(|| value.trim().parse::<usize>().ok())?
    });
    Ok(answer.len() >= head + 4 + length.ok_or("an answer without a length")?)
}

fn nanos_since(instant: Instant) -> u64 {
    u64::try_from(instant.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(LATENCY_MAX_NANOS, 3)?)
}
