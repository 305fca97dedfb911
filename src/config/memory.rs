//! How much memory the private Redis may use: `60%`, `4gb`, `512mb`, or `0` for no limit.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error};

/// Least limit: an empty Redis uses about as much.
const BYTES_MIN: u64 = 1 << 20;
const UNITS: [(&str, u64); 3] = [("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)];

/// How much memory the private Redis may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryMax {
    /// A share of the memory of the machine or of its control group (cgroup), whichever is less.
    Percent(u8),
    /// This many bytes; 0 is no limit.
    Bytes(u64),
}

impl Default for MemoryMax {
    fn default() -> Self {
        Self::Percent(60)
    }
}

impl MemoryMax {
    /// Accepts 1 to 95 percent, bytes with or without a unit of 1024, and 0.
    ///
    /// # Errors
    /// The rule.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let rule = "write it like 60% (1% to 95%), 4gb or 512mb (1mb at least), or 0 for no limit";
        let text = text.trim().to_ascii_lowercase();
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent
                .parse()
                .ok()
                .filter(|share| (1..=95).contains(share));
            return percent.map(Self::Percent).ok_or(rule);
        }
        let unit = |(unit, bytes)| Some((text.strip_suffix(unit)?, bytes));
        let (number, unit) = UNITS.into_iter().find_map(unit).unwrap_or((&text, 1));
        let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
        let fits = |bytes: &u64| *bytes == 0 || *bytes >= BYTES_MIN;
        bytes.filter(fits).map(Self::Bytes).ok_or(rule)
    }
}

impl fmt::Display for MemoryMax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(share) => write!(f, "{share}%"),
            Self::Bytes(bytes) => write!(f, "{bytes}"),
        }
    }
}

/// Reads a limit as a setting.
pub fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<MemoryMax>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let parse = |text: String| {
        let wrong = |rule| D::Error::custom(format!("redis.maxmemory is {text:?}: {rule}"));
        MemoryMax::parse(&text).map_err(wrong)
    };
    text.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_share_or_a_number_of_bytes() {
        for (text, limit) in [
            ("60%", MemoryMax::Percent(60)),
            ("1%", MemoryMax::Percent(1)),
            ("95%", MemoryMax::Percent(95)),
            ("4gb", MemoryMax::Bytes(4 << 30)),
            ("512MB", MemoryMax::Bytes(512 << 20)),
            ("2048kb", MemoryMax::Bytes(2 << 20)),
            ("1048576", MemoryMax::Bytes(1 << 20)),
            ("0", MemoryMax::Bytes(0)),
        ] {
            assert_eq!(MemoryMax::parse(text), Ok(limit), "{text}");
            let shown = limit.to_string();
            assert_eq!(MemoryMax::parse(&shown), Ok(limit), "{shown}");
        }
        for text in [
            "",
            "%",
            "0%",
            "96%",
            "-1",
            "1.5gb",
            "4 gb",
            "4tb",
            "1023kb",
            "512",
            "gb",
            "99999999999999gb",
        ] {
            assert!(MemoryMax::parse(text).is_err(), "{text:?}");
        }
    }
}
