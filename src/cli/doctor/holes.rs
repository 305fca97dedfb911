//! Known security holes of server programs, by their version.

use super::finding::{Finding, Grade};
use crate::store::server::examiner::Examination;

/// The first fixed release of each line, such as 7.4. Lines in between that are not listed have no
/// fix. Newer lines have it from the start.
struct Hole {
    name: &'static str,
    what: &'static str,
    redis: &'static [[u32; 3]],
    valkey: &'static [[u32; 3]],
}

/// Sources: the security advisories and release notes of both projects.
const HOLES: [Hole; 1] = [Hole {
    name: "CVE-2025-49844",
    what: "a user who may run Lua scripts can run any code",
    redis: &[[6, 2, 20], [7, 2, 11], [7, 4, 6], [8, 0, 4], [8, 2, 2]],
    valkey: &[[7, 2, 11], [8, 0, 6], [8, 1, 4]],
}];

/// A warning for each hole of the release. A package may have the fix under the same version.
pub(super) fn findings(examination: &Examination) -> Vec<Finding> {
    let valkey = examination.facts.info("valkey_version");
    let hello = examination.hello().ok();
    let redis = || hello.map(|hello| hello.version.as_str());
    let (name, version) = match valkey {
        Some(version) => ("Valkey", Some(version)),
        None => ("Redis", redis()),
    };
    let Some(parsed) = version.and_then(parse) else {
        return Vec::new();
    };
    let open = HOLES.iter().filter_map(|hole| {
        let fixes = if name == "Valkey" {
            hole.valkey
        } else {
            hole.redis
        };
        has_hole(parsed, fixes).then(|| finding(hole, name, parsed, fixes))
    });
    open.collect()
}

fn finding(hole: &Hole, name: &str, version: [u32; 3], fixes: &[[u32; 3]]) -> Finding {
    let (cve, what) = (hole.name, hole.what);
    let found = format!("{name} {} was released with {cve}: {what}", text(version));
    let fixed: Vec<String> = fixes.iter().map(|&fix| text(fix)).collect();
    let mend = format!(
        "use {name} {} or newer. A package of a distribution may have the fix under the old \
         number: read its changelog, for instance with `apt changelog redis-server`",
        fixed.join(", ")
    );
    Finding::new("security", Grade::Warning, found, mend)
}

fn has_hole(version: [u32; 3], fixes: &[[u32; 3]]) -> bool {
    let line = |version: [u32; 3]| [version[0], version[1]];
    let same_line = fixes.iter().find(|&&fix| line(fix) == line(version));
    match same_line {
        Some(&fix) => version < fix,
        None => fixes.iter().any(|&fix| version < fix),
    }
}

/// `7.4.2` of `7.4.2` or `7.4.2-rc1`.
fn parse(version: &str) -> Option<[u32; 3]> {
    let number = version.split('-').next()?;
    let parts: Vec<u32> = number
        .split('.')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    parts.try_into().ok()
}

fn text([major, minor, patch]: [u32; 3]) -> String {
    format!("{major}.{minor}.{patch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_with_the_hole_are_known() {
        let [hole] = &HOLES;
        for (version, redis, valkey) in [
            ("6.2.19", true, true),
            ("6.2.20", false, true),
            ("7.0.15", true, true),
            ("7.2.10", true, true),
            ("7.2.11", false, false),
            ("7.4.2", true, true),
            ("7.4.11", false, true),
            ("8.0.4", false, true),
            ("8.1.4", true, false),
            ("8.2.1", true, false),
            ("8.4.0-rc1", false, false),
            ("9.0.0", false, false),
        ] {
            let parsed = parse(version).expect(version);
            assert_eq!(has_hole(parsed, hole.redis), redis, "Redis {version}");
            assert_eq!(has_hole(parsed, hole.valkey), valkey, "Valkey {version}");
        }
        assert_eq!(parse("unstable"), None);
    }
}
