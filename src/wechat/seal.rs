//! Seals of links to the binding page. The platform knows which user speaks, so a link that the
//! chat gave carries a seal. Without seals, a client could invent openids and occupy every number.

use data_encoding::HEXLOWER;
use ring::hmac::{HMAC_SHA256, Key, sign};
use subtle::ConstantTimeEq;

use crate::config::Secret;
use crate::domain::ids::OpenId;

/// Hexadecimal digits of a seal: 128 bits.
const DIGITS: usize = 32;
/// What a seal is for, so that another use of the token never makes a valid seal.
const PURPOSE: &str = "bind\0";

/// Seals openids with the platform's token. Every server of the account has the token, so each
/// knows the seals of the others. A new token makes all old seals invalid.
#[derive(Debug, Clone)]
pub struct Sealer(Key);

impl Sealer {
    /// Seals with this token.
    pub fn new(token: &Secret) -> Self {
        Self(Key::new(HMAC_SHA256, token.expose().as_bytes()))
    }

    /// The first half of the HMAC-SHA-256 of the purpose and the openid, in lower-case digits.
    pub fn seal(&self, user: &OpenId) -> String {
        let signed = format!("{PURPOSE}{user}");
        let tag = sign(&self.0, signed.as_bytes());
        let mut seal = HEXLOWER.encode(tag.as_ref());
        seal.truncate(DIGITS);
        seal
    }

    /// True if `seal` is that of `user`. The time that it takes says nothing about the right seal.
    pub fn knows(&self, user: &OpenId, seal: &str) -> bool {
        let expected = self.seal(user);
        expected.as_bytes().ct_eq(seal.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Token, openid and seal. `printf 'bind\0OPENID' | openssl dgst -sha256 -hmac TOKEN` gives the
    /// same digits and 32 more.
    const SEALED: [[&str; 3]; 3] = [
        [
            "AAAAA",
            "o6_bmjrPTlm6_2sgVt7hMZOPfL2M",
            "c886bae9bbcff23c2f8e2abca9b69084",
        ],
        ["AAAAA", "oA", "30ccebbc2fce342fb040f900256cb09f"],
        ["weixin", "oA", "7358a7ae6f40915f3797e5b1de73d881"],
    ];

    fn openid(text: &str) -> OpenId {
        OpenId::parse(text).expect("an openid")
    }

    #[test]
    fn seals_are_those_of_another_program() {
        for [token, user, seal] in SEALED {
            let sealer = Sealer::new(&Secret::new(token));
            assert_eq!(sealer.seal(&openid(user)), seal);
            assert!(sealer.knows(&openid(user), seal));
        }
    }

    #[test]
    fn a_seal_is_of_one_openid_and_one_token() {
        for [token, user, _] in SEALED {
            let sealer = Sealer::new(&Secret::new(token));
            for [other_token, other_user, seal] in SEALED {
                let own = (token, user) == (other_token, other_user);
                assert_eq!(sealer.knows(&openid(user), seal), own, "{user} {seal}");
            }
        }
    }

    #[test]
    fn everything_else_is_no_seal() {
        let [token, user, _] = SEALED[1];
        let sealer = Sealer::new(&Secret::new(token));
        for wrong in [
            "",
            "30",
            "30ccebbc2fce342fb040f900256cb09",
            "30ccebbc2fce342fb040f900256cb09e",
            "30ccebbc2fce342fb040f900256cb09f4",
            "30ccebbc2fce342fb040f900256cb09f479c170a1c6ed16d812d7798ad2b2b8d",
            "30CCEBBC2FCE342FB040F900256CB09F",
            " 30ccebbc2fce342fb040f900256cb09f",
        ] {
            assert!(!sealer.knows(&openid(user), wrong), "{wrong:?}");
        }
        // Openids differ in case.
        let seal = sealer.seal(&openid(user));
        assert!(!sealer.knows(&openid("oa"), &seal));
    }
}
