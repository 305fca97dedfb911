//! An activity: what a sale of tickets says about the evening itself. Its name is the sale's title.

use std::fmt;

use crate::domain::Invalid;
use crate::domain::time::EpochMs;

/// Longest keyword, in bytes of UTF-8.
const KEYWORD_BYTES_MAX: usize = 64;

/// What people type to mean an activity: 1 to 64 bytes of UTF-8 without white space, control and
/// invisible characters; case-sensitive. Two activities may have the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Keyword(String);

impl Keyword {
    /// Accepts exactly the rule above.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let breaks = |char: char| char.is_whitespace() || char.is_control() || is_invisible(char);
        if !(1..=KEYWORD_BYTES_MAX).contains(&text.len()) || text.contains(breaks) {
            return Err(Invalid {
                what: "keyword",
                rule: "1 to 64 bytes of UTF-8 without white space, control and invisible characters",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The keyword as it is typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// True for what stands between characters and shows nothing, and for what is no character.
fn is_invisible(char: char) -> bool {
    // Not those that join emoji.
    matches!(
        char,
        '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a sale is that ever had a keyword. Its tickets are the orders of the sale.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activity {
    /// What people type to mean it; `None`: it is not on show, and nobody finds it.
    pub keyword: Option<Keyword>,
    /// Where it is; empty when nobody said.
    pub place: String,
    /// When it starts; `None` when nobody said. The window of the sale is another thing.
    pub starts_at: Option<EpochMs>,
    /// When it ends; `None` when nobody said.
    pub ends_at: Option<EpochMs>,
    /// Address of a picture, `http://` or `https://`; empty for none.
    pub picture: String,
    /// What people read about it, perhaps several lines; empty for nothing.
    pub description: String,
}

impl Activity {
    /// True when it has ended at `now`; never when nobody said when it ends.
    pub fn is_over(&self, now: EpochMs) -> bool {
        self.ends_at.is_some_and(|ends_at| now > ends_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_one_word() {
        for text in [
            "a",
            "马兰花开",
            "1",
            "x-Y_!",
            "🦀",
            "👨\u{200d}👩\u{200d}👧",
            &"x".repeat(64),
        ] {
            assert_eq!(Keyword::parse(text).expect(text).as_str(), text);
        }
        for text in [
            "",
            " ",
            "a b",
            "a\u{3000}b",
            "a\n",
            "\u{7f}",
            "\u{85}",
            "a\u{200b}",
            "\u{feff}a",
            "a\u{ffff}",
            &"茶".repeat(22),
        ] {
            assert!(Keyword::parse(text).is_err(), "{text:?}");
        }
    }
}
