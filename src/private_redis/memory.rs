//! The memory that a private server may use, and the memory of the machine or of the control group
//! (cgroup) of this process, whichever is less.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::MemoryMax;

/// The memory that a private server may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Bytes; 0 is no limit.
    pub bytes: u64,
    /// Bytes that the machine or its control group has; `None` if unknown.
    pub of: Option<u64>,
}

impl MemoryLimit {
    /// The limit on this machine. A share of unknown memory is no limit.
    pub fn here(max: MemoryMax) -> Self {
        Self::of(max, available(Path::new("/")))
    }

    fn of(max: MemoryMax, of: Option<u64>) -> Self {
        let share = |percent: u8| of.unwrap_or(0) / 100 * u64::from(percent);
        let bytes = match max {
            MemoryMax::Percent(percent) => share(percent),
            MemoryMax::Bytes(bytes) => bytes,
        };
        Self { bytes, of }
    }
}

/// The memory of the machine or the limit of the control group of this process, whichever is less.
/// `root` is the root of the file system.
fn available(root: &Path) -> Option<u64> {
    let machine = machine(root);
    let limits = group_limits(root).into_iter();
    limits.chain(machine).min()
}

fn machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The limits of the group and of all groups around it, in both versions of control groups. A
/// container may see its own group as the root.
fn group_limits(root: &Path) -> Vec<u64> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let files = text.lines().filter_map(|line| files_of(root, line));
    let limits = files.flatten().filter_map(|file| limit(&file));
    limits.collect()
}

/// The files with the limits of one line of `/proc/self/cgroup`: `0::PATH`, or `N:memory:PATH` of
/// version 1.
fn files_of(root: &Path, line: &str) -> Option<Vec<PathBuf>> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (mount, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        many if many.split(',').any(|one| one == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let path = Path::new(path.trim_start_matches('/'));
    let folders = path.ancestors();
    Some(
        folders
            .map(|folder| root.join(mount).join(folder).join(file))
            .collect(),
    )
}

/// `None` also for `max`: no limit.
fn limit(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// A root with these files, on a machine of 8 GiB.
    fn available_with(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().expect("folder");
        let machine = (
            "proc/meminfo",
            "MemTotal:        8388608 kB\nMemFree: 1 kB\n",
        );
        for (path, text) in files.iter().chain([&machine]) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        available(root.path())
    }

    #[test]
    fn the_smallest_limit_around_this_process_counts() {
        let group = "proc/self/cgroup";
        let two = (2 * GIB).to_string();
        let three = (3 * GIB).to_string();
        for (files, bytes) in [
            (vec![], 8 * GIB),
            (vec![(group, "0::/\n")], 8 * GIB),
            // Version 2: its own group, one around it, and the root of a container.
            (
                vec![
                    (group, "0::/a/b\n"),
                    ("sys/fs/cgroup/a/b/memory.max", &*two),
                ],
                2 * GIB,
            ),
            (
                vec![
                    (group, "0::/a/b\n"),
                    ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                    ("sys/fs/cgroup/a/memory.max", &*three),
                ],
                3 * GIB,
            ),
            (
                vec![(group, "0::/\n"), ("sys/fs/cgroup/memory.max", &*two)],
                2 * GIB,
            ),
            // Version 1, where the path of the host is not there in a container.
            (
                vec![
                    (group, "5:cpu:/x\n4:memory:/docker/1\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", &*two),
                ],
                2 * GIB,
            ),
            (
                vec![
                    (group, "4:hugetlb,memory:/x\n"),
                    (
                        "sys/fs/cgroup/memory/x/memory.limit_in_bytes",
                        "9223372036854771712\n",
                    ),
                ],
                8 * GIB,
            ),
        ] {
            assert_eq!(available_with(&files), Some(bytes), "{files:?}");
        }
        let nowhere = tempfile::tempdir().expect("folder");
        assert_eq!(available(nowhere.path()), None);
    }

    #[test]
    fn a_share_of_what_is_not_known_is_no_limit() {
        let of = |max, of| MemoryLimit::of(max, of).bytes;
        assert_eq!(of(MemoryMax::Percent(60), Some(1000)), 600);
        assert_eq!(of(MemoryMax::Percent(60), None), 0);
        assert_eq!(of(MemoryMax::Bytes(7), Some(1000)), 7);
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(available(Path::new("/")) > Some(1 << 20));
    }
}
