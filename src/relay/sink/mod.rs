//! Sinks: where the feeds are delivered to. Each reads every feed as a consumer group of its own,
//! so one that is in trouble holds up no other.
//!
//! A new sink is a file here, a row in [`GROUPS`] and [`configured`], and a setting that
//! [`config::Relay::has_sinks`] knows.

mod signature;
mod webhook;

use std::fmt;

use futures_util::future::BoxFuture;

use self::webhook::Webhook;
use crate::config;
use crate::domain::feed::{Group, Message};
use crate::error::{Error, Result};

/// The groups of all sinks that this program knows, whether or not they are configured here.
pub static GROUPS: [Group; 1] = [webhook::GROUP];

/// A sink. It is displayed as the place where it delivers to, without secrets.
pub trait Sink: fmt::Display + Send + Sync {
    /// The group by which it reads the feeds; no other sink has it.
    fn group(&self) -> Group;

    /// Delivers some messages of one event, once, within a bounded time. They are in the order of
    /// the feed.
    fn deliver<'a>(&'a self, event: &'a str, messages: &'a [&'a Message]) -> BoxFuture<'a, Answer>;
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The receiver has it.
    Accepted,
    /// The receiver does not want it, and says why.
    Refused(String),
    /// The receiver is in trouble, or cannot be reached; it may have it or not.
    Failed(String),
}

/// The sinks of these settings, at least one. Nothing is sent yet.
///
/// # Errors
/// [`Error::Config`] when there is none, or one cannot be used as it is configured.
pub fn configured(settings: &config::Relay) -> Result<Vec<Box<dyn Sink>>> {
    let webhook = Webhook::configured(settings)?;
    let webhook = webhook.map(|sink| Box::new(sink) as Box<dyn Sink>);
    let sinks: Vec<_> = [webhook].into_iter().flatten().collect();
    if sinks.is_empty() {
        return Err(Error::Config(
            "a relay needs relay.webhook, where to deliver to, and relay.secret".to_owned(),
        ));
    }
    Ok(sinks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_without_a_sink_says_what_it_needs() {
        let none = configured(&config::Relay::default());
        let said = none.err().expect("no sink").to_string();
        assert!(said.contains("relay.webhook"), "{said}");
    }
}
