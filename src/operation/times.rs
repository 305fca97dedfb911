//! Times and durations in the form that operators write and read.

use jiff::{SignedDuration, Timestamp};

use crate::domain::time::EpochMs;

/// Reads RFC 3339 or epoch seconds. `none` removes a bound.
pub fn parse(text: &str) -> Result<Option<EpochMs>, String> {
    if text == "none" {
        return Ok(None);
    }
    let seconds = || {
        text.parse::<i64>()
            .ok()
            .and_then(|s| Timestamp::from_second(s).ok())
    };
    let time = seconds().or_else(|| text.parse().ok());
    let ms = time.and_then(|time| EpochMs::try_from(time.as_millisecond()).ok());
    let hint = "write it like 2026-11-11T00:00:00+08:00, or as epoch seconds, or none";
    ms.map(Some).ok_or_else(|| hint.to_owned())
}

/// RFC 3339 in UTC, or `-` for no bound.
pub fn show(time: Option<EpochMs>) -> String {
    let ms = time.and_then(|ms| i64::try_from(ms).ok());
    let time = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}

/// Reads a duration like `15m`, in ms. `none` is no duration.
pub fn duration(text: &str) -> Result<Option<u64>, String> {
    if text == "none" {
        return Ok(None);
    }
    let duration = text.parse::<SignedDuration>().ok();
    let ms = duration.and_then(|duration| u64::try_from(duration.as_millis()).ok());
    let hint = "write it like 15m or 1h 30m, or none";
    ms.map(Some).ok_or_else(|| hint.to_owned())
}

/// A duration in ms as people write it, or `-` for none.
pub fn show_duration(ms: Option<u64>) -> String {
    let ms = ms.and_then(|ms| i64::try_from(ms).ok());
    let duration = ms.map(SignedDuration::from_millis);
    duration.map_or_else(|| "-".to_owned(), |duration| format!("{duration:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sale::values::{Checked, HOLD_MS_MAX, HOLD_MS_MIN, Hold, TermValue};

    #[test]
    fn a_duration_is_read_as_it_is_shown() {
        for (text, ms) in [("15m", 900_000), ("1h 30m", 5_400_000), ("2500ms", 2_500)] {
            assert_eq!(duration(text), Ok(Some(ms)));
            assert_eq!(duration(&show_duration(Some(ms))), Ok(Some(ms)));
        }
        assert_eq!(duration("none"), Ok(None));
        assert_eq!(show_duration(None), "-");
        for text in ["-1s", "15", "soon", ""] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_bounds_of_a_hold_are_said_as_they_are() {
        let [least, most] = [HOLD_MS_MIN, HOLD_MS_MAX].map(|ms| show_duration(Some(ms)));
        let refused = Hold::check("hold", TermValue::Number(0));
        assert_eq!(refused, Err(format!("it must be from {least} to {most}")));
    }

    #[test]
    fn both_notations_name_the_same_instant() {
        let expected = Ok(Some(1_762_790_400_000));
        assert_eq!(parse("1762790400"), expected);
        assert_eq!(parse("2025-11-11T00:00:00+08:00"), expected);
        assert_eq!(parse("2025-11-10T16:00:00Z"), expected);
        assert_eq!(parse("none"), Ok(None));
        assert_eq!(show(Some(1_762_790_400_000)), "2025-11-10T16:00:00Z");
        for text in ["", "tomorrow", "2025-11-11", "-1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
