//! Owners: a crate or a name that only some modules may name. Each dependency has its reason.

use crate::layers::module;
use crate::rust::paths;
use crate::{assert_tidy, files, read};

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

fn check_owners(path: &str, text: &str) -> Vec<String> {
    let module = module(path);
    let own = module.first().unwrap_or(&"lib");
    let mut wrong = Vec::new();
    for named in paths(path, text).0 {
        let crates = CRATE_OWNERS.iter();
        let crates = crates.filter(|(name, _)| named.start() == Some(name));
        let names = NAME_OWNERS.iter().filter(|(parts, _)| named.has(parts));
        let owners = crates.map(|(_, owners)| owners);
        for owners in owners.chain(names.map(|(_, owners)| owners)) {
            if !owners.contains(own) {
                let (line, name) = (named.line, named.parts.join("::"));
                wrong.push(format!("{path}:{line}: only {owners:?} may name {name}"));
            }
        }
    }
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

#[test]
fn crates_are_named_by_their_owners_only() {
    let sources = files("src", "rs").into_iter();
    let wrong: Vec<String> = sources.flat_map(|(p, t)| check_owners(&p, &t)).collect();
    assert_tidy(&wrong);
}

#[test]
fn every_dependency_has_its_reason() {
    assert_tidy(&check_dependencies(&read("Cargo.toml")));
}

#[test]
fn control_owners() {
    for (path, code) in [
        ("src/http/x.rs", "use redis::Cmd;"),
        ("src/http/x.rs", "use redis;"),
        ("src/http/x.rs", "use ::redis::Cmd;"),
        ("src/http/x.rs", "fn f() { ::redis::cmd(); }"),
        ("src/http/x.rs", "use {redis as r, std::fmt};"),
        ("src/http/x.rs", "fn f() { vec![redis::cmd()] }"),
        ("src/cli/x.rs", "fn f(x: actix_web::HttpResponse) {}"),
        ("src/http/x.rs", "#[derive(clap::Args)]\nstruct A;"),
        ("src/store/x.rs", "let s = StatusCode::OK;"),
        ("src/store/x.rs", "let s = ::std::env::var(\"A\");"),
        ("src/store/x.rs", "let s = std::env::var(\"A\");"),
        ("src/http/x.rs", "let s = env::var_os(\"A\");"),
        (
            "src/http/x.rs",
            "use std::env as e; let s = e::var_os(\"A\");",
        ),
        ("src/store/x.rs", "use std::{env::{self, vars}, fmt};"),
        (
            "src/store/x.rs",
            "fn f() { tokio::select! { s = std::env::var(\"A\") => s } }",
        ),
    ] {
        let wrong = check_owners(path, code);
        assert_eq!(wrong.len(), 1, "{path}: {code}: {wrong:?}");
    }
    for code in [
        "// redis::\nlet x = config.redis.url;",
        "let redis = \"redis::Cmd\";",
        "use crate::config::redis;\nlet x = redis::Addresses::default();",
        "let folder = std::env::temp_dir();",
    ] {
        assert_eq!(check_owners("src/http/x.rs", code), [""; 0], "{code}");
    }
}

#[test]
fn control_dependencies() {
    let manifest = "[dependencies]\na = \"1\" # what it is for\nb = \"1\"\n[lints]\nc = \"warn\"\n";
    assert_eq!(check_dependencies(manifest).len(), 1);
}
