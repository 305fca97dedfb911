//! Checks that a request comes from the platform, which signs it with a token that both sides know.
//!
//! The signature covers the time and a random number, not the message. Anyone who can read it can
//! send it again with another message. So the platform should reach this server by HTTPS.

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use subtle::ConstantTimeEq;

use crate::config::Secret;

/// Accepts requests of the platform only.
#[derive(Debug, Clone)]
pub struct Guard {
    token: Secret,
    ignores: bool,
}

impl Guard {
    /// A guard with this token. `ignores`: accepts every request, signed or not.
    pub fn new(token: Secret, ignores: bool) -> Self {
        Self { token, ignores }
    }

    /// True if `signature` is that of `timestamp` and `nonce`.
    pub fn admits(&self, timestamp: &str, nonce: &str, signature: &str) -> bool {
        self.ignores || is_signed(&self.token, timestamp, nonce, signature)
    }
}

/// The SHA-1, in lower-case hexadecimal digits, of the token and the two, sorted as texts and
/// joined. The time that it takes says nothing about the right signature.
fn is_signed(token: &Secret, timestamp: &str, nonce: &str, signature: &str) -> bool {
    let mut parts = [token.expose(), timestamp, nonce];
    parts.sort_unstable();
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for part in parts {
        digest.update(part.as_bytes());
    }
    let expected = HEXLOWER.encode(digest.finish().as_ref());
    expected.as_bytes().ct_eq(signature.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signatures that were made by others.
    const SIGNED: [[&str; 4]; 3] = [
        [
            "AAAAA",
            "1714037059",
            "486452656",
            "899cf89e464efb63f54ddac96b0a0a235f53aa78",
        ],
        [
            "AAAAA",
            "1714036504",
            "1514711492",
            "f464b24fc39322e44b38aa78f5edd27bd1441696",
        ],
        [
            "weixin",
            "1414243737",
            "1792106704",
            "35703636de2f9df2a77a662b68e521ce17c34db4",
        ],
    ];

    #[test]
    fn signatures_of_the_platform_are_known() {
        for [token, timestamp, nonce, signature] in SIGNED {
            let token = Secret::new(token);
            assert!(is_signed(&token, timestamp, nonce, signature));
            // The three are sorted, whatever they are.
            assert!(is_signed(&token, nonce, timestamp, signature));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let [token, timestamp, nonce, signature] = SIGNED[0];
        let secret = Secret::new(token);
        let guard = Guard::new(secret.clone(), false);
        assert!(guard.admits(timestamp, nonce, signature));
        assert!(!guard.admits(timestamp, nonce, ""));
        assert!(Guard::new(secret.clone(), true).admits("", "", ""));
        for wrong in [
            "",
            "899cf89e464efb63f54ddac96b0a0a235f53aa7",
            "899cf89e464efb63f54ddac96b0a0a235f53aa780",
            "899CF89E464EFB63F54DDAC96B0A0A235F53AA78",
            "f464b24fc39322e44b38aa78f5edd27bd1441696",
        ] {
            assert!(!is_signed(&secret, timestamp, nonce, wrong), "{wrong:?}");
        }
        assert!(!is_signed(
            &Secret::new("AAAAB"),
            timestamp,
            nonce,
            signature
        ));
        assert!(!is_signed(&secret, "1714037058", nonce, signature));
        assert!(!is_signed(&secret, timestamp, "486452657", signature));
        // Sorted as texts: as numbers the shorter nonce would come first.
        assert!("1714037059" < "486452656");
    }
}
