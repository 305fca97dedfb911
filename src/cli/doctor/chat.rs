//! The settings of the ticket office.

use super::finding::{Finding, Grade};
use crate::config::Config;

pub(super) fn signatures(config: &Config) -> Option<Finding> {
    config.wechat.token.as_ref()?;
    let (grade, found) = if config.wechat.is_unguarded() {
        (Grade::Wrong, "messages at /wechat are taken from anybody")
    } else {
        (Grade::Good, "messages at /wechat are checked")
    };
    Some(Finding::new(
        "signatures",
        grade,
        found,
        "set wechat.ignore_signature to false",
    ))
}

/// Says how long the token is and nothing else of it.
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
        format!("{chars} characters; whoever has a link to the binding page can try tokens on it"),
        "wechat.token of 32 random letters and digits, here and in the platform's settings",
    ))
}

pub(super) fn links(config: &Config) -> Option<Finding> {
    config.wechat.token.as_ref()?;
    let site = config.wechat.site(config.http.listen);
    let (grade, found) = if config.wechat.has_no_site() {
        let found = "they start with http.listen, where phones may not find this server";
        (Grade::Warning, format!("{}: {found}", site.as_str()))
    } else {
        (Grade::Good, site.as_str().to_owned())
    };
    Some(Finding::new(
        "chat links",
        grade,
        found,
        "set wechat.site to where people reach this server, like https://tickets.example.com",
    ))
}
