//! Times on pages, by the readers' clocks and in the form that the chat uses.

use crate::domain::time::EpochMs;
use crate::wechat::wording::{self, time};

/// From when until when, as far as known. Two days take two lines.
pub fn span(from: Option<EpochMs>, until: Option<EpochMs>) -> Option<String> {
    wording::span(from, until, '\n')
}

/// Until when tickets can be cancelled, if at all.
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
    fn a_second_is_told() {
        // 2026-12-12T19:01:01.999+08:00
        assert_eq!(exactly(1_797_073_261_999), "2026-12-12 19:01:01");
    }
}
