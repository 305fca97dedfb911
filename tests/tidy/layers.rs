//! Layers: a module uses those below it only. The domain is pure.

use std::collections::BTreeSet;

use crate::rust::paths;
use crate::{assert_tidy, files, read};

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

fn rank(module: &str) -> Option<u8> {
    let found = RANKS.iter().find(|(name, _)| *name == module);
    found.map(|&(_, rank)| rank)
}

/// The module of a file: `src/store/keys.rs` is `store::keys`.
pub fn module(path: &str) -> Vec<&str> {
    let below = path.strip_prefix("src/").unwrap_or(path);
    let name = below.strip_suffix(".rs").unwrap_or(below);
    let name = name.strip_suffix("/mod").unwrap_or(name);
    name.split('/').filter(|_| name != "lib").collect()
}

/// What parts mean that stand in this file, from the crate's root on; `None` outside the crate.
pub fn from_root(path: &str, parts: &[String]) -> Option<Vec<String>> {
    let mut base = module(path);
    let mut rest = parts.iter().map(String::as_str).peekable();
    match rest.next()? {
        "crate" | "seckill" => base.clear(),
        "self" => {}
        "super" => drop(base.pop()),
        _ => return None,
    }
    while rest.next_if_eq(&"super").is_some() {
        base.pop();
    }
    Some(base.into_iter().chain(rest).map(str::to_owned).collect())
}

fn check_layers(path: &str, text: &str) -> Vec<String> {
    let module = module(path);
    let Some(&own) = module.first() else {
        return Vec::new();
    };
    let Some(own_rank) = rank(own) else {
        return vec![format!("{path}: the module {own} has no rank")];
    };
    let mut wrong = Vec::new();
    for named in paths(path, text).0 {
        let at = format!("{path}:{}", named.line);
        if named.has(&["super", "super"]) {
            wrong.push(format!("{at}: say `crate::`, not `super::super`"));
            continue;
        }
        let Some(full) = from_root(path, &named.parts) else {
            continue;
        };
        // `use crate as other` would hide what follows.
        let used = match full.first() {
            Some(used) => used,
            None if named.used => "*",
            None => continue,
        };
        let allowed = used == own || rank(used).is_some_and(|rank| rank < own_rank);
        if (rank(used).is_some() || used == "*") && !allowed {
            wrong.push(format!("{at}: {own} must not use {used}"));
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
    for named in paths(path, text).0 {
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

#[test]
fn layers_point_downwards() {
    let sources = files("src", "rs").into_iter();
    let wrong: Vec<String> = sources.flat_map(|(p, t)| check_layers(&p, &t)).collect();
    assert_tidy(&wrong);
}

#[test]
fn the_domain_is_pure() {
    let dependencies = dependencies(&read("Cargo.toml"));
    let sources = files("src/domain", "rs").into_iter();
    let wrong = sources.flat_map(|(p, t)| check_domain(&p, &t, &dependencies));
    assert_tidy(&wrong.collect::<Vec<_>>());
}

#[test]
fn control_layers() {
    const X: &str = "src/store/x.rs";
    for (path, code) in [
        (X, "use crate::http::answer;"),
        ("src/cli/x.rs", "fn f() { crate::http::serve() }"),
        ("src/magic/x.rs", ""),
        (X, "use crate::{domain::ids, error, http};"),
        (X, "use crate::{domain::{self, ids::*}, app};"),
        (X, "use {crate::domain, crate::http as h};"),
        (X, "pub(super) use crate::admission;"),
        (X, "use crate::*;"),
        (X, "use crate as all;"),
        (X, "use crate::{self as all};"),
        (X, "use super::super::http;"),
        (X, "fn f() { super::super::http::serve() }"),
        (X, "use super::{keys, super::http};"),
        (
            X,
            "fn f(x: &'static str) { let q = '\"'; crate::http::serve(q) }",
        ),
        (X, "fn f() { format!(\"{}\", crate::http::NAME) }"),
        (
            X,
            "fn f() { select! { x = g() => vec![crate::http::serve(x)] } }",
        ),
        (
            X,
            "macro_rules! m { ($x:expr) => { $crate::http::serve($x) } }",
        ),
        (X, "fn f() { g! { use crate::http; } }"),
        (X, "#[derive(crate::http::Door)]\nstruct A;"),
        (X, "fn f() { let _: <A as crate::http::B>::C; }"),
        ("src/store/mod.rs", "use super::http;"),
        ("src/metrics.rs", "use super::{domain, http};"),
        ("src/store.rs", "mod a { use super::super::http; }"),
        ("src/main.rs", "use seckill::{app, main};\nuse seckill::*;"),
    ] {
        let wrong = check_layers(path, code);
        assert_eq!(wrong.len(), 1, "{path}: {code}: {wrong:?}");
    }
    for (path, code) in [
        (
            "src/http/x.rs",
            "use crate::{error::Error, store::Store};\n// crate::app\n",
        ),
        (X, "/* crate::http */ use super::keys; use self::http;"),
        (X, "mod a { use super::super::keys; }"),
        (
            X,
            "let x = (\"crate::http\", r#\"a\" crate::http\"#, '\\'');",
        ),
        (X, "#[cfg(test)]\nmod tests { use crate::http; }"),
        ("src/store/embedded/mod.rs", "use super::server;"),
        (
            "src/app/mod.rs",
            "fn f() -> impl A + use<> { crate::http::serve() }",
        ),
    ] {
        assert_eq!(check_layers(path, code), [""; 0], "{path}: {code}");
    }
}

#[test]
fn control_domain() {
    let dependencies = dependencies("[dependencies]\nserde = \"1\"\ntokio-util = \"1\"\n");
    for impure in [
        "use serde::Serialize;",
        "use ::serde::Serialize;",
        "#[derive(serde::Serialize)]\nstruct A;",
        "fn f() { tokio_util::f() }",
        "fn f() { vec![tokio_util::f()] }",
        "use std::{fmt, time::Instant};",
        "let now = std::time::SystemTime::now();",
        "let now = SystemTime::UNIX_EPOCH;",
    ] {
        let wrong = check_domain("src/domain/x.rs", impure, &dependencies);
        assert_eq!(wrong.len(), 1, "{impure}: {wrong:?}");
    }
}
