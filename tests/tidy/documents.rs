//! Documents: the README explains every answer that a buyer can get.

use seckill::domain::purchase::outcome::Refusal;

use crate::{assert_tidy, files, read};

/// Answers to a buyer that are no refusals.
const OTHER_ANSWERS: [&str; 6] = [
    "grabbed",
    "already_grabbed",
    "invalid_request",
    "busy",
    "unknown",
    "unreadable",
];

/// All documents, with their texts.
pub fn documents() -> Vec<(String, String)> {
    let names = [
        "README.md",
        "README.zh.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ];
    let documents = names.into_iter().map(|name| (name.to_owned(), read(name)));
    documents.chain(files("docs", "md")).collect()
}

fn check_answers<'a>(readme: &str, answers: impl Iterator<Item = &'a str>) -> Vec<String> {
    let missing = answers.filter(|answer| !readme.contains(&format!("`{answer}`")));
    let wrong = missing.map(|answer| format!("README.md does not explain `{answer}`"));
    wrong.collect()
}

#[test]
fn the_readme_has_every_answer() {
    let refusals = Refusal::ALL.iter().map(|refusal| refusal.code());
    let answers = refusals.chain(OTHER_ANSWERS);
    assert_tidy(&check_answers(&read("README.md"), answers));
}

#[test]
fn control_answers() {
    let wrong = check_answers("`grabbed` and busy", ["grabbed", "busy"].into_iter());
    assert_eq!(wrong, ["README.md does not explain `busy`"]);
}
