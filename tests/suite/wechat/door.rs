//! Which requests are accepted, and which messages are read.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::app::TestApp;
use crate::support::buyer::{Buyer, Reply};
use crate::support::process::{Ended, ServerProcess, free_address, seckill};
use crate::support::redis::World;
use crate::support::terms::term_text;
use crate::support::wechat::{
    Heard, TOKEN, deliver, event, numbered_text, office, on_show, open, path, signed, text, xml,
};

/// A signature with the token of these tests from another source: timestamp, nonce, signature.
const SIGNED: [&str; 3] = [
    "1714037059",
    "486452656",
    "899cf89e464efb63f54ddac96b0a0a235f53aa78",
];

async fn post(buyer: &Buyer, path: &str, body: &str) -> Reply {
    let xml = ("content-type", "text/xml");
    buyer
        .send("POST", path, &[xml], body.as_bytes().to_vec())
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platform_recognises_its_server() {
    let world = World::new().await;
    let app = office(&world).await;
    let [timestamp, nonce, signature] = SIGNED;
    let query = format!("signature={signature}&timestamp={timestamp}&nonce={nonce}");
    assert_eq!(query, signed(TOKEN, timestamp, nonce));
    let echo = format!("/wechat?{query}&echostr=4375120948345356249");
    let reply = app.buyer.get(&echo).await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (200, "4375120948345356249")
    );
    assert_eq!(reply.content_type, "text/plain; charset=utf-8");
    // A slash at the end of the path changes nothing, not even by a redirect, which platforms fear.
    let slashed = echo.replace("/wechat?", "/wechat/?");
    let begun = app.buyer.begin("GET", &slashed, &[], Vec::new()).await;
    assert_eq!(begun.url().path(), "/wechat/");
    assert_eq!(begun.text().await.expect("a body"), reply.body);
    let slashed = path().replace("/wechat?", "/wechat/?");
    let heard = Heard::of(&post(&app.buyer, &slashed, &text("o-1", "帮助")).await);
    assert_eq!(heard.kind, "news");
    // Word for word, and as text whatever it is.
    let echo = format!("/wechat?{query}&echostr=%3Cb%3E%26+%E6%8A%A2%0A");
    let reply = app.buyer.get(&echo).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "<b>& 抢\n"));
    app.stop().await;
}

/// Most answers repeat text of the message: no browser may treat them as a page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_taken_for_something_else() {
    let world = World::new().await;
    let app = office(&world).await;
    let echo = path() + "&echostr=%3Cscript%3E";
    let json = ("content-type", "application/json");
    let help = text("o-1", "帮助").into_bytes();
    for (method, path, headers, body, status) in [
        ("GET", echo, &[][..], Vec::new(), 200),
        ("POST", path(), &[], help.clone(), 200),
        (
            "POST",
            path(),
            &[],
            event("o-1", "VIEW", "").into_bytes(),
            200,
        ),
        ("POST", path(), &[], b"<script>".to_vec(), 400),
        ("POST", path(), &[], vec![b'x'; (64 << 10) + 1], 413),
        ("POST", path(), &[json], help, 415),
        ("GET", "/wechat?echostr=x".to_owned(), &[], Vec::new(), 403),
        ("PUT", path(), &[], Vec::new(), 405),
        ("GET", "/wechat/x".to_owned(), &[], Vec::new(), 404),
    ] {
        let response = app.buyer.begin(method, &path, headers, body).await;
        assert_eq!(response.status(), status, "{method} {path}");
        let sniff = response.headers().get("x-content-type-options");
        let sniff = sniff.unwrap_or_else(|| panic!("{method} {path} {status}"));
        assert_eq!(sniff, "nosniff");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_is_let_in() {
    let mut world = World::new().await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let app = office(&world).await;
    let [timestamp, nonce, signature] = SIGNED;
    let before = world.dump().await;
    let mut parts = vec![
        ("signature", signature),
        ("timestamp", timestamp),
        ("nonce", nonce),
        ("echostr", "1"),
    ];
    let query = |parts: &[(&str, &str)]| {
        let parts = parts.iter().map(|(name, value)| format!("{name}={value}"));
        parts.collect::<Vec<_>>().join("&")
    };
    let mut wrong: Vec<(String, &str)> = Vec::new();
    for missing in 0..3 {
        let mut rest = parts.clone();
        let (name, value) = rest.remove(missing);
        wrong.push((query(&rest), name));
        rest.push((name, ""));
        wrong.push((query(&rest), name));
        rest.pop();
        rest.extend([(name, value), (name, value)]);
        wrong.push((query(&rest), name));
    }
    wrong.push((String::new(), "everything"));
    wrong.push((signed("BBBBB", timestamp, nonce) + "&echostr=1", "token"));
    wrong.push((
        signed(TOKEN, timestamp, "1") + "&nonce=2&echostr=1",
        "two nonces",
    ));
    parts[0].1 = "899CF89E464EFB63F54DDAC96B0A0A235F53AA78";
    wrong.push((query(&parts), "upper case"));
    parts[0].1 = "%ff";
    wrong.push((query(&parts), "no text"));
    let refused = wrong.len() * 4;
    for (query, what) in wrong {
        let path = format!("/wechat?{query}");
        for reply in [
            app.buyer.get(&path).await,
            post(&app.buyer, &path, &text("o-1", "绑定 2019010001")).await,
            post(&app.buyer, &path, &event("o-1", "unsubscribe", "")).await,
            post(&app.buyer, &path, "<xml>").await,
        ] {
            assert_eq!(reply.told(), (403, "wrong_signature"), "{what}");
            assert!(!reply.body.contains(TOKEN));
        }
    }
    // Without what is to be echoed it is no verification.
    let path = format!("/wechat?{}", signed(TOKEN, timestamp, nonce));
    for path in [path.clone(), path + "&echostr=1&echostr=1"] {
        let reply = app.buyer.get(&path).await;
        assert_eq!(reply.told(), (400, "invalid_request"));
        assert!(reply.body.contains("echostr"), "{reply:?}");
    }
    assert_eq!(world.dump().await, before);
    assert_eq!(unread(&app, "wrong_signature").await, refused);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// How many messages the server counts that were not read, for this reason.
async fn unread(app: &TestApp, why: &str) -> usize {
    let labels = format!(r#"command="unread",outcome="{why}""#);
    let name = format!("seckill_wechat_messages_total{{{labels}}} ");
    let metrics = app.buyer.get("/metrics").await.body;
    let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
    count.map_or(0, |count| count.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_there_is_no_office() {
    let world = World::new().await;
    let app = TestApp::with(&world, |config| {
        open(config);
        config.wechat.token = None;
        config.wechat.ignore_signature = true;
    })
    .await;
    for reply in [
        app.buyer.get(&(path() + "&echostr=1")).await,
        deliver(&app.buyer, &text("o-1", "帮助")).await,
    ] {
        assert_eq!(reply.told(), (404, "not_found"));
    }
    let reply = app.buyer.send("PUT", "/wechat", &[], Vec::new()).await;
    assert_eq!(reply.status, 405);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_are_ignored_only_when_asked_to() {
    let world = World::new().await;
    let app = TestApp::with(&world, |config| {
        open(config);
        config.wechat.ignore_signature = true;
    })
    .await;
    let reply = post(&app.buyer, "/wechat", &text("o-1", "帮助")).await;
    assert_eq!(Heard::of(&reply).kind, "news");
    assert_eq!(app.buyer.get("/wechat?echostr=7").await.body, "7");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_door_is_told_loudly() {
    let world = World::new().await;
    let token = format!("wechat.token={TOKEN}");
    for is_open in [true, false] {
        let ignores = format!("wechat.ignore_signature={is_open}");
        let mut arguments = world.arguments(&[&token, &ignores]);
        let (server, record) = ServerProcess::recorded(free_address(), &arguments).await;
        server.kill();
        assert_eq!(
            record.logged().contains("wechat.ignore_signature is on"),
            is_open
        );
        assert_eq!(
            record
                .printed()
                .contains("WARNING: wechat.ignore_signature is on"),
            is_open
        );
        arguments.push("doctor".to_owned());
        let findings = Ended::from(seckill(&arguments)).printed;
        let line = findings.lines().find(|line| line.contains("signatures"));
        let line = line.expect("a finding");
        assert_eq!(line.contains("WRONG"), is_open, "{line}");
        assert_eq!(
            line.contains("set wechat.ignore_signature to false"),
            is_open,
            "{line}"
        );
        let short = findings.lines().find(|line| line.contains("chat token"));
        assert!(
            short.is_some_and(|line| line.contains("warning") && line.contains("5 characters"))
        );
        assert!(!(record.logged() + &record.printed() + &findings).contains(TOKEN));
    }
}

/// A message of this many bytes.
fn long(bytes: usize) -> String {
    let envelope = text("o-1", "").len();
    text("o-1", &"x".repeat(bytes - envelope))
}

/// Its length is not known in advance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_in_chunks_is_measured_as_it_comes() {
    let world = World::new().await;
    let app = office(&world).await;
    for (bytes, status) in [(64 << 10, "200"), ((64 << 10) + 1, "413"), (1 << 20, "413")] {
        let message = long(bytes);
        let chunks = message.as_bytes().chunks(1_000).map(|chunk| {
            let chunk = String::from_utf8_lossy(chunk);
            format!("{:x}\r\n{chunk}\r\n", chunk.len())
        });
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
            path(),
            chunks.collect::<String>()
        );
        let address = app.buyer.address();
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer).await;
        read.expect("an answer");
        let begins = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begins), "{bytes}: {answer:.300}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_types_and_sizes() {
    let world = World::new().await;
    let app = office(&world).await;
    let send = async |headers: &[(&str, &str)], body: String| {
        let reply = app
            .buyer
            .send("POST", &path(), headers, body.into_bytes())
            .await;
        reply.status
    };
    for (media_type, status) in [
        ("text/xml", 200),
        ("TEXT/XML; charset=utf-8", 200),
        ("application/xml", 200),
        ("application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("", 415),
    ] {
        let sent = send(&[("content-type", media_type)], text("o-1", "帮助")).await;
        assert_eq!(sent, status, "{media_type}");
    }
    assert_eq!(send(&[], text("o-1", "帮助")).await, 200);
    let packed = [("content-type", "text/xml"), ("content-encoding", "gzip")];
    assert_eq!(send(&packed, text("o-1", "帮助")).await, 415);
    assert_eq!(send(&packed[1..], text("o-1", "帮助")).await, 415);
    assert_eq!(send(&[], long(64 << 10)).await, 200);
    assert_eq!(send(&[], long((64 << 10) + 1)).await, 413);
    assert_eq!(send(&[], long(1 << 20)).await, 413);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_is_refused() {
    let mut world = World::new().await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let app = office(&world).await;
    let before = world.dump().await;
    let text = text("o-1", "抢票 key");
    let bomb = format!("<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>{text}");
    let file = format!("<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>{text}")
        .replace("抢票 key", "]]>&a;<![CDATA[");
    let without = |name: &str| {
        text.replace(&format!("<{name}>"), "<x>")
            .replace(&format!("</{name}>"), "</x>")
    };
    let broken = [
        String::new(),
        "<xml>".to_owned(),
        "{}".to_owned(),
        text.repeat(2),
        text.trim_end_matches("</xml>").to_owned(),
        text.replace("xml>", "html>"),
        text.replace("</xml>", "<Content>x</Content></xml>"),
        text.replace("</xml>", "<Content/></xml>"),
        text.replace("<MsgId>", "<MsgId a=\"1\">"),
        text.replace("<MsgId>", "<MsgId>&nbsp;"),
        text.replace("<MsgId>", "<MsgId>&#0;"),
        text.replace("<MsgId>", "<!-- --><MsgId>"),
        format!("{text}<?xml-stylesheet href=\"x\"?>"),
        format!("<xml>{}{}</xml>", "<a>".repeat(5_000), "</a>".repeat(5_000)),
        "<a>".repeat(20_000),
        bomb,
        file,
        without("ToUserName"),
        without("FromUserName"),
        without("MsgType"),
        text.replace("o-1", ""),
        text.replace("o-1", "o 1"),
        text.replace("o-1", &"o".repeat(65)),
        xml(&[
            ("ToUserName", "gh_1"),
            ("FromUserName", "o-1"),
            ("MsgType", "event"),
        ]),
    ];
    for body in &broken {
        let reply = deliver(&app.buyer, body).await;
        assert_eq!(reply.told(), (400, "invalid_request"), "{body:.300}");
    }
    let packed = xml(&[("ToUserName", "gh_1"), ("Encrypt", "aGlkZGVu")]);
    let reply = deliver(&app.buyer, &packed).await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("明文模式"), "{reply:?}");
    let reply = app
        .buyer
        .send("POST", &path(), &[], vec![b'<', 0xff, b'>'])
        .await;
    assert_eq!(reply.status, 400);
    assert_eq!(unread(&app, "malformed").await, broken.len() + 2);
    assert_eq!(world.dump().await, before);
    world.assert_holds(&sale).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_texts_survive_the_way_there_and_back() {
    let world = World::new().await;
    let mut edit = on_show("k]]>y");
    edit.title = Some(term_text("a]]>b <i>&amp; ]]]]>>"));
    edit.place = Some(term_text("<![CDATA[x]]>"));
    let sale = world.activity("a", 5, &edit).await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    // CDATA cannot hold the end of itself; both ways of writing it mean the same.
    let split = text("o-1", "抢票 k]]]]><![CDATA[>y");
    let escaped = text("o-1", "@").replace("<![CDATA[@]]>", "抢票 k]]&gt;y");
    let booked = follower.delivers(&split).await;
    assert_eq!(booked.text, "恭喜您，抢票成功！");
    let again = follower.delivers(&escaped).await;
    assert_eq!(again.ticket(), booked.ticket());
    let seen = follower.says("查票").await;
    assert_eq!(seen.text, "a]]>b <i>&amp; ]]]]>>");
    assert!(
        seen.body
            .contains("地点：<![CDATA[x]]]]><![CDATA[>]]></Description>"),
        "{seen:?}"
    );
    // So do the names of accounts.
    let message = text("o-1", "x").replace("gh_1", "gh]]]]><![CDATA[>1");
    let reply = deliver(&app.buyer, &message).await;
    let from = "<FromUserName><![CDATA[gh]]]]><![CDATA[>1]]></FromUserName>";
    assert!(reply.body.contains(from), "{}", reply.body);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// Random bytes, random pieces of messages, and messages with random damage.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let whole = numbered_text("o-1", "抢票 key", "1").into_bytes();
    let pieces = prop::sample::select(vec![
        "<xml>",
        "</xml>",
        "<ToUserName>",
        "</ToUserName>",
        "<FromUserName>o-1</FromUserName>",
        "<MsgType>text</MsgType>",
        "<MsgType>event</MsgType>",
        "<Event>CLICK</Event>",
        "<EventKey>BOOKING_ACTIVITY_a</EventKey>",
        "<Content>",
        "</Content>",
        "<![CDATA[",
        "]]>",
        "抢票 key",
        "退票 key",
        "&lt;",
        "&#x3c;",
        "&x;",
        "<!DOCTYPE x>",
        "<!--",
        "-->",
        "<?",
        "?>",
        "<CreateTime>1</CreateTime>",
        "<MsgId>2</MsgId>",
        "\u{0}",
        "<",
        ">",
        "&",
        "gh_1",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(pieces, 0..30).prop_map(|pieces| pieces.concat().into_bytes()),
        (0..whole.len(), any::<u8>(), any::<bool>()).prop_map(move |(at, byte, cut)| {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            damaged.truncate(if cut { at } else { damaged.len() });
            damaged
        }),
    ]
}

#[test]
fn no_bytes_are_our_failure() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (world, app) = runtime.block_on(async {
        let world = World::new().await;
        world.activity("a", 5, &on_show("key")).await;
        let app = office(&world).await;
        (world, app)
    });
    let mut runner = TestRunner::new(Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&bodies(), |body| {
        let xml = [("content-type", "text/xml")];
        let reply = runtime.block_on(app.buyer.send("POST", &path(), &xml, body));
        prop_assert!(matches!(reply.status, 200 | 400), "{:?}", reply);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    runtime.block_on(async {
        let follower = world.bound(&app, "o-2", "2019010002").await;
        assert_eq!(follower.says("抢票 key").await.text, "恭喜您，抢票成功！");
        app.stop().await;
    });
}
