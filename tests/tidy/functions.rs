//! Functions are small, wherever they stand: methods, functions inside functions, tests inside a
//! macro. Outside `src/`, tables do not count: a list of cases is one piece, however long.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::rust::{is_group, is_sign, tokens};
use crate::{Wrong, assert_tidy, rust_files};

const FUNCTION_LINES_MAX: usize = 70;
/// Macros whose arguments are a table, as those of an array are.
const TABLES: [&str; 4] = ["case", "cases", "json", "vec"];

pub struct Function {
    pub name: String,
    line: usize,
    lines: usize,
    /// Those of its lines that only hold rows of a table.
    table_lines: usize,
}

/// All functions in these tokens.
pub fn functions(tokens: TokenStream) -> Vec<Function> {
    let level: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    for (at, token) in level.iter().enumerate() {
        match token {
            TokenTree::Group(group) => found.extend(functions(group.stream())),
            TokenTree::Ident(word) if word == "fn" => found.extend(function(&level[at..])),
            _ => {}
        }
    }
    found
}

/// The function that these tokens start with; `None` for a type (`fn()`) or one without a body.
fn function(tokens: &[TokenTree]) -> Option<Function> {
    let name = tokens.get(1)?;
    if is_group(name, Delimiter::Parenthesis) {
        return None;
    }
    let ends = |t: &TokenTree| is_sign(t, ';') || is_group(t, Delimiter::Brace);
    let TokenTree::Group(body) = tokens.iter().find(|token| ends(token))? else {
        return None;
    };
    let line = tokens[0].span().start().line;
    let mut table_lines = BTreeSet::new();
    tables(body.stream(), &mut table_lines);
    Some(Function {
        name: name.to_string(),
        line,
        lines: body.span().end().line + 1 - line,
        table_lines: table_lines.len(),
    })
}

/// Collects the lines of tables: arrays and the like without statements, and texts of many lines.
fn tables(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    let level: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in level.iter().enumerate() {
        let (first, last) = (token.span().start().line, token.span().end().line);
        match token {
            TokenTree::Group(group) if is_table(&level[..at], group) => {
                lines.extend(first + 1..last);
            }
            TokenTree::Group(group) => tables(group.stream(), lines),
            TokenTree::Literal(_) => lines.extend(first + 1..=last),
            _ => {}
        }
    }
}

fn is_table(before: &[TokenTree], group: &Group) -> bool {
    let is_array = group.delimiter() == Delimiter::Bracket
        && !before.last().is_some_and(|token| is_sign(token, '#'));
    let of_macro = match before {
        [.., name, mark] => is_sign(mark, '!') && TABLES.contains(&name.to_string().as_str()),
        _ => false,
    };
    (is_array || of_macro) && !has_statement(group)
}

fn has_statement(group: &Group) -> bool {
    group.stream().into_iter().any(|token| match token {
        TokenTree::Group(inner) => has_statement(&inner),
        token => is_sign(&token, ';') && group.delimiter() == Delimiter::Brace,
    })
}

fn check_functions(path: &str, text: &str) -> Vec<Wrong> {
    let functions = functions(tokens(path, text)).into_iter();
    let in_src = path.starts_with("src/");
    let wrong = functions.filter_map(|function| {
        let free = if in_src { 0 } else { function.table_lines };
        let (name, line, lines) = (&function.name, function.line, function.lines - free);
        let how = format!("{path}:{line}: {name} has {lines} lines, at most {FUNCTION_LINES_MAX}");
        (lines > FUNCTION_LINES_MAX).then(|| Wrong::new(format!("{path}: {name}"), how))
    });
    wrong.collect()
}

#[test]
fn functions_are_small() {
    let sources = rust_files().into_iter();
    let wrong: Vec<Wrong> = sources.flat_map(|(p, t)| check_functions(&p, &t)).collect();
    let wrong: Vec<String> = wrong.into_iter().map(|wrong| wrong.how).collect();
    assert_tidy(&wrong);
}

#[test]
fn control_functions() {
    let lines = |line: &str| line.repeat(FUNCTION_LINES_MAX);
    let long = format!("{{\n{}}}", lines("    x();\n"));
    for (start, end) in [
        ("fn f() ", ""),
        ("pub(super) async fn f() ", ""),
        ("pub const fn f() -> [u8; 3] ", ""),
        ("unsafe extern \"C\" fn f() ", ""),
        (
            "impl A { pub(in crate::a) const fn f<T>() where T: B, ",
            " }",
        ),
        ("trait A { fn g(); fn f() ", " }"),
        ("mod a { fn f() ", " }"),
        ("fn g(h: fn() -> u8) { fn f() ", " }"),
        ("proptest! { #[test] fn f(x in 0..9) ", " }"),
        ("macro_rules! m { ($f:ident) => { fn $f() ", " } }"),
    ] {
        let text = format!("{start}{long}{end}");
        let wrong = check_functions("tests/x.rs", &text);
        let inner = wrong.iter().filter(|wrong| !wrong.thing.ends_with(": g"));
        assert_eq!(inner.count(), 1, "{start}");
    }
    for (start, row, end, found) in [
        ("let x = [", "(1, \"a\"),\n", "];", 0),
        ("let x = vec![", "json!({}),\n", "];", 0),
        ("let x = [", "A { b: [0; 2] },\n", "];", 0),
        ("case!(", "a => b,\n", ");", 0),
        ("let x = r#\"", "PUT /a {} 409\n", "\"#;", 0),
        ("let x = [", "|| { f(); },\n", "];", 1),
        ("let x = f(", "1,\n", ");", 1),
    ] {
        let text = format!("fn f() {{\n{start}\n{}{end}\n}}", lines(row));
        let wrong = check_functions("tests/x.rs", &text);
        assert_eq!(wrong.len(), found, "{start} {row}");
        assert_eq!(check_functions("src/x.rs", &text).len(), 1, "{start} {row}");
    }
    let short = long.replacen("    x();\n", "", 2);
    assert!(check_functions("src/x.rs", &format!("fn f() {short}")).is_empty());
}
