//! The operators' token.

use super::finding::{Finding, Grade};
use crate::config::Config;

/// Prints the length of the token and nothing else about it.
pub(super) fn token(config: &Config) -> Option<Finding> {
    let chars = config.admin.token.as_ref()?.expose().len();
    let listen = config.http.admin_listen.unwrap_or(config.http.listen);
    let grade = if config.admin.has_short_token(&config.http) {
        Grade::Warning
    } else {
        Grade::Good
    };
    Some(Finding::new(
        "admin token",
        grade,
        format!("{chars} characters: anyone who reaches {listen} can try to guess it"),
        "a token of 32 random letters and digits or more, in the file that admin.token_file names",
    ))
}
