//! The laws of the code, as a test that needs no Redis: layers, who may name what, module docs,
//! script headers against what the scripts really use, sizes. A rule that no program checks is a
//! wish. The last tests are the controls: each law convicts a small piece of code that breaks it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the bottom up; one may use those below it. Equal ranks do not use each other.
const RANKS: [(&str, u8); 21] = [
    ("domain", 0),
    ("failure", 1),
    ("error", 2),
    ("config", 3),
    ("metrics", 3),
    ("readings", 3),
    ("private_redis", 4),
    ("store", 5),
    ("admission", 6),
    ("catalogue", 6),
    ("expirer", 6),
    ("memory", 6),
    ("operation", 6),
    ("readiness", 6),
    ("relay", 6),
    ("figures", 7),
    ("wechat", 7),
    ("http", 8),
    ("cli", 8),
    ("app", 9),
    ("main", 10),
];
/// Who alone may name a crate, wherever a path starts with it.
const CRATE_OWNERS: [(&str, &[&str]); 7] = [
    ("redis", &["store"]),
    ("deadpool", &["store"]),
    ("actix_web", &["http"]),
    ("askama", &["http"]),
    ("qrcode", &["http"]),
    ("reqwest", &["relay"]),
    ("clap", &["cli", "main"]),
];
/// Who alone may name these, wherever they are in a path.
const NAME_OWNERS: [(&[&str], &[&str]); 4] = [
    (&["env", "var"], &["config"]),
    // The private Redis looks for its program on PATH, which is no setting of ours.
    (&["env", "var_os"], &["config", "private_redis"]),
    (&["env", "vars"], &["config"]),
    (&["StatusCode"], &["http"]),
];
/// Names that say nothing about what is inside.
const DRAWERS: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];
const LINE_COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const LUA_LINES_MAX: usize = 200;
const README_LINES_MAX: usize = 200;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` with this ending, as paths from the root, with their texts.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                let name = path.strip_prefix(root()).expect("below the root");
                let text = fs::read_to_string(&path).expect("UTF-8");
                found.push((name.display().to_string(), text));
            }
        }
    }
    assert!(!found.is_empty(), "no *.{ending} in {folder}");
    found.sort();
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

/// The module of a path: `src/store/keys.rs` is in `store`.
fn module(path: &str) -> &str {
    let below = path.strip_prefix("src/").unwrap_or(path);
    below.split(['/', '.']).next().unwrap_or_default()
}

fn rank(module: &str) -> Option<u8> {
    RANKS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|&(_, rank)| rank)
}

/// The text without its unit tests.
fn production(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or(text)
}

/// A word, `::`, or any other single character, and the line that it is in.
struct Token<'a> {
    line: usize,
    text: &'a str,
}

/// The code of a text: comments and texts in quotes are left out.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(char) = rest.chars().next() {
        let length = match skipped(rest) {
            0 if is_word(char) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            0 if rest.starts_with("::") => 2,
            0 => char.len_utf8(),
            skipped => skipped,
        };
        let (piece, after) = rest.split_at(length);
        if skipped(rest) == 0 && !char.is_whitespace() {
            tokens.push(Token { line, text: piece });
        }
        line += piece.matches('\n').count();
        rest = after;
    }
    tokens
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Bytes at the start that are no code: a comment, a text in quotes, a character.
fn skipped(rest: &str) -> usize {
    let until = |end: &str, from: usize| {
        let found = rest[from..].find(end);
        found.map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return until("\n", 2);
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    if let Some(raw) = rest.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            return until(&format!("\"{}", "#".repeat(hashes)), hashes + 2);
        }
    }
    if rest.starts_with('"') {
        return quoted(rest);
    }
    let mut chars = rest.char_indices().skip(1);
    match (rest.starts_with('\''), chars.next(), chars.next()) {
        (true, Some((_, '\\')), Some((at, escaped))) => until("'", at + escaped.len_utf8()),
        (true, Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// Bytes of the text in quotes at the start.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|&(_, char)| {
        let ends = char == '"' && !escaped;
        escaped = char == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

/// A path that the code names, with groups taken apart: `use a::{b, c::d}` names two.
struct Named<'a> {
    line: usize,
    /// In a `use`, where a single part is a path, too.
    used: bool,
    parts: Vec<&'a str>,
}

impl Named<'_> {
    /// True when these parts are in it, side by side.
    fn has(&self, parts: &[&str]) -> bool {
        self.parts.windows(parts.len()).any(|own| own == parts)
    }

    /// The crate or module that it starts from; `None` for a plain name, which may be anything.
    fn start(&self) -> Option<&str> {
        let first = self.parts.first()?;
        (self.used || self.parts.len() > 1).then_some(first)
    }
}

/// All paths in the code.
fn named(text: &str) -> Vec<Named<'_>> {
    let mut found = Vec::new();
    let tokens = tokens(text);
    let word = |at: usize| {
        let token = tokens.get(at).map_or("", |token| token.text);
        token.starts_with(is_word).then_some(token)
    };
    let mut at = 0;
    while at < tokens.len() {
        let text = tokens[at].text;
        // `impl A + use<'_>` declares nothing.
        if text == "use" && tokens.get(at + 1).is_some_and(|next| next.text != "<") {
            at = use_tree(&tokens, at + 1, &[], &mut found);
        } else if let Some(first) = word(at) {
            let line = tokens[at].line;
            let mut parts = vec![first];
            while let (Some("::"), Some(part)) = (tokens.get(at + 1).map(|t| t.text), word(at + 2))
            {
                parts.push(part);
                at += 2;
            }
            let used = false;
            found.push(Named { line, used, parts });
            at += 1;
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one branch of a `use`, below `stem`; gives back where it ended.
fn use_tree<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    stem: &[&'a str],
    found: &mut Vec<Named<'a>>,
) -> usize {
    let mut parts = stem.to_vec();
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.text {
            "::" => continue,
            "{" => {
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    let comma = tokens[at].text == ",";
                    at = if comma {
                        at + 1
                    } else {
                        use_tree(tokens, at, &parts, found)
                    };
                }
                return at + 1;
            }
            part => parts.push(part),
        }
        let next = tokens.get(at).map(|token| token.text);
        if next != Some("::") {
            let (line, used) = (token.line, true);
            found.push(Named { line, used, parts });
            let renamed = next == Some("as");
            return if renamed { at + 2 } else { at };
        }
    }
    at
}

/// True for the file in which a module of the crate's root starts: its `super` is the root.
fn starts_module(path: &str) -> bool {
    path.ends_with("/mod.rs") && path.matches('/').count() == 2 || path.matches('/').count() == 1
}

/// The module below the crate's root that a path names, if it names one: `*` is all of them.
fn module_named<'a>(path: &str, named: &Named<'a>) -> Option<&'a str> {
    let mut parts = named
        .parts
        .iter()
        .copied()
        .skip_while(|part| *part == "self");
    let from_root = match parts.next()? {
        "crate" | "seckill" => true,
        "super" => starts_module(path),
        _ => false,
    };
    match parts.next() {
        Some(module) => from_root.then_some(module),
        // `use crate as other` would hide what follows.
        None => (from_root && named.used).then_some("*"),
    }
}

fn check_layers(path: &str, text: &str) -> Vec<String> {
    let own = module(path);
    if own == "lib" {
        return Vec::new();
    }
    let Some(own_rank) = rank(own) else {
        return vec![format!("{path}: the module {own} has no rank")];
    };
    let mut wrong = Vec::new();
    for named in named(text) {
        let at = format!("{path}:{}", named.line);
        if named.has(&["super", "super"]) {
            wrong.push(format!("{at}: say `crate::`, not `super::super`"));
        }
        let Some(used) = module_named(path, &named) else {
            continue;
        };
        let allowed = used == own || rank(used).is_some_and(|rank| rank < own_rank);
        if (rank(used).is_some() || ["*", "self"].contains(&used)) && !allowed {
            wrong.push(format!("{at}: {own} must not use {used}"));
        }
    }
    wrong
}

fn check_owners(path: &str, text: &str) -> Vec<String> {
    let own = module(path);
    let mut wrong = Vec::new();
    for named in named(text) {
        let crates = CRATE_OWNERS.iter();
        let crates = crates.filter(|(name, _)| named.start() == Some(name));
        let names = NAME_OWNERS.iter().filter(|(parts, _)| named.has(parts));
        let owners = crates.map(|(_, owners)| owners);
        for owners in owners.chain(names.map(|(_, owners)| owners)) {
            if !owners.contains(&own) {
                let name = named.parts.join("::");
                wrong.push(format!(
                    "{path}:{}: only {owners:?} may name {name}",
                    named.line
                ));
            }
        }
    }
    wrong
}

/// Crates that the manifest names, as code names them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        if let (true, Some((name, _))) =
            (section.ends_with("dependencies]"), line.split_once(" = "))
        {
            names.insert(name.replace('-', "_"));
        }
    }
    names
}

/// The domain is pure: nothing but the standard library, no clock, no I/O.
fn check_domain(path: &str, text: &str, dependencies: &BTreeSet<String>) -> Vec<String> {
    let impure: [&[&str]; 7] = [
        &["std", "time"],
        &["std", "fs"],
        &["std", "net"],
        &["std", "env"],
        &["std", "process"],
        &["SystemTime"],
        &["Instant", "now"],
    ];
    let mut wrong = Vec::new();
    for named in named(production(text)) {
        let start = named.start().unwrap_or_default();
        let own = ["std", "core", "self", "super", "crate"].contains(&start);
        let foreign = (named.used && !own) || dependencies.contains(start);
        if foreign || impure.iter().any(|parts| named.has(parts)) {
            let name = named.parts.join("::");
            wrong.push(format!("{path}:{}: the domain is pure: {name}", named.line));
        }
    }
    wrong
}

fn check_shape(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if !text.starts_with("//! ") {
        wrong.push(format!("{path}: starts without a module doc (`//! ...`)"));
    }
    let name = Path::new(path)
        .file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if DRAWERS.contains(&name) {
        wrong.push(format!("{path}: a drawer, not a module"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        // Texts in quotes may be as long as they are: answers are compared as whole bytes.
        if line.chars().count() > LINE_COLUMNS_MAX && !line.contains('"') {
            wrong.push(format!(
                "{path}:{number}: longer than {LINE_COLUMNS_MAX} columns"
            ));
        }
    }
    wrong
}

fn check_size(path: &str, text: &str) -> Vec<String> {
    let lines = production(text).lines().count();
    let mut wrong = check_functions(path, text);
    if lines > FILE_LINES_MAX {
        wrong.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
    }
    wrong
}

/// Functions end at the first line that closes with their own indentation: rustfmt sees to that.
fn check_functions(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (start, line) in lines.iter().enumerate() {
        let starts = [
            "fn ",
            "pub fn ",
            "async fn ",
            "pub async fn ",
            "pub(super) fn ",
        ];
        let code = line.trim_start();
        if !starts.iter().any(|start| code.starts_with(start)) {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let end = lines[start..]
            .iter()
            .position(|line| *line == format!("{indent}}}"));
        let length = end.map_or(1, |end| end + 1);
        if length > FUNCTION_LINES_MAX {
            wrong.push(format!(
                "{path}:{}: a function of {length} lines",
                start + 1
            ));
        }
    }
    wrong
}

/// What the head of a script promises.
struct Header<'a> {
    keys: BTreeSet<String>,
    args: BTreeSet<String>,
    flags: &'a str,
    uses: Vec<&'a str>,
    text: String,
}

fn header(text: &str) -> Header<'_> {
    let lines: Vec<&str> = text
        .lines()
        .take_while(|line| line.starts_with("--"))
        .collect();
    let documented = |kind: &str| {
        let starts = format!("-- {kind}[");
        let found = lines.iter().filter_map(|line| line.strip_prefix(&starts));
        found
            .filter_map(|rest| rest.split(']').next())
            .map(str::to_owned)
            .collect()
    };
    let line = |name: &str| {
        lines
            .iter()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or("")
    };
    let flags = line("-- Flags: ")
        .split([',', ';', '.'])
        .next()
        .unwrap_or_default();
    let uses = line("-- Uses: ")
        .split(", ")
        .filter_map(|part| part.strip_prefix("lib/"));
    Header {
        keys: documented("KEYS"),
        args: documented("ARGV"),
        flags,
        uses: uses.collect(),
        text: lines.join("\n"),
    }
}

/// Words in double quotes that a script may return.
fn returned_words(body: &str) -> BTreeSet<&str> {
    let mut words = BTreeSet::new();
    let starts = [
        "return \"",
        "answer = \"",
        "closed = \"",
        "all(\"",
        "unchanged(\"",
        "{ \"",
        " or \"",
        " and \"",
    ];
    for start in starts {
        for (at, _) in body.match_indices(start) {
            let rest = &body[at + start.len()..];
            let word = rest.split('"').next().unwrap_or_default();
            if word.contains('_') || word.chars().all(|c| c.is_ascii_lowercase()) {
                words.insert(word);
            }
        }
    }
    words
}

/// A part of the scripts' library and the functions that it defines.
struct Part {
    name: String,
    functions: Vec<String>,
    text: String,
}

impl Part {
    fn new(path: &str, text: &str) -> Self {
        let name = Path::new(path).file_stem().and_then(|name| name.to_str());
        let starts = text
            .lines()
            .filter_map(|line| line.strip_prefix("local function "));
        let functions = starts.filter_map(|rest| rest.split('(').next());
        Self {
            name: name.unwrap_or_default().to_owned(),
            functions: functions.map(str::to_owned).collect(),
            text: text.to_owned(),
        }
    }

    /// A function of this part that `text` calls.
    fn called_in(&self, text: &str) -> Option<&str> {
        let functions = self.functions.iter().map(String::as_str);
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let called = |name: &str| {
            text.match_indices(&format!("{name}("))
                .any(|(at, _)| !text[..at].ends_with(word))
        };
        functions.into_iter().find(|name| called(name))
    }
}

/// The library must be used as the header says, by the script or by another part that it uses.
fn check_uses(body: &str, uses: &[&str], library: &[Part]) -> Vec<String> {
    let used: Vec<&Part> = library
        .iter()
        .filter(|p| uses.contains(&p.name.as_str()))
        .collect();
    let mut wrong = Vec::new();
    for part in library {
        let others = used.iter().filter(|other| other.name != part.name);
        let texts = others.map(|other| other.text.as_str()).chain([body]);
        let called = texts.into_iter().find_map(|text| part.called_in(text));
        match (called, uses.contains(&part.name.as_str())) {
            (Some(call), false) => wrong.push(format!("calls {call} without lib/{}", part.name)),
            (None, true) => wrong.push(format!("lib/{} is not used", part.name)),
            _ => {}
        }
    }
    wrong
}

fn check_script(path: &str, text: &str, bindings: &str, library: &[Part]) -> Vec<String> {
    let name = Path::new(path)
        .file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let header = header(text);
    let body = &text[header.text.len()..];
    let mut wrong = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!("{path}: {what}"));
        }
    };
    expect(
        header.text.starts_with(&format!("-- {name}: ")),
        "does not start with its name".into(),
    );
    for part in ["-- Returns ", "-- Writes ", "-- Flags: ", "-- Uses: "] {
        expect(header.text.contains(part), format!("has no line `{part}`"));
    }
    for (kind, documented) in [("KEYS", &header.keys), ("ARGV", &header.args)] {
        for number in documented.iter().filter(|n| n.parse::<u32>().is_ok()) {
            let used = body.contains(&format!("{kind}[{number}]")) || body.contains("#ARGV");
            expect(used, format!("{kind}[{number}] is documented and not used"));
        }
        for (at, start) in body.match_indices(&format!("{kind}[")) {
            let index = body[at + start.len()..]
                .split(']')
                .next()
                .unwrap_or_default();
            // An index that is worked out belongs to what is documented as a range.
            let repeated = documented.iter().any(|range| range.ends_with("..."));
            let known = documented.contains(index) || repeated;
            expect(known, format!("{kind}[{index}] is used and not documented"));
        }
    }
    expect(
        ["#KEYS ~=", "#KEYS <", "(#KEYS - "]
            .iter()
            .any(|check| body.contains(check)),
        "does not check how many keys it got".into(),
    );
    for call in [
        "\"TIME\"",
        "math.random",
        "\"KEYS\"",
        "\"SCAN\"",
        "loadstring",
    ] {
        expect(!body.contains(call), format!("calls {call}"));
    }
    for what in check_uses(body, &header.uses, library) {
        expect(false, what);
    }
    // The part says what the word means.
    let guard = "if came_late() then return \"late\" end\n";
    let body = body.trim_start();
    let has_deadline = header.uses.contains(&"deadline");
    expect(
        body.starts_with(guard) == has_deadline,
        "looks at its deadline elsewhere than at its start".into(),
    );
    for word in returned_words(body.trim_start_matches(guard)) {
        let documented = header
            .text
            .split(|c: char| !c.is_alphanumeric() && c != '_');
        expect(
            documented.into_iter().any(|w| w == word),
            format!("returns {word}, undocumented"),
        );
    }
    let flags = if header.flags == "none" {
        String::new()
    } else {
        format!(" flags={}", header.flags)
    };
    let uses: Vec<String> = header
        .uses
        .iter()
        .map(|part| format!("\"{part}\""))
        .collect();
    let binding = format!(
        "script!(\"{name}\",flags:\"{flags}\",uses:[{}])",
        uses.join(",")
    );
    let squeezed: String = bindings
        .replace(", ", ",")
        .replace(": ", ":")
        .replace("!( ", "!(")
        .replace(" )", ")");
    expect(
        squeezed.contains(&binding),
        format!("is not bound as {binding}"),
    );
    let lines = text.lines().count();
    expect(
        lines <= LUA_LINES_MAX,
        format!("{lines} lines, at most {LUA_LINES_MAX}"),
    );
    wrong
}

fn check_dependencies(manifest: &str) -> Vec<String> {
    let mut section = "";
    let mut wrong = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let dependency = section.ends_with("dependencies]") && line.contains(" = ");
        let why = line.split_once('#').map_or("", |(_, why)| why.trim());
        if dependency && why.len() <= 5 {
            wrong.push(format!("Cargo.toml: no reason for {line}"));
        }
    }
    wrong
}

fn assert_tidy(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn layers_point_downwards() {
    let wrong = files("src", "rs")
        .into_iter()
        .flat_map(|(p, t)| check_layers(&p, production(&t)));
    assert_tidy(&wrong.collect::<Vec<_>>());
}

#[test]
fn crates_are_named_by_their_owners_only() {
    let wrong = files("src", "rs")
        .into_iter()
        .flat_map(|(p, t)| check_owners(&p, production(&t)));
    assert_tidy(&wrong.collect::<Vec<_>>());
}

#[test]
fn the_domain_is_pure() {
    let dependencies = dependencies(&read("Cargo.toml"));
    let wrong = files("src/domain", "rs")
        .into_iter()
        .flat_map(|(p, t)| check_domain(&p, &t, &dependencies));
    assert_tidy(&wrong.collect::<Vec<_>>());
}

#[test]
fn modules_are_documented() {
    let sources = files("src", "rs").into_iter().chain(files("tests", "rs"));
    let wrong = sources.flat_map(|(path, text)| check_shape(&path, &text));
    assert_tidy(&wrong.collect::<Vec<_>>());
}

/// Tests are exempt: a law or a table of cases is one piece, however long.
#[test]
fn modules_and_functions_are_small() {
    let sources = files("src", "rs").into_iter();
    let wrong = sources.flat_map(|(path, text)| check_size(&path, &text));
    assert_tidy(&wrong.collect::<Vec<_>>());
}

#[test]
fn script_headers_are_true() {
    let bindings: String = read("src/store/script.rs")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let scripts = files("lua", "lua")
        .into_iter()
        .filter(|(path, _)| !path.contains("/lib/"));
    let library = files("lua/lib", "lua");
    let library: Vec<Part> = library.iter().map(|(p, t)| Part::new(p, t)).collect();
    let wrong = scripts.flat_map(|(path, text)| check_script(&path, &text, &bindings, &library));
    assert_tidy(&wrong.collect::<Vec<_>>());
}

#[test]
fn every_script_has_its_function_and_its_tests() {
    let store: String = files("src/store", "rs")
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    let mut wrong = Vec::new();
    for (path, _) in files("lua", "lua")
        .into_iter()
        .filter(|(path, _)| !path.contains("/lib/"))
    {
        let name = Path::new(&path)
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        if !store.contains(&format!("async fn {name}")) {
            wrong.push(format!("{path}: no function {name} in src/store"));
        }
        if !root()
            .join(format!("tests/suite/script/{name}.rs"))
            .exists()
        {
            wrong.push(format!("{path}: no tests/suite/script/{name}.rs"));
        }
    }
    assert_tidy(&wrong);
}

#[test]
fn every_dependency_has_its_reason() {
    assert_tidy(&check_dependencies(&read("Cargo.toml")));
}

#[test]
fn the_readme_is_short_and_has_every_answer() {
    let readme = read("README.md");
    assert!(
        readme.lines().count() <= README_LINES_MAX,
        "README.md is too long"
    );
    let codes = seckill::domain::purchase::outcome::Refusal::ALL.map(|refusal| refusal.code());
    let others = [
        "grabbed",
        "already_grabbed",
        "invalid_request",
        "busy",
        "unknown",
    ];
    for code in codes.iter().chain(&others) {
        assert!(
            readme.contains(&format!("`{code}`")),
            "README.md does not explain `{code}`"
        );
    }
}

#[test]
fn control_layers() {
    for (path, code) in [
        ("src/store/x.rs", "use crate::http::respond::answer;\n"),
        ("src/cli/x.rs", "fn f() { crate::http::serve() }\n"),
        ("src/magic/x.rs", ""),
        ("src/store/x.rs", "use crate::{domain::ids, error, http};\n"),
        (
            "src/store/x.rs",
            "use crate::{\n    domain::{self, sale::*},\n    app,\n};\n",
        ),
        ("src/store/x.rs", "use {crate::domain, crate::http as h};\n"),
        ("src/store/x.rs", "pub(super) use crate::admission;\n"),
        ("src/store/x.rs", "use crate::*;\n"),
        ("src/store/x.rs", "use crate as all;\n"),
        ("src/store/x.rs", "use crate::{self as all};\n"),
        ("src/store/x.rs", "use super::super::http;\n"),
        ("src/store/x.rs", "fn f() { super::super::http::serve() }\n"),
        ("src/store/x.rs", "use super::{keys, super::http};\n"),
        (
            "src/store/x.rs",
            "fn f(x: &'static str) { let q = '\"'; crate::http::serve(q) }\n",
        ),
        ("src/store/mod.rs", "use super::http;\n"),
        ("src/metrics.rs", "use super::{domain, http};\n"),
        (
            "src/main.rs",
            "use seckill::{app, main};\nuse seckill::*;\n",
        ),
    ] {
        let wrong = check_layers(path, code);
        assert_eq!(wrong.len(), 1, "{path}: {code}: {wrong:?}");
    }
    for (path, code) in [
        (
            "src/http/x.rs",
            "use crate::{error::Error, store::Store};\n// crate::app\n",
        ),
        (
            "src/store/x.rs",
            "/* crate::http */ use super::keys; use self::http;\n",
        ),
        (
            "src/store/x.rs",
            "let x = (\"crate::http\", r#\"a\" crate::http\"#, '\\'');\n",
        ),
        ("src/store/sales/mod.rs", "use super::server;\n"),
        (
            "src/app/mod.rs",
            "fn f() -> impl A + use<> { crate::http::serve() }\n",
        ),
    ] {
        assert_eq!(check_layers(path, code), [""; 0], "{path}: {code}");
    }
}

#[test]
fn control_owners() {
    for (path, code) in [
        ("src/http/x.rs", "use redis::Cmd;\n"),
        ("src/http/x.rs", "use redis;\n"),
        ("src/http/x.rs", "use ::redis::Cmd;\n"),
        ("src/http/x.rs", "fn f() { ::redis::cmd(); }\n"),
        ("src/http/x.rs", "use {redis as r, std::fmt};\n"),
        ("src/cli/x.rs", "fn f(x: actix_web::HttpResponse) {}\n"),
        ("src/http/x.rs", "#[derive(clap::Args)]\nstruct A;\n"),
        ("src/store/x.rs", "let s = StatusCode::OK;\n"),
        ("src/store/x.rs", "let s = ::std::env::var(\"A\");\n"),
        ("src/store/x.rs", "let s = std::env::var(\"A\");\n"),
        ("src/http/x.rs", "let s = env::var_os(\"A\");\n"),
        ("src/store/x.rs", "use std::{env::{self, vars}, fmt};\n"),
    ] {
        let wrong = check_owners(path, code);
        assert_eq!(wrong.len(), 1, "{path}: {code}: {wrong:?}");
    }
    for code in [
        "// redis::\nlet x = config.redis.url;\n",
        "let redis = \"redis::Cmd\";\n",
        "use crate::config::redis;\n",
        "let folder = std::env::temp_dir();\n",
    ] {
        assert_eq!(check_owners("src/http/x.rs", code), [""; 0], "{code}");
    }
}

#[test]
fn control_domain_and_shape() {
    let dependencies = dependencies("[dependencies]\nserde = \"1\"\ntokio-util = \"1\"\n");
    for impure in [
        "use serde::Serialize;\n",
        "use ::serde::Serialize;\n",
        "#[derive(serde::Serialize)]\nstruct A;\n",
        "fn f() { tokio_util::f() }\n",
        "use std::{fmt, time::Instant};\n",
        "let now = std::time::SystemTime::now();\n",
        "let now = SystemTime::UNIX_EPOCH;\n",
    ] {
        let wrong = check_domain("src/domain/x.rs", impure, &dependencies);
        assert_eq!(wrong.len(), 1, "{impure}: {wrong:?}");
    }
    let long_line = format!("//! Doc.\n// {}\n", "x".repeat(100));
    for (path, text) in [
        ("src/x.rs", "fn f() {}\n"),
        ("src/util.rs", "//! Doc.\n"),
        ("src/x.rs", &long_line),
    ] {
        assert_eq!(check_shape(path, text).len(), 1, "{path}: {text}");
    }
    let long_file = format!("//! Doc.\n{}", "// x\n".repeat(400));
    let long_function = format!("//! Doc.\nfn f() {{\n{}}}\n", "    x();\n".repeat(70));
    for text in [long_file, long_function] {
        assert_eq!(check_size("src/x.rs", &text).len(), 1, "{text}");
    }
}

#[test]
fn control_scripts_and_dependencies() {
    let good = "-- x: does.\n--\n-- KEYS[1] sale [hash] it\n--\n-- Returns done\n-- Writes it.\n\
                -- Flags: none.\n-- Uses: lib/clock\n\nlocal sale = KEYS[1]\n\
                if #KEYS ~= 1 then error() end\nnow_ms()\nreturn \"done\"\n";
    let bindings = "script!(\"x\", flags: \"\", uses: [\"clock\"])";
    let library = [
        Part::new("lua/lib/clock.lua", "local function now_ms()\n"),
        Part::new("lua/lib/stock.lua", "local function stock_left(kind)\n"),
    ];
    assert_eq!(check_script("lua/x.lua", good, bindings, &library), [""; 0]);
    for (from, to) in [
        ("-- x: does", "-- y: does"),
        ("-- Returns", "-- Gives"),
        ("-- KEYS[1] sale", "-- KEYS[2] sale"),
        ("local sale = KEYS[1]", "local sale = KEYS[1] .. KEYS[2]"),
        ("local sale = KEYS[1]", "local sale = KEYS[1] .. ARGV[1]"),
        ("#KEYS ~= 1", "not KEYS[1]"),
        ("now_ms()", "now_ms() redis.call(\"TIME\")"),
        ("now_ms()", "stock_left()"),
        ("return \"done\"", "return \"gone\""),
        ("Flags: none", "Flags: no-writes"),
        ("lib/clock", "lib/stock"),
    ] {
        let bad = good.replace(from, to);
        assert!(
            !check_script("lua/x.lua", &bad, bindings, &library).is_empty(),
            "{from} -> {to}"
        );
    }
    let manifest = "[dependencies]\na = \"1\" # what it is for\nb = \"1\"\n[lints]\nc = \"warn\"\n";
    assert_eq!(check_dependencies(manifest).len(), 1);
}
