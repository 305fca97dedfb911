//! Rust files as tokens. Comments and texts in quotes are no code; what a macro is given is code.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, Group, Ident, Literal, TokenStream, TokenTree};
use syn::{ItemUse, UseTree};

/// A path that the code names, with groups taken apart: `use a::{b, c::d}` names two. A path that
/// starts with an imported name is written out: after `use a::b`, `b::c` is `a::b::c`.
#[derive(Debug)]
pub struct Named {
    pub line: usize,
    /// In a `use`, where a single part is a path, too.
    pub used: bool,
    pub parts: Vec<String>,
    /// The name that a `use` gives to it.
    alias: Option<String>,
}

impl Named {
    fn imported(stem: &[String], name: &Ident, alias: &Ident) -> Self {
        let mut parts = stem.to_vec();
        if name != "self" {
            parts.push(name.to_string());
        }
        let alias = Some(alias.to_string()).filter(|alias| alias != "self");
        Self {
            line: name.span().start().line,
            used: true,
            alias: alias.or_else(|| parts.last().cloned()),
            parts,
        }
    }

    /// True when these parts are in it, side by side.
    pub fn has(&self, parts: &[&str]) -> bool {
        self.parts.windows(parts.len()).any(|own| own == parts)
    }

    /// The crate or module that it starts from; `None` for a plain name, which may be anything.
    pub fn start(&self) -> Option<&str> {
        let first = self.parts.first()?;
        (self.used || self.parts.len() > 1).then_some(first)
    }

    /// Says the same from outside the `mod name { … }` that it is in.
    fn leave_module(&mut self) {
        if self.parts[0] == "super" {
            "self".clone_into(&mut self.parts[0]);
        }
    }

    /// Writes the first part out when it is an imported name.
    fn write_out(&mut self, imports: &Imports) {
        // An import may start with another one; three in a row are more than anybody writes.
        for _ in 0..3 {
            let import = self.start().and_then(|first| imports.get(first));
            let Some(import) = import.filter(|import| import[0] != self.parts[0]) else {
                break;
            };
            self.parts.splice(..1, import.iter().cloned());
        }
    }
}

/// What the names that a file imports stand for.
pub type Imports = BTreeMap<String, Vec<String>>;

pub fn tokens(path: &str, text: &str) -> TokenStream {
    text.parse()
        .unwrap_or_else(|error| panic!("{path} is not Rust: {error}"))
}

/// The tokens without those of items with `#[cfg(test)]`, and the number of lines of such items.
pub fn production(tokens: TokenStream) -> (TokenStream, usize) {
    let (mut kept, mut test_lines) = (Vec::new(), 0);
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        match token {
            TokenTree::Punct(_) if is_sign(&token, '#') && rest.peek().is_some_and(says_test) => {
                let end = rest.find(|t| is_sign(t, ';') || is_group(t, Delimiter::Brace));
                let end = end.map_or(token.span(), |end| end.span());
                test_lines += end.end().line + 1 - token.span().start().line;
            }
            TokenTree::Group(group) => {
                let (stream, lines) = production(group.stream());
                let mut kept_group = Group::new(group.delimiter(), stream);
                kept_group.set_span(group.span());
                kept.push(TokenTree::Group(kept_group));
                test_lines += lines;
            }
            other => kept.push(other),
        }
    }
    (kept.into_iter().collect(), test_lines)
}

fn says_test(attribute: &TokenTree) -> bool {
    attribute.to_string().replace(' ', "") == "[cfg(test)]"
}

pub fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

pub fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

fn word(token: Option<&TokenTree>) -> Option<String> {
    match token? {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    }
}

/// All paths in the code that is not for tests, and what its imports stand for.
pub fn paths(path: &str, text: &str) -> (Vec<Named>, Imports) {
    let mut found = Vec::new();
    collect(production(tokens(path, text)).0, &mut found);
    let imports = found.iter();
    let imports = imports.filter_map(|named| Some((named.alias.clone()?, named.parts.clone())));
    let imports = imports.collect();
    for named in &mut found {
        named.write_out(&imports);
    }
    (found, imports)
}

fn collect(tokens: TokenStream, found: &mut Vec<Named>) {
    let level: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < level.len() {
        at += match &level[at] {
            TokenTree::Ident(word) if word == "use" => import(&level[at..], found),
            TokenTree::Ident(_) => path_at(&level[at..], found),
            TokenTree::Group(group) => {
                let before = found.len();
                collect(group.stream(), found);
                if at > 1 && word(level.get(at - 2)).as_deref() == Some("mod") {
                    found[before..].iter_mut().for_each(Named::leave_module);
                }
                1
            }
            _ => 1,
        };
    }
}

/// Reads a `use`; returns how many tokens it has. `impl A + use<'_>` imports nothing.
fn import(tokens: &[TokenTree], found: &mut Vec<Named>) -> usize {
    let end = tokens.iter().position(|token| is_sign(token, ';'));
    let length = end.map_or(tokens.len(), |end| end + 1);
    match syn::parse2::<ItemUse>(tokens[..length].iter().cloned().collect()) {
        Ok(item) => {
            branch(&item.tree, &[], found);
            length
        }
        Err(_) => 1,
    }
}

/// Reads one branch of a `use`, below `stem`.
fn branch(tree: &UseTree, stem: &[String], found: &mut Vec<Named>) {
    let below = |name: String| [stem, &[name]].concat();
    match tree {
        UseTree::Path(path) => branch(&path.tree, &below(path.ident.to_string()), found),
        UseTree::Group(group) => {
            let items = group.items.iter();
            items.for_each(|item| branch(item, stem, found));
        }
        UseTree::Name(name) => found.push(Named::imported(stem, &name.ident, &name.ident)),
        UseTree::Rename(name) => found.push(Named::imported(stem, &name.ident, &name.rename)),
        UseTree::Glob(glob) => found.push(Named {
            line: glob.star_token.spans[0].start().line,
            used: true,
            parts: below("*".to_owned()),
            alias: None,
        }),
    }
}

/// Reads the path that the tokens start with; returns how many tokens it has.
fn path_at(tokens: &[TokenTree], found: &mut Vec<Named>) -> usize {
    let line = tokens[0].span().start().line;
    let mut parts = vec![tokens[0].to_string()];
    let mut length = 1;
    while let (Some(part), true) = (word(tokens.get(length + 2)), is_colons(&tokens[length..])) {
        parts.push(part);
        length += 3;
    }
    found.push(Named {
        line,
        used: false,
        parts,
        alias: None,
    });
    length
}

/// True when the tokens start with `::`.
fn is_colons(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first, second, ..] if is_sign(first, ':') && is_sign(second, ':'))
}

/// True for a text in quotes, not for a number, a character or a doc comment.
pub fn is_text(literal: &Literal, file: &str) -> bool {
    let written = &file[literal.span().byte_range()];
    let quoted = written.trim_start_matches(['b', 'c', 'r', '#']);
    quoted.starts_with('"')
}
