//! Instructions of the pure parts of a request, counted by callgrind. Unlike times they repeat
//! exactly, so a change of one per cent shows on a busy machine too.
//!
//! Without arguments it runs itself under valgrind, each part with few and with many calls: what
//! differs is the calls alone, without the start of the program.

mod parts;

use std::hint::black_box;
use std::process::{Command, ExitCode};

use self::parts::{PARTS, Part};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const CALLS_FEW: u32 = 100;
const CALLS_MANY: u32 = 1_100;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next();
    let calls = arguments.next().and_then(|text| text.parse().ok());
    let done = match (part, calls) {
        (Some(name), Some(calls)) => repeat(&name, calls),
        _ => report(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The program under valgrind: one part, so many times.
fn repeat(name: &str, calls: u32) -> Result<()> {
    let part = PARTS.iter().find(|part| part.name == name);
    let work = part.ok_or("no such part")?.work;
    // Reading a request is bounded in time, and timers belong to a runtime.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let _entered = runtime.enter();
    for call in 0..calls {
        black_box(work(black_box(call)));
    }
    Ok(())
}

fn report() -> Result<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("no valgrind on this machine: instructions are not counted");
        return Ok(());
    }
    println!("{:34} {:>12}", "part", "instructions");
    for part in &PARTS {
        println!("{:34} {:>12.0}", part.name, per_call(part)?);
    }
    Ok(())
}

/// Instructions of one call, without those of the part that only prepares it.
fn per_call(part: &Part) -> Result<f64> {
    let whole = slope(part.name)?;
    let prepared = part.without.map_or(Ok(0.0), slope)?;
    Ok(whole - prepared)
}

fn slope(name: &str) -> Result<f64> {
    let difference = count(name, CALLS_MANY)? - count(name, CALLS_FEW)?;
    Ok(difference / f64::from(CALLS_MANY - CALLS_FEW))
}

fn count(name: &str, calls: u32) -> Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([name, &calls.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, figure) = collected.ok_or_else(|| format!("valgrind says: {said}"))?;
    Ok(figure.trim().parse()?)
}
