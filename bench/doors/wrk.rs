//! Closed loop: wrk asks as fast as answers come.

use std::net::SocketAddr;
use std::process::Command;

use crate::Result;

/// The script that makes every request a new user.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/wrk/grab.lua");

/// What wrk saw.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Answers that were 2xx.
    pub answers: u64,
    /// Those a second.
    pub rate: f64,
    /// Answers that were not: the server was busy, or does not know.
    pub refused: u64,
    /// Median latency in microseconds.
    pub p50: f64,
    /// Latency of the slowest hundredth in microseconds.
    pub p99: f64,
}

/// Runs wrk for so many seconds.
pub fn run(address: SocketAddr, connections: u32, seconds: u32) -> Result<Seen> {
    let output = Command::new("wrk")
        .args([
            "-t1",
            "-c",
            &connections.to_string(),
            "-d",
            &format!("{seconds}s"),
        ])
        .args([
            "--timeout",
            "10s",
            "-s",
            SCRIPT,
            &format!("http://{address}/seckill"),
        ])
        .args(["--", "wrk", "a"])
        .output()
        .map_err(|e| format!("wrk: {e} (`make bench` installs it)"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).map_err(|e| format!("wrk: {e}: {text}").into())
}

fn parse(text: &str) -> Result<Seen> {
    let line = text.lines().find_map(|line| line.strip_prefix("measured "));
    let figures = line.ok_or("no figures")?.split(' ').map(str::parse::<u64>);
    let figures: Vec<u64> = figures.collect::<std::result::Result<_, _>>()?;
    let &[answers, microseconds, p50, p99, refused, lost] = figures.as_slice() else {
        return Err("other figures than expected".into());
    };
    if lost > 0 {
        return Err(format!("{lost} requests got no answer").into());
    }
    Ok(Seen {
        answers,
        rate: answers as f64 / microseconds as f64 * 1e6,
        refused,
        p50: p50 as f64,
        p99: p99 as f64,
    })
}
