//! Dependencies: each comes from the registry, and under a licence that `deny.toml` allows.
//! `cargo deny` (make deny) checks the same, and advisories, too.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, LicenseReq};

use crate::{assert_tidy, read};

/// The licences that `deny.toml` allows, and the exceptions: a crate and its licence.
struct Allowed {
    licences: BTreeSet<String>,
    exceptions: Vec<(String, String)>,
}

/// The texts in quotes of a line, in front of its comment.
fn quoted(line: &str) -> Vec<String> {
    let code = line.split('#').next().unwrap_or_default();
    code.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

impl Allowed {
    fn of(deny: &str) -> Self {
        let list = deny.split_once("allow = [").expect("a list of licences").1;
        let list = list.split_once("\n]").expect("its end").0;
        let exceptions = deny.lines().filter(|line| line.starts_with("exceptions"));
        let pair = |line: &str| match quoted(line).as_slice() {
            [name, licence] => (name.clone(), licence.clone()),
            other => panic!("an exception names a crate and a licence, not {other:?}"),
        };
        Self {
            licences: list.lines().flat_map(quoted).collect(),
            exceptions: exceptions.map(pair).collect(),
        }
    }

    /// What is wrong with a dependency of this licence and source.
    fn check(&self, name: &str, licence: &str, source: &str) -> Option<String> {
        if !source.starts_with("registry+") {
            return Some(format!("{name} comes from {source:?}, not from a registry"));
        }
        let exception = (name.to_owned(), licence.to_owned());
        if self.exceptions.contains(&exception) {
            return None;
        }
        let mode = spdx::ParseMode::LAX;
        let Ok(expression) = Expression::parse_mode(licence, mode) else {
            return Some(format!(
                "{name} has a licence that cannot be read: {licence:?}"
            ));
        };
        let is_allowed = |licence: &LicenseReq| self.licences.contains(&licence.to_string());
        (!expression.evaluate(is_allowed))
            .then(|| format!("{name} has the licence {licence:?}, which deny.toml does not allow"))
    }
}

/// All packages that this machine builds, this project included.
fn packages() -> Vec<Value> {
    let version = Command::new("rustc").arg("-vV").output().expect("rustc");
    let version = String::from_utf8(version.stdout).expect("UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", host.expect("a host")])
        .output()
        .expect("cargo");
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON of cargo");
    told["packages"].as_array().expect("packages").clone()
}

#[test]
fn every_dependency_may_be_used() {
    let allowed = Allowed::of(&read("deny.toml"));
    let packages = packages();
    let dependencies = packages
        .iter()
        .filter(|package| !package["source"].is_null());
    let text = |package: &Value, field: &str| package[field].as_str().unwrap_or("").to_owned();
    let wrong = dependencies.filter_map(|package| {
        let [name, licence, source] = ["name", "license", "source"].map(|f| text(package, f));
        allowed.check(&name, &licence, &source)
    });
    assert_tidy(&wrong.collect::<Vec<_>>());
    assert!(packages.len() > 100, "only {} packages", packages.len());
}

#[test]
fn control_dependencies() {
    let deny = "allow = [\n    \"MIT\", # or so\n    \"ISC\",\n]\n\
                exceptions = [{ name = \"w\", allow = [\"MPL-2.0\"] }]\n";
    let allowed = Allowed::of(deny);
    let registry = "registry+x";
    for (name, licence) in [
        ("a", "MIT"),
        ("a", "GPL-3.0 OR MIT"),
        ("a", "ISC AND MIT"),
        ("w", "MPL-2.0"),
    ] {
        assert_eq!(allowed.check(name, licence, registry), None, "{licence}");
    }
    for (name, licence) in [
        ("a", "GPL-3.0"),
        ("a", "MIT AND GPL-3.0"),
        ("a", ""),
        ("a", "MPL-2.0"),
    ] {
        assert!(
            allowed.check(name, licence, registry).is_some(),
            "{licence}"
        );
    }
    assert!(allowed.check("a", "MIT", "git+x").is_some());
}
