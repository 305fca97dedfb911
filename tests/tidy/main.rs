//! The laws of the code, as a test that needs no Redis. A rule that no program checks is a wish.
//!
//! Each file holds some laws and their controls: a control shows that the law convicts a small
//! piece of code that breaks it. A list `KNOWN_…` names what breaks a law and is not mended yet. It
//! only shrinks: the test fails when an entry is mended and still on the list.

mod circles;
mod dependencies;
mod documents;
mod functions;
mod layers;
mod lua;
mod metrics;
mod modules;
mod owners;
mod prose;
mod rust;
mod scripts;
mod sizes;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders that hold Rust.
const RUST_FOLDERS: [&str; 4] = ["src", "tests", "bench", "packaging"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
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

/// All files with Rust in them.
fn rust_files() -> Vec<(String, String)> {
    let folders = RUST_FOLDERS.iter();
    folders.flat_map(|folder| files(folder, "rs")).collect()
}

/// The name of a file, without folder and ending.
fn stem(path: &str) -> &str {
    let name = Path::new(path).file_stem().and_then(|name| name.to_str());
    name.unwrap_or_default()
}

/// What breaks a law: the thing, as a list of known ones names it, and how.
struct Wrong {
    thing: String,
    how: String,
}

impl Wrong {
    fn new(thing: impl Into<String>, how: impl Into<String>) -> Self {
        Self {
            thing: thing.into(),
            how: how.into(),
        }
    }
}

/// What is wrong and not on the list `name`, and what is on the list and not wrong any more.
fn except_known(wrong: &[Wrong], name: &str, known: &[&str]) -> Vec<String> {
    let unknown = wrong.iter().filter(|w| !known.contains(&w.thing.as_str()));
    let unknown = unknown.map(|wrong| wrong.how.clone());
    unknown.chain(mended(wrong, name, known)).collect()
}

/// What is on the list `name` and not wrong any more.
fn mended(wrong: &[Wrong], name: &str, known: &[&str]) -> Vec<String> {
    let things: BTreeSet<&str> = wrong.iter().map(|wrong| wrong.thing.as_str()).collect();
    let mended = known.iter().filter(|thing| !things.contains(*thing));
    let mended = mended.map(|thing| format!("{thing}: mended, so take it out of {name}"));
    mended.collect()
}

fn assert_tidy(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn control_known() {
    let wrong = [Wrong::new("a", "a is wide"), Wrong::new("b", "b is wide")];
    let found = except_known(&wrong, "KNOWN_WIDE", &["b", "c"]);
    assert_eq!(
        found,
        ["a is wide", "c: mended, so take it out of KNOWN_WIDE"]
    );
}
