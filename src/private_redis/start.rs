//! One start of the private server: the same rules for the first one and for each after a crash.

use super::append_only::{self, Contents};
use super::data_dir::DataDir;
use super::process::Process;
use super::program::{self, Program, Version};
use super::writer::Writer;
use super::{Options, Persistence};
use crate::error::{Error, Result};

/// The first major version of Valkey with a format of its own.
const VALKEY_FORMAT_MAJOR: u32 = 9;

/// What every start needs.
pub struct Starter {
    pub dir: DataDir,
    pub options: Options,
}

impl Starter {
    /// Starts the server program that can read the data, and waits until it answers.
    ///
    /// # Errors
    /// [`Error::PrivateRedis`]: data that are not whole or that no program reads, no program, or
    /// what the server's log says.
    pub fn start(&self) -> Result<Process> {
        let path = std::env::var_os("PATH");
        if self.options.persistence == Persistence::Memory {
            let programs = program::find(path.as_deref(), None)?;
            return Ok(Process::start(&programs[0].path, &self.dir, &self.options)?);
        }
        let contents = append_only::contents(&self.dir)?;
        let writer = Writer::read(&self.dir)?;
        let mut unfit = Vec::new();
        for program in program::find(path.as_deref(), writer.as_ref())? {
            if let Some(why) = cannot_read(&program, contents, writer.as_ref()) {
                unfit.push(format!("{program} {why}"));
                continue;
            }
            match Process::start(&program.path, &self.dir, &self.options) {
                Ok(process) => return self.note(&program, writer, process),
                Err(failure) => match failure.unknown_format() {
                    Some(line) => unfit.push(format!("{program} says \"{line}\"")),
                    None => return Err(failure.into()),
                },
            }
        }
        let by = writer.map_or("another server program".to_owned(), |by| by.to_string());
        Err(Error::PrivateRedis(format!(
            "the data in {} were written by {by}, and no server program on PATH reads them: {}; \
             install one that does, or restore a backup that an older one wrote",
            self.dir.path().display(),
            unfit.join("; ")
        )))
    }

    /// Names the program as the writer of the data, which it becomes with the next order.
    fn note(&self, program: &Program, old: Option<Writer>, process: Process) -> Result<Process> {
        let writer = Writer::from(program);
        if old.as_ref() == Some(&writer) {
            return Ok(process);
        }
        if let Err(error) = writer.write(&self.dir) {
            process.kill();
            return Err(error);
        }
        if let Some(old) = old {
            tracing::info!(%old, new = %writer, "another server program runs the private Redis");
        }
        Ok(process)
    }
}

/// Why a program cannot read the data, when that is known without a try. Redis names a format that
/// it does not know; one of Valkey's it calls damaged, and says how to cut it off.
fn cannot_read(
    program: &Program,
    contents: Contents,
    writer: Option<&Writer>,
) -> Option<&'static str> {
    let Contents::Log { is_valkeys } = contents else {
        return None;
    };
    let knows_valkeys = program.name == "valkey" && program.version.major() >= VALKEY_FORMAT_MAJOR;
    if is_valkeys && !knows_valkeys {
        return Some("does not know the format of Valkey 9");
    }
    let older = |by: &&Writer| {
        by.program == program.name && program.version.minor() < Version::new(&by.version).minor()
    };
    writer.filter(older).map(|_| "is older")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn program(name: &str, version: &str) -> Program {
        Program {
            path: PathBuf::from("/bin/server"),
            name: name.to_owned(),
            version: Version::new(version),
        }
    }

    #[test]
    fn a_program_reads_what_it_or_an_older_one_wrote() {
        let log = Contents::Log { is_valkeys: false };
        for (name, version, by, fits) in [
            ("redis", "7.0.15", ("redis", "7.0.15"), true),
            ("redis", "7.0.11", ("redis", "7.0.15"), true),
            ("redis", "7.2.0", ("redis", "7.0.15"), true),
            ("redis", "8.10.0", ("redis", "8.2.3"), true),
            ("redis", "8.2.3", ("redis", "8.10.0"), false),
            ("redis", "7.0.15", ("redis", "7.2.0"), false),
            // Of another kind: the program itself says whether it can.
            ("redis", "7.0.15", ("valkey", "9.1.2"), true),
            ("valkey", "8.1.0", ("redis", "8.2.3"), true),
        ] {
            let writer = Writer::new(by.0, by.1);
            let why = cannot_read(&program(name, version), log, Some(&writer));
            assert_eq!(why.is_none(), fits, "{name} {version} on {writer}");
        }
    }

    #[test]
    fn the_format_of_valkey_9_is_for_valkey_9() {
        let log = Contents::Log { is_valkeys: true };
        for (name, version, fits) in [
            ("valkey", "9.0.0", true),
            ("valkey", "8.1.3", false),
            ("redis", "8.2.3", false),
            ("redis", "9.0.0", false),
        ] {
            let why = cannot_read(&program(name, version), log, None);
            assert_eq!(why.is_none(), fits, "{name} {version}");
        }
        assert_eq!(
            cannot_read(&program("redis", "7.0.0"), Contents::Nothing, None),
            None
        );
    }
}
