//! Connections of clients: silence has a deadline, work has none; places are kept free for those
//! who ask.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seckill::config::Networks;
use seckill::domain::sale::StockKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::app::TestApp;
use crate::support::operator::TOKEN;
use crate::support::process::{ServerProcess, free_address};
use crate::support::redis::World;

/// Longest time from the first byte of a request to its whole head, and how much later the server
/// may look at it.
const HEAD_MAX: Duration = Duration::from_secs(5);
const LATENESS: Duration = Duration::from_secs(2);
/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(50);
/// A request, its whole answer, and the next one.
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
const PURCHASE: &[u8] = b"POST /incr HTTP/1.1\r\nhost: x\r\ncontent-length: 21\r\n\
    content-type: application/x-www-form-urlencoded\r\n\r\nusername=x&purchase=1";
const CHUNKED: &[u8] = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
    1\r\na\r\n0\r\n\r\n";

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("connected")
}

/// Reads one answer with a length.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").parse().expect("a number");
            if body.len() >= length {
                return text.into_owned();
            }
        }
        let read = timeout(PATIENCE, stream.read_buf(&mut bytes)).await;
        assert!(read.expect("in time").expect("read") > 0, "{bytes:?}");
    }
}

/// Everything that comes until the server ends the connection, and how long that took.
async fn end(stream: &mut TcpStream) -> (String, Duration) {
    let (began, mut bytes) = (Instant::now(), Vec::new());
    // An end may be a reset.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("it ends");
    (
        String::from_utf8_lossy(&bytes).into_owned(),
        began.elapsed(),
    )
}

/// Sends the start of a request in pieces that never make it whole, until the connection ends.
async fn drip(stream: &mut TcpStream) -> (String, Duration) {
    let began = Instant::now();
    let (mut read, mut write) = stream.split();
    let mut bytes = Vec::new();
    let dripping = async {
        while write.write_all(b"x-drip: 1\r\n").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        _ = read.read_to_end(&mut bytes) => {}
        () = dripping => {}
    }
    (
        String::from_utf8_lossy(&bytes).into_owned(),
        began.elapsed(),
    )
}

#[tokio::test]
async fn a_head_that_does_not_become_whole_is_ended() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let address = app.buyer.address();
    let half = b"GET /sales HTTP/1.1\r\nhost: x\r\n";
    // What comes before the half head: nothing, or whole requests with their answers; and what of
    // the half head is sent together with the last of them.
    let cases: [(&[&[u8]], bool); 6] = [
        (&[], false),
        (&[REQUEST], false),
        (&[REQUEST], true),
        (&[PURCHASE], false),
        (&[PURCHASE], true),
        (&[CHUNKED, REQUEST, PURCHASE, CHUNKED], true),
    ];
    let ends = cases.iter().flat_map(|&(before, together)| {
        [true, false].map(|drips| async move {
            let mut stream = connect(address).await;
            for (number, request) in before.iter().enumerate() {
                let is_last = number + 1 == before.len();
                let rest = if is_last && together { &half[..] } else { b"" };
                stream
                    .write_all(&[request, rest].concat())
                    .await
                    .expect("written");
                answer(&mut stream).await;
            }
            if !together {
                stream.write_all(half).await.expect("written");
            }
            let (text, took) = match drips {
                true => drip(&mut stream).await,
                false => end(&mut stream).await,
            };
            let case = (before.len(), together, drips);
            assert!(
                took >= HEAD_MAX - Duration::from_millis(300),
                "{case:?}: {took:?}"
            );
            assert!(took < HEAD_MAX + LATENESS, "{case:?}: {took:?}");
            assert!(
                text.is_empty() || text.starts_with("HTTP/1.1 408 "),
                "{case:?}: {text}"
            );
            assert!(together || drips || !text.is_empty(), "{case:?}: no answer");
        })
    });
    join_all(ends).await;
    let metrics = app.buyer.metrics().await;
    let line = "seckill_connections_closed_total{reason=\"head\"} 12";
    assert!(metrics.contains(line), "{metrics}");
    app.stop().await;
}

/// Neither a connection that waits for its next request, nor a body that comes slowly, nor work
/// that takes long counts as a head.
#[tokio::test]
async fn what_is_slow_and_not_silent_lives_on() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let id = world.sale("a", StockKind::List, 0).await;
    let address = app.buyer.address();
    let kept = [REQUEST, PURCHASE, CHUNKED].map(|request| async move {
        let mut stream = connect(address).await;
        stream.write_all(request).await.expect("written");
        answer(&mut stream).await;
        for _ in 0..8 {
            sleep(Duration::from_secs(1)).await;
        }
        stream.write_all(REQUEST).await.expect("written");
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
    });
    tokio::join!(join_all(kept), slow_load(address, "a", 8));
    assert_eq!(world.left(&id).await, 8);
    app.stop().await;
}

/// A load of which one unit comes each second, over its whole time.
async fn slow_load(address: SocketAddr, sale: &str, seconds: usize) {
    let mut stream = connect(address).await;
    let head = format!(
        "POST /admin/sales/{sale}/stock HTTP/1.1\r\nhost: x\r\n\
         authorization: Bearer {TOKEN}\r\ncontent-type: text/plain\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    for number in 0..seconds {
        let line = format!("u-{number}\n");
        let piece = format!("{:x}\r\n{line}\r\n", line.len());
        stream.write_all(piece.as_bytes()).await.expect("written");
        sleep(Duration::from_secs(1)).await;
    }
    stream.write_all(b"0\r\n\r\n").await.expect("written");
    let answer = answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// A load of three minutes, and an export that its reader takes ten minutes for.
#[tokio::test]
#[ignore = "takes ten minutes; for make test-long"]
async fn loads_and_exports_may_take_minutes() {
    const EXPORT_SECONDS: u32 = 600;
    let world = World::new().await;
    let sale = world.sell("a", 0, 20_000).await;
    let loaded = world.sale("b", StockKind::List, 0).await;
    let app = TestApp::start(&world).await;
    let address = app.buyer.address();
    let export = async {
        let mut stream = connect(address).await;
        let request = format!(
            "GET /admin/sales/{sale}/orders HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             authorization: Bearer {TOKEN}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("written");
        // As slow as it takes to be at it for ten minutes.
        let (began, mut bytes) = (Instant::now(), Vec::new());
        let mut buffer = [0; 4_096];
        loop {
            let read = stream.read(&mut buffer).await.expect("it goes on");
            bytes.extend_from_slice(&buffer[..read]);
            if read == 0 {
                break;
            }
            if began.elapsed() < Duration::from_secs(EXPORT_SECONDS.into()) {
                sleep(Duration::from_millis(900)).await;
            }
        }
        let orders = String::from_utf8_lossy(&bytes).matches("\"order\"").count();
        (orders, began.elapsed())
    };
    let load = slow_load(address, "b", 190);
    let ((orders, took), ()) = tokio::join!(export, load);
    assert_eq!(orders, 20_000);
    assert!(
        took >= Duration::from_secs(EXPORT_SECONDS.into()),
        "{took:?}"
    );
    assert_eq!(world.left(&loaded).await, 190);
    app.stop().await;
}

/// A client that asks for more than fits on the way, and how it goes on.
#[derive(Clone, Copy, PartialEq)]
enum Taker {
    /// Takes nothing, says nothing.
    Silent,
    /// Takes nothing, and shows that it is there.
    Chatty,
    /// Takes a little now and then.
    Slow,
}

/// Ends when the server ends the connection, as far as the client can see that.
async fn take(address: SocketAddr, taker: Taker) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 << 10).expect("set");
    let mut stream = socket.connect(address).await.expect("connected");
    let asked = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
    stream.write_all(&asked).await.expect("written");
    let mut buffer = vec![0; 4 << 10];
    loop {
        match taker {
            Taker::Silent => std::future::pending().await,
            Taker::Chatty => stream.write_all(b"G").await.expect("written"),
            Taker::Slow => assert!(stream.read(&mut buffer).await.expect("read") > 0),
        }
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answers_is_cut_off() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let address = app.buyer.address();
    let takers =
        [Taker::Silent, Taker::Chatty, Taker::Slow].map(|taker| tokio::spawn(take(address, taker)));
    let began = Instant::now();
    let seen_by_server = async {
        // The one that reads, and the one that asks for this.
        while gauge(&app.buyer.metrics().await, "seckill_connections") > 2
            || began.elapsed() < LATENESS
        {
            assert!(began.elapsed() < PATIENCE, "they hold their places");
            sleep(Duration::from_millis(200)).await;
        }
        began.elapsed()
    };
    let took = seen_by_server.await;
    assert!(took > Duration::from_secs(29), "{took:?}");
    assert!(took < Duration::from_secs(40), "{took:?}");
    let closed = "seckill_connections_closed_total{reason=\"stall\"}";
    assert_eq!(gauge(&app.buyer.metrics().await, closed), 2);
    let [silent, chatty, slow] = takers;
    assert!(!slow.is_finished(), "the slow reader was cut off");
    for taker in [silent, chatty, slow] {
        taker.abort();
    }
    app.stop().await;
}

fn gauge(metrics: &str, name: &str) -> usize {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.expect(name).parse().expect("a number")
}

/// Requests that nobody reads the answers of wait where they cost little.
#[tokio::test]
async fn a_client_that_asks_and_does_not_read_costs_little_memory() {
    const CLIENTS: usize = 100;
    const KIB_EACH_MAX: u64 = 300;
    let world = World::new().await;
    let server = server_with_files(&world, "ulimit -n 6000", &[]).await;
    let before = memory_kib(&server);
    let many = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".repeat(900_000);
    let clients = (0..CLIENTS).map(|_| async {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4 << 10).expect("set");
        let mut stream = socket.connect(server.address).await.expect("connected");
        // As much as the server takes.
        let sent = timeout(Duration::from_secs(1), stream.write_all(&many)).await;
        assert!(sent.is_err(), "all was taken, or nothing more: {sent:?}");
        stream
    });
    let clients = join_all(clients).await;
    let each = (memory_kib(&server) - before) / CLIENTS as u64;
    assert!(each < KIB_EACH_MAX, "{each} KiB for each client");
    drop(clients);
}

fn memory_kib(server: &ServerProcess) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()));
    let status = status.expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().split(' ').next());
    number.expect("a number").parse().expect("a number")
}

/// The limit of open files that a shell sets is no limit for a server that may have more.
#[tokio::test]
async fn thousands_of_connections_are_answered_though_the_soft_limit_is_low() {
    let world = World::new().await;
    let server = server_with_files(&world, "ulimit -Sn 256 && ulimit -Hn 6000", &[]).await;
    let mut streams = Vec::new();
    for _ in 0..2_000 {
        streams.push(connect(server.address).await);
    }
    for stream in &mut streams {
        stream.write_all(REQUEST).await.expect("written");
    }
    for stream in &mut streams {
        assert!(answer(stream).await.starts_with("HTTP/1.1 200 "));
    }
    let open = gauge(&server.buyer.metrics().await, "seckill_connections");
    assert!(open > 2_000, "{open}");
}

/// All places are taken by clients who hold them: buyers still come in, one after the other.
#[tokio::test]
async fn with_few_files_silent_connections_make_room_for_buyers() {
    let world = World::new().await;
    let id = world.sale("a", StockKind::List, 100).await;
    let server = server_with_files(&world, "ulimit -n 64", &["--set", "http.workers=2"]).await;
    let silent = async || {
        let mut stream = connect(server.address).await;
        stream.write_all(REQUEST).await.expect("written");
        // Some are idle, and some have begun another request.
        let _ = timeout(Duration::from_secs(1), stream.write_all(b"GET / HT")).await;
        stream
    };
    let silent = join_all((0..100).map(|_| silent())).await;
    let began = Instant::now();
    for number in 0..20 {
        let name = format!("u{number}");
        let mut stream = connect(server.address).await;
        let body = format!("username={name}&purchase=1");
        let request = format!(
            "POST /seckill HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("written");
        assert!(answer(&mut stream).await.contains("\"grabbed\""));
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(world.left(&id).await, 80);
    drop(silent);
}

#[tokio::test]
async fn an_address_has_as_many_connections_as_it_may() {
    let world = World::new().await;
    let app = TestApp::with(&world, |config| {
        config.http.connections_per_address = Some(3);
    })
    .await;
    let address = app.buyer.address();
    let from = |local: [u8; 4]| async move {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((local, 0).into()).expect("bound");
        socket.connect(address).await.expect("connected")
    };
    let asks = async |mut stream: TcpStream| {
        stream.write_all(REQUEST).await.expect("written");
        (answer(&mut stream).await, stream)
    };
    let mut kept = Vec::new();
    for _ in 0..3 {
        let (answer, stream) = asks(from([127, 0, 0, 2]).await).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        kept.push(stream);
    }
    let mut refused = from([127, 0, 0, 2]).await;
    let refusal = answer(&mut refused).await;
    assert!(refusal.starts_with("HTTP/1.1 429 "), "{refusal}");
    assert!(refusal.contains("too_many_connections"), "{refusal}");
    let (other, _stream) = asks(from([127, 0, 0, 3]).await).await;
    assert!(other.starts_with("HTTP/1.1 200 "), "{other}");
    // A place that is given back is there for the next one.
    kept.pop();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut stream = from([127, 0, 0, 2]).await;
        stream.write_all(REQUEST).await.expect("written");
        if answer(&mut stream).await.starts_with("HTTP/1.1 200 ") {
            break;
        }
        assert!(Instant::now() < deadline, "the place is lost");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_has_the_connections_of_many_clients() {
    let world = World::new().await;
    let app = TestApp::with(&world, |config| {
        config.http.connections_per_address = Some(1);
        config.http.trusted_proxies = Networks::parse("127.0.0.0/8").expect("networks");
    })
    .await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = connect(app.buyer.address()).await;
        stream.write_all(REQUEST).await.expect("written");
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
        streams.push(stream);
    }
    app.stop().await;
}

/// A server on the world's Redis, started by a shell that ran this line first.
async fn server_with_files(world: &World, limit: &str, arguments: &[&str]) -> ServerProcess {
    let address = free_address();
    let (url, prefix) = (world.url.to_string(), world.prefix.clone());
    let settings = [format!("redis.url={url}"), format!("redis.prefix={prefix}")];
    let settings = settings
        .iter()
        .flat_map(|setting| ["--set", setting.as_str()]);
    let arguments: Vec<&str> = settings.chain(arguments.iter().copied()).collect();
    ServerProcess::limited(address, limit, &arguments).await
}
