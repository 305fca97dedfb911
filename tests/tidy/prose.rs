//! Prose: turns that `docs/STYLE.md` bans, in documents, comments and texts in quotes.

use std::fs;

use proc_macro2::{TokenStream, TokenTree};

use crate::documents::documents;
use crate::lua::{Kind, is_word};
use crate::{assert_tidy, files, lua, root, rust};

const STYLE: &str = "docs/STYLE.md";
/// What lines start with that go on with the comment or the quotation of the line before.
const MARKS: [&str; 6] = ["///", "//!", "//", "--", "*", ">"];

/// The turns in the fences that say `banned`, one in a line.
fn turns(style: &str) -> Vec<String> {
    let fences = style.split("\n```banned\n").skip(1);
    let fences = fences.filter_map(|rest| rest.split("\n```").next());
    let lines = fences.flat_map(str::lines).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty());
    lines.map(str::to_lowercase).collect()
}

/// The turns of the project; nothing while it does not have the document.
fn project_turns() -> Vec<String> {
    let Ok(style) = fs::read_to_string(root().join(STYLE)) else {
        return Vec::new();
    };
    let turns = turns(&style);
    assert!(!turns.is_empty(), "{STYLE} has no fence that says `banned`");
    turns
}

/// A text in one line, with single spaces and without the marks of comments.
struct Flat {
    text: String,
    /// Where each line of the text starts in it.
    starts: Vec<usize>,
}

impl Flat {
    fn new(text: &str) -> Self {
        let (mut flat, mut starts) = (String::new(), Vec::new());
        for line in text.lines() {
            let line = line.trim();
            let mark = MARKS.iter().find(|mark| line.starts_with(**mark));
            let line = line.strip_prefix(*mark.unwrap_or(&"")).unwrap_or(line);
            starts.push(flat.len());
            for word in line.trim_end_matches('\\').split_whitespace() {
                flat.push_str(&word.to_lowercase());
                flat.push(' ');
            }
        }
        Self { text: flat, starts }
    }

    /// The numbers of the lines in which this turn starts.
    fn lines_with(&self, turn: &str) -> Vec<usize> {
        // Part of a longer word.
        let is_part = |at: usize| {
            let (before, after) = (&self.text[..at], &self.text[at + turn.len()..]);
            before.ends_with(is_word) && turn.starts_with(is_word)
                || turn.ends_with(is_word) && after.starts_with(is_word)
        };
        let found = self.text.match_indices(turn).map(|(at, _)| at);
        let found = found.filter(|&at| !is_part(at));
        let line = |at: usize| self.starts.partition_point(|&start| start <= at);
        found.map(line).collect()
    }
}

fn check_prose(path: &str, prose: &str, turns: &[String]) -> Vec<String> {
    let flat = Flat::new(prose);
    let mut hits = Vec::new();
    for turn in turns {
        let lines = flat.lines_with(turn).into_iter();
        hits.extend(lines.map(|line| (line, format!("{path}:{line}: {turn}"))));
    }
    hits.sort_unstable();
    hits.into_iter().map(|(_, hit)| hit).collect()
}

/// The file with a 0 for each byte of code: what is left are comments and texts in quotes.
fn rust_prose(path: &str, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    blank(rust::tokens(path, text), text, &mut bytes);
    String::from_utf8(bytes).expect("whole tokens")
}

fn blank(tokens: TokenStream, text: &str, bytes: &mut [u8]) {
    for token in tokens {
        let span = token.span().byte_range();
        match token {
            TokenTree::Group(group) => blank(group.stream(), text, bytes),
            TokenTree::Literal(literal) if rust::is_text(&literal, text) => {}
            // The tokens of a doc comment stand where the whole comment does.
            token if text[span.clone()] == token.to_string() => bytes[span].fill(0),
            _ => {}
        }
    }
}

fn lua_prose(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for token in lua::tokens(text) {
        if matches!(token.kind, Kind::Word | Kind::Sign) {
            bytes[token.start..][..token.text.len()].fill(0);
        }
    }
    String::from_utf8(bytes).expect("whole tokens")
}

#[test]
fn documents_are_plain() {
    let turns = project_turns();
    let documents = documents().into_iter();
    let documents = documents.filter(|(path, _)| path != STYLE);
    let wrong = documents.flat_map(|(path, text)| check_prose(&path, &text, &turns));
    assert_tidy(&wrong.collect::<Vec<_>>());
}

#[test]
fn code_is_plain() {
    let turns = project_turns();
    let rust = ["src", "tests"].into_iter();
    let rust = rust.flat_map(|folder| files(folder, "rs"));
    let rust = rust.map(|(path, text)| (rust_prose(&path, &text), path));
    let lua = files("lua", "lua").into_iter();
    let lua = lua.map(|(path, text)| (lua_prose(&text), path));
    let prose = rust.chain(lua);
    let wrong = prose.flat_map(|(prose, path)| check_prose(&path, &prose, &turns));
    assert_tidy(&wrong.collect::<Vec<_>>());
}

#[test]
fn control_prose() {
    let style = "# Style\n```banned\nof yore\nyon\n```\nyes\n```text\nno\n```\n";
    let turns = turns(style);
    assert_eq!(turns, ["of yore", "yon"]);
    let document = "Yon\nbeyond yonder\ntales of\n  Yore. (yon)\nof yores, \"yon\"\n";
    let found = ["x:1: yon", "x:3: of yore", "x:4: yon", "x:5: yon"];
    assert_eq!(check_prose("x", document, &turns), found);
    let code = "//! Tales of\n//! yore.\nfn yon() -> u8 {\n    // yon\n    f(\"yon\") // of\n        \
                .yore(\"tales of \\\n           yore\")\n}\n/** yon */\nconst YON: u8 = 'y';\n";
    let found = [
        "x:1: of yore",
        "x:4: yon",
        "x:5: yon",
        "x:6: of yore",
        "x:9: yon",
    ];
    assert_eq!(check_prose("x", &rust_prose("x", code), &turns), found);
    let script = "-- Tales of\n-- yore.\nlocal yon = 1 -- yon\nreturn { of, yore, \"of yore\" }\n";
    let found = ["x:1: of yore", "x:3: yon", "x:4: of yore"];
    assert_eq!(check_prose("x", &lua_prose(script), &turns), found);
}
