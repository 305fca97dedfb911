//! A small order system of a shop: it verifies the signature of each delivery, records the
//! delivery, and fails on command.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

use seckill::config::{Relay, Secret, Webhook};

use super::PATIENCE;
use super::process::free_address;

pub const SECRET: &str = "a secret of the shop";

/// What a receiver answers to the entries of a delivery; it has them if that is 2xx.
type Mood = Box<dyn Fn(&[u64]) -> u16 + Send>;

/// A receiver that can be killed and started again at the same address.
pub struct Receiver {
    address: SocketAddr,
    handle: Option<ServerHandle>,
    shared: Arc<Shared>,
}

struct Shared {
    mood: Mutex<Mood>,
    delay: Mutex<Duration>,
    deliveries: Mutex<Vec<Delivery>>,
    calls: Mutex<u64>,
}

/// A delivery that was accepted.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub event: String,
    pub entries: Vec<Value>,
}

impl Receiver {
    pub fn start() -> Self {
        let shared = Shared {
            mood: Mutex::new(Box::new(|_| 200)),
            delay: Mutex::default(),
            deliveries: Mutex::default(),
            calls: Mutex::default(),
        };
        let mut receiver = Self {
            address: free_address(),
            handle: None,
            shared: Arc::new(shared),
        };
        receiver.revive();
        receiver
    }

    /// Starts it again after [`Receiver::kill`].
    pub fn revive(&mut self) {
        let shared = web::Data::from(self.shared.clone());
        let server = HttpServer::new(move || {
            let receive = web::post().to(receive);
            App::new().app_data(shared.clone()).route("/hook", receive)
        });
        let server = server.workers(1).disable_signals().bind(self.address);
        let server = server.expect("its address is free");
        let server = server.run();
        self.handle = Some(server.handle());
        tokio::spawn(server);
    }

    /// Ends it at once, with whatever it is doing.
    pub async fn kill(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.stop(false).await;
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Settings of a relay that delivers here and is quick to take over.
    pub fn settings(&self) -> Relay {
        Relay {
            webhook: Some(Webhook::new(self.url())),
            secret: Some(Secret::new(SECRET)),
            timeout: Duration::from_millis(500),
            takeover: Duration::from_millis(1500),
            ..Relay::default()
        }
    }

    /// The same, for days on which nothing fails: nothing is sent twice because the machine stood
    /// still for a while.
    pub fn patient(&self) -> Relay {
        Relay {
            timeout: Duration::from_secs(60),
            takeover: Duration::from_secs(3600),
            ..self.settings()
        }
    }

    pub fn set_mood(&self, mood: impl Fn(&[u64]) -> u16 + Send + 'static) {
        *self.shared.mood.lock().expect("not poisoned") = Box::new(mood);
    }

    /// Refuses everything once it has accepted this many entries. Returns a future that waits until
    /// it has refused twice.
    pub fn refuse_after(&self, entries: usize) -> impl Future<Output = ()> {
        let (accepted, refused) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&refused);
        self.set_mood(move |seqs| {
            if accepted.fetch_add(seqs.len(), Ordering::SeqCst) < entries {
                return 200;
            }
            count.fetch_add(1, Ordering::SeqCst);
            503
        });
        async move {
            let deadline = Instant::now() + PATIENCE;
            while refused.load(Ordering::SeqCst) < 2 {
                assert!(Instant::now() < deadline, "it was never full");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Takes this long for every answer.
    pub fn set_delay(&self, delay: Duration) {
        *self.shared.delay.lock().expect("not poisoned") = delay;
    }

    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.deliveries.lock().expect("not poisoned").clone()
    }

    /// Deliveries that were tried.
    pub fn calls(&self) -> u64 {
        *self.shared.calls.lock().expect("not poisoned")
    }

    /// Each accepted seq of an event, in the order of acceptance.
    pub fn seqs(&self, event: &str) -> Vec<u64> {
        let deliveries = self.shared.deliveries.lock().expect("not poisoned");
        let own = deliveries.iter().filter(|delivery| delivery.event == event);
        own.flat_map(|delivery| seqs(&delivery.entries)).collect()
    }

    /// Each accepted entry once. What came again must be the same.
    pub fn entries(&self, event: &str) -> BTreeMap<u64, Value> {
        let mut entries = BTreeMap::new();
        for delivery in self.deliveries().into_iter().filter(|d| d.event == event) {
            for entry in delivery.entries {
                let seq = seq(&entry);
                let before = entries.insert(seq, entry.clone());
                assert!(
                    before.is_none_or(|before| before == entry),
                    "{entry} changed"
                );
            }
        }
        entries
    }

    /// Waits until this many deliveries were tried.
    pub async fn until_calls(&self, calls: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.calls() < calls {
            let got = self.calls();
            assert!(Instant::now() < deadline, "{got} of {calls} calls");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until this many different entries of an event were accepted.
    pub async fn until(&self, event: &str, entries: usize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let got = self.seqs(event).into_iter().collect::<BTreeSet<_>>().len();
            if got >= entries {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{got} of {entries} entries of {event}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn seq(entry: &Value) -> u64 {
    entry["seq"].as_u64().expect("a seq")
}

fn seqs(entries: &[Value]) -> Vec<u64> {
    entries.iter().map(seq).collect()
}

async fn receive(
    shared: web::Data<Shared>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    *shared.calls.lock().expect("not poisoned") += 1;
    let delay = *shared.delay.lock().expect("not poisoned");
    actix_web::rt::time::sleep(delay).await;
    if !is_genuine(&request, &body) {
        return HttpResponse::Unauthorized().body("wrong signature");
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let entries = body["entries"].as_array().expect("entries").clone();
    let seqs = seqs(&entries);
    assert!(seqs.is_sorted(), "a delivery is in order: {seqs:?}");
    let status = shared.mood.lock().expect("not poisoned")(&seqs);
    if (200..300).contains(&status) {
        let event = body["event"].as_str().expect("an event").to_owned();
        let delivery = Delivery { event, entries };
        shared
            .deliveries
            .lock()
            .expect("not poisoned")
            .push(delivery);
    }
    let status = StatusCode::from_u16(status).expect("a status");
    let mut answer = HttpResponse::build(status);
    answer.insert_header(("location", "/hook"));
    answer.body("as it\npleases")
}

/// As docs/FEED.md tells receivers to do it.
fn is_genuine(request: &HttpRequest, body: &[u8]) -> bool {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let (Some(timestamp), Some(signature)) =
        (header("x-seckill-timestamp"), header("x-seckill-signature"))
    else {
        return false;
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let fresh = timestamp
        .parse()
        .is_ok_and(|at: u64| now.as_secs().abs_diff(at) <= 300);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = [timestamp.as_bytes(), b".", body].concat();
    let expected = signature.strip_prefix("sha256=").map(bytes_of_hex);
    fresh && expected.is_some_and(|tag| ring::hmac::verify(&key, &signed, &tag).is_ok())
}

fn bytes_of_hex(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs
        .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
        .collect()
}
