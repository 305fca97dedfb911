//! Times on pages, by the clocks of their readers, as the chat says them.

use crate::domain::sale::EpochMs;
use crate::wechat::wording::time;

/// Bytes of a day in a time: `2026-12-12`.
const DAY_BYTES: usize = 10;

/// From when until when, as far as somebody said: `2026-12-12 19:00 至 21:00`; of two days on two
/// lines.
pub fn span(from: Option<EpochMs>, until: Option<EpochMs>) -> Option<String> {
    match (from.map(time), until.map(time)) {
        (None, None) => None,
        (Some(from), None) => Some(format!("{from} 起")),
        (None, Some(until)) => Some(format!("{until} 止")),
        (Some(from), Some(until)) if from.get(..DAY_BYTES) == until.get(..DAY_BYTES) => {
            let hour = until.get(DAY_BYTES + 1..).unwrap_or_default();
            Some(format!("{from} 至 {hour}"))
        }
        (Some(from), Some(until)) => Some(format!("{from} 至\n{until}")),
    }
}

/// Until when tickets may be given back, if ever.
pub fn returnable(until: Option<EpochMs>) -> String {
    until.map_or_else(
        || "不能退票".to_owned(),
        |until| format!("至 {}", time(until)),
    )
}

/// To the second: `2026-12-12 19:00:59`.
pub fn exactly(instant: EpochMs) -> String {
    format!("{}:{:02}", time(instant), instant / 1_000 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_says_what_is_known() {
        // 2026-12-12T19:00:00+08:00
        let start = 1_797_073_200_000;
        let hour = 3_600_000;
        for (from, until, expected) in [
            (None, None, None),
            (Some(start), None, Some("2026-12-12 19:00 起")),
            (None, Some(start), Some("2026-12-12 19:00 止")),
            (
                Some(start),
                Some(start + 2 * hour),
                Some("2026-12-12 19:00 至 21:00"),
            ),
            (
                Some(start),
                Some(start + 6 * hour),
                Some("2026-12-12 19:00 至\n2026-12-13 01:00"),
            ),
            (Some(u64::MAX), Some(u64::MAX), Some(" 至 ")),
        ] {
            assert_eq!(span(from, until).as_deref(), expected);
        }
        assert_eq!(exactly(start + 61_999), "2026-12-12 19:01:01");
    }
}
