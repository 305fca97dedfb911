//! The version of the data: one key, set once before the first change, and read by every new
//! connection. A program that knows only older versions must not touch the data.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::aio::ConnectionLike;

use crate::failure::Result;
use crate::store::connection::failure;
use crate::store::keys::Keys;

/// The version that this program writes, and the largest one that it knows.
pub const DATA_VERSION: u64 = 1;

/// What the key says: `<version> <who wrote it>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataVersion {
    /// A number from 1; `None` when the text has none.
    version: Option<u64>,
    text: String,
}

impl DataVersion {
    fn parse(text: String) -> Self {
        let number = text.split(' ').next().unwrap_or_default();
        let version = number.parse().ok();
        Self { version, text }
    }

    /// Why this program must not touch data of this version; `None` when it may.
    pub fn refusal(&self) -> Option<String> {
        let text = &self.text;
        match self.version {
            Some(version) if version <= DATA_VERSION => None,
            Some(version) => {
                let writer = text
                    .split_once(' ')
                    .map_or("a later version", |(_, who)| who);
                Some(format!(
                    "its data have version {version}, written by {writer}; {} knows versions up to \
                     {DATA_VERSION}: use {writer} or later",
                    this_program()
                ))
            }
            None => Some(format!(
                "the version of its data is {text:?}, which starts with no number: {} does not \
                 touch them",
                this_program()
            )),
        }
    }
}

impl fmt::Display for DataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads it; `None` where nothing was written yet.
///
/// # Errors
/// As for every reading.
pub async fn read(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
) -> Result<Option<DataVersion>> {
    let key = keys.data_version();
    let found = redis::cmd("GET").arg(&key).query_async(connection).await;
    let found: Option<String> = found.map_err(|e| failure::of_read(&[&key], &e))?;
    Ok(found.map(DataVersion::parse))
}

/// Data without a version, as a new connection found them. Reading leaves them so; whoever changes
/// them writes it first.
#[derive(Debug)]
pub struct Unversioned {
    key: String,
    written: AtomicBool,
}

impl Unversioned {
    /// The data under these keys.
    pub fn new(keys: &Keys) -> Self {
        Self {
            key: keys.data_version(),
            written: AtomicBool::new(false),
        }
    }

    /// Writes the version of this program, once, unless another program was faster. A Redis that
    /// takes no writes now is asked again by the next change.
    pub async fn write_first(&self, connection: &mut impl ConnectionLike) {
        if self.written.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut set = redis::cmd("SET");
        set.arg(&self.key);
        set.arg(format!("{DATA_VERSION} {}", this_program()))
            .arg("NX");
        if let Err(error) = set.query_async::<Option<String>>(connection).await {
            tracing::debug!(%error, "the version of the data is not written yet");
            self.written.store(false, Ordering::Release);
        }
    }
}

fn this_program() -> &'static str {
    concat!("seckill ", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<String> {
        DataVersion::parse(text.to_owned()).refusal()
    }

    #[test]
    fn only_a_known_version_may_be_touched() {
        assert_eq!(refusal(&format!("{DATA_VERSION} {}", this_program())), None);
        assert_eq!(refusal("1"), None);
        let later = refusal("2 seckill 9.8.7").expect("refused");
        assert!(
            later.contains("version 2, written by seckill 9.8.7"),
            "{later}"
        );
        for broken in ["", "x", "-1 seckill 1.0.0", " 1"] {
            assert!(refusal(broken).is_some(), "{broken:?}");
        }
    }
}
