//! Memory that a process holds, from the kernel's own count.

use crate::Result;

/// Resident memory of a process in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Resident {
    /// Now (`VmRSS`).
    pub now: u64,
    /// At most, since it started (`VmHWM`).
    pub peak: u64,
}

/// Of a running process.
pub fn of(process: u32) -> Result<Resident> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes * 1024)
    };
    let (now, peak) = (bytes("VmRSS:"), bytes("VmHWM:"));
    let both = now.zip(peak).ok_or("an odd /proc/PID/status")?;
    Ok(Resident {
        now: both.0,
        peak: both.1,
    })
}
