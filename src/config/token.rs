//! The operators' token: a secret that is never printed by accident.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, de::Error};

/// Random bytes of a generated token: 160 bits.
const RANDOM_BYTES: usize = 20;

/// The token that operators send with each change over HTTP: characters that a bearer token may
/// have (RFC 6750), at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// Accepts exactly the rule above. The error never repeats the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("it is empty: leave it out to get a random one");
        }
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
        if !text.as_bytes().iter().all(allowed) {
            return Err("it may contain only letters, digits and - . _ ~ + / =");
        }
        Ok(Self(text.to_owned()))
    }

    /// A token that nobody can guess.
    pub fn random() -> Self {
        let bytes = rand::random::<[u8; RANDOM_BYTES]>();
        Self(HEXLOWER.encode(&bytes))
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Reads a token that is set.
pub fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<AdminToken>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let token = text.as_deref().map(AdminToken::parse).transpose();
    token.map_err(|why| D::Error::custom(format!("the operators' token: {why}")))
}
