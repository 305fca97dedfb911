//! Modules: each begins with what it is for, and none is a drawer.

use crate::{assert_tidy, rust_files, stem};

/// Names that say nothing about what is inside.
const DRAWERS: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

fn check_module(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if !text.starts_with("//! ") {
        wrong.push(format!("{path}: starts without a module doc (`//! ...`)"));
    }
    let folder = path.strip_suffix("/mod.rs").unwrap_or(path);
    if DRAWERS.contains(&stem(folder)) {
        wrong.push(format!("{path}: a drawer, not a module"));
    }
    wrong
}

#[test]
fn modules_are_documented() {
    let sources = rust_files().into_iter();
    let wrong: Vec<String> = sources.flat_map(|(p, t)| check_module(&p, &t)).collect();
    assert_tidy(&wrong);
}

#[test]
fn control_modules() {
    for (path, text) in [
        ("src/x.rs", "fn f() {}\n"),
        ("src/util.rs", "//! Doc.\n"),
        ("tests/helpers/mod.rs", "//! Doc.\n"),
    ] {
        assert_eq!(check_module(path, text).len(), 1, "{path}: {text}");
    }
}
