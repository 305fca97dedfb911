//! The server stands still for a while, like a virtual machine that is moved. Its clients have
//! given up and perhaps decided otherwise elsewhere, so requests from that time are not executed
//! when the server goes on.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::PATIENCE;
use crate::support::changes::{Request, Shop};
use crate::support::operator::{Operator, TOKEN};
use crate::support::process::{Record, ServerProcess, free_address};
use crate::support::redis::{PrivateRedis, World, sale_id, signal};

/// Senders who leave, each a little later than the one before.
const LEAVERS: u64 = 60;
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// Longer than the standstill that counts, with the tick of a worker.
const STOPPED: Duration = Duration::from_millis(1_300);

struct Scene {
    world: World,
    shop: Shop,
    server: ServerProcess,
    record: Record,
    _redis: PrivateRedis,
}

impl Scene {
    async fn open() -> Self {
        let redis = PrivateRedis::forgetful();
        let world = World::at(redis.url()).await;
        let shop = Shop::stock(&world).await;
        let prefix = format!("redis.prefix={}", world.prefix);
        let token = format!("admin.token={TOKEN}");
        let arguments = [
            "--redis-url",
            world.url.expose(),
            "--set",
            &prefix,
            "--set",
            &token,
        ];
        let (server, record) = ServerProcess::recorded(free_address(), &arguments).await;
        Self {
            world,
            shop,
            server,
            record,
            _redis: redis,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.address)
            .await
            .expect("connected")
    }

    /// Units that were added to the stock of the cups since the beginning.
    async fn added(&self) -> usize {
        let sold = self.world.store.sale_snapshot(&sale_id("e.cup")).await;
        let sold = sold.expect("read").expect("exists");
        usize::try_from(sold.figures.added).expect("small") - 50
    }

    fn operator(&self) -> Operator {
        Operator::new(&self.server.buyer, TOKEN)
    }
}

fn bytes(request: &Request) -> Vec<u8> {
    let Request { method, path, body } = request;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// One more cup.
fn one_more() -> Request {
    Request {
        method: "POST",
        path: "/admin/sales/e.cup/stock".to_owned(),
        body: r#"{"count":1}"#,
    }
}

/// The first bytes of an answer.
async fn answer(connection: &mut TcpStream) -> String {
    let mut read = vec![0; 4096];
    let bytes = timeout(PATIENCE, connection.read(&mut read)).await;
    let bytes = bytes.expect("an answer in time").expect("an answer");
    String::from_utf8_lossy(&read[..bytes]).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_lay_unread_while_the_server_stood_still_is_done() {
    let mut scene = Scene::open().await;
    let requests = scene.shop.requests();
    // Connections that the server knows already; others are made while it stands still.
    let mut warm = Vec::new();
    for _ in &requests {
        let mut connection = scene.connect().await;
        connection.write_all(HEALTH).await.expect("sent");
        assert!(answer(&mut connection).await.contains("200 OK"));
        warm.push(connection);
    }
    let before = scene.world.dump().await;
    signal("-STOP", scene.server.id());
    let mut asked = Vec::new();
    for (request, mut connection) in requests.iter().zip(warm) {
        connection.write_all(&bytes(request)).await.expect("sent");
        asked.push((request, connection));
        let mut fresh = scene.connect().await;
        fresh.write_all(&bytes(request)).await.expect("sent");
        asked.push((request, fresh));
    }
    sleep(STOPPED).await;
    signal("-CONT", scene.server.id());
    for (request, connection) in &mut asked {
        let told = answer(connection).await;
        assert!(
            told.contains(" 503 ") && told.contains("busy"),
            "{request:?}: {told}"
        );
    }
    assert!(
        scene.world.dump().await == before,
        "something was done after all"
    );

    // What comes now is done. The kernel knows to some ms when it came, so the first may be
    // refused.
    let operator = scene.operator();
    for Request { method, path, body } in &requests {
        let deadline = Instant::now() + PATIENCE;
        let told = loop {
            let told = operator.json(method, path, body).await;
            if told.json()["code"] != "busy" || Instant::now() > deadline {
                break told;
            }
        };
        assert!(told.status < 300, "{path}: {} {}", told.status, told.body);
    }
}

/// A shorter pause, or none, costs no client an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_pause_changes_nothing() {
    let scene = Scene::open().await;
    signal("-STOP", scene.server.id());
    let mut connection = scene.connect().await;
    let request = &scene.shop.requests()[0];
    connection.write_all(&bytes(request)).await.expect("sent");
    sleep(Duration::from_millis(300)).await;
    signal("-CONT", scene.server.id());
    let told = answer(&mut connection).await;
    assert!(told.contains("grabbed"), "{told}");
}

/// A sender who closes one direction still wants the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_who_only_sends_no_more_is_answered() {
    let scene = Scene::open().await;
    let mut connection = scene.connect().await;
    connection
        .write_all(&bytes(&one_more()))
        .await
        .expect("sent");
    connection.shutdown().await.expect("closed one direction");
    let told = answer(&mut connection).await;
    assert!(told.contains("added"), "{told}");
}

/// An operator who resets the connection right after sending: either the change is made and the log
/// says so, or it is not made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_sender_has_left_is_done_and_logged_or_neither() {
    let scene = Scene::open().await;
    for n in 0..LEAVERS {
        let mut connection = scene.connect().await;
        connection.set_zero_linger().expect("a reset at the end");
        connection
            .write_all(&bytes(&one_more()))
            .await
            .expect("sent");
        sleep(Duration::from_micros(25 * n)).await;
        drop(connection);
    }
    // These are reset before the server reads them, and it stands still for too short to count.
    let mut known = Vec::new();
    for _ in 0..5 {
        let mut connection = scene.connect().await;
        connection.write_all(HEALTH).await.expect("sent");
        assert!(answer(&mut connection).await.contains("200 OK"));
        known.push(connection);
    }
    signal("-STOP", scene.server.id());
    for mut connection in known {
        connection.set_zero_linger().expect("a reset at the end");
        connection
            .write_all(&bytes(&one_more()))
            .await
            .expect("sent");
    }
    signal("-CONT", scene.server.id());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let added = scene.added().await;
        let log = scene.record.logged();
        let made = log.matches("units added over HTTP").count();
        let dropped = log.matches("became=\"dropped\"").count();
        // A request that was never read is neither.
        if made == added && dropped > 0 {
            return;
        }
        let told = format!("{added} added, {made} logged, {dropped} dropped");
        assert!(Instant::now() < deadline, "{told}: {log}");
        sleep(Duration::from_millis(50)).await;
    }
}
