//! What users of the chat platform ask, in numbers.

use prometheus::{IntCounterVec, Registry};

use super::{counters, table};

/// Messages, by what they ask for and what became of them.
pub struct Chat {
    messages: IntCounterVec,
}

impl Chat {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        let messages = counters(registry, &table::WECHAT_MESSAGES)?;
        Ok(Self { messages })
    }

    /// A message was answered.
    pub fn answered(&self, command: &str, outcome: &str) {
        self.messages.with_label_values(&[command, outcome]).inc();
    }

    /// What may have been a message was not read.
    pub fn refused(&self, why: &str) {
        self.answered("unread", why);
    }
}
