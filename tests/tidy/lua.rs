//! Lua scripts as tokens.

use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Comment,
    /// In quotes.
    Text,
    /// A name with its fields (`redis.call`), a keyword or a number.
    Word,
    /// Any other character, `==` or `~=`.
    Sign,
}

#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    pub kind: Kind,
    /// Where it starts, in bytes.
    pub start: usize,
    pub text: &'a str,
}

/// All tokens but white space.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(char) = text[start..].chars().next() {
        let rest = &text[start..];
        let (kind, length) = match char {
            '-' if rest.starts_with("--") => (Kind::Comment, rest.find('\n')),
            '"' | '\'' => (Kind::Text, end_of_text(rest, char)),
            '[' if rest.starts_with("[[") => (Kind::Text, rest.find("]]").map(|end| end + 2)),
            '=' | '~' if rest[1..].starts_with('=') => (Kind::Sign, Some(2)),
            _ if is_word(char) => (Kind::Word, end_of_word(rest)),
            _ => (Kind::Sign, Some(char.len_utf8())),
        };
        let length = length.unwrap_or(rest.len());
        if !char.is_whitespace() {
            let text = &rest[..length];
            tokens.push(Token { kind, start, text });
        }
        start += length;
    }
    tokens
}

pub fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Bytes of the name with its fields at the start: `..` joins texts.
fn end_of_word(rest: &str) -> Option<usize> {
    let end = rest.find(|char| !is_word(char) && char != '.')?;
    Some(rest[..end].find("..").unwrap_or(end))
}

/// Bytes of the text in quotes at the start.
fn end_of_text(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    let mut chars = rest.char_indices().skip(1);
    let end = chars.find(|&(_, char)| {
        let ends = char == quote && !escaped;
        escaped = char == '\\' && !escaped;
        ends
    });
    end.map(|(at, _)| at + 1)
}

/// The names that the code has.
pub fn words(text: &str) -> BTreeSet<&str> {
    let words = tokens(text).into_iter();
    let words = words.filter(|token| token.kind == Kind::Word);
    words.map(|token| token.text).collect()
}

/// A part of the scripts' library.
pub struct Part<'a> {
    pub name: &'a str,
    pub words: BTreeSet<&'a str>,
    /// By name, with the text of each from its name on.
    pub functions: Vec<(&'a str, &'a str)>,
}

impl<'a> Part<'a> {
    pub fn new(path: &'a str, text: &'a str) -> Self {
        let mark = "local function ";
        let starts = text.match_indices(mark).map(|(at, _)| at);
        let starts = starts.filter(|&at| at == 0 || text[..at].ends_with('\n'));
        let starts: Vec<usize> = starts.chain([text.len()]).collect();
        let functions = starts.windows(2).filter_map(|ends| {
            let function = &text[ends[0] + mark.len()..ends[1]];
            Some((function.split('(').next()?, function))
        });
        Self {
            name: crate::stem(path),
            words: words(text),
            functions: functions.collect(),
        }
    }
}

#[test]
fn control_tokens() {
    let text =
        "local a = redis.call(\"HGET\", 'b\\'') -- a \"comment\"\nreturn a ~= a..'ü' and [[\n]]";
    let tokens = tokens(text);
    let of = |kind: Kind| {
        let tokens = tokens.iter().filter(|token| token.kind == kind);
        tokens.map(|token| token.text).collect::<Vec<_>>()
    };
    assert_eq!(of(Kind::Comment), ["-- a \"comment\""]);
    assert_eq!(of(Kind::Text), ["\"HGET\"", "'b\\''", "'ü'", "[[\n]]"]);
    let words = ["local", "a", "redis.call", "return", "a", "a", "and"];
    assert_eq!(of(Kind::Word), words);
    assert_eq!(of(Kind::Sign), ["=", "(", ",", ")", "~=", ".", "."]);
    let at_start = |token: &Token| text[token.start..].starts_with(token.text);
    assert!(tokens.iter().all(at_start));
    let text = "-- x\nlocal function a(b)\nend\n\nlocal function c() end\n";
    let functions = Part::new("lua/lib/x.lua", text).functions;
    assert_eq!(functions, [("a", "a(b)\nend\n\n"), ("c", "c() end\n")]);
}
