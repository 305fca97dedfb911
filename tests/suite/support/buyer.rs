//! A client of the doors.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::PATIENCE;

/// Someone who asks at the doors over kept connections.
#[derive(Clone)]
pub struct Buyer {
    client: Client,
    base: String,
    address: SocketAddr,
}

/// Asks until the answer is no longer that nobody knows.
pub async fn settled(ask: impl AsyncFn() -> Reply) -> Reply {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = ask().await;
        if reply.status != 503 {
            return reply;
        }
        assert!(Instant::now() < deadline, "never settled: {reply:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What came back, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub result: String,
    pub retry_after: Option<String>,
    pub content_type: String,
    pub body: String,
}

impl Reply {
    async fn read(response: Response) -> reqwest::Result<Self> {
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().expect("ASCII").to_owned())
        };
        Ok(Self {
            status: response.status().as_u16(),
            result: header("x-seckill-result").unwrap_or_default(),
            retry_after: header("retry-after"),
            content_type: header("content-type").unwrap_or_default(),
            body: response.text().await?,
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e} in {:?}", self.body))
    }

    pub fn order(&self) -> Option<String> {
        self.json()["order"].as_str().map(str::to_owned)
    }

    /// Its status and its code.
    pub fn told(&self) -> (u16, &str) {
        (self.status, self.result.as_str())
    }

    /// Asserts its status and its code, written like `409 sold_out`.
    pub fn assert_told(&self, expected: &str) {
        let told = format!("{} {}", self.status, self.result);
        assert_eq!(told, expected, "{}", self.body);
    }

    /// Asserts that it is a problem of this status and code, whose sentence has these words.
    pub fn assert_problem(&self, told: &str, words: &str) {
        self.assert_told(told);
        assert_eq!(self.content_type, "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["code"], self.result.as_str());
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(words), "{words:?} is not in {detail:?}");
    }
}

impl Buyer {
    pub fn new(address: SocketAddr) -> Self {
        // Clients need it even for plain HTTP; it fails only when one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A client that gives up later than the server does sees the server's answer.
        let client = Client::builder().timeout(PATIENCE).no_proxy();
        Self {
            client: client.build().expect("a client"),
            base: format!("http://{address}"),
            address,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> RequestBuilder {
        let method = method.parse().expect("a method");
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method, url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    }

    /// Any request, and the answer as it begins, which may take its time to end.
    pub async fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Response {
        let request = self.request(method, path, headers, body);
        let request = request.timeout(Duration::from_secs(600));
        request.send().await.expect("an answer")
    }

    /// Any request.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Reply {
        let response = self.request(method, path, headers, body).send().await;
        Reply::read(response.expect("an answer"))
            .await
            .expect("a body")
    }

    /// A form, or what kept it from being answered.
    pub async fn try_form(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::Result<Reply> {
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .form(fields);
        Reply::read(request.send().await?).await
    }

    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.try_form(path, fields).await.expect("an answer")
    }

    /// An attempt with a raw form body.
    pub async fn raw_form(&self, path: &str, body: &[u8]) -> Reply {
        let form = ("content-type", "application/x-www-form-urlencoded");
        self.send("POST", path, &[form], body.to_vec()).await
    }

    pub async fn json(&self, path: &str, body: &str) -> Reply {
        let json = ("content-type", "application/json");
        self.send("POST", path, &[json], body.as_bytes().to_vec())
            .await
    }

    /// Asks for all of these sales and quantities in one order.
    pub async fn place(&self, user: &str, request: &str, lines: &[(&str, u32)]) -> Reply {
        self.json("/orders", &placement(user, request, lines)).await
    }

    /// The same, or what kept it from being answered.
    pub async fn try_place(
        &self,
        user: &str,
        request: &str,
        lines: &[(&str, u32)],
    ) -> reqwest::Result<Reply> {
        let json = ("content-type", "application/json");
        let body = placement(user, request, lines).into_bytes();
        let request = self.request("POST", "/orders", &[json], body);
        Reply::read(request.send().await?).await
    }

    /// Offers so many cents for `goods`.
    pub async fn bid(&self, user: &str, request: &str, goods: &str, cents: u64) -> Reply {
        let cents = cents.to_string();
        let fields = [
            ("username", user),
            ("request_id", request),
            ("goods", goods),
            ("amount", &cents),
        ];
        self.form("/bids", &fields).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.try_get(path).await.expect("an answer")
    }

    /// The same, or what kept it from being answered.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<Reply> {
        let request = self.request("GET", path, &[], Vec::new());
        Reply::read(request.send().await?).await
    }

    /// What the server counts, and the figures of Redis with it: in time for a scraper, which
    /// gets no figures while the machine stands still.
    pub async fn metrics(&self) -> String {
        self.metrics_that(|metrics| metrics.contains("seckill_figures_up 1\n"))
            .await
    }

    /// The same, once it tells this: a server counts what it did after Redis did it.
    pub async fn metrics_that(&self, tells: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = self.get("/metrics").await.body;
            if tells(&metrics) {
                return metrics;
            }
            assert!(Instant::now() < deadline, "never told: {metrics}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks for `purchase` units of `goods` and gives back the code.
    pub async fn code(&self, path: &str, goods: &str, username: &str, purchase: &str) -> String {
        let fields = [
            ("goods", goods),
            ("username", username),
            ("purchase", purchase),
        ];
        self.form(path, &fields).await.result
    }
}

/// The body of a request at `POST /orders`.
pub fn placement(user: &str, request: &str, lines: &[(&str, u32)]) -> String {
    let lines = lines
        .iter()
        .map(|(goods, purchase)| json!({ "goods": goods, "purchase": purchase }));
    let lines: Vec<_> = lines.collect();
    json!({ "username": user, "request_id": request, "lines": lines }).to_string()
}
