//! `[relay]`: where the feed is delivered to, and how patiently.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::duration;

/// Bytes of a secret that nobody guesses.
const SECRET_BYTES_MIN: usize = 16;
/// Most entries in one delivery.
const BATCH_MAX: usize = 1000;
/// Most refusals before an entry is given up.
const ATTEMPTS_MAX: u32 = 1000;
/// Bounds of the wait for an answer of the receiver.
const TIMEOUT_MIN: Duration = Duration::from_millis(10);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// A live relay speaks up three times in this time, however long a delivery takes.
const TIMEOUTS_IN_TAKEOVER: u32 = 3;
const TAKEOVER_MAX: Duration = Duration::from_secs(3600);

/// `[relay]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Relay {
    /// The receiver, `http://` or `https://`; none: the server delivers nothing.
    pub webhook: Option<Webhook>,
    /// Signs every delivery; required with a webhook.
    pub secret: Option<Secret>,
    /// File with that secret, read at the start.
    pub secret_file: Option<PathBuf>,
    /// Most entries in one delivery: 100.
    pub batch_max: usize,
    /// Refusals after which an entry becomes a dead letter: 5.
    pub attempts_max: u32,
    /// Longest wait for an answer of the receiver: 10 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
    /// After so long without a sign of life, the entries of a relay are taken over: 60 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub takeover: Duration,
}

/// The address of the receiver. It may hold a password or a token, so it is never printed whole.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Webhook(String);

impl Webhook {
    /// Takes any text; the relay tells whether it is an address.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole address.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Webhook {
    /// Scheme, host and port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str("(no scheme)");
        };
        let place = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let host = place.rsplit('@').next().unwrap_or_default();
        write!(f, "{scheme}://{host}")
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes any text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            webhook: None,
            secret: None,
            secret_file: None,
            batch_max: 100,
            attempts_max: 5,
            timeout: Duration::from_secs(10),
            takeover: Duration::from_secs(60),
        }
    }
}

impl Relay {
    /// True when there is anywhere to deliver to.
    pub fn has_sinks(&self) -> bool {
        self.webhook.is_some()
    }

    /// What cannot be used, if anything.
    pub(super) fn wrong(&self) -> Option<&'static str> {
        let secret = self.secret.as_ref().map(|secret| secret.expose().len());
        let takeover = self.timeout * TIMEOUTS_IN_TAKEOVER..=TAKEOVER_MAX;
        if !(1..=BATCH_MAX).contains(&self.batch_max) {
            Some("relay.batch_max must be from 1 to 1000")
        } else if !(1..=ATTEMPTS_MAX).contains(&self.attempts_max) {
            Some("relay.attempts_max must be from 1 to 1000")
        } else if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&self.timeout) {
            Some("relay.timeout must be from 10ms to 60s")
        } else if !takeover.contains(&self.takeover) {
            Some("relay.takeover must be from three times relay.timeout to 1h")
        } else if self.webhook.is_some() && secret.is_none() {
            Some(
                "relay.webhook needs relay.secret or relay.secret_file, by which the receiver knows that \
                 a delivery is yours: a random text of at least 16 bytes, the same here and there",
            )
        } else if secret.is_some_and(|bytes| bytes < SECRET_BYTES_MIN) {
            Some("relay.secret is too short to be one: it must have at least 16 bytes")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_hold_a_token_is_never_printed() {
        for text in [
            "https://user:hunter2@shop.example/hook",
            "https://shop.example/hunter2?hunter2#hunter2",
            "https://user:a@hunter2@shop.example",
            "hunter2",
        ] {
            let webhook = Webhook::new(text);
            let shown = format!("{webhook} {webhook:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        let shown = Webhook::new("http://a@127.0.0.1:80/x").to_string();
        assert_eq!(shown, "http://127.0.0.1:80");
        let config = Relay {
            secret: Some(Secret::new("hunter2")),
            ..Relay::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
