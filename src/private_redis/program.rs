//! The Redis server programs of this machine.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::writer::Writer;
use crate::error::{Error, Result};

/// Programs that can serve, in order of preference. The Makefile has the same list and version.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];
/// The first major version with script flags and a sound `appendfsync always`.
const MAJOR_MIN: u32 = 7;
/// Longest wait for a program to say its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(5);

/// Where to get one, said to people who have none.
const INSTALL: &str = "install one (Debian, Ubuntu: apt-get install redis-server; \
    Fedora: dnf install valkey; Alpine: apk add redis; macOS: brew install redis) \
    or set redis.url to a server that runs elsewhere";

/// A server program that says what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// `redis` or `valkey`, whatever the file is called.
    pub name: String,
    /// Its version.
    pub version: Version,
}

/// A version like `7.0.15`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({} {})",
            self.path.display(),
            self.name,
            self.version
        )
    }
}

impl From<&Program> for Writer {
    fn from(program: &Program) -> Self {
        Self::new(&program.name, &program.version.to_string())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Version {
    /// Takes the text as it is.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Major and minor; what cannot be read is 0. Patches of one minor read each other's data.
    pub fn minor(&self) -> (u32, u32) {
        let mut numbers = self.0.split('.').map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// The first number.
    pub fn major(&self) -> u32 {
        self.minor().0
    }
}

/// The server programs on `path` (the value of `PATH`) that are new enough, in order of preference:
/// first those of the kind that wrote the data. One that is old or does not run hides no other.
///
/// # Errors
/// [`Error::PrivateRedis`] when there is none: it names what was found and how to install one.
pub fn find(path: Option<&OsStr>, writer: Option<&Writer>) -> Result<Vec<Program>> {
    let folders: Vec<PathBuf> = path
        .map(|p| std::env::split_paths(p).collect())
        .unwrap_or_default();
    let candidates = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let (mut fit, mut unfit) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new(); // `/bin` is often another name of `/usr/bin`
    for path in candidates.filter(|path| path.is_file()) {
        if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            continue;
        }
        match ask(path.clone()) {
            Ok(program) if program.version.major() >= MAJOR_MIN => fit.push(program),
            Ok(program) => {
                unfit.push(format!("{} is version {}", path.display(), program.version));
            }
            Err(why) => unfit.push(format!("{} {why}", path.display())),
        }
    }
    if fit.is_empty() {
        return Err(none_found(&unfit));
    }
    if let Some(writer) = writer {
        fit.sort_by_key(|program| program.name != writer.program);
    }
    Ok(fit)
}

fn none_found(unfit: &[String]) -> Error {
    let found = match unfit {
        [] => format!("there is no {} in the folders of PATH", NAMES.join(" or ")),
        unfit => format!(
            "{}, but version {MAJOR_MIN}.0 or newer is needed",
            unfit.join("; ")
        ),
    };
    Error::PrivateRedis(format!(
        "no Redis server to keep the data in: {found}; {INSTALL}"
    ))
}

/// Asks a program for its name and version. One that hangs keeps nobody from starting for ever.
fn ask(path: PathBuf) -> Result<Program, String> {
    let none = || "does not tell its version".to_owned();
    let said = said_version(&path).ok_or_else(none)?;
    let Ok(said) = said else {
        let why = format!("does not say its version within {VERSION_TIMEOUT:?}");
        tracing::warn!("the server program {} {why}", path.display());
        return Err(why);
    };
    let (name, version) = name_and_version(&said).ok_or_else(none)?;
    Ok(Program {
        path,
        name,
        version,
    })
}

/// What a program prints when it is asked for its version; `Err` when it hangs, and is killed.
fn said_version(path: &Path) -> Option<Result<String, mpsc::RecvTimeoutError>> {
    let mut child = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdout = child.stdout.take()?;
    let (saying, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes); // what cannot be read is no version
        let _ = saying.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    let said = said.recv_timeout(VERSION_TIMEOUT);
    // It has said all, or it hangs.
    let _ = child.kill();
    let _ = child.wait();
    Some(said)
}

/// Reads both out of `Redis server v=7.0.15 sha=...`.
fn name_and_version(said: &str) -> Option<(String, Version)> {
    let mut words = said.split_whitespace();
    let name = words.next()?.to_lowercase();
    let version = words.find_map(|word| word.strip_prefix("v="))?;
    Some((name, Version::new(version)))
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

    fn first(path: Option<&OsStr>) -> Result<PathBuf> {
        find(path, None).map(|found| found[0].path.clone())
    }

    #[test]
    fn the_kind_that_wrote_the_data_comes_first() {
        let folder = tempfile::tempdir().expect("folder");
        program(
            folder.path(),
            "redis-server",
            "Redis server v=8.2.3 sha=0:0",
        );
        program(
            folder.path(),
            "valkey-server",
            "Valkey server v=9.1.2 sha=0:0",
        );
        let first = |writer: &Writer| {
            let found = find(Some(folder.path().as_os_str()), Some(writer)).expect("two");
            assert_eq!(found.len(), 2);
            found[0].name.clone()
        };
        assert_eq!(first(&Writer::new("valkey", "9.0.0")), "valkey");
        assert_eq!(first(&Writer::new("redis", "7.0.15")), "redis");
        assert_eq!(first(&Writer::new("other", "1.0.0")), "redis");
    }

    #[test]
    fn versions_are_compared_by_number() {
        let minor = |text: &str| Version::new(text).minor();
        assert_eq!(minor("7.0.15"), (7, 0));
        assert!(minor("8.10.0") > minor("8.2.3"));
        assert_eq!(minor("unstable"), (0, 0));
    }

    #[test]
    fn the_first_new_enough_server_is_taken() {
        let folder = tempfile::tempdir().expect("folder");
        let found = || first(Some(folder.path().as_os_str()));
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
        let unfit = find(Some(&path), None)
            .expect_err("none is fit")
            .to_string();
        for words in ["6.2.14", "broken/redis-server does not tell its version"] {
            assert!(unfit.contains(words), "{unfit}");
        }

        program(&folders[2], "redis-server", "Redis server v=7.2.4 sha=0:0");
        let found = first(Some(&path)).expect("the last one");
        assert_eq!(found, folders[2].join("redis-server"));
    }
}
