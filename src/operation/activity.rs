//! The rules for what an operator says about an activity, and the activity as JSON.

use serde_json::{Value, json};

use crate::domain::sale::activity::{Activity, Keyword};

/// Longest place, in bytes of UTF-8.
const PLACE_BYTES_MAX: usize = 256;
/// Longest address of a picture, in bytes.
const PICTURE_BYTES_MAX: usize = 1024;
/// Longest description, in bytes of UTF-8.
const DESCRIPTION_BYTES_MAX: usize = 2000;

/// Accepts a keyword; an empty text is none.
///
/// # Errors
/// The rule.
pub fn keyword(text: &str) -> Result<Option<Keyword>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    Keyword::parse(text).map(Some).map_err(|e| e.to_string())
}

/// Accepts a place, one line.
///
/// # Errors
/// The rule and how this place breaks it.
pub fn place(text: &str) -> Result<String, String> {
    plain("place", text, PLACE_BYTES_MAX, &[])
}

/// Accepts the address of a picture; an empty text is none.
///
/// # Errors
/// The rule and how this address breaks it.
pub fn picture(text: &str) -> Result<String, String> {
    let is_address = text.starts_with("http://") || text.starts_with("https://");
    if !text.is_empty() && !is_address {
        return Err("the picture must be an address that starts with http:// or https://".into());
    }
    match text
        .chars()
        .find(|c| !c.is_ascii_graphic() || "<>\"".contains(*c))
    {
        Some(wrong) => Err(format!(
            "the picture must be an address without white space, quotes and other than ASCII \
             characters, and this one holds {wrong:?}"
        )),
        None => plain("picture", text, PICTURE_BYTES_MAX, &[]),
    }
}

/// Accepts a description of one or several lines.
///
/// # Errors
/// The rule and how this description breaks it.
pub fn description(text: &str) -> Result<String, String> {
    plain("description", text, DESCRIPTION_BYTES_MAX, &['\n'])
}

/// Accepts a text that has no control characters but these.
fn plain(what: &str, text: &str, bytes_max: usize, allowed: &[char]) -> Result<String, String> {
    let bytes = text.len();
    if bytes > bytes_max {
        return Err(format!(
            "the {what} must be at most {bytes_max} bytes of UTF-8, and this one has {bytes}"
        ));
    }
    let mut controls = text.chars().filter(|c| c.is_control());
    match controls.find(|c| !allowed.contains(c)) {
        Some(control) => Err(format!(
            "the {what} must be without control characters, and this one holds {control:?}"
        )),
        None => Ok(text.to_owned()),
    }
}

/// The fields of an activity for scripts, in their order; times in epoch milliseconds; no
/// keyword of one that is not on show.
pub fn to_fields(activity: &Activity) -> [(&'static str, Value); 6] {
    [
        (
            "keyword",
            json!(activity.keyword.as_ref().map(Keyword::as_str)),
        ),
        ("place", json!(activity.place)),
        ("starts_at", json!(activity.starts_at)),
        ("ends_at", json!(activity.ends_at)),
        ("picture", json!(activity.picture)),
        ("description", json!(activity.description)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_about_an_activity_have_bounds() {
        for text in ["", "大礼堂 2F", &"x".repeat(256)] {
            assert_eq!(place(text).as_deref(), Ok(text));
        }
        for text in ["", "two\nlines", &"x".repeat(2000)] {
            assert_eq!(description(text).as_deref(), Ok(text));
        }
        for text in ["", "http://a", "https://a.example/%E9%A9%AC.png?b=c&d='"] {
            assert_eq!(picture(text).as_deref(), Ok(text));
        }
        for (result, why) in [
            (place("two\nlines"), "holds '\\n'"),
            (place(&"茶".repeat(86)), "has 258"),
            (description("a\rb"), "holds '\\r'"),
            (description("a\u{7f}b"), "holds '\\u{7f}'"),
            (description(&"x".repeat(2001)), "has 2001"),
            (picture("javascript:alert(1)"), "http://"),
            (picture("//a.example/x.png"), "http://"),
            (picture("https://a.example/a b"), "holds ' '"),
            (picture("https://a.example/马"), "holds '马'"),
            (picture("https://a.example/\""), "holds '\"'"),
            (picture(&format!("http://{}", "x".repeat(1024))), "has 1031"),
        ] {
            let error = result.expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn an_empty_keyword_is_none() {
        assert_eq!(keyword(""), Ok(None));
        assert_eq!(keyword("x"), Ok(Keyword::parse("x").ok()));
        assert!(keyword("a b").is_err());
    }
}
