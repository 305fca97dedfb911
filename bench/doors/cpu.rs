//! Processor time of a process, from the kernel's own count.

use std::process::Command;
use std::time::Duration;

use crate::Result;

/// User and system time of all threads of a process since it started.
pub fn used(process: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program, in parentheses, may hold spaces; utime and stime are the 12th and
    // 13th field after it.
    let after_name = stat.rsplit_once(')').ok_or("an odd /proc/PID/stat")?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u32>().ok());
    match (ticks(), ticks()) {
        (Some(user), Some(system)) => {
            let ticks = f64::from(user) + f64::from(system);
            Ok(Duration::from_secs_f64(ticks / ticks_per_second()?))
        }
        _ => Err("an odd /proc/PID/stat".into()),
    }
}

fn ticks_per_second() -> Result<f64> {
    let output = Command::new("getconf").arg("CLK_TCK").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
