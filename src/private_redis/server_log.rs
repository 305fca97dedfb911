//! The private server's log, and the lines of it that people must see.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::data_dir::DataDir;

/// What every run writes. The other lines say why a server ended.
const ROUTINE: [&str; 9] = [
    "oO0OoO0OoO0Oo",
    " version=",
    "Configuration loaded",
    "Server initialized",
    "WARNING Memory overcommit",
    "WARNING you have Transparent Huge Pages",
    "scheduling shutdown",
    "User requested shutdown",
    "ready to exit, bye bye",
];
/// Lines about lost or endangered data, and about a server that cannot go on.
const ALARMS: [&str; 22] = [
    "Truncating the AOF",
    "Short write while writing",
    "Error writing to the AOF",
    "Fail to fsync the AOF",
    "Can't recover from AOF write error",
    "Write error writing append only file",
    "Write error while",
    "Error moving temp append only file",
    "Error trying to",
    "No space left on device",
    "Input/output error",
    "Read-only file system",
    "Background AOF rewrite has repeatedly failed",
    "Bad file format reading",
    "Unrecoverable error",
    "Unknown command",
    "Can't handle",
    "FATAL",
    "Fatal error",
    "BUG REPORT START",
    "MEMORY ERROR DETECTED",
    "Out Of Memory",
];
/// Most bytes of the log that are read at once: a crash report is long.
const READ_BYTES_MAX: u64 = 1 << 20;
/// Lines that say why a server ended.
const REASONS_MAX: usize = 5;

/// Reads the log from where it stopped before.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    at: u64,
}

/// The alarms of a log, each one once.
#[derive(Debug)]
pub struct Alarms {
    reader: LogReader,
    told: BTreeSet<String>,
}

impl LogReader {
    /// Reads what is written from now on.
    pub fn at_end(dir: &DataDir) -> Self {
        let path = dir.log();
        let at = std::fs::metadata(&path).map_or(0, |found| found.len());
        Self { path, at }
    }

    /// Reads what was written since the last reading. Of a long text it reads only the end.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn read(&mut self) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        let end = file.metadata()?.len();
        if end < self.at {
            self.at = 0; // a new file was begun
        }
        file.seek(SeekFrom::Start(
            self.at.max(end.saturating_sub(READ_BYTES_MAX)),
        ))?;
        let mut text = Vec::new();
        file.take(READ_BYTES_MAX).read_to_end(&mut text)?;
        self.at = end;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Alarms {
    /// Alarms from now on.
    pub fn from_now(dir: &DataDir) -> Self {
        Self {
            reader: LogReader::at_end(dir),
            told: BTreeSet::new(),
        }
    }

    /// Logs the new alarms. A missing log has none.
    pub fn tell(&mut self) {
        self.tell_beside("");
    }

    /// The same, except for alarms that `said` quotes, because our log gets that anyway.
    pub fn tell_beside(&mut self, said: &str) {
        for line in alarms(&self.reader.read().unwrap_or_default()) {
            if self.told.insert(line.clone()) && !said.contains(&line) {
                tracing::error!(
                    line,
                    "the private Redis reports damage or a failure: acknowledged orders may be \
                     lost; see `seckill doctor`"
                );
            }
        }
    }

    /// Why a server that wrote `log` ended by itself, for the caller to log, without alarms that
    /// were logged before. Other new alarms are logged here.
    pub fn end(&mut self, dir: &DataDir, status: &str, log: &str) -> String {
        let mut reasons = reasons(log);
        let is_unnoted = !reasons.is_empty() && !reasons.iter().any(|line| is_alarm(line));
        reasons.retain(|line| !is_alarm(line) || self.told.insert(line.clone()));
        let reasons = reasons.join(" | ");
        self.tell();
        if is_unnoted {
            note_end(dir, status, &reasons);
            // The caller logs what the note says.
            let _ = self.reader.read();
        }
        reasons
    }

    /// From now on each alarm is logged again when it comes again.
    pub fn forget_told(&mut self) {
        self.told.clear();
    }
}

/// The alarms in the log of `dir`, in order. Of a long log the oldest part is left out.
///
/// # Errors
/// The log cannot be read.
pub fn all_alarms(dir: &DataDir) -> io::Result<Vec<String>> {
    let mut reader = LogReader {
        path: dir.log(),
        at: 0,
    };
    match reader.read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        text => Ok(alarms(&text?)),
    }
}

/// The lines of `log` that people must see, without process and time.
fn alarms(log: &str) -> Vec<String> {
    let lines = log.lines().map(said);
    lines
        .filter(|line| is_alarm(line))
        .map(str::to_owned)
        .collect()
}

fn is_alarm(line: &str) -> bool {
    ALARMS.iter().any(|alarm| line.contains(alarm))
}

/// Why the server with this log ended: the last lines, without those that every run writes.
pub fn reasons(log: &str) -> Vec<String> {
    let lines = log.lines().map(said);
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !ROUTINE.iter().any(|routine| line.contains(routine)))
        .collect();
    let end = &lines[lines.len().saturating_sub(REASONS_MAX)..];
    end.iter().map(|&line| line.to_owned()).collect()
}

/// Notes in the server's log that it ended by itself, for a reason that is not an alarm. So a later
/// search for alarms finds this one, too.
fn note_end(dir: &DataDir, status: &str, reasons: &str) {
    let note = format!("seckill: FATAL: the server ended by itself ({status}): {reasons}\n");
    let log = File::options().append(true).open(dir.log());
    // A full disk has no room for it, and our own log has it anyway.
    let _ = log.and_then(|mut log| log.write_all(note.as_bytes()));
}

/// A line without `20581:M 01 Dec 2026 03:13:41.498 # `.
fn said(line: &str) -> &str {
    let head = line.split_once(" # ");
    let is_head = |head: &str| {
        head.split(':')
            .next()
            .is_some_and(|id| id.parse::<u32>().is_ok())
    };
    match head {
        Some((head, said)) if is_head(head) => said,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPAIRED: &str = "\
20581:C 01 Dec 2026 03:13:41.493 # oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo
20581:C 01 Dec 2026 03:13:41.493 # Redis version=7.0.15, bits=64, commit=00000000
20581:C 01 Dec 2026 03:13:41.493 # Configuration loaded
20581:M 01 Dec 2026 03:13:41.498 # Server initialized
20581:M 01 Dec 2026 03:13:41.498 # WARNING Memory overcommit must be enabled! Without it, a save
20581:M 01 Dec 2026 03:13:41.502 # !!! Truncating the AOF appendonly.aof.1 at offset 110 !!!
20581:signal-handler (1796094856) Received SIGTERM scheduling shutdown...
20581:M 01 Dec 2026 03:13:42.502 # Redis is now ready to exit, bye bye...
";
    const TRUNCATED: &str = "!!! Truncating the AOF appendonly.aof.1 at offset 110 !!!";

    #[test]
    fn a_repaired_log_is_an_alarm_and_routine_is_none() {
        assert_eq!(alarms(REPAIRED), [TRUNCATED]);
        assert_eq!(reasons(REPAIRED), [TRUNCATED]);
    }

    #[test]
    fn what_a_server_says_before_it_reads_its_settings_is_a_reason() {
        let log = "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\n>>> 'maxmemory-policy \"x\"'\n";
        assert_eq!(reasons(log).len(), 2);
        assert_eq!(alarms(log).len(), 1);
    }

    /// An alarm among the reasons is quoted once. A reason that is not an alarm is not read as one.
    #[test]
    fn the_end_of_a_server_is_said_once() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::open(folder.path()).expect("created");
        let mut alarms = Alarms::from_now(&dir);
        let fatal = "Can't recover from AOF write error. Exiting...";
        std::fs::write(dir.log(), format!("{fatal}\n")).expect("written");
        assert_eq!(alarms.end(&dir, "exit 1", fatal), fatal);
        assert_eq!(alarms.end(&dir, "exit 1", fatal), "", "told already");
        assert_eq!(all_alarms(&dir).expect("read"), [fatal]);
        alarms.forget_told();
        assert_eq!(
            alarms.end(&dir, "exit 1", fatal),
            fatal,
            "an end of its own"
        );
        for _ in 0..2 {
            assert_eq!(alarms.end(&dir, "exit 1", "Odd"), "Odd");
            assert_eq!(alarms.reader.read().expect("read"), "", "read back");
        }
        assert_eq!(all_alarms(&dir).expect("read").len(), 3);
    }

    #[test]
    fn a_reader_goes_on_where_it_stopped_and_begins_a_new_file() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::open(folder.path()).expect("created");
        let mut reader = LogReader::at_end(&dir);
        assert!(reader.read().is_err(), "no log yet");
        for text in ["first\n", "first\nsecond\n"] {
            std::fs::write(dir.log(), text).expect("written");
            assert_eq!(
                reader.read().expect("read"),
                text.lines().next_back().unwrap_or("").to_owned() + "\n"
            );
        }
        std::fs::write(dir.log(), "new\n").expect("written");
        assert_eq!(reader.read().expect("read"), "new\n");
    }
}
