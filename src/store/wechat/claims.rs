//! The memory of replies: a message that is delivered again gets the same reply, and its work is
//! done once.
//!
//! ```text
//! none ──claim──→ claimed ──keep──→ kept, for 60 s
//!   ↑                └─release, or the lease of 3 s ends
//!   └────────────────────┘
//! ```
//!
//! What must not be done twice is noted in the claim before it is done. The note outlives its
//! owner: the next claim of the message gets the note and goes on from there.

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

/// How long a claim keeps other deliveries away. The platform waits longer than that: a delivery
/// right after the owner died can still wait, take over, and answer.
pub const LEASE: Duration = Duration::from_secs(3);
/// How long a message is remembered after its last claim, and its reply: longer than the platform
/// delivers a message again.
pub const MEMORY: Duration = Duration::from_secs(60);

/// The key of a message: the same for each of its deliveries.
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

/// A claim to answer a message. It ends with its lease, even if its owner dies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    key: MessageKey,
    owner: String,
    /// The order that an earlier owner was about to make or cancel, or did, without a reply.
    pub note: Option<OrderId>,
}

/// All possible answers when a message is claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The caller must answer it.
    Claimed(Claim),
    /// Another delivery is answering it: ask again until the lease has run out.
    Pending,
    /// It was answered with this.
    Repeated(String),
}

/// All possible answers when a claim is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleOutcome {
    /// Done.
    Settled,
    /// Not done: the lease ran out, and another delivery has claimed or answered the message, or it
    /// is not remembered any more.
    Lost,
}

impl Store {
    /// Claims a message for [`LEASE`], unless it is claimed or was answered.
    ///
    /// # Errors
    /// [`Failure::Busy`]: a retry is safe. A claim without an answer is given up.
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

    /// Notes in the claim of a message that this order is about to be made or cancelled. If the
    /// claim is lost, it must not be done.
    ///
    /// Does not wait for replicas: a replica that has what is done next has the note, too.
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

    /// Remembers the reply to a claimed message for [`MEMORY`], unless another delivery has claimed
    /// or answered it.
    ///
    /// # Errors
    /// As [`Failure`] says.
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
