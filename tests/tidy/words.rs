//! Words that a script answers: its header explains each. Nobody can list all spellings of an
//! answer, so every word in quotes counts as one, unless it stands where no answer comes from.

use std::collections::BTreeSet;

use crate::lua::{Kind, Part, Token, is_word, tokens, words};

/// What is given to these is no answer: a command of Redis, an error, a number and its name.
const CALLS_WITHOUT_ANSWER: [&str; 4] = ["redis.call", "redis.pcall", "error", "whole"];

/// The words in the texts that may become an answer.
fn answers(text: &str) -> BTreeSet<String> {
    let tokens = tokens(text).into_iter();
    let tokens: Vec<Token> = tokens.filter(|token| token.kind != Kind::Comment).collect();
    let text_at = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut open_calls = Vec::new();
    let mut found = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let (before, after) = (at.checked_sub(1).map_or("", text_at), text_at(at + 1));
        match (token.kind, token.text) {
            (Kind::Sign, "(" | "[" | "{") => open_calls.push(before),
            (Kind::Sign, ")" | "]" | "}") => drop(open_calls.pop()),
            (Kind::Text, text) => {
                let is_compared = ["==", "~="].iter().any(|s| [before, after].contains(s));
                let is_index = before == "[" && after == "]";
                let mut calls = open_calls.iter();
                let is_given = calls.any(|call| CALLS_WITHOUT_ANSWER.contains(call));
                if !(is_compared || is_index || is_given) {
                    found.extend(words_of_text(text));
                }
            }
            _ => {}
        }
    }
    found
}

/// The words of a text in quotes. A text with a number in it (`sn-%.0f`) is no word.
fn words_of_text(quoted: &str) -> Vec<String> {
    if quoted.contains('%') && !quoted.contains('_') {
        return Vec::new();
    }
    let mut plain = String::new();
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => drop(chars.next()),
            '%' => drop(chars.find(|char| char.is_alphabetic())),
            _ => {
                plain.push(char);
                continue;
            }
        }
        plain.push(' ');
    }
    let words = plain.split(|char| !is_word(char));
    let words = words.filter(|word| word.contains(|char: char| char.is_alphabetic()));
    words.map(str::to_owned).collect()
}

/// The functions of the library that a text calls, and those that they call.
fn called<'a>(text: &str, library: &[Part<'a>]) -> Vec<(&'a str, &'a str)> {
    let functions = || library.iter().flat_map(|part| &part.functions);
    let mut found: Vec<(&str, &str)> = Vec::new();
    let mut names: Vec<&str> = words(text).into_iter().collect();
    while let Some(name) = names.pop() {
        let is_new = found.iter().all(|(known, _)| *known != name);
        if let (true, Some(function)) = (is_new, functions().find(|(known, _)| *known == name)) {
            found.push(*function);
            names.extend(words(function.1));
        }
    }
    found
}

/// The words that a script may answer and its header does not have. When the header names a
/// function of the library, the words of that function are explained there.
pub fn undocumented(header: &str, body: &str, library: &[Part]) -> BTreeSet<String> {
    let documented: BTreeSet<&str> = header.split(|c| !is_word(c)).collect();
    let called = called(body, library).into_iter();
    let called = called.filter(|(name, _)| !documented.contains(name));
    let texts = called.map(|(_, text)| text).chain([body]);
    let mut words: BTreeSet<String> = texts.flat_map(answers).collect();
    words.retain(|word| !documented.contains(word.as_str()));
    words
}

#[test]
fn control_words() {
    let library = [
        Part::new("a.lua", "local function inner() return \"deep\" end\n"),
        Part::new("b.lua", "local function outer() return inner() end\n"),
        Part::new("c.lua", "local function shown() return \"deep\" end\n"),
    ];
    let header = "-- Returns done | left, or as shown says it";
    for body in [
        "return \"gone\"",
        "return 'gone'",
        "return (\"gone\")",
        "return { 1, { \"gone\" } }",
        "return refused(\"gone\")",
        "return a == 1 and \"gone\" or \"done\"",
        "return x and y or z and \"gone\"",
        "local word = [[gone]]",
        "words[1] = \"gone\"",
        "return ({ a = \"gone\" })[state]",
        "return a == \"left\" and \"gone\"",
        "return \"gone\" .. x",
        "return \"done\\ngone\"",
        "return { redis.call(\"HGET\", key), \"gone\" }",
        "redis.call(\"HSET\", unpack({ 1 }), a[1]) return \"gone\"",
        "return string.format(\"no_such_%s\", kind)",
        "return \"Done\"",
        "return outer()",
        "return inner()",
        "return pcall(outer)",
    ] {
        assert_eq!(undocumented(header, body, &library).len(), 1, "{body}");
    }
    for body in [
        "return \"done\" -- \"gone\"",
        "return { \"left\", 1 }",
        "if a == \"gone\" or \"gone\" ~= b then return c[\"gone\"] end",
        "return redis.call(\"HMGET\", unpack({ \"gone\" }))",
        "error({ err = \"ERR gone \" .. whole(x, nil, \"gone\") })",
        "return string.format(\"sn-%.0f\\n\", n)",
        "return shown()",
    ] {
        assert!(undocumented(header, body, &library).is_empty(), "{body}");
    }
}
