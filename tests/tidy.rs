//! The laws of the code, as a test that needs no Redis: layers, who may name what, module docs,
//! script headers against what the scripts really use, sizes. A rule that no program checks is a
//! wish. The last tests are the controls: each law convicts a small piece of code that breaks it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the bottom up; one may use those below it. Equal ranks do not use each other.
const RANKS: [(&str, u8); 10] = [
    ("domain", 0),
    ("error", 1),
    ("config", 2),
    ("metrics", 2),
    ("store", 3),
    ("admission", 4),
    ("http", 5),
    ("cli", 5),
    ("app", 6),
    ("main", 7),
];
/// Who alone may name a crate or a call.
const OWNERS: [(&str, &[&str]); 6] = [
    ("redis::", &["store"]),
    ("deadpool_redis", &["store"]),
    ("actix_web", &["http"]),
    ("clap::", &["cli", "main"]),
    ("env::var(", &["config"]),
    ("StatusCode::", &["http"]),
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

/// Lines of code, without comments, numbered from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines());
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
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
    for (number, line) in code_lines(text) {
        for (at, start) in line
            .match_indices("crate::")
            .chain(line.match_indices("seckill::"))
        {
            let rest = &line[at + start.len()..];
            let used = rest
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            let used = used.unwrap_or_default();
            let allowed = used == own || rank(used).is_some_and(|rank| rank < own_rank);
            if rank(used).is_some() && !allowed {
                wrong.push(format!("{path}:{number}: {own} must not use {used}"));
            }
        }
    }
    wrong
}

fn check_owners(path: &str, text: &str) -> Vec<String> {
    let own = module(path);
    let mut wrong = Vec::new();
    for (number, line) in code_lines(text) {
        for (name, owners) in OWNERS {
            let named = line.match_indices(name).any(|(at, _)| {
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if named && !owners.contains(&own) {
                wrong.push(format!("{path}:{number}: only {owners:?} may name {name}"));
            }
        }
    }
    wrong
}

/// The domain is pure: nothing but the standard library, no clock, no I/O.
fn check_domain(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in code_lines(production(text)) {
        let used = line.trim_start().strip_prefix("use ");
        let foreign = used.is_some_and(|used| {
            !["std::", "super::", "crate::domain"]
                .iter()
                .any(|own| used.starts_with(own))
        });
        let impure = [
            "std::time",
            "std::fs",
            "std::net",
            "SystemTime",
            "Instant::now",
        ];
        if foreign || impure.iter().any(|name| line.contains(name)) {
            wrong.push(format!(
                "{path}:{number}: the domain is pure: {}",
                line.trim()
            ));
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
    let lines = production(text).lines().count();
    if lines > FILE_LINES_MAX {
        wrong.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
    }
    wrong.extend(check_functions(path, text));
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

fn check_script(path: &str, text: &str, bindings: &str) -> Vec<String> {
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
            let plain = index.parse::<u32>().is_ok();
            let repeated = documented.iter().any(|range| range.ends_with("..."));
            let known = if plain {
                documented.contains(index)
            } else {
                kind == "ARGV"
            };
            let known = known || (repeated && kind == "ARGV");
            expect(known, format!("{kind}[{index}] is used and not documented"));
        }
    }
    expect(
        body.contains("#KEYS ~="),
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
    for (part, call) in [
        ("clock", "now_ms("),
        ("stock", "whole("),
        ("stock", "stock_left("),
    ] {
        let used = body.contains(call);
        expect(
            !used || header.uses.contains(&part),
            format!("calls {call}) without lib/{part}"),
        );
    }
    for part in &header.uses {
        let calls: &[&str] = if *part == "clock" {
            &["now_ms("]
        } else {
            &["whole(", "stock_left("]
        };
        expect(
            calls.iter().any(|call| body.contains(call)),
            format!("lib/{part} is not used"),
        );
    }
    for word in returned_words(body) {
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
        .replace("!( ", "!(");
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
    let wrong = files("src/domain", "rs")
        .into_iter()
        .flat_map(|(p, t)| check_domain(&p, &t));
    assert_tidy(&wrong.collect::<Vec<_>>());
}

#[test]
fn modules_are_documented_and_small() {
    let sources = files("src", "rs").into_iter().chain(files("tests", "rs"));
    let wrong = sources.flat_map(|(path, text)| {
        let test = path.starts_with("tests");
        let mut wrong = check_shape(&path, &text);
        // A law or a table of cases is one piece, however long.
        wrong.retain(|what| !test || !(what.contains("lines") || what.contains("function of")));
        wrong
    });
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
    let wrong = scripts.flat_map(|(path, text)| check_script(&path, &text, &bindings));
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
    let codes = seckill::domain::outcome::Refusal::ALL.map(|refusal| refusal.code());
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
fn control_layers_and_owners() {
    let upwards = check_layers("src/store/x.rs", "use crate::http::answer;\n");
    let sideways = check_layers("src/cli/x.rs", "fn f() { crate::http::serve() }\n");
    let unknown = check_layers("src/magic/x.rs", "");
    let redis = check_owners("src/http/x.rs", "use redis::Cmd;\n");
    let actix = check_owners("src/cli/x.rs", "fn f(x: actix_web::HttpResponse) {}\n");
    let status = check_owners("src/store/x.rs", "let s = StatusCode::OK;\n");
    for wrong in [upwards, sideways, unknown, redis, actix, status] {
        assert_eq!(wrong.len(), 1, "{wrong:?}");
    }
    let fine = "use crate::store::Store;\n// crate::app is above\n";
    assert_eq!(check_layers("src/http/x.rs", fine), [""; 0]);
    assert_eq!(
        check_owners("src/http/x.rs", "// redis::\nlet x = config.redis.url;\n"),
        [""; 0]
    );
}

#[test]
fn control_domain_and_shape() {
    for impure in [
        "use serde::Serialize;\n",
        "let now = std::time::SystemTime::now();\n",
    ] {
        assert_eq!(check_domain("src/domain/x.rs", impure).len(), 1, "{impure}");
    }
    let long_line = format!("//! Doc.\n// {}\n", "x".repeat(100));
    let long_file = format!("//! Doc.\n{}", "// x\n".repeat(400));
    let long_function = format!("//! Doc.\nfn f() {{\n{}}}\n", "    x();\n".repeat(70));
    for (path, text) in [
        ("src/x.rs", "fn f() {}\n"),
        ("src/util.rs", "//! Doc.\n"),
        ("src/x.rs", &long_line),
        ("src/x.rs", &long_file),
        ("src/x.rs", &long_function),
    ] {
        assert_eq!(check_shape(path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn control_scripts_and_dependencies() {
    let good = "-- x: does.\n--\n-- KEYS[1] sale [hash] it\n--\n-- Returns done\n-- Writes it.\n\
                -- Flags: none.\n-- Uses: lib/clock\n\nlocal sale = KEYS[1]\n\
                if #KEYS ~= 1 then error() end\nnow_ms()\nreturn \"done\"\n";
    let bindings = "script!(\"x\", flags: \"\", uses: [\"clock\"])";
    assert_eq!(check_script("lua/x.lua", good, bindings), [""; 0]);
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
            !check_script("lua/x.lua", &bad, bindings).is_empty(),
            "{from} -> {to}"
        );
    }
    let manifest = "[dependencies]\na = \"1\" # what it is for\nb = \"1\"\n[lints]\nc = \"warn\"\n";
    assert_eq!(check_dependencies(manifest).len(), 1);
}
