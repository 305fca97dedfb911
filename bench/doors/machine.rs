//! What it ran on: figures mean nothing without it.

use std::path::Path;
use std::process::Command;

/// Names and values, for the report.
pub fn facts(target: &Path) -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    vec![
        ("processor", format!("{}, {cores} cores", processor())),
        ("other work", format!("load average {} at the end", load())),
        ("kernel", said("uname", &["-sr"])),
        (
            "disk of the log",
            said("stat", &["-f", "-c", "%T", &target.display().to_string()]),
        ),
        ("rustc", said("rustc", &["--version"])),
        ("redis", said("redis-server", &["--version"])),
        ("wrk", said("wrk", &["-v"])),
        ("commit", commit()),
        ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
    ]
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':'));
    name.map_or("unknown", |(_, name)| name.trim()).to_owned()
}

/// Over one, five and fifteen minutes; the bench itself is in it.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(", ")
}

fn commit() -> String {
    let hash = said("git", &["rev-parse", "--short", "HEAD"]);
    let changed = said(
        "git",
        &["status", "--porcelain", "--", "src", "lua", "Cargo.toml"],
    );
    if changed == UNKNOWN {
        hash
    } else {
        format!("{hash} with changes")
    }
}

const UNKNOWN: &str = "unknown";

/// The first line that a program prints. (`wrk -v` prints it and fails.)
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = text
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    if line.is_empty() {
        UNKNOWN.to_owned()
    } else {
        line
    }
}
