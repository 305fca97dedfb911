//! The settings of the ticket office.

use super::finding::{Finding, Grade};
use crate::config::Config;

pub(super) fn signatures(config: &Config) -> Option<Finding> {
    config.wechat.token.as_ref()?;
    let (grade, found) = if config.wechat.is_unguarded() {
        (Grade::Wrong, "anyone can send messages to /wechat")
    } else {
        (
            Grade::Good,
            "the signatures of messages to /wechat are checked",
        )
    };
    Some(Finding::new(
        "signatures",
        grade,
        found,
        "set wechat.ignore_signature to false",
    ))
}

/// Prints the length of the token and nothing else about it.
pub(super) fn token(config: &Config) -> Option<Finding> {
    let chars = config.wechat.token.as_ref()?.expose().len();
    let grade = if config.wechat.has_short_token() {
        Grade::Warning
    } else {
        Grade::Good
    };
    Some(Finding::new(
        "chat token",
        grade,
        format!("{chars} characters: anyone with a link to the binding page can try to guess it"),
        "set wechat.token to 32 random letters and digits, here and in the settings of the \
         platform",
    ))
}

pub(super) fn links(config: &Config) -> Option<Finding> {
    config.wechat.token.as_ref()?;
    let site = config.wechat.site(config.http.listen);
    let (grade, found) = if config.wechat.has_no_site() {
        let found = "links start with http.listen, which phones may not reach";
        (Grade::Warning, format!("{}: {found}", site.as_str()))
    } else {
        (Grade::Good, site.as_str().to_owned())
    };
    Some(Finding::new(
        "chat links",
        grade,
        found,
        "set wechat.site to the address that people use, such as https://tickets.example.com",
    ))
}
