//! What somebody who sets the office up is told: at the start, by `seckill doctor`, in the log.

use crate::support::process::{Ended, ServerProcess, free_address, seckill};
use crate::support::redis::World;
use crate::support::wechat::{SITE, TOKEN, deliver, text};

/// As good as the platform takes them.
const LONG_TOKEN: &str = "5f0c1d6e9a7b4832b1c0d9e8f7a6b5c4";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_says_where_the_office_is_and_what_is_weak() {
    let world = World::new().await;
    let address = free_address();
    let (listen, site) = (
        format!("http.listen={address}"),
        format!("wechat.site={SITE}"),
    );
    for (token, site, is_weak) in [(TOKEN, None, true), (LONG_TOKEN, Some(&site), false)] {
        let token = format!("wechat.token={token}");
        let mut settings = vec![token.as_str(), &listen];
        settings.extend(site.map(String::as_str));
        let mut arguments = world.arguments(&settings);
        let (server, record) = ServerProcess::recorded(address, &arguments).await;
        server.kill();
        let start = site.map_or_else(|| format!("http://{address}"), |_| SITE.to_owned());
        let places = format!("\n  {start}/wechat\n  {start}/wechat/checkin\n");
        let (printed, logged) = (record.printed(), record.logged());
        assert!(printed.contains(&places), "{printed}");
        for warning in ["wechat.token is short", "wechat.site is not set"] {
            assert_eq!(logged.contains(warning), is_weak, "{warning}: {logged}");
        }
        arguments.push("doctor".to_owned());
        let findings = Ended::from(seckill(&arguments)).printed;
        for what in ["chat token", "chat links"] {
            let line = findings.lines().find(|line| line.starts_with(what));
            let line = line.unwrap_or_else(|| panic!("no {what} in {findings}"));
            assert_eq!(line.contains("warning"), is_weak, "{line}");
        }
        assert!(findings.contains(&start), "{findings}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_message_is_logged_without_what_it_says() {
    let token = format!("wechat.token={TOKEN}");
    let (server, record) = ServerProcess::apart(&["--set", &token]).await;
    let message = text("o-1", "private").replace("<![CDATA[private]]>", "private");
    for (from, to, why) in [
        ("MsgType>", "private>", "a field is missing"),
        ("private", "private</private>", "not the XML of a message"),
        ("FromUserName>", "Encrypt>", "encrypted"),
    ] {
        let damaged = message.replace(from, to);
        assert_eq!(deliver(&server.buyer, &damaged).await.status, 400);
        assert!(record.logged().contains(why), "{}", record.logged());
    }
    // Anybody can send these: they do not fill the log.
    let xml = [("content-type", "text/xml")];
    let sent = server.buyer.send("POST", "/wechat", &xml, Vec::new());
    assert_eq!(sent.await.status, 403);
    server.kill();
    let logged = record.logged();
    assert_eq!(
        logged.matches("a message is refused").count(),
        3,
        "{logged}"
    );
    assert!(!logged.contains("private"), "{logged}");
}
