//! Circles: no file below `src/` uses another one that uses it, however many are between them. That
//! a `mod.rs` names what is inside its own folder does not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::layers::{from_root, module};
use crate::rust::{Imports, Named, paths};
use crate::{Wrong, assert_tidy, files, mended};

/// Uses that close a circle and are not mended yet. Without them there is no circle.
const KNOWN_CIRCLES: [&str; 0] = [];

/// A file: its path, the paths that it names, and what it imports.
struct File {
    path: String,
    named: Vec<Named>,
    imports: Imports,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let (named, imports) = paths(path, text);
        let path = path.to_owned();
        Self {
            path,
            named,
            imports,
        }
    }
}

/// Files by their module.
struct Files(BTreeMap<Vec<String>, File>);

/// Which file uses which others, by path.
type Uses<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

impl Files {
    fn new(sources: &[(String, String)]) -> Self {
        let files = sources.iter().map(|(path, text)| {
            let module = module(path).into_iter().map(str::to_owned);
            (module.collect(), File::new(path, text))
        });
        Self(files.collect())
    }

    /// The file that defines what these parts name, from the crate's root on. What a module imports
    /// has its name there, too: the file is the one that it comes from.
    fn defining(&self, parts: &[String]) -> Option<&str> {
        let depths = (0..=parts.len()).rev();
        let mut found = depths.filter_map(|n| Some((n, self.0.get(&parts[..n])?)));
        let (depth, file) = found.next()?;
        let import = parts.get(depth).and_then(|name| file.imports.get(name));
        let import = import.and_then(|import| from_root(&file.path, import));
        match import {
            Some(import) if !import.starts_with(&parts[..=depth]) => {
                self.defining(&[import, parts[depth + 1..].to_vec()].concat())
            }
            _ => Some(&file.path),
        }
    }

    fn uses(&self) -> Uses<'_> {
        let mut uses = Uses::new();
        for file in self.0.values() {
            let parts = file.named.iter();
            let parts = parts.filter_map(|named| from_root(&file.path, &named.parts));
            let used = parts.filter_map(|parts| self.defining(&parts));
            let own = module(&file.path);
            let used = used.filter(|used| !module(used).starts_with(&own));
            uses.insert(&file.path, used.collect());
        }
        uses
    }
}

/// The shortest way from one file to another one; both are in it.
fn way<'a>(uses: &Uses<'a>, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut before = BTreeMap::from([(from, from)]);
    let mut next = VecDeque::from([from]);
    while let Some(file) = next.pop_front() {
        if file == to {
            let mut way = vec![file];
            while way[way.len() - 1] != from {
                way.push(before[way[way.len() - 1]]);
            }
            way.reverse();
            return Some(way);
        }
        for used in uses.get(file).into_iter().flatten() {
            if !before.contains_key(used) {
                before.insert(used, file);
                next.push_back(used);
            }
        }
    }
    None
}

/// Each use that closes a circle, with the shortest such circle.
fn circles(uses: &Uses<'_>) -> Vec<Wrong> {
    let pairs = uses.iter();
    let pairs = pairs.flat_map(|(&from, used)| used.iter().map(move |&to| (from, to)));
    let closing = pairs.filter_map(|(from, to)| {
        let back = way(uses, to, from)?.join(" -> ");
        let circle = format!("{from} -> {back}");
        Some(Wrong::new(format!("{from} -> {to}"), circle))
    });
    closing.collect()
}

/// The circles that are left without the known uses, each once, and the known uses that close none.
fn check_circles(sources: &[(String, String)], known: &[&str]) -> Vec<String> {
    let files = Files::new(sources);
    let mut uses = files.uses();
    let mended = mended(&circles(&uses), "KNOWN_CIRCLES", known);
    for (from, to) in known.iter().filter_map(|known| known.split_once(" -> ")) {
        uses.get_mut(from).map(|used| used.remove(to));
    }
    let left = circles(&uses).into_iter().map(|wrong| turned(&wrong.how));
    let left: BTreeSet<String> = left.collect();
    left.into_iter().chain(mended).collect()
}

/// The same circle from its first file on.
fn turned(circle: &str) -> String {
    let mut files: Vec<&str> = circle.split(" -> ").skip(1).collect();
    let first = (0..files.len()).min_by_key(|&at| files[at]);
    files.rotate_left(first.unwrap_or_default());
    files.extend_from_within(..1);
    files.join(" -> ")
}

#[test]
fn no_file_uses_itself_through_others() {
    assert_tidy(&check_circles(&files("src", "rs"), &KNOWN_CIRCLES));
}

#[test]
fn control_circles() {
    let sources = |texts: &[(&str, &str)]| {
        let texts = texts.iter();
        texts
            .map(|(path, text)| ((*path).into(), (*text).into()))
            .collect::<Vec<_>>()
    };
    let three = sources(&[
        ("src/lib.rs", "pub mod a;"),
        ("src/a/mod.rs", "mod x; mod y; mod z; pub use self::z::Z;"),
        ("src/a/x.rs", "use super::y;"),
        ("src/a/y.rs", "fn f() { vec![super::Z::new()] }"),
        ("src/a/z.rs", "use crate::a; fn f() { a::x::g() }"),
    ]);
    let circle = "src/a/x.rs -> src/a/y.rs -> src/a/z.rs -> src/a/x.rs";
    assert_eq!(check_circles(&three, &[]), [circle]);
    assert_eq!(
        check_circles(&three, &["src/a/z.rs -> src/a/x.rs"]),
        [""; 0]
    );
    let stale = check_circles(
        &three,
        &["src/a/z.rs -> src/a/x.rs", "src/a/x.rs -> src/a/z.rs"],
    );
    assert_eq!(stale.len(), 1, "{stale:?}");
    let through_folder = sources(&[
        ("src/a/mod.rs", "mod x; use crate::b;"),
        ("src/a/x.rs", "use super::A;"),
        ("src/b.rs", "use crate::a::x;"),
    ]);
    let circle = "src/a/mod.rs -> src/b.rs -> src/a/x.rs -> src/a/mod.rs";
    assert_eq!(check_circles(&through_folder, &[]), [circle]);
    let none = sources(&[
        ("src/lib.rs", "pub mod a; pub use crate::a::A;"),
        ("src/a/mod.rs", "mod x; mod y; use self::x::X;"),
        ("src/a/x.rs", "use super::y::Y; use crate::a;"),
        (
            "src/a/y.rs",
            "// crate::a::x\n#[cfg(test)]\nmod tests { use crate::a::x; }",
        ),
    ]);
    assert_eq!(check_circles(&none, &[]), [""; 0]);
}
