//! Finds a Redis server program on this machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// Programs that can serve, in order of preference. The Makefile has the same list and version.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];
/// The first major version with script flags and a sound `appendfsync always`.
const MAJOR_MIN: u32 = 7;

/// Where to get one, said to people who have none.
const INSTALL: &str = "install one (Debian, Ubuntu: apt-get install redis-server; \
    Fedora: dnf install valkey; Alpine: apk add redis; macOS: brew install redis) \
    or set redis.url to a server that runs elsewhere";

/// The first server program on `path` (the value of `PATH`) that is new enough. One that is old
/// or does not run hides no other.
///
/// # Errors
/// [`Error::Embedded`] names what was found and the line that installs one.
pub fn find(path: Option<&OsStr>) -> Result<PathBuf> {
    let folders: Vec<PathBuf> = path
        .map(|p| std::env::split_paths(p).collect())
        .unwrap_or_default();
    let candidates = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let mut unfit: Vec<String> = Vec::new();
    for program in candidates.filter(|program| program.is_file()) {
        match version(&program) {
            Some(version) if major(&version) >= MAJOR_MIN => return Ok(program),
            Some(version) => unfit.push(format!("{} is version {version}", program.display())),
            None => unfit.push(format!("{} does not tell its version", program.display())),
        }
    }
    let found = match unfit.as_slice() {
        [] => format!("there is no {} in the folders of PATH", NAMES.join(" or ")),
        unfit => format!(
            "{}, but version {MAJOR_MIN}.0 or newer is needed",
            unfit.join("; ")
        ),
    };
    Err(Error::Embedded(format!(
        "no Redis server to keep the data in: {found}; {INSTALL}"
    )))
}

/// Reads `7.0.15` out of `Redis server v=7.0.15 sha=...`.
fn version(program: &Path) -> Option<String> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="))?;
    Some(version.to_owned())
}

fn major(version: &str) -> u32 {
    let major = version.split('.').next().unwrap_or_default();
    major.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that says its version. A shell writes it: a program that this process has open,
    /// which a child of another test may inherit for a moment, cannot be run.
    fn program(folder: &Path, name: &str, says: &str) {
        let write = "printf '#!/bin/sh\\necho \"%s\"\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
        let mut shell = Command::new("sh");
        let written = shell.args(["-c", write]).arg(folder.join(name)).arg(says);
        assert!(written.status().expect("a shell").success(), "{name}");
    }

    #[test]
    fn the_first_new_enough_server_is_taken() {
        let folder = tempfile::tempdir().expect("folder");
        let found = || find(Some(folder.path().as_os_str()));
        let none = found().expect_err("empty folder").to_string();
        assert!(none.contains("apt-get install redis-server"), "{none}");

        program(
            folder.path(),
            "redis-server",
            "Redis server v=6.2.14 sha=0:0 bits=64",
        );
        let old = found().expect_err("too old").to_string();
        assert!(
            old.contains("6.2.14") && old.contains("7.0 or newer"),
            "{old}"
        );

        program(
            folder.path(),
            "valkey-server",
            "Valkey server v=8.0.1 sha=0:0 bits=64",
        );
        assert!(found().expect("valkey").ends_with("valkey-server"));

        program(
            folder.path(),
            "redis-server",
            "Redis server v=7.0.15 sha=0:0 bits=64",
        );
        assert!(found().expect("redis").ends_with("redis-server"));
    }

    #[test]
    fn a_server_that_cannot_serve_hides_no_other() {
        let folder = tempfile::tempdir().expect("folder");
        let folders = ["old", "broken", "new"].map(|name| folder.path().join(name));
        for folder in &folders {
            std::fs::create_dir(folder).expect("folder");
        }
        let path = std::env::join_paths(&folders).expect("a PATH");
        program(&folders[0], "redis-server", "Redis server v=6.2.14 sha=0:0");
        std::fs::write(folders[1].join("redis-server"), "not executable").expect("written");
        let unfit = find(Some(&path)).expect_err("none is fit").to_string();
        for words in ["6.2.14", "broken/redis-server does not tell its version"] {
            assert!(unfit.contains(words), "{unfit}");
        }

        program(&folders[2], "redis-server", "Redis server v=7.2.4 sha=0:0");
        let found = find(Some(&path)).expect("the last one");
        assert_eq!(found, folders[2].join("redis-server"));
    }
}
