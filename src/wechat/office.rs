//! The office: answers each message once, however often the platform delivers it.
//!
//! ```text
//! delivery ─→ claimed: work, then keep the reply ─→ reply
//!          ├→ answered before ──────────────────→ the same reply
//!          └→ another delivery works on it: wait, ask again
//! ```
//!
//! The work is a task of its own. It goes on when the platform has hung up, and the next delivery
//! finds its reply.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep, timeout_at};

use super::command::Command;
use super::links::Links;
use super::message::Message;
use super::reply::{Envelope, Reply, SILENCE};
use super::wording;
use crate::admission::Admission;
use crate::catalogue::Catalogue;
use crate::config::NumberPattern;
use crate::domain::ids::Number;
use crate::failure::{Failure, Result};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::wechat::claims::{Claim, ClaimOutcome, SettleOutcome};

/// Time for an answer, from the moment when the head of the request was read. The platform hangs up
/// after 5 s, which include the network.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(4_500);
/// Pause before asking again for a reply that another delivery works on.
const PENDING_PAUSE: Duration = Duration::from_millis(25);
/// Pause before a retry of what was not executed. The platform would retry only after silence.
const BUSY_PAUSE: Duration = Duration::from_millis(500);

/// What the office needs. Clones share everything.
#[derive(Clone)]
pub struct Office {
    /// Decides bookings.
    pub admission: Arc<Admission>,
    /// Keeps bindings, replies and tickets.
    pub store: Store,
    /// Shows the activities.
    pub catalogue: Catalogue,
    /// Counts the messages.
    pub metrics: Arc<Metrics>,
    /// The texts of the official account.
    pub account: Arc<Account>,
}

/// The name and pages of an official account.
#[derive(Debug)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its pages.
    pub links: Links,
    /// The pattern of its users' numbers.
    pub number_pattern: NumberPattern,
}

impl Account {
    /// A number of one of its users; `None` if the text is not a number.
    pub fn number(&self, text: &str) -> Option<Number> {
        let number = Number::parse(text).ok();
        number.filter(|_| self.number_pattern.fits(text))
    }
}

/// The body of an answer, and the word for it in metrics.
type Answered = (String, &'static str);

impl Office {
    /// The body of the answer to a message, within the time limit, which began at `since`. If there
    /// is no answer in time, the body is an apology, and the next delivery is worked on anew.
    pub async fn answer(&self, message: Message, since: Instant) -> String {
        let deadline = since + ANSWER_TIMEOUT;
        let command = Command::of(&message.content);
        let label = command.label();
        if command == Command::Notice {
            self.metrics.chat.answered(label, "silence");
            return SILENCE.to_owned();
        }
        let message = Arc::new(message);
        let answering = self.clone().answer_once(message.clone(), command, deadline);
        let answered = match timeout_at(deadline, tokio::spawn(answering)).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(ended)) => Err(Failure::Unknown(format!("the task ended: {ended}"))),
            Err(_) => Err(Failure::Unknown(format!("not done in {ANSWER_TIMEOUT:?}"))),
        };
        let (body, outcome) = answered.unwrap_or_else(|error| {
            tracing::warn!(command = label, %error, "cannot answer a message: sending an apology");
            let apology = Reply::text(match error {
                Failure::Busy(_) | Failure::Unknown(_) => wording::BUSY,
                Failure::Unreadable(_) => wording::UNREADABLE,
            });
            (body(&message, &apology), error.label())
        });
        self.metrics.chat.answered(label, outcome);
        body
    }

    async fn answer_once(
        self,
        message: Arc<Message>,
        command: Command,
        deadline: Instant,
    ) -> Result<Answered> {
        loop {
            let (pause, why) = match self.try_once(&message, &command).await {
                Ok(Some(answered)) => return Ok(answered),
                Ok(None) => (
                    PENDING_PAUSE,
                    "another delivery of the message is in progress".into(),
                ),
                Err(Failure::Busy(why)) => (BUSY_PAUSE, why),
                Err(error) => return Err(error),
            };
            if Instant::now() + pause > deadline {
                return Err(Failure::Busy(why));
            }
            sleep(pause).await;
        }
    }

    /// `None` while another delivery works on it.
    async fn try_once(&self, message: &Message, command: &Command) -> Result<Option<Answered>> {
        match self.store.reply_claim(&message.key).await? {
            ClaimOutcome::Claimed(claim) => self.work(message, command, &claim).await.map(Some),
            ClaimOutcome::Repeated(body) => Ok(Some((body, "repeated"))),
            ClaimOutcome::Pending => Ok(None),
        }
    }

    /// Executes a message and keeps the reply. A failure is not kept: it may be over when the
    /// message is delivered again.
    async fn work(&self, message: &Message, command: &Command, claim: &Claim) -> Result<Answered> {
        match self.reply(message, command, claim).await {
            Ok(reply) => {
                let body = body(message, &reply);
                settled(self.store.reply_keep(claim, &body).await);
                let outcome = match reply {
                    Reply::Silence => "silence",
                    Reply::Text(_) | Reply::News(_) => "answered",
                };
                Ok((body, outcome))
            }
            Err(error) => {
                settled(self.store.reply_release(claim).await);
                Err(error)
            }
        }
    }
}

/// A claim that could not be settled ends by itself. Its work may then be done again.
fn settled(outcome: Result<SettleOutcome>) {
    match outcome {
        Ok(SettleOutcome::Settled) => {}
        Ok(SettleOutcome::Lost) => tracing::warn!("a message took longer than its claim lasts"),
        Err(error) => tracing::warn!(%error, "cannot settle the claim of a message"),
    }
}

fn body(message: &Message, reply: &Reply) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    reply.body(Envelope {
        user: message.user.as_str(),
        account: &message.account,
        created: now.map_or(0, |now| now.as_secs()),
    })
}
