//! `[wechat]`: the ticket office of an official account.

use std::net::SocketAddr;
use std::path::PathBuf;

use regex_lite::Regex;
use serde::{Deserialize, Deserializer, de::Error};

use super::Secret;

/// Shortest and longest token that the platform accepts, in characters.
const TOKEN_CHARS_MIN: usize = 3;
const TOKEN_CHARS_MAX: usize = 32;
/// Letters and digits of a token that cannot be guessed.
const TOKEN_CHARS_SAFE: usize = 16;
/// Longest name of an account, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest pattern, in bytes: a compiled pattern takes memory.
const PATTERN_BYTES_MAX: usize = 256;

/// `[wechat]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wechat {
    /// The token that signs the platform's messages; none: there is no ticket office.
    pub token: Option<Secret>,
    /// File with that token, read at the start.
    pub token_file: Option<PathBuf>,
    /// Accept messages without a valid signature: false. For tests and load tests only.
    pub ignore_signature: bool,
    /// The address that people use for this server; none: `http://` and `http.listen`.
    pub site: Option<Site>,
    /// The pattern of a whole student number: `[0-9]{10}`.
    pub number_pattern: NumberPattern,
    /// The name of the account in the help text: `紫荆之声`.
    pub name: String,
}

impl Default for Wechat {
    fn default() -> Self {
        Self {
            token: None,
            token_file: None,
            ignore_signature: false,
            site: None,
            number_pattern: NumberPattern::default(),
            name: "紫荆之声".to_owned(),
        }
    }
}

impl Wechat {
    /// What is wrong with these settings, if anything is.
    pub(super) fn wrong(&self) -> Option<&'static str> {
        let is_token = |token: &Secret| {
            let token = token.expose();
            (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&token.len())
                && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if self.token.as_ref().is_some_and(|token| !is_token(token)) {
            Some("wechat.token must be 3 to 32 letters and digits, as the platform asks")
        } else if !(1..=NAME_BYTES_MAX).contains(&self.name.len())
            || self.name.chars().any(char::is_control)
        {
            Some("wechat.name must be 1 to 64 bytes without control characters")
        } else {
            None
        }
    }

    /// The start of every link, for a server that listens at this address.
    pub fn site(&self, listen: SocketAddr) -> Site {
        let site = self.site.clone();
        site.unwrap_or_else(|| Site(format!("http://{listen}")))
    }

    /// True if anyone who has a link to the binding page can try to guess the token.
    pub fn has_short_token(&self) -> bool {
        let token = self.token.as_ref();
        token.is_some_and(|token| token.expose().len() < TOKEN_CHARS_SAFE)
    }

    /// True if links lead to `http.listen`, because no better address is set.
    pub fn has_no_site(&self) -> bool {
        self.token.is_some() && self.site.is_none()
    }

    /// True if anyone who reaches the ticket office can act for every user.
    pub fn is_unguarded(&self) -> bool {
        self.token.is_some() && self.ignore_signature
    }
}

/// The address of this server for people, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site(String);

impl Site {
    /// Accepts `http://` or `https://`, a host, and optionally a port and a path.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let place = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&byte);
        let is_place = |place: &str| !place.starts_with('/') && place.bytes().all(plain);
        match place {
            Some(place) if !place.is_empty() && is_place(place) => {
                Ok(Self(text.trim_end_matches('/').to_owned()))
            }
            _ => Err("write it like https://tickets.example.com"),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Site {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| D::Error::custom(format!("{text:?}: {why}")))
    }
}

/// The pattern of a student number.
#[derive(Debug, Clone)]
pub struct NumberPattern(Regex);

impl NumberPattern {
    /// Takes a regular expression. It must match a whole number.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!("it is longer than {PATTERN_BYTES_MAX} bytes"));
        }
        // Compiled alone first: `a)|(b` would be valid inside the brackets, with another meaning.
        let alone = Regex::new(pattern);
        let whole = alone.and_then(|_| Regex::new(&format!("^(?:{pattern})$")));
        whole.map(Self).map_err(|e| e.to_string())
    }

    /// True when the whole text is a number.
    pub fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl Default for NumberPattern {
    fn default() -> Self {
        let ten = Regex::new("^[0-9]{10}$");
        Self(ten.expect("it is a regular expression"))
    }
}

impl<'de> Deserialize<'de> for NumberPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| D::Error::custom(format!("{text:?}: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_about_the_whole_number() {
        let ten = NumberPattern::default();
        assert!(ten.fits("2019010001"));
        for text in ["", "201901000", "20190100011", "201901000x", "2019010001\n"] {
            assert!(!ten.fits(text), "{text:?}");
        }
        let either = NumberPattern::parse("a|b").expect("valid");
        assert!(either.fits("a") && either.fits("b"));
        assert!(!either.fits("ab") && !either.fits("xb") && !either.fits("ax"));
        for pattern in ["(", "a)|(b", "[0-9", &"a".repeat(300)] {
            assert!(NumberPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_short_token_is_told() {
        assert!(!Wechat::default().has_short_token(), "there is no office");
        for (chars, is_short) in [(15, true), (16, false)] {
            let office = Wechat {
                token: Some(Secret::new("x".repeat(chars))),
                ..Wechat::default()
            };
            assert_eq!(office.has_short_token(), is_short, "{chars}");
            assert!(office.has_no_site());
        }
    }

    #[test]
    fn a_site_is_an_address_without_an_end() {
        for (text, site) in [
            ("https://x.example", "https://x.example"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://[::1]:80/tickets/", "http://[::1]:80/tickets"),
        ] {
            assert_eq!(Site::parse(text).expect(text).as_str(), site);
        }
        for text in [
            "",
            "x",
            "ftp://x",
            "http://",
            "https:///x",
            "http://x?a=1",
            "http://x#a",
            "http://x y",
            "http://\"x",
            "http://<x>",
            "javascript:alert(1)",
        ] {
            assert!(Site::parse(text).is_err(), "{text}");
        }
        let listen = SocketAddr::from(([127, 0, 0, 1], 8080));
        assert!(!Wechat::default().has_no_site(), "there is no office");
        let site = Wechat::default().site(listen);
        assert_eq!(site.as_str(), "http://127.0.0.1:8080");
    }
}
