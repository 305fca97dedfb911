//! A client of the operators' endpoints.

use super::buyer::{Buyer, Reply};

/// The token of the servers in tests.
pub const TOKEN: &str = "operators-token-1";

/// A client that sends a token.
#[derive(Clone)]
pub struct Operator {
    buyer: Buyer,
    bearer: String,
}

impl Operator {
    pub fn new(buyer: &Buyer, token: &str) -> Self {
        Self {
            buyer: buyer.clone(),
            bearer: format!("Bearer {token}"),
        }
    }

    pub async fn send(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Reply {
        let headers = [
            ("authorization", self.bearer.as_str()),
            ("content-type", media_type),
        ];
        self.buyer.send(method, path, &headers, body.to_vec()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", b"").await
    }

    /// A request without a body.
    pub async fn post(&self, path: &str) -> Reply {
        self.send("POST", path, "", b"").await
    }

    pub async fn json(&self, method: &str, path: &str, body: &str) -> Reply {
        self.send(method, path, "application/json", body.as_bytes())
            .await
    }

    /// Units, one a line.
    pub async fn lines(&self, path: &str, lines: &str) -> Reply {
        self.send("POST", path, "text/plain", lines.as_bytes())
            .await
    }
}
