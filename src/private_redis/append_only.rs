//! The append-only log on disk: whether a server may be started on it.
//!
//! Redis starts with an empty log when it finds no manifest, writes into files that are already
//! there, and reads no snapshot beside a log. Each of these would begin a second history over the
//! first, so what is not whole is refused here, before the server sees it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;

use super::data_dir::DataDir;
use crate::error::{Error, Result};

/// The name of the log, with which the names of all its files begin.
const LOG: &str = "appendonly.aof";
/// Names the other files, in order.
const MANIFEST: &str = "appendonly.aof.manifest";
/// The first file that the manifest of a new log names.
const FIRST_BASE: &str = "appendonly.aof.1.base.rdb";
/// More bytes are in no base file of a log that a server has just begun: it holds no key.
const EMPTY_BASE_BYTES_MAX: u64 = 1024;
/// The end of the name of a file that holds commands.
const COMMANDS: &str = ".incr.aof";
/// A snapshot as a server without a log writes it.
const SNAPSHOT: &str = "dump.rdb";
/// The section of `docs/OPERATIONS.md` that makes a log of a snapshot.
const IMPORT: &str = "Import a dump.rdb";
/// How a base file begins that only Valkey 9 or newer reads.
const VALKEY_MAGIC: &[u8] = b"VALKEY";

/// What a data directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Nothing yet.
    Nothing,
    /// A log that is whole, as far as its files tell.
    Log {
        /// True when its base file is in a format of Valkey's own.
        is_valkeys: bool,
    },
}

/// What a manifest names.
#[derive(Debug, Default)]
struct Manifest {
    base: Option<String>,
    /// Files of commands by their number.
    commands: BTreeMap<u64, String>,
}

/// Looks at the files in `dir`, which must be ours and without a running server.
///
/// # Errors
/// [`Error::PrivateRedis`]: a start would begin a new history over an old one. It names both ways
/// on.
pub fn contents(dir: &DataDir) -> Result<Contents> {
    let folder = dir.append_only_folder();
    let failed = |e: io::Error| Error::PrivateRedis(format!("{}: {e}", folder.display()));
    let files = log_files(dir).map_err(failed)?;
    if files.contains_key(MANIFEST) {
        let text = fs::read(folder.join(MANIFEST)).map_err(failed)?;
        let manifest = Manifest::read(&String::from_utf8_lossy(&text));
        manifest.check(dir, &files)?;
        let is_valkeys = manifest.is_valkeys(dir).map_err(failed)?;
        return Ok(Contents::Log { is_valkeys });
    }
    // A first start that was killed leaves an empty log, which the next one begins again. A copy or
    // a backup that was killed leaves more than that.
    let is_fresh = files.iter().all(|(name, &bytes)| is_fresh(name, bytes));
    let may_begin = dir.is_new() && !dir.writer_file().exists() && is_fresh;
    if !files.is_empty() && !may_begin {
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        return Err(refusal(
            dir,
            &format!("has {} but no {MANIFEST}", names.join(", ")),
        ));
    }
    // The log of Redis 6, which the server takes over.
    if dir.path().join(LOG).exists() {
        return Ok(Contents::Log { is_valkeys: false });
    }
    if dir.path().join(SNAPSHOT).exists() {
        return Err(Error::PrivateRedis(format!(
            "data_dir {} has a {SNAPSHOT} and no append-only log, and the private Redis reads only \
             its log: make a log of it (docs/OPERATIONS.md, \"{IMPORT}\"), or move {SNAPSHOT} away to \
             begin without it",
            dir.path().display()
        )));
    }
    if dir.is_new() && !dir.writer_file().exists() {
        return Ok(Contents::Nothing);
    }
    Err(refusal(dir, "held data, but its appendonlydir is gone"))
}

/// The base file of a new log: a snapshot.
pub fn first_base(dir: &DataDir) -> PathBuf {
    dir.append_only_folder().join(FIRST_BASE)
}

/// Makes the first base file the whole log.
///
/// # Errors
/// The manifest cannot be written.
pub fn write_first_manifest(dir: &DataDir) -> io::Result<()> {
    let folder = dir.append_only_folder();
    let mut manifest = File::create_new(folder.join(MANIFEST))?;
    writeln!(manifest, "file {FIRST_BASE} seq 1 type b")?;
    manifest.sync_all()?;
    File::open(folder)?.sync_all()
}

/// Bytes in all files of the log.
///
/// # Errors
/// They cannot be looked at.
pub fn log_bytes(dir: &DataDir) -> io::Result<u64> {
    Ok(log_files(dir)?.values().sum())
}

/// The files of the log, with their sizes. Temporary files of the server are left out.
fn log_files(dir: &DataDir) -> io::Result<BTreeMap<String, u64>> {
    let entries = match fs::read_dir(dir.append_only_folder()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(LOG) {
            let bytes = match entry.metadata() {
                // A running server drops files of the log that it has written anew.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                metadata => metadata?.len(),
            };
            files.insert(name, bytes);
        }
    }
    Ok(files)
}

impl Manifest {
    /// Reads the lines `file NAME seq NUMBER type b|i|h`. Redis judges what else stands there.
    fn read(text: &str) -> Self {
        let mut manifest = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let value = |key| {
                let mut pairs = words.chunks(2).filter(|pair| pair[0] == key);
                pairs.next().and_then(|pair| pair.get(1).copied())
            };
            let Some(name) = value("file").map(str::to_owned) else {
                continue;
            };
            let number = value("seq").and_then(|seq| seq.parse().ok()).unwrap_or(0);
            match value("type") {
                Some("b") => manifest.base = Some(name),
                Some("i") => _ = manifest.commands.insert(number, name),
                _ => {}
            }
        }
        manifest
    }

    /// Refuses when a named file is missing, and when there are commands after the last named file:
    /// Redis would go on in that file.
    fn check(&self, dir: &DataDir, files: &BTreeMap<String, u64>) -> Result<()> {
        let named = self.base.iter().chain(self.commands.values());
        let missing: Vec<&str> = named
            .map(String::as_str)
            .filter(|&name| !files.contains_key(name) && !is_old_log(dir, name))
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(refusal(
                dir,
                &format!("has no {missing}, which its {MANIFEST} names"),
            ));
        }
        let last = self.commands.keys().next_back().copied().unwrap_or(0);
        let later = files
            .iter()
            .find(|&(name, &bytes)| bytes > 0 && number(name).is_some_and(|number| number > last));
        match later {
            Some((name, _)) => Err(refusal(
                dir,
                &format!("has {name}, which is newer than its {MANIFEST}"),
            )),
            None => Ok(()),
        }
    }

    fn is_valkeys(&self, dir: &DataDir) -> io::Result<bool> {
        let Some(base) = &self.base else {
            return Ok(false);
        };
        if is_old_log(dir, base) {
            return Ok(false);
        }
        let mut magic = Vec::new();
        let file = File::open(dir.append_only_folder().join(base))?;
        file.take(VALKEY_MAGIC.len() as u64)
            .read_to_end(&mut magic)?;
        Ok(magic == VALKEY_MAGIC)
    }
}

/// True for the log of Redis 6 that a server was just about to move into the folder.
fn is_old_log(dir: &DataDir, name: &str) -> bool {
    name == LOG && dir.path().join(LOG).exists()
}

/// True for a file of the log as a first start makes it.
fn is_fresh(name: &str, bytes: u64) -> bool {
    if name.ends_with(COMMANDS) {
        return number(name) == Some(1) && bytes == 0;
    }
    name == FIRST_BASE && bytes <= EMPTY_BASE_BYTES_MAX
}

/// The number of a file of commands: 2 of `appendonly.aof.2.incr.aof`.
fn number(name: &str) -> Option<u64> {
    let number = name.strip_prefix(LOG)?.strip_suffix(COMMANDS)?;
    number.strip_prefix('.')?.parse().ok()
}

fn refusal(dir: &DataDir, found: &str) -> Error {
    let path = dir.path().display();
    Error::PrivateRedis(format!(
        "data_dir {path} {found}: a start would begin new data over the old; restore the whole \
         directory from a backup, or move it away to begin without its data"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private_redis::data_dir::Role;

    struct Case {
        _folder: tempfile::TempDir,
        dir: DataDir,
    }

    /// A directory with these files; the lock of a server that ran there unless it is new.
    fn case(is_new: bool, files: &[(&str, &str)]) -> Case {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::open(folder.path()).expect("created");
        let mut lock = dir.own(Role::Server).expect("no failure").expect("free");
        if !is_new {
            dir.note_begun(&mut lock, Role::Server).expect("written");
        }
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("below the folder")).expect("folder");
            fs::write(path, text).expect("written");
        }
        Case {
            _folder: folder,
            dir,
        }
    }

    const BASE: (&str, &str) = ("appendonlydir/appendonly.aof.2.base.rdb", "REDIS0010");
    const COMMANDS: (&str, &str) = ("appendonlydir/appendonly.aof.2.incr.aof", "*1");
    const EMPTY: (&str, &str) = ("appendonlydir/appendonly.aof.2.incr.aof", "");
    const FIRST: (&str, &str) = ("appendonlydir/appendonly.aof.1.base.rdb", "REDIS0010");
    const FIRST_EMPTY: (&str, &str) = ("appendonlydir/appendonly.aof.1.incr.aof", "");
    const MANIFEST: (&str, &str) = (
        "appendonlydir/appendonly.aof.manifest",
        "file appendonly.aof.2.base.rdb seq 2 type b\n\
         file appendonly.aof.1.incr.aof seq 1 type h\n\
         file appendonly.aof.2.incr.aof seq 2 type i startoffset 1\n",
    );

    fn refused(case: &Case) -> String {
        let said = contents(&case.dir).expect_err("refused").to_string();
        for way in ["restore the whole directory", "move it away"] {
            assert!(said.contains(way), "{said}");
        }
        assert!(!said.contains('\n'), "one sentence: {said}");
        said
    }

    #[test]
    fn a_whole_log_and_an_empty_directory_are_fine() {
        let log = |is_valkeys| Contents::Log { is_valkeys };
        let valkey = ("appendonlydir/appendonly.aof.2.base.rdb", "VALKEY080");
        let old = ("appendonly.aof", "*1");
        let history = ("appendonlydir/appendonly.aof.1.incr.aof", "*1");
        let next = ("appendonlydir/appendonly.aof.3.incr.aof", "");
        for (is_new, files, right) in [
            (true, vec![], Contents::Nothing),
            (true, vec![BASE, COMMANDS, MANIFEST], log(false)),
            (false, vec![BASE, COMMANDS, MANIFEST], log(false)),
            (false, vec![valkey, COMMANDS, MANIFEST], log(true)),
            // What a crash in the middle of a rewrite leaves, and of the first start.
            (
                false,
                vec![BASE, COMMANDS, history, next, MANIFEST],
                log(false),
            ),
            (true, vec![FIRST, FIRST_EMPTY], Contents::Nothing),
            (true, vec![FIRST], Contents::Nothing),
            (false, vec![old], log(false)),
        ] {
            let case = case(is_new, &files);
            assert_eq!(contents(&case.dir).expect("fine"), right, "{files:?}");
        }
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let writer = ("version.json", "{}");
        let later = ("appendonlydir/appendonly.aof.3.incr.aof", "*1");
        let snapshot = "x".repeat(1025);
        let snapshot = (FIRST.0, snapshot.as_str());
        let unnamed = "but no appendonly.aof.manifest";
        for (is_new, files, words) in [
            (false, vec![], "its appendonlydir is gone"),
            (true, vec![writer], "its appendonlydir is gone"),
            (false, vec![BASE, COMMANDS], unnamed),
            (true, vec![BASE, COMMANDS], unnamed),
            (false, vec![FIRST, FIRST_EMPTY], unnamed),
            // A copy that was killed, and a backup.
            (true, vec![snapshot, FIRST_EMPTY], unnamed),
            (true, vec![BASE, EMPTY], unnamed),
            (true, vec![FIRST, EMPTY], unnamed),
            (true, vec![FIRST, writer], unnamed),
            (
                false,
                vec![BASE, MANIFEST],
                "has no appendonly.aof.2.incr.aof",
            ),
            (
                false,
                vec![COMMANDS, MANIFEST],
                "has no appendonly.aof.2.base.rdb",
            ),
            (
                false,
                vec![BASE, COMMANDS, later, MANIFEST],
                "has appendonly.aof.3.incr.aof, which is newer",
            ),
        ] {
            let said = refused(&case(is_new, &files));
            assert!(said.contains(words), "{files:?}: {said}");
        }
    }

    #[test]
    fn a_snapshot_without_a_log_is_refused_and_beside_one_it_is_not() {
        let snapshot = ("dump.rdb", "REDIS0010");
        let said = contents(&case(true, &[snapshot]).dir).expect_err("refused");
        for words in ["dump.rdb", "docs/OPERATIONS.md", "move dump.rdb away"] {
            assert!(said.to_string().contains(words), "{said}");
        }
        let document = include_str!("../../docs/OPERATIONS.md");
        let said = said.to_string();
        let section = said.split('"').nth(1).expect("a quoted section");
        assert!(document.contains(&format!("\n## {section}\n")), "{said}");
        let beside = case(false, &[snapshot, BASE, COMMANDS, MANIFEST]);
        contents(&beside.dir).expect("fine");
    }
}
