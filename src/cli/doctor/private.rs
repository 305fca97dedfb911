//! The private Redis: alarms in its log, the mode of its folder, the room on its disk.

use std::path::Path;

use super::finding::{Finding, Grade};
use crate::error::Result;
use crate::private_redis::{self, FREE_BYTES_MIN, Health};

const MIB: u64 = 1 << 20;

/// The findings about the private Redis in `data_dir`.
pub(super) fn findings(data_dir: &Path) -> Result<Vec<Finding>> {
    let health = private_redis::health(data_dir)?;
    Ok(vec![
        log(&health),
        privacy(&health, data_dir),
        disk(&health),
    ])
}

fn log(health: &Health) -> Finding {
    let path = health.log.display();
    let Some(last) = health.alarms.last() else {
        return Finding::new("redis log", Grade::Good, "reports no damage", "");
    };
    let count = health.alarms.len();
    Finding::new(
        "redis log",
        Grade::Wrong,
        format!("{path} reports damage or a failure, {count} times; the last: {last}"),
        format!("`seckill audit --deep` for each sale; when all is well, delete {path}"),
    )
}

fn privacy(health: &Health, data_dir: &Path) -> Finding {
    let path = data_dir.display();
    let (grade, found) = match health.open_mode {
        None => (Grade::Good, "only its user can read the data".to_owned()),
        Some(mode) => {
            let found = format!("other users can read {path}: its mode is {mode:o}");
            (Grade::Warning, found)
        }
    };
    Finding::new("data folder", grade, found, format!("chmod 700 {path}"))
}

/// A rewrite of the append-only file needs as much room as the data.
fn disk(health: &Health) -> Finding {
    let (free, data) = (health.free_bytes, health.data_bytes);
    let grade = if free < FREE_BYTES_MIN {
        Grade::Wrong
    } else if free < FREE_BYTES_MIN + data {
        Grade::Warning
    } else {
        Grade::Good
    };
    let found = format!("{} MiB free, data of {} MiB", free / MIB, data / MIB);
    let mend = "make room on the disk of data_dir: Redis stops when it cannot write its log";
    Finding::new("disk", grade, found, mend)
}
