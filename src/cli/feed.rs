//! `seckill feed`: what could not be delivered to the shop's order system.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::Delivery;
use super::lookup::doubt;
use super::print::{Output, table};
use crate::config::Config;
use crate::domain::counted::counted;
use crate::domain::ids::SaleId;
use crate::error::Result;
use crate::operation::times;
use crate::relay::sink::{self, Answer, Sink};
use crate::store::Store;
use crate::store::feed::dead_letters::DeadLetter;

/// `seckill feed ...`
#[derive(Debug, Subcommand)]
pub enum FeedCommand {
    /// List the dead letters of an event: entries that the receiver refused again and again
    Dead {
        /// The event
        #[arg(value_parser = event)]
        event: String,
    },
    /// Deliver the dead letters of an event again, one by one, the oldest first; those that the
    /// receiver accepts now are removed. Exit code 1 if any is left
    Retry {
        /// The event
        #[arg(value_parser = event)]
        event: String,
        #[command(flatten)]
        delivery: Delivery,
    },
}

impl FeedCommand {
    /// The flags that say where to deliver to, if the command has them.
    pub fn delivery(&self) -> Option<&Delivery> {
        match self {
            Self::Dead { .. } => None,
            Self::Retry { delivery, .. } => Some(delivery),
        }
    }

    /// Runs the command.
    pub async fn run(&self, store: &Store, config: &Config, output: Output) -> Result<ExitCode> {
        match self {
            Self::Dead { event } => dead(store, event, output).await,
            Self::Retry { event, .. } => {
                let sinks = sink::configured(&config.relay)?;
                retry(store, event, &sinks, output).await
            }
        }
    }
}

fn event(text: &str) -> Result<String, String> {
    let id = SaleId::parse(text).map_err(|e| e.to_string())?;
    if id.event() == text {
        return Ok(id.event().to_owned());
    }
    Err(format!(
        "{text} is a sale of the event {}: name the event",
        id.event()
    ))
}

async fn dead(store: &Store, event: &str, output: Output) -> Result<ExitCode> {
    let letters = dead_letters(store, event).await?;
    let header = ["ENTRY", "GIVEN UP", "WHAT", "ORDER", "REASON"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(letters.iter().map(|letter| {
        vec![
            letter.entry.clone(),
            times::show(Some(letter.buried_at)),
            letter.what.clone(),
            letter.order.clone(),
            reason(letter),
        ]
    }));
    let lines = match letters.as_slice() {
        [] => format!("event {event} has no dead letters"),
        _ => table(&rows),
    };
    output.result(lines, &letters.iter().map(to_json).collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

/// Why it was given up, and by which sink, unless that is the webhook.
fn reason(letter: &DeadLetter) -> String {
    match letter.group.label() {
        None => letter.reason.clone(),
        Some(group) => format!("{group}: {}", letter.reason),
    }
}

fn to_json(letter: &DeadLetter) -> Value {
    let mut json = json!({
        "id": letter.id,
        "entry": letter.entry,
        "buried_at": letter.buried_at,
        "what": letter.what,
        "order": letter.order,
        "reason": letter.reason,
    });
    if let Some(group) = letter.group.label() {
        json["group"] = group.into();
    }
    json
}

async fn dead_letters(store: &Store, event: &str) -> Result<Vec<DeadLetter>> {
    let letters = store.feed_dead(event).await?;
    if letters.is_empty() {
        doubt(store, event).await;
    }
    Ok(letters)
}

/// Delivers a dead letter to the sink that gave it up.
async fn again(event: &str, dead: &DeadLetter, sinks: &[Box<dyn Sink>]) -> Answer {
    let sink = sinks.iter().find(|sink| sink.group() == dead.group);
    match (&dead.message, sink) {
        (Ok(message), Some(sink)) => sink.deliver(event, &[message]).await,
        (Ok(_), None) => {
            let group = dead.group.as_str();
            Answer::Refused(format!("no sink with the group {group} is configured here"))
        }
        (Err(why), _) => Answer::Refused(why.clone()),
    }
}

async fn retry(
    store: &Store,
    event: &str,
    sinks: &[Box<dyn Sink>],
    output: Output,
) -> Result<ExitCode> {
    let (mut delivered, mut left) = (0_u64, Vec::new());
    for dead in dead_letters(store, event).await? {
        match again(event, &dead, sinks).await {
            Answer::Accepted => {
                store.feed_dead_remove(event, &dead.id).await?;
                delivered += 1;
            }
            Answer::Refused(reason) | Answer::Failed(reason) => left.push((dead.entry, reason)),
        }
    }
    let lines = left
        .iter()
        .map(|(entry, reason)| format!("\n- {entry}: {reason}"));
    let letters = counted(delivered, "dead letter");
    let line = format!(
        "delivered {letters} of event {event}: {} left{}",
        left.len(),
        lines.collect::<String>()
    );
    let reasons = left
        .iter()
        .map(|(entry, reason)| json!({"entry": entry, "reason": reason}));
    let reasons: Value = reasons.collect();
    output.result(
        line,
        &json!({"event": event, "delivered": delivered, "left": reasons}),
    )?;
    Ok(if left.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
