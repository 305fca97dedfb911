//! Asks the operator before a change that cannot be undone.

use std::io::{self, IsTerminal, Write};

use crate::error::{Error, Result};

/// Asks the person at the terminal, if there is one, unless they gave `yes`.
///
/// # Errors
/// The person says no, or cannot be asked.
pub(super) fn confirm(yes: bool, what: &str) -> Result<()> {
    if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    eprint!("{what}. This cannot be undone. Type yes to go on: ");
    let failed = |error: io::Error| Error::Refused(format!("cannot ask: {error}"));
    io::stderr().flush().map_err(failed)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(failed)?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Error::Refused("nothing was changed".to_owned()))
}
