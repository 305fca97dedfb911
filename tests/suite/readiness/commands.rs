//! The list of commands that Redis is asked about is complete, and has no unused command.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::commands;
use crate::support::redis::World;

/// Names of commands that need no question: access rules cannot forbid AUTH and HELLO, a refused
/// PING is a sign of life, too, and the others stand for something else here.
const NO_COMMANDS: [&str; 5] = ["AUTH", "HELLO", "PING", "READONLY", "TYPE"];

/// The texts of all files below a folder with this ending.
fn texts(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                let text = fs::read_to_string(&path).expect("UTF-8");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// The texts in double quotes that follow here, separated by commas.
fn quoted(mut rest: &str) -> Vec<&str> {
    let mut found = Vec::new();
    while let Some(text) = rest.trim_start().strip_prefix('"') {
        let (word, after) = text.split_once('"').expect("a quote ends");
        found.push(word);
        rest = after.trim_start().strip_prefix(',').unwrap_or_default();
    }
    found
}

/// The commands that a script calls, each with its subcommand if it has any.
fn called(script: &str, containers: &BTreeSet<String>) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    for call in ["redis.call", "redis.pcall", "server.call", "server.pcall"] {
        for (at, _) in script.match_indices(call) {
            let rest = script[at + call.len()..].trim_start();
            let words = quoted(rest.strip_prefix('(').unwrap_or_default());
            let Some(name) = words.first() else {
                let line: String = script[at..].chars().take(60).collect();
                return Err(format!("a command is not written out: {line}"));
            };
            let subcommand = containers.contains(*name).then(|| words.get(1)).flatten();
            let name = [Some(name), subcommand].into_iter().flatten().copied();
            found.insert(name.collect::<Vec<_>>().join(" "));
        }
    }
    Ok(found)
}

fn asked(of_scripts: bool) -> BTreeSet<String> {
    commands(of_scripts)
        .map(|command| command.name().to_owned())
        .collect()
}

/// All commands of Redis, and those that have subcommands.
async fn known() -> (BTreeSet<String>, BTreeSet<String>) {
    let mut world = World::new().await;
    let names: Vec<String> = world.run(&["COMMAND", "LIST"]).await;
    let names = names.iter().map(|name| name.to_uppercase());
    let (with, without): (Vec<_>, Vec<_>) = names.partition(|name| name.contains('|'));
    let containers = with.iter().filter_map(|name| name.split('|').next());
    (
        without.into_iter().collect(),
        containers.map(str::to_owned).collect(),
    )
}

#[tokio::test]
async fn every_command_of_the_scripts_is_asked_about() {
    let (_, containers) = known().await;
    let mut used = BTreeSet::new();
    for (path, text) in texts("lua", "lua") {
        let called = called(&text, &containers);
        used.extend(called.unwrap_or_else(|why| panic!("{}: {why}", path.display())));
    }
    // By these the scripts are loaded and called.
    used.extend(["EVALSHA", "SCRIPT LOAD"].map(str::to_owned));
    assert_eq!(
        used,
        asked(true),
        "left: the commands in lua/, right: those of src/store/server/permissions.rs; add what is \
         missing there, and to the ACL in docs/REDIS.md"
    );
}

#[tokio::test]
async fn every_command_of_the_program_is_asked_about() {
    let (names, containers) = known().await;
    let mut all = asked(true);
    all.extend(asked(false));
    let mut used = BTreeSet::new();
    for (path, text) in texts("src/store", "rs") {
        if path.ends_with("permissions.rs") {
            continue;
        }
        let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
        // The texts in quotes are every second piece, as long as none has a quote inside.
        for line in code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            let words = line.split('"').skip(1).step_by(2);
            let words = words.filter(|word| *word == word.to_uppercase());
            let words = words.filter(|word| names.contains(*word) && !NO_COMMANDS.contains(word));
            used.extend(words.map(str::to_owned));
        }
        for helper in [".hget(", ".hlen(", ".zcard("] {
            if code.contains(helper) {
                used.insert(helper.trim_matches(['.', '(']).to_uppercase());
            }
        }
        if code.contains(".atomic()") {
            used.extend(["MULTI", "EXEC"].map(str::to_owned));
        }
    }
    assert!(used.len() > 20, "{used:?}");
    for name in &used {
        let prefix = format!("{name} ");
        let is_asked = all.contains(name)
            || containers.contains(name) && all.iter().any(|asked| asked.starts_with(&prefix));
        assert!(
            is_asked,
            "{name} is used in src/store and not in src/store/server/permissions.rs"
        );
    }
    for name in asked(false) {
        let command = name.split(' ').next().unwrap_or_default();
        assert!(
            used.contains(command),
            "{name} is asked about and used nowhere"
        );
    }
}

#[test]
fn a_command_that_is_not_on_the_list_is_seen() {
    let containers = BTreeSet::from(["XINFO".to_owned()]);
    let script = "redis.call(\n  \"HPEXPIRE\", key)\nredis.pcall(\"XINFO\", \"CONSUMERS\", key)\n";
    let found = called(script, &containers).expect("read");
    assert_eq!(
        found,
        ["HPEXPIRE", "XINFO CONSUMERS"].map(str::to_owned).into()
    );
    assert!(found.difference(&asked(true)).count() == 2);
    let hidden = called("redis.call(name, key)", &containers);
    assert!(hidden.is_err());
}
