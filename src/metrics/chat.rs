//! What users of the chat platform ask, in numbers.

use prometheus::{IntCounterVec, Opts, Registry};

/// Messages, by what they ask for and what became of them.
pub struct Chat {
    messages: IntCounterVec,
}

impl Chat {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        let messages = IntCounterVec::new(
            Opts::new(
                "seckill_wechat_messages_total",
                "Messages of the chat platform by what they ask for and what became of them",
            ),
            &["command", "outcome"],
        )?;
        registry.register(Box::new(messages.clone()))?;
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
