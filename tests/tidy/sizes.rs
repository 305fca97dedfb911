//! Sizes: lines of a file, columns of a line.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

use crate::documents::documents;
use crate::rust::{is_text, production, tokens};
use crate::{Wrong, assert_tidy, except_known, files, read, rust_files, stem};

/// Lines of a file in `src/` without its unit tests.
const SOURCE_LINES_MAX: usize = 400;
/// Lines of any other file with Rust, tests above all.
const TEST_LINES_MAX: usize = 700;
const LUA_LINES_MAX: usize = 150;
const README_LINES_MAX: usize = 200;
const CODE_COLUMNS_MAX: usize = 100;
const DOCUMENT_COLUMNS_MAX: usize = 120;
/// Files with too many lines that are not split yet.
const KNOWN_LARGE: [&str; 8] = [
    "tests/suite/archive.rs",
    "tests/suite/cli.rs",
    "tests/suite/http/admin.rs",
    "tests/suite/race/gate.rs",
    "tests/suite/script/bid_place.rs",
    "tests/suite/script/order_place.rs",
    "tests/suite/script/sale_grab.rs",
    "tests/suite/script/sale_put.rs",
];
/// Files with lines that are too wide and not wrapped yet.
const KNOWN_WIDE: [&str; 34] = [
    "lua/account_pay.lua",
    "lua/account_set_if.lua",
    "lua/archive_begin.lua",
    "lua/archive_entries.lua",
    "lua/archive_erase.lua",
    "lua/archive_fields.lua",
    "lua/archive_orders.lua",
    "lua/bid_cancel.lua",
    "lua/bid_place.lua",
    "lua/clear_begin.lua",
    "lua/event_delete.lua",
    "lua/feed_drop.lua",
    "lua/feed_leave.lua",
    "lua/lib/basket.lua",
    "lua/lib/change.lua",
    "lua/lib/clear.lua",
    "lua/lib/clock.lua",
    "lua/lib/deaths.lua",
    "lua/lib/gone.lua",
    "lua/lib/groups.lua",
    "lua/lib/history.lua",
    "lua/lib/order.lua",
    "lua/number_unbind.lua",
    "lua/order_cancel.lua",
    "lua/order_confirm.lua",
    "lua/order_expire.lua",
    "lua/order_place.lua",
    "lua/reply_claim.lua",
    "lua/sale_grab.lua",
    "lua/sale_put.lua",
    "lua/sale_reset.lua",
    "lua/sale_resume.lua",
    "lua/sale_snapshot.lua",
    "lua/stock_add.lua",
];

fn check_lines(path: &str, lines: usize, max: usize) -> Option<Wrong> {
    (lines > max).then(|| Wrong::new(path, format!("{path}: {lines} lines, at most {max}")))
}

fn check_rust_lines(path: &str, text: &str) -> Option<Wrong> {
    let lines = text.lines().count();
    // A file of its own for unit tests is called `tests.rs`.
    if !path.starts_with("src/") || stem(path) == "tests" {
        return check_lines(path, lines, TEST_LINES_MAX);
    }
    let (_, test_lines) = production(tokens(path, text));
    check_lines(path, lines - test_lines, SOURCE_LINES_MAX)
}

/// The lines that are too wide, but for those that `may` be as wide as they are.
fn check_columns(path: &str, text: &str, max: usize, may: impl Fn(usize) -> bool) -> Vec<Wrong> {
    let wide = (1..).zip(text.lines()).filter_map(|(number, line)| {
        let columns = line.chars().count();
        let how = format!("{path}:{number}: {columns} columns, at most {max}");
        (columns > max && !may(number)).then(|| Wrong::new(path, how))
    });
    wide.collect()
}

/// Texts in quotes may be as wide as they are: answers are compared as whole bytes.
fn check_rust_columns(path: &str, text: &str) -> Vec<Wrong> {
    let mut texts = BTreeSet::new();
    lines_of_texts(tokens(path, text), text, &mut texts);
    check_columns(path, text, CODE_COLUMNS_MAX, |line| texts.contains(&line))
}

fn lines_of_texts(tokens: TokenStream, text: &str, lines: &mut BTreeSet<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => lines_of_texts(group.stream(), text, lines),
            TokenTree::Literal(literal) if is_text(&literal, text) => {
                lines.extend(literal.span().start().line..=literal.span().end().line);
            }
            _ => {}
        }
    }
}

/// Tables and code in fences may be as wide as they are: a row cannot be wrapped.
fn check_document_columns(path: &str, text: &str) -> Vec<Wrong> {
    let mut free = BTreeSet::new();
    let mut in_fence = false;
    for (number, line) in (1..).zip(text.lines().map(str::trim_start)) {
        let is_fence = line.starts_with("```");
        in_fence ^= is_fence;
        if in_fence || is_fence || line.starts_with('|') {
            free.insert(number);
        }
    }
    let may = |line: usize| free.contains(&line);
    check_columns(path, text, DOCUMENT_COLUMNS_MAX, may)
}

#[test]
fn files_are_small() {
    let sources = rust_files().into_iter();
    let rust = sources.filter_map(|(path, text)| check_rust_lines(&path, &text));
    let scripts = files("lua", "lua").into_iter();
    let lua = scripts.filter_map(|(p, t)| check_lines(&p, t.lines().count(), LUA_LINES_MAX));
    let readme = read("README.md").lines().count();
    let readme = check_lines("README.md", readme, README_LINES_MAX);
    let wrong: Vec<Wrong> = rust.chain(lua).chain(readme).collect();
    assert_tidy(&except_known(&wrong, "KNOWN_LARGE", &KNOWN_LARGE));
}

#[test]
fn lines_are_narrow() {
    let rust = rust_files().into_iter();
    let rust = rust.flat_map(|(path, text)| check_rust_columns(&path, &text));
    let lua = files("lua", "lua").into_iter();
    let lua = lua.flat_map(|(p, t)| check_columns(&p, &t, CODE_COLUMNS_MAX, |_| false));
    let documents = documents().into_iter();
    let documents = documents.flat_map(|(path, text)| check_document_columns(&path, &text));
    let wrong: Vec<Wrong> = rust.chain(lua).chain(documents).collect();
    assert_tidy(&except_known(&wrong, "KNOWN_WIDE", &KNOWN_WIDE));
}

#[test]
fn control_lines() {
    let tests = "impl A {\n    #[cfg(test)]\n    fn f() {\n    }\n}\n".repeat(9);
    let large = |lines: usize| format!("//! Doc.\n{tests}{}", "// x\n".repeat(lines));
    for (path, lines, max) in [
        ("src/x.rs", 18, SOURCE_LINES_MAX - 1),
        ("src/x/tests.rs", 45, TEST_LINES_MAX - 1),
        ("tests/x.rs", 45, TEST_LINES_MAX - 1),
    ] {
        let wrong = |lines: usize| check_rust_lines(path, &large(lines)).is_some();
        assert_eq!(
            (wrong(max - lines), wrong(max - lines + 1)),
            (false, true),
            "{path}"
        );
    }
    assert!(check_lines("lua/x.lua", LUA_LINES_MAX + 1, LUA_LINES_MAX).is_some());
}

#[test]
fn control_columns() {
    let wide = "x".repeat(CODE_COLUMNS_MAX);
    for (text, found) in [
        (format!("// {wide}\n"), 1),
        (format!("/// a \"quoted\" word {wide}\nfn f() {{}}\n"), 1),
        (format!("let x = {wide};\n"), 1),
        (format!("let x = '\"'; // {wide}\n"), 1),
        (format!("let x = \"{wide}\";\n"), 0),
        (format!("let x = r\"\n{wide}---\n\";\n"), 0),
    ] {
        assert_eq!(check_rust_columns("src/x.rs", &text).len(), found, "{text}");
    }
    let lua = format!("-- {wide}\nlocal x = \"{wide}\"\n");
    let wrong = check_columns("lua/x.lua", &lua, CODE_COLUMNS_MAX, |_| false);
    assert_eq!(wrong.len(), 2);
    let wide = "x ".repeat(DOCUMENT_COLUMNS_MAX);
    let document = format!("{wide}\n| {wide} |\n```\n{wide}\n```\n- {wide}\n");
    assert_eq!(check_document_columns("README.md", &document).len(), 2);
}
