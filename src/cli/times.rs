//! Times and whole numbers as operators write and read them.

use jiff::Timestamp;

use crate::domain::sale::EpochMs;

/// Reads RFC 3339 or epoch seconds; `none` removes a bound.
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

#[cfg(test)]
mod tests {
    use super::*;

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
