//! The memory of replies: a message that is delivered again gets the reply that it got, and does
//! its work once.
//!
//! ```text
//! none ──claim──→ claimed ──keep──→ kept, for 60 s
//!   ↑                └─release, or the lease of 3 s ends
//!   └────────────────────┘
//! ```
//!
//! What cannot be done twice is noted in the claim before it is done. The note outlives its owner:
//! whoever claims the message next gets it, and goes on with that.

use std::time::Duration;

use data_encoding::HEXLOWER;
use redis::Value;
use ring::digest::{Context, SHA256};

use crate::domain::ids::OrderId;
use crate::failure::{Failure, Result};
use crate::store::Store;
use crate::store::connection::lane::Needs;
use crate::store::decode::{unexpected, word, words};
use crate::store::script::{REPLY_CLAIM, REPLY_KEEP, REPLY_NOTE, REPLY_RELEASE};

/// How long a claim keeps others away: so much shorter than the platform waits for a reply that a
/// delivery right after the death of an owner can still wait, take over, and answer.
pub const LEASE: Duration = Duration::from_secs(3);
/// How long a message is remembered after its last claim, and its reply: longer than the platform
/// delivers a message again.
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
        Self(HEXLOWER.encode(digest.finish().as_ref()))
    }
}

/// A claim to answer a message. It ends with its lease, however its owner ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    key: MessageKey,
    owner: String,
    /// The order that an earlier owner, who told nobody, was about to make or to give back, or did.
    pub note: Option<OrderId>,
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
    /// Not done: the lease ran out, and the message is somebody else's, answered or forgotten.
    Lost,
}

impl Store {
    /// Claims a message for [`LEASE`], unless somebody else did or it was answered.
    ///
    /// # Errors
    /// [`Failure::Busy`] when it may be tried again: a claim that went unanswered is given up.
    pub async fn reply_claim(&self, key: &MessageKey) -> Result<ClaimOutcome> {
        let mut claim = Claim {
            key: key.clone(),
            owner: HEXLOWER.encode(&rand::random::<[u8; 16]>()),
            note: None,
        };
        let keys = [self.keys.reply(&key.0)];
        let call = REPLY_CLAIM.on(&keys).arg(&claim.owner);
        let call = call.arg(ms(LEASE)).arg(ms(MEMORY));
        let undo = REPLY_RELEASE.on(&keys).arg(&claim.owner);
        let deadline = self.deadline();
        let reply = match self.changes.decide_or_undo(call, undo, deadline).await {
            Err(Failure::Unknown(why)) => {
                // The connection was cut. If this fails, too, the lease ends the claim.
                let _ = self.reply_release(&claim).await;
                return Err(Failure::Busy(why));
            }
            answered => answered?,
        };
        let parts = words("reply_claim", reply)?;
        match parts.as_slice() {
            [outcome, note] if outcome == "claimed" => {
                claim.note = noted(note)?;
                Ok(ClaimOutcome::Claimed(claim))
            }
            [outcome] if outcome == "pending" => Ok(ClaimOutcome::Pending),
            [outcome, reply] if outcome == "repeated" => Ok(ClaimOutcome::Repeated(reply.clone())),
            other => Err(unexpected("reply_claim", &format!("{other:?}"))),
        }
    }

    /// Notes in the claim of a message that this order is about to be made or given back. What has
    /// been lost must not be done.
    ///
    /// No replica is waited for: one that has what is done next has the note, too.
    ///
    /// # Errors
    /// As [`Store::reply_keep`].
    pub async fn reply_note(&self, claim: &Claim, order: &OrderId) -> Result<SettleOutcome> {
        let keys = [self.keys.reply(&claim.key.0)];
        let call = REPLY_NOTE.on(&keys);
        let call = call.arg(&claim.owner).arg(order.as_str());
        settled(
            "reply_note",
            "noted",
            &self.change_in_time(call, Needs::Nothing).await?,
        )
    }

    /// Remembers the reply to a claimed message for [`MEMORY`], as long as nobody else claimed or
    /// answered it.
    ///
    /// # Errors
    /// [`Failure::Busy`] when nothing was executed; anything else means that it may have been.
    pub async fn reply_keep(&self, claim: &Claim, reply: &str) -> Result<SettleOutcome> {
        let keys = [self.keys.reply(&claim.key.0)];
        let call = REPLY_KEEP.on(&keys);
        let call = call.arg(&claim.owner).arg(reply).arg(ms(MEMORY));
        settled(
            "reply_keep",
            "kept",
            &self.change_in_time(call, Needs::Nothing).await?,
        )
    }

    /// Gives up a claim without a reply: the next delivery tries again, and gets the note.
    ///
    /// # Errors
    /// As [`Store::reply_keep`].
    pub async fn reply_release(&self, claim: &Claim) -> Result<SettleOutcome> {
        let keys = [self.keys.reply(&claim.key.0)];
        let call = REPLY_RELEASE.on(&keys).arg(&claim.owner);
        let reply = self.change_in_time(call, Needs::Nothing).await?;
        settled("reply_release", "released", &reply)
    }
}

fn noted(text: &str) -> Result<Option<OrderId>> {
    let wrong = |e| Failure::Unreadable(format!("the note of a message is {text:?}: {e}"));
    let note = (!text.is_empty()).then(|| OrderId::parse(text).map_err(wrong));
    note.transpose()
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
