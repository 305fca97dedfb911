//! The webhook: the shop's order system at one address, which accepts deliveries or not.

use std::error::Error as _;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use reqwest::{Client, Response, Url, redirect};

use super::signature::Signer;
use super::{Answer, Sink};
use crate::config;
use crate::domain::feed::{Group, Message};
use crate::error::{Error, Result};
use crate::relay::message;

/// The group by which it reads the feeds.
pub const GROUP: Group = Group::RELAY;

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a connection.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// An answer is read up to here, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// As much of an answer is told to people.
const REASON_CHARS_MAX: usize = 200;

/// Posts to one address.
pub struct Webhook {
    client: Client,
    url: Url,
    signer: Signer,
    /// The address without its secrets.
    shown: String,
}

impl Webhook {
    /// The webhook of these settings; `None` when they have no address.
    ///
    /// # Errors
    /// [`Error::Config`] when there is no secret, or the address cannot be used.
    pub fn configured(settings: &config::Relay) -> Result<Option<Self>> {
        let Some(webhook) = &settings.webhook else {
            return Ok(None);
        };
        let unsigned = || Error::Config("relay.webhook needs relay.secret".to_owned());
        let secret = settings.secret.as_ref().ok_or_else(unsigned)?;
        let wrong = |why: &dyn fmt::Display| {
            let expected = "expected http:// or https:// and a host";
            Error::Config(format!("relay.webhook {webhook}: {why}; {expected}"))
        };
        let url = Url::parse(webhook.expose()).map_err(|e| wrong(&e))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(wrong(&"this is no address of HTTP"));
        }
        // Fails only when a provider is installed already, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("seckill/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout.min(CONNECT_TIMEOUT_MAX))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|e| wrong(&e))?;
        Ok(Some(Self {
            client,
            url,
            signer: Signer::new(secret),
            shown: webhook.to_string(),
        }))
    }

    async fn post(&self, body: Vec<u8>) -> Answer {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = since_epoch.map_or(0, |since| since.as_secs());
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("x-seckill-timestamp", timestamp)
            .header("x-seckill-signature", self.signer.sign(timestamp, &body))
            .body(body);
        match request.send().await {
            Ok(response) => judge(response).await,
            Err(error) => Answer::Failed(explain(error)),
        }
    }
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Sink for Webhook {
    fn group(&self) -> Group {
        GROUP
    }

    fn deliver<'a>(&'a self, event: &'a str, messages: &'a [&'a Message]) -> BoxFuture<'a, Answer> {
        Box::pin(self.post(message::json(event, messages)))
    }
}

/// 2xx: it has it. 408, 429 and 5xx: it is in trouble. Anything else is about what was sent.
async fn judge(mut response: Response) -> Answer {
    let status = response.status().as_u16();
    let said = said(&mut response).await;
    match status {
        200..=299 => Answer::Accepted,
        408 | 429 | 500.. => Answer::Failed(format!("HTTP {status}{said}")),
        _ => Answer::Refused(format!("HTTP {status}{said}")),
    }
}

/// The start of the answer on one line.
async fn said(response: &mut Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let line = text.trim().chars().take(REASON_CHARS_MAX);
    let line: String = line.map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.is_empty() {
        line
    } else {
        format!(": {line}")
    }
}

/// The error with its causes and without the address, which may hold a token.
fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn settings(webhook: &str, secret: Option<&str>) -> config::Relay {
        config::Relay {
            webhook: Some(config::Webhook::new(webhook)),
            secret: secret.map(Secret::new),
            ..config::Relay::default()
        }
    }

    #[test]
    fn an_address_that_is_none_is_named_without_its_token() {
        for text in [
            "shop.example",
            "ftp://shop/hunter2",
            "http://",
            "http://x:y/hunter2",
        ] {
            let wrong = Webhook::configured(&settings(text, Some("a secret of the shop")));
            let said = wrong.err().expect(text).to_string();
            assert!(said.contains("relay.webhook"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        let unsigned = Webhook::configured(&settings("http://shop", None));
        let said = unsigned.err().expect("no secret").to_string();
        assert!(said.contains("relay.secret"), "{said}");
        let none = Webhook::configured(&config::Relay::default());
        assert!(none.expect("valid").is_none());
    }
}
