//! Scripts: the header of each says what it really uses, and it has one name in `lua/`, in
//! `src/store` and in the tests.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

use crate::functions::functions;
use crate::lua::{Part, words};
use crate::rust::{is_sign, production, tokens};
use crate::words::undocumented;
use crate::{Wrong, assert_tidy, except_known, files, read, stem};

/// How a script with a deadline starts.
const GUARD: &str = "if came_late() then return \"late\" end\n";
/// How scripts check how many keys they got.
const KEY_CHECKS: [&str; 3] = ["#KEYS ~=", "#KEYS <", "(#KEYS - "];
/// What scripts never call: its answer differs between a server and its replica, or it reads all.
const FORBIDDEN: [&str; 5] = [
    "\"TIME\"",
    "math.random",
    "\"KEYS\"",
    "\"SCAN\"",
    "loadstring",
];

/// Scripts whose function has another name.
const KNOWN_RENAMED: [&str; 1] = ["sale_resume"];

/// How the program binds its scripts, without spaces: `script!("name",flags:"…",uses:["part"])`.
fn bindings(tokens: TokenStream) -> Vec<String> {
    let level: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    for (at, token) in level.iter().enumerate() {
        let TokenTree::Group(group) = token else {
            continue;
        };
        match &level[..at] {
            [.., name, mark] if is_sign(mark, '!') && name.to_string() == "script" => {
                let arguments = group.stream().to_string().replace([' ', '\n'], "");
                found.push(format!("script!({})", arguments.trim_end_matches(',')));
            }
            _ => found.extend(bindings(group.stream())),
        }
    }
    found
}

/// What the head of a script promises.
struct Header<'a> {
    text: &'a str,
    keys: BTreeSet<&'a str>,
    args: BTreeSet<&'a str>,
    flags: &'a str,
    uses: Vec<&'a str>,
}

impl<'a> Header<'a> {
    fn new(script: &'a str) -> Self {
        let lines = script.split_inclusive('\n');
        let lines = lines.take_while(|line| line.starts_with("--"));
        let text = &script[..lines.map(str::len).sum()];
        let places = |start: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(start));
            lines.filter_map(|line| line.split(']').next()).collect()
        };
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        let flags = line("-- Flags: ").unwrap_or_default();
        // The list may go on in further lines, which begin with blanks.
        let uses = text
            .lines()
            .skip_while(|line| !line.starts_with("-- Uses: "));
        let uses = uses.flat_map(|line| line.split([' ', ',']));
        Self {
            text,
            keys: places("-- KEYS["),
            args: places("-- ARGV["),
            flags: flags.split([',', ';', '.']).next().unwrap_or_default(),
            uses: uses.filter_map(|part| part.strip_prefix("lib/")).collect(),
        }
    }

    /// How the program must bind the script, as `bindings` says it.
    fn binding(&self, name: &str) -> String {
        let flags = match self.flags {
            "none" => String::new(),
            flags => format!("flags={flags}"),
        };
        let uses = format!("{:?}", self.uses).replace(' ', "");
        format!("script!(\"{name}\",flags:\"{flags}\",uses:{uses})")
    }
}

fn check_header(name: &str, header: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if !header.starts_with(&format!("-- {name}: ")) {
        wrong.push("does not start with its name".to_owned());
    }
    for part in ["-- Returns ", "-- Writes ", "-- Flags: ", "-- Uses: "] {
        if !header.contains(part) {
            wrong.push(format!("has no line `{part}`"));
        }
    }
    wrong
}

/// Keys and arguments: each that is documented is used, and the other way round.
fn check_arguments(header: &Header, body: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (kind, documented) in [("KEYS", &header.keys), ("ARGV", &header.args)] {
        for number in documented.iter().filter(|n| n.parse::<u32>().is_ok()) {
            if !body.contains(&format!("{kind}[{number}]")) && !body.contains("#ARGV") {
                wrong.push(format!("{kind}[{number}] is documented and not used"));
            }
        }
        // An index that is worked out belongs to what is documented as a range.
        let has_range = documented.iter().any(|range| range.ends_with("..."));
        for (at, start) in body.match_indices(&format!("{kind}[")) {
            let rest = &body[at + start.len()..];
            let index = rest.split(']').next().unwrap_or_default();
            if !documented.contains(index) && !has_range {
                wrong.push(format!("{kind}[{index}] is used and not documented"));
            }
        }
    }
    if !KEY_CHECKS.iter().any(|check| body.contains(check)) {
        wrong.push("does not check how many keys it got".to_owned());
    }
    wrong
}

/// The library must be used as the header says, by the script or by another part that it uses.
fn check_uses(header: &Header, body: &str, library: &[Part]) -> Vec<String> {
    let mut wrong = Vec::new();
    let own = words(body);
    for part in library {
        let others = library.iter().filter(|other| other.name != part.name);
        let others = others.filter(|other| header.uses.contains(&other.name));
        let called: Vec<_> = others.map(|other| &other.words).chain([&own]).collect();
        let mut functions = part.functions.iter().map(|(name, _)| *name);
        let call = functions.find(|name| called.iter().any(|words| words.contains(name)));
        match (call, header.uses.contains(&part.name)) {
            (Some(call), false) => wrong.push(format!("calls {call} without lib/{}", part.name)),
            (None, true) => wrong.push(format!("lib/{} is not used", part.name)),
            _ => {}
        }
    }
    wrong
}

fn check_script(path: &str, text: &str, bound: &[String], library: &[Part]) -> Vec<String> {
    let (name, header) = (stem(path), Header::new(text));
    let body = text[header.text.len()..].trim_start();
    let mut wrong = check_header(name, header.text);
    wrong.extend(check_arguments(&header, body));
    wrong.extend(check_uses(&header, body, library));
    let forbidden = FORBIDDEN.iter().filter(|call| body.contains(**call));
    wrong.extend(forbidden.map(|call| format!("calls {call}")));
    if body.starts_with(GUARD) != header.uses.contains(&"deadline") {
        wrong.push("looks at its deadline elsewhere than at its start".to_owned());
    }
    // The part for deadlines says what its word means.
    let body = body.trim_start_matches(GUARD);
    let undocumented = undocumented(header.text, body, library).into_iter();
    wrong.extend(undocumented.map(|word| format!("may answer {word}, undocumented")));
    let binding = header.binding(name);
    if !bound.contains(&binding) {
        wrong.push(format!("is not bound as {binding}"));
    }
    let wrong = wrong.into_iter();
    wrong.map(|what| format!("{path}: {what}")).collect()
}

/// The scripts, and the parts of their library.
fn scripts() -> [Vec<(String, String)>; 2] {
    let all = files("lua", "lua").into_iter();
    let (library, scripts) = all.partition(|(path, _)| path.starts_with("lua/lib/"));
    [scripts, library]
}

/// The code of the store that is not for tests.
fn store() -> impl Iterator<Item = TokenStream> {
    let sources = files("src/store", "rs").into_iter();
    sources.map(|(path, text)| production(tokens(&path, &text)).0)
}

#[test]
fn script_headers_are_true() {
    let [scripts, library] = scripts();
    let library: Vec<Part> = library.iter().map(|(p, t)| Part::new(p, t)).collect();
    let bound: Vec<String> = store().flat_map(bindings).collect();
    let scripts = scripts.iter();
    let wrong = scripts.flat_map(|(path, text)| check_script(path, text, &bound, &library));
    assert_tidy(&wrong.collect::<Vec<_>>());
}

fn check_names(name: &str, functions: &BTreeSet<String>, tests: &str) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    if !functions.contains(name) {
        let how = format!("lua/{name}.lua: no function {name} in src/store");
        wrong.push(Wrong::new(name, how));
    }
    if !tests.lines().any(|line| line == format!("mod {name};")) {
        let how = format!("lua/{name}.lua: no `mod {name};` in tests/suite/script/mod.rs");
        wrong.push(Wrong::new(name, how));
    }
    wrong
}

#[test]
fn every_script_has_its_function_and_its_tests() {
    let [scripts, _] = scripts();
    let functions = store().flat_map(functions).map(|function| function.name);
    let functions: BTreeSet<String> = functions.collect();
    let tests = read("tests/suite/script/mod.rs");
    let names = scripts.iter().map(|(path, _)| stem(path));
    let wrong = names.flat_map(|name| check_names(name, &functions, &tests));
    let wrong: Vec<Wrong> = wrong.collect();
    assert_tidy(&except_known(&wrong, "KNOWN_RENAMED", &KNOWN_RENAMED));
}

#[test]
fn control_names() {
    let functions = BTreeSet::from(["feed_lag".to_owned()]);
    let found = |name: &str, tests: &str| check_names(name, &functions, tests).len();
    assert_eq!(found("feed_lag", "mod feed_lag;\n"), 0);
    assert_eq!(found("feed", "mod feed;\n"), 1);
    assert_eq!(found("feed_lag", "mod feed;\n"), 1);
}

#[test]
fn control_scripts() {
    let good = "-- x: does.\n--\n-- KEYS[1] sale [hash] it\n--\n-- Returns done\n-- Writes it.\n\
                -- Flags: none.\n-- Uses: lib/clock\n\nlocal sale = KEYS[1]\n\
                if #KEYS ~= 1 then error() end\nnow_ms()\nreturn \"done\"\n";
    let store = "static X: Script = script!(\"x\", flags: \"\", uses: [\"clock\"]);";
    let bound = bindings(tokens("src/store/script.rs", store));
    let library = [
        Part::new("lua/lib/clock.lua", "local function now_ms()\n"),
        Part::new("lua/lib/deadline.lua", "local function came_late()\n"),
        Part::new("lua/lib/stock.lua", "local function stock_left(kind)\n"),
    ];
    let check = |text: &str, bound: &[String]| check_script("lua/x.lua", text, bound, &library);
    assert_eq!(check(good, &bound), [""; 0]);
    for (from, to, found) in [
        ("-- x: does", "-- y: does", "its name"),
        ("-- Returns", "-- Gives", "`-- Returns `"),
        ("-- KEYS[1]", "-- KEYS[2]", "KEYS[1] is used and"),
        ("= KEYS[1]", "= KEYS[1] .. KEYS[2]", "KEYS[2] is used and"),
        ("= KEYS[1]", "= KEYS[1] .. ARGV[1]", "ARGV[1] is used and"),
        ("= KEYS[1]", "= 1", "KEYS[1] is documented and"),
        ("#KEYS ~= 1", "not KEYS[1]", "how many keys"),
        ("now_ms()", "now_ms(\"TIME\")", "calls \"TIME\""),
        ("now_ms()", "stock_left()", "calls stock_left"),
        ("now_ms()", "pcall(stock_left)", "calls stock_left"),
        ("now_ms()", "came_late()", "calls came_late"),
        ("lib/clock", "lib/deadline", "its deadline"),
        ("return \"done\"", "return \"gone\"", "may answer gone"),
        ("Flags: none", "Flags: no-writes", "is not bound"),
        ("lib/clock", "lib/stock", "lib/stock is not used"),
    ] {
        let wrong = check(&good.replace(from, to), &bound).join("\n");
        assert!(wrong.contains(found), "{from} -> {to}: {wrong}");
    }
    assert_eq!(check(good, &[]).len(), 1);
}
