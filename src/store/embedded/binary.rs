//! Finds a Redis server program on this machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// Programs that can serve, in order of preference.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];
/// The first major version with script flags and a sound `appendfsync always`.
const MAJOR_MIN: u32 = 7;

/// Where to get one, said to people who have none.
const INSTALL: &str = "install one (Debian, Ubuntu: apt-get install redis-server; \
    Fedora: dnf install valkey; Alpine: apk add redis; macOS: brew install redis) \
    or set redis.url to a server that runs elsewhere";

/// The first server program on `path` (the value of `PATH`) that is new enough.
///
/// # Errors
/// [`Error::Embedded`] names what was found and the line that installs one.
pub fn find(path: Option<&OsStr>) -> Result<PathBuf> {
    let folders: Vec<PathBuf> = path
        .map(|p| std::env::split_paths(p).collect())
        .unwrap_or_default();
    let mut too_old = Vec::new();
    for name in NAMES {
        let Some(program) = folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|p| p.is_file())
        else {
            continue;
        };
        match version(&program) {
            Some(version) if major(&version) >= MAJOR_MIN => return Ok(program),
            Some(version) => too_old.push(format!("{} is version {version}", program.display())),
            None => too_old.push(format!("{} does not tell its version", program.display())),
        }
    }
    let found = match too_old.as_slice() {
        [] => format!("no {} on PATH", NAMES.join(" or ")),
        found => format!(
            "{}, but version {MAJOR_MIN}.0 or newer is needed",
            found.join("; ")
        ),
    };
    Err(Error::Embedded(format!(
        "cannot start a private Redis: {found}; {INSTALL}"
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(folder: &Path, name: &str, says: &str) {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("executable");
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
}
