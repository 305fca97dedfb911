//! Proves to the receiver who sent a delivery, and when.

use data_encoding::HEXLOWER;
use ring::hmac::{HMAC_SHA256, Key, sign};

use crate::config::Secret;

/// Signs with one secret.
pub struct Signer(Key);

impl Signer {
    /// Anyone with the same secret can verify the signature.
    pub fn new(secret: &Secret) -> Self {
        Self(Key::new(HMAC_SHA256, secret.expose().as_bytes()))
    }

    /// `sha256=<hex>` over the timestamp, a dot and the body. The timestamp is part of it, so a
    /// delivery that somebody overheard cannot be sent again later as a fresh one.
    pub fn sign(&self, timestamp: u64, body: &[u8]) -> String {
        let mut signed = format!("{timestamp}.").into_bytes();
        signed.extend_from_slice(body);
        let tag = sign(&self.0, &signed);
        format!("sha256={}", HEXLOWER.encode(tag.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of docs/FEED.md, computed with another program.
    #[test]
    fn the_documented_vector() {
        let signer = Signer::new(&Secret::new("a secret of the shop"));
        let body = "{\"event\":\"spring\",\"entries\":[]}".as_bytes();
        let expected = "sha256=0c36794241f3c8a486b801e0de6fb007f53a38e2fe631c7d0a61710f5b67e3c1";
        assert_eq!(signer.sign(1_795_322_578, body), expected);
        assert_ne!(signer.sign(1_795_322_579, body), expected);
        let other = Signer::new(&Secret::new("another secret here"));
        assert_ne!(other.sign(1_795_322_578, body), expected);
    }
}
