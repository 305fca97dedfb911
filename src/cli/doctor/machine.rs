//! What the kernel of this machine allows a server.

use super::finding::{Finding, Grade};

/// Open files that a busy server should be allowed: it needs one for each connection.
const OPEN_FILES_MIN: u64 = 65_536;

pub(super) fn backlog(wanted: u32) -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
    let somaxconn: u32 = text.trim().parse().ok()?;
    let grade = if somaxconn >= wanted {
        Grade::Good
    } else {
        Grade::Warning
    };
    let found = format!("http.backlog {wanted}, kernel allows {somaxconn}");
    Some(Finding::new(
        "backlog",
        grade,
        found,
        "sysctl net.core.somaxconn to at least http.backlog",
    ))
}

pub(super) fn open_files() -> Option<Finding> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    let hard = line.split_whitespace().nth(4)?;
    let enough = hard == "unlimited"
        || hard
            .parse::<u64>()
            .is_ok_and(|files| files >= OPEN_FILES_MIN);
    let grade = if enough { Grade::Good } else { Grade::Warning };
    Some(Finding::new(
        "open files",
        grade,
        // This process is not the server: its limit is only the server's if one shell starts both.
        format!(
            "at most {hard} in this shell; the server inherits the limit of the shell that starts \
             it"
        ),
        "raise the hard limit: LimitNOFILE=65536 of its systemd unit, or /etc/security/limits.conf",
    ))
}
