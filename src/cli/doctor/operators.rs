//! The operators' token.

use super::finding::{Finding, Grade};
use crate::config::Config;

/// Says how long the token is and nothing else of it.
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
        format!("{chars} characters; whoever reaches {listen} can try tokens"),
        "a token of 32 random letters and digits or more, in the file that admin.token_file names",
    ))
}
