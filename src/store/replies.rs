//! The memory of replies: a message that is delivered again gets the reply that it got, and does
//! its work once.
//!
//! ```text
//! none ──claim──→ claimed ──keep──→ kept, for 60 s
//!   ↑                └─release, or the lease of 5 s ends
//!   └────────────────────┘
//! ```

use std::fmt::Write;
use std::time::Duration;

use redis::Value;
use ring::digest::{Context, SHA256};

use super::Store;
use super::reply::{unexpected, word, words};
use super::script::{REPLY_CLAIM, REPLY_KEEP, REPLY_RELEASE};
use crate::error::Result;

/// How long a claim keeps others away: as long as the platform waits for a reply.
pub const LEASE: Duration = Duration::from_secs(5);
/// How long a reply is remembered: longer than the platform delivers a message again.
pub const MEMORY: Duration = Duration::from_secs(60);

/// What a message is remembered by: the same for each of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageKey(String);

impl MessageKey {
    /// The key of a message that these parts identify, in their order.
    pub fn new(parts: &[&str]) -> Self {
        let mut digest = Context::new(&SHA256);
        for part in parts {
            // With their lengths, so that ("ab", "c") and ("a", "bc") differ.
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        Self(hex(digest.finish().as_ref()))
    }
}

/// A claim to answer a message. It ends with its lease, however its owner ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    key: MessageKey,
    owner: String,
}

/// The closed set of answers to claiming a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// It is the caller's to answer.
    Claimed(Claim),
    /// Somebody else is answering it: ask again until his lease has run out.
    Pending,
    /// It was answered with this.
    Repeated(String),
}

/// The closed set of answers to settling a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleOutcome {
    /// Done.
    Settled,
    /// Not done: the lease ran out, and the message is somebody else's or was answered.
    Lost,
}

impl Store {
    /// Claims a message for [`LEASE`], unless somebody else did or it was answered.
    ///
    /// # Errors
    /// [`Error::Busy`](crate::error::Error::Busy) when nothing was executed; after
    /// [`Error::Unknown`](crate::error::Error::Unknown) the message may be claimed by nobody for
    /// the time of a lease.
    pub async fn reply_claim(&self, key: &MessageKey) -> Result<ClaimOutcome> {
        let claim = Claim {
            key: key.clone(),
            owner: hex(&rand::random::<[u8; 16]>()),
        };
        let keys = [self.keys.reply(&key.0)];
        let call = REPLY_CLAIM.on(&keys);
        let call = call.arg(&claim.owner).arg(ms(LEASE));
        let reply = self.send_in_time(call, false).await?;
        let parts = words("reply_claim", reply)?;
        match parts.as_slice() {
            [outcome] if outcome == "claimed" => Ok(ClaimOutcome::Claimed(claim)),
            [outcome] if outcome == "pending" => Ok(ClaimOutcome::Pending),
            [outcome, reply] if outcome == "repeated" => Ok(ClaimOutcome::Repeated(reply.clone())),
            other => Err(unexpected("reply_claim", &format!("{other:?}"))),
        }
    }

    /// Remembers the reply to a claimed message for [`MEMORY`], as long as nobody else claimed or
    /// answered it.
    ///
    /// # Errors
    /// [`Error::Busy`](crate::error::Error::Busy) when nothing was executed; anything else means
    /// that it may have been.
    pub async fn reply_keep(&self, claim: &Claim, reply: &str) -> Result<SettleOutcome> {
        let keys = [self.keys.reply(&claim.key.0)];
        let call = REPLY_KEEP.on(&keys);
        let call = call.arg(&claim.owner).arg(reply).arg(ms(MEMORY));
        settled("reply_keep", "kept", &self.send_in_time(call, false).await?)
    }

    /// Gives up a claim without a reply: the next delivery tries again.
    ///
    /// # Errors
    /// As [`Store::reply_keep`].
    pub async fn reply_release(&self, claim: &Claim) -> Result<SettleOutcome> {
        let keys = [self.keys.reply(&claim.key.0)];
        let call = REPLY_RELEASE.on(&keys).arg(&claim.owner);
        let reply = self.send_in_time(call, false).await?;
        settled("reply_release", "released", &reply)
    }
}

fn settled(script: &str, done: &str, reply: &Value) -> Result<SettleOutcome> {
    match word(script, reply)?.as_str() {
        word if word == done => Ok(SettleOutcome::Settled),
        "lost" => Ok(SettleOutcome::Lost),
        other => Err(unexpected(script, other)),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_one_key_and_no_other_message_has_it() {
        let key = MessageKey::new(&["ab", "c"]);
        assert_eq!(key, MessageKey::new(&["ab", "c"]));
        assert_eq!(key.0.len(), 64);
        for other in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &["c", "ab"]] {
            assert_ne!(key, MessageKey::new(other), "{other:?}");
        }
    }
}
