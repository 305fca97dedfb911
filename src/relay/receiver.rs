//! The shop's order system, as the relay sees it: one address that accepts deliveries or not.

use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, Response, Url, redirect};

use super::body;
use super::signature::Signer;
use crate::config;
use crate::domain::feed::Letter;
use crate::error::{Error, Result};

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a connection.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// An answer is read up to here, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// As much of an answer is told to people.
const REASON_CHARS_MAX: usize = 200;

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

/// Delivers to one address.
pub struct Receiver {
    client: Client,
    url: Url,
    signer: Signer,
    accepted: AtomicU64,
}

impl Receiver {
    /// A receiver as configured. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Config`] when there is no address or no secret, or the address cannot be used.
    pub fn new(settings: &config::Relay) -> Result<Self> {
        let (Some(webhook), Some(secret)) = (&settings.webhook, &settings.secret) else {
            return Err(Error::Config(
                "a relay needs relay.webhook, where to deliver to, and relay.secret".to_owned(),
            ));
        };
        let wrong = |why: &dyn std::fmt::Display| {
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
        Ok(Self {
            client,
            url,
            signer: Signer::new(secret),
            accepted: AtomicU64::new(0),
        })
    }

    /// Deliveries that were accepted since the start.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Delivers some entries of one event, once.
    pub async fn deliver(&self, event: &str, letters: &[&Letter]) -> Answer {
        let body = body::json(event, letters);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = since_epoch.map_or(0, |since| since.as_secs());
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("x-seckill-timestamp", timestamp)
            .header("x-seckill-signature", self.signer.sign(timestamp, &body))
            .body(body);
        let answer = match request.send().await {
            Ok(response) => judge(response).await,
            Err(error) => Answer::Failed(explain(error)),
        };
        if answer == Answer::Accepted {
            self.accepted.fetch_add(1, Ordering::Relaxed);
        }
        answer
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
    use crate::config::{Secret, Webhook};

    #[test]
    fn an_address_that_is_none_is_named_without_its_token() {
        for text in [
            "shop.example",
            "ftp://shop/hunter2",
            "http://",
            "http://x:y/hunter2",
        ] {
            let settings = config::Relay {
                webhook: Some(Webhook::new(text)),
                secret: Some(Secret::new("a secret of the shop")),
                ..config::Relay::default()
            };
            let said = Receiver::new(&settings).err().expect(text).to_string();
            assert!(said.contains("relay.webhook"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        let said = Receiver::new(&config::Relay::default())
            .err()
            .expect("none");
        assert!(said.to_string().contains("relay.webhook"), "{said}");
    }
}
