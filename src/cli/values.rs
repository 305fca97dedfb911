//! The values of flags.

use crate::domain::ids::Username;

pub(super) fn username(text: &str) -> Result<Username, String> {
    Username::parse(text.to_owned()).map_err(|e| e.to_string())
}
