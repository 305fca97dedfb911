//! `seckill event archive`: moves what an event that is over does not need any more into a file.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::ProgressBar;

use super::confirm::confirm;
use super::print::{Output, progress};
use crate::domain::archive::{ArchiveOutcome, Archived, Piece};
use crate::domain::counted::counted;
use crate::domain::ids::Event;
use crate::error::{Error, Result};
use crate::operation::archive::{explain, lines, to_json};
use crate::store::Store;
use crate::store::archive::Keeper;

/// What stays, and what else the command changes.
const NOTES: &str = "\
All sales of the event must have ended, and all consumer groups must have read and acknowledged its
feed. The event is then closed for good: no sale of it opens again, none is created in it, and no
payment is made. Held, confirmed and used orders stay, with their buyers, the stocks and the
balances. The file is on disk before anything is dropped. If the command breaks off, run it again:
it exports what is left into another file.";

/// `seckill event archive`
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct ArchiveCommand {
    /// The part of its sales' ids before the dot
    #[arg(value_parser = Event::parse)]
    event: Event,
    /// File that is made [default: EVENT-archive-TIME.ndjson in this folder]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Also replace the names of persons in what stays: each by a random word. The file keeps the
    /// names
    #[arg(long)]
    erase: bool,
    /// Do not ask on a terminal
    #[arg(long)]
    yes: bool,
}

impl ArchiveCommand {
    /// Runs the command.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        let event = &self.event;
        let path = self.to.clone().unwrap_or_else(|| default_path(event));
        let file = path.display().to_string();
        let name = event.as_str();
        let names = if self.erase {
            ", and takes all names out of the rest"
        } else {
            ""
        };
        let what = format!(
            "Closes event {name} for good, moves its dead orders, requests, payments and feed to \
             {file}{names}"
        );
        confirm(self.yes, &what)?;
        let size = store.event_size(event).await?;
        let bar = progress("entries", size, output);
        let mut archive = ArchiveFile::create(&path, bar)?;
        let outcome = store.event_archive(event, self.erase, &mut archive).await;
        let is_empty = archive.close();
        let kept = (!is_empty).then_some(file.as_str());
        let broke_off = |error: Error| match kept {
            None => error,
            Some(file) => error.and(&format!("what was dropped is in {file}: run it again")),
        };
        let archived = match outcome.map_err(broke_off)? {
            ArchiveOutcome::Done(archived) => archived,
            ArchiveOutcome::Refused(refusal) => {
                return Err(broke_off(Error::Refused(explain(event, &refusal))));
            }
        };
        output.result(
            said(name, kept, &archived),
            &to_json(event, kept, &archived),
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

fn default_path(event: &Event) -> PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H%M%SZ");
    PathBuf::from(format!("{}-archive-{now}.ndjson", event.as_str()))
}

fn said(event: &str, file: Option<&str>, archived: &Archived) -> String {
    let parts = [
        counted(archived.orders, "dead order"),
        counted(archived.requests, "request"),
        counted(archived.payments, "payment"),
        format!("{} from the feed", counted(archived.entries, "message")),
        counted(archived.dead_letters, "dead letter"),
    ];
    let mut line = match file {
        None => format!("event {event} is archived: there was nothing to move"),
        Some(file) => format!(
            "archived event {event}: moved {} to {file}",
            parts.join(", ")
        ),
    };
    if let Some(erased) = archived.erased {
        line += &format!("\ntook {} out", counted(erased.persons, "name"));
        if erased.kept > 0 {
            let kept = counted(erased.kept, "name");
            line += &format!("; {kept} kept: an order of each is held or cannot be read");
        }
    }
    if archived.unreadable > 0 {
        let unreadable = counted(archived.unreadable, "record");
        line += &format!("\n{unreadable} of the event cannot be read and stay where they are");
    }
    line
}

/// The file of one archive.
struct ArchiveFile {
    path: PathBuf,
    file: File,
    is_empty: bool,
    bar: ProgressBar,
}

impl ArchiveFile {
    /// Makes the file, which only its user may read: names are in it.
    fn create(path: &Path, bar: ProgressBar) -> Result<Self> {
        let shown = path.display();
        let failed = |error: io::Error| match error.kind() {
            ErrorKind::AlreadyExists => Error::Refused(format!(
                "{shown} exists already: name another file with --to"
            )),
            _ => Error::Refused(format!("cannot make {shown}: {error}")),
        };
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600);
        let file = file.open(path).map_err(failed)?;
        sync_folder(path).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            is_empty: true,
            bar,
        })
    }

    /// Ends the archive. True if it is empty: then the file is deleted.
    fn close(self) -> bool {
        self.bar.finish_and_clear();
        if self.is_empty {
            // An empty file that stays does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
        self.is_empty
    }
}

impl Keeper for ArchiveFile {
    fn keep(&mut self, pieces: &[Piece]) -> Result<()> {
        let failed = |error| {
            let path = self.path.display();
            Error::Refused(format!(
                "cannot write {path}, so nothing more was dropped: {error}"
            ))
        };
        self.is_empty = false;
        self.file.write_all(&lines(pieces)).map_err(failed)?;
        self.file.sync_data().map_err(failed)
    }

    fn looked_at(&mut self, entries: u64) {
        self.bar.inc(entries);
    }
}

/// Without this, the name of a new file may not survive a power failure.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
