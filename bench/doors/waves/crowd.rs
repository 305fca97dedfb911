//! A crowd: many kept connections, and every request is a new buyer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::Result;
use crate::line::{Answer, Line, Tally};

/// Longest latency that is told from a longer one, in nanoseconds.
const LATENCY_MAX_NANOS: u64 = 60_000_000_000;
/// Step of the open loop: all that is due since the last one starts together.
const STEP: Duration = Duration::from_millis(1);
/// Longest wait for answers after the last request was sent.
const PATIENCE: Duration = Duration::from_secs(15);

/// When a closed loop ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After so many requests.
    Requests(u64),
    /// After so long.
    Time(Duration),
}

/// What a crowd saw.
pub struct Seen {
    /// The answers.
    pub answers: Tally,
    /// Requests without an answer, and connections that could not be opened.
    pub lost: u64,
    /// Why, of the first of them.
    pub first_loss: Option<String>,
    /// From sending to the whole answer, of those that got something, in nanoseconds.
    pub granted: Histogram<u64>,
    /// The same of those that were refused with a 5xx.
    pub refused: Histogram<u64>,
    /// Requests that an open loop could not even send: every connection was waiting.
    pub unsent: u64,
    /// Most connections at once.
    pub connections: usize,
    /// From the first request to the last.
    pub sending: Duration,
    /// From the first request to the last answer.
    pub time: Duration,
}

/// A closed loop: every connection asks again as soon as it is answered.
pub fn closed(
    address: SocketAddr,
    run: &'static str,
    connections: usize,
    until: Until,
) -> Result<Seen> {
    crate::runtime()?.block_on(async {
        let mut lines = Vec::new();
        for _ in 0..connections {
            lines.push(Line::open(address).await?);
        }
        let seen = Shared::new(connections)?;
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        let (requests, deadline) = match until {
            Until::Requests(requests) => (requests, None),
            Until::Time(time) => (u64::MAX, Some(begin + time)),
        };
        let next = Arc::new(Mutex::new(0..requests));
        for mut line in lines {
            let (seen, next) = (seen.clone(), next.clone());
            tasks.spawn(async move {
                while deadline.is_none_or(|deadline| Instant::now() < deadline) {
                    let Some(number) = locked(&next).next() else {
                        break;
                    };
                    if !seen.ask(&mut line, run, number).await {
                        break;
                    }
                }
            });
        }
        tasks.join_all().await;
        seen.end(begin.elapsed(), begin.elapsed())
    })
}

/// An open loop: requests are sent at a constant rate, however slowly answers come. One takes an
/// idle connection, or opens a new one as long as there are fewer than `connections`.
pub fn open(
    address: SocketAddr,
    run: &'static str,
    connections: usize,
    rate: f64,
    time: Duration,
) -> Result<Seen> {
    crate::runtime()?.block_on(async {
        let seen = Shared::new(0)?;
        let idle: Arc<Mutex<Vec<Line>>> = Arc::default();
        let mut tasks = JoinSet::new();
        let mut ticks = interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let begin = Instant::now();
        let mut due = 0..(rate * time.as_secs_f64()) as u64;
        while !due.is_empty() {
            ticks.tick().await;
            let now = (rate * begin.elapsed().as_secs_f64()) as u64;
            for number in due.start..now.min(due.end) {
                let line = locked(&idle).pop();
                if line.is_none() && !seen.may_open(connections) {
                    continue;
                }
                let (seen, idle) = (seen.clone(), idle.clone());
                tasks.spawn(async move {
                    if let Some(line) = seen.ask_on(line, address, run, number).await {
                        locked(&idle).push(line);
                    }
                });
            }
            due.start = now.min(due.end);
            while tasks.try_join_next().is_some() {}
        }
        let sending = begin.elapsed();
        let late = |_| format!("answers are missing {PATIENCE:?} after the wave");
        timeout(PATIENCE, tasks.join_all()).await.map_err(late)?;
        seen.end(sending, begin.elapsed())
    })
}

/// What all connections of a crowd write down; all run on one thread.
#[derive(Clone)]
struct Shared(Arc<Mutex<Seen>>);

impl Shared {
    fn new(connections: usize) -> Result<Self> {
        let histogram = || Histogram::new_with_max(LATENCY_MAX_NANOS, 3);
        Ok(Self(Arc::new(Mutex::new(Seen {
            answers: Tally::default(),
            lost: 0,
            first_loss: None,
            granted: histogram()?,
            refused: histogram()?,
            unsent: 0,
            connections,
            sending: Duration::ZERO,
            time: Duration::ZERO,
        }))))
    }

    /// True when one more connection may be opened; else the request is written off.
    fn may_open(&self, connections: usize) -> bool {
        let mut seen = locked(&self.0);
        let may = seen.connections < connections;
        if may {
            seen.connections += 1;
        } else {
            seen.unsent += 1;
        }
        may
    }

    /// Asks on a connection, or on a new one; gives it back when it can be used again.
    async fn ask_on(
        &self,
        line: Option<Line>,
        address: SocketAddr,
        run: &str,
        number: u64,
    ) -> Option<Line> {
        let opened = match line {
            Some(line) => Ok(line),
            None => Line::open(address).await,
        };
        let mut line = match opened {
            Ok(line) => line,
            Err(error) => {
                locked(&self.0).lose(&error);
                return None;
            }
        };
        self.ask(&mut line, run, number).await.then_some(line)
    }

    /// Asks, and writes down what came. False when the connection is of no more use.
    async fn ask(&self, line: &mut Line, run: &str, number: u64) -> bool {
        let since = Instant::now();
        let answer = line.ask(&format!("{run}-{number}")).await;
        let mut seen = locked(&self.0);
        match answer {
            Ok(answer) => seen.add(answer, since.elapsed()),
            Err(error) => {
                seen.lose(&error);
                return false;
            }
        }
        true
    }

    fn end(self, sending: Duration, time: Duration) -> Result<Seen> {
        let seen = Arc::into_inner(self.0).ok_or("a connection is still open")?;
        let mut seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        seen.sending = sending;
        seen.time = time;
        Ok(seen)
    }
}

impl Seen {
    fn add(&mut self, answer: Answer, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if answer.code == "grabbed" {
            self.granted.saturating_record(nanos);
        } else if answer.status >= 500 {
            self.refused.saturating_record(nanos);
        }
        self.answers.add(answer);
    }

    fn lose(&mut self, error: &impl ToString) {
        self.lost += 1;
        self.first_loss.get_or_insert_with(|| error.to_string());
    }

    /// All answers.
    pub fn answered(&self) -> u64 {
        self.answers.count(|_| true)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
