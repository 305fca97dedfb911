//! `seckill relay` and `seckill feed` as operators run them.

use std::time::Duration;

use super::{Running, assert_complete, entries_of_a_run, repeated};
use crate::support::process::{Ended, RelayProcess, ServerProcess, free_address, seckill};
use crate::support::receiver::{Receiver, SECRET};
use crate::support::redis::{World, signal};

/// Arguments of a command that delivers from this world to this receiver.
struct Line {
    secret: tempfile::NamedTempFile,
    words: Vec<String>,
}

/// Settings of a relay that is known to be dead soon, and never thought so while it lives unless
/// the machine stands still for seconds.
const MORTAL: [&str; 2] = ["relay.takeover=6s", "relay.timeout=2s"];
/// Settings of one that never dies.
const PATIENT: [&str; 2] = ["relay.takeover=1h", "relay.timeout=60s"];

impl Line {
    fn new(world: &World, receiver: &Receiver, settings: [&str; 2]) -> Self {
        let secret = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(secret.path(), format!("{SECRET}\n")).expect("written");
        let mut words = vec!["--redis-url".to_owned(), world.url.expose().to_owned()];
        words.extend([
            "--webhook".to_owned(),
            receiver.url(),
            "--secret-file".to_owned(),
        ]);
        words.push(secret.path().to_str().expect("a plain path").to_owned());
        for setting in [
            &format!("redis.prefix={}", world.prefix),
            settings[0],
            settings[1],
            "relay.batch_max=20",
            "relay.attempts_max=2",
        ] {
            words.extend(["--set".to_owned(), setting.to_owned()]);
        }
        Self { secret, words }
    }

    fn words(&self) -> Vec<&str> {
        assert!(self.secret.path().exists());
        self.words.iter().map(String::as_str).collect()
    }

    fn relay(&self) -> RelayProcess {
        RelayProcess::start(&self.words())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_is_killed_and_another_takes_over() {
    let entries = entries_of_a_run();
    let world = World::new().await;
    let receiver = Receiver::start();
    receiver.set_delay(Duration::from_millis(2));
    world.sell("spring", 0, entries).await;
    let line = Line::new(&world, &receiver, MORTAL);
    for _ in 0..2 {
        let full = receiver.refuse_after(entries / 4);
        let relay = line.relay();
        // In the middle of a delivery that was not accepted.
        full.await;
        drop(relay); // kill -9
        receiver.set_mood(|_| 200);
    }
    let relay = line.relay();
    receiver.until("spring", entries).await;
    drop(relay);
    assert_complete(&receiver, "spring", entries);
    let twice = repeated(&receiver, "spring");
    assert!(
        twice <= 2 * 20,
        "{twice} entries came twice: more than was in flight"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_ends_in_order() {
    let world = World::new().await;
    let receiver = Receiver::start();
    receiver.set_delay(Duration::from_millis(100));
    world.sell("spring", 0, 500).await;
    let line = Line::new(&world, &receiver, PATIENT);
    for (stop, entries) in [("-TERM", 40), ("-INT", 80)] {
        let mut relay = line.relay();
        receiver.until("spring", entries).await;
        signal(stop, relay.id());
        assert_eq!(relay.ended().await, Some(0), "{stop}");
    }
    receiver.set_delay(Duration::ZERO);
    let relay = line.relay();
    receiver.until("spring", 500).await;
    drop(relay);
    assert_complete(&receiver, "spring", 500);
    assert_eq!(
        repeated(&receiver, "spring"),
        0,
        "what was in flight was finished"
    );
}

/// A relay never runs the private Redis itself, which would keep the server out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_waits_for_the_private_redis_of_the_server() {
    let receiver = Receiver::start();
    let folder = tempfile::tempdir().expect("folder");
    let data_dir = folder.path().to_str().expect("a plain path");
    let secret = format!("relay.secret={SECRET}");
    let webhook = receiver.url();
    let words = [
        "--data-dir",
        data_dir,
        "--webhook",
        &webhook,
        "--set",
        &secret,
    ];
    let mut relay = RelayProcess::start(&words);
    let server = ServerProcess::start(free_address(), &["--demo", "--data-dir", data_dir]).await;
    assert_eq!(
        server.buyer.code("/incr", "b", "alice", "1").await,
        "grabbed"
    );
    receiver.until("b", 1).await;
    drop(server);
    signal("-TERM", relay.id());
    assert_eq!(relay.ended().await, Some(0), "also while Redis is away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_listed_and_delivered_again() {
    let world = World::new().await;
    let receiver = Receiver::start();
    receiver.set_mood(|seqs| {
        if seqs.contains(&2) || seqs.contains(&7) {
            410
        } else {
            200
        }
    });
    world.sell("spring", 0, 10).await;
    let line = Line::new(&world, &receiver, PATIENT);
    let relay = Running::start(&world, &receiver.patient());
    for buyer in 0.. {
        let dead = world.store.feed_dead("spring").await;
        if dead.expect("read").len() == 2 {
            break;
        }
        assert!(buyer < 2_000, "no two dead letters");
        world.sell("autumn", buyer, 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    relay.stop().await;
    let run = async |words: &[&str], code: i32| {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let done = tokio::task::spawn_blocking(move || Ended::from(seckill(&words)));
        let done = done.await.expect("it ran");
        assert_eq!(done.code, Some(code), "{done:?}");
        done.printed
    };
    let arguments = world.arguments(&[]);
    let mut dead = vec!["feed", "dead", "spring"];
    dead.extend(arguments.iter().map(String::as_str));
    let listed = run(&dead, 0).await;
    assert!(listed.contains("HTTP 410: as it pleases"), "{listed}");
    let listed = run(&[&dead[..], &["--json"]].concat(), 0).await;
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let mut entries: Vec<_> = (0..2).map(|n| listed[n]["entry"].as_str()).collect();
    entries.sort_unstable();
    assert_eq!(entries, [Some("0-2"), Some("0-7")]);

    let retry = [&["feed", "retry", "spring"], &line.words()[..]].concat();
    receiver.set_mood(|seqs| if seqs == [7] { 410 } else { 200 });
    let said = run(&retry, 1).await;
    assert!(
        said.contains("delivered 1 dead letter of event spring: 1 left"),
        "{said}"
    );
    assert!(said.contains("0-7: HTTP 410"), "{said}");
    receiver.set_mood(|_| 200);
    assert!(run(&retry, 0).await.contains("0 left"));
    assert_complete(&receiver, "spring", 10);
    assert!(run(&dead, 0).await.contains("no dead letters"));
}

#[test]
fn what_cannot_be_used_is_named() {
    for (words, named) in [
        (&["relay"][..], "relay.webhook"),
        (&["relay", "--webhook", "http://x"], "relay.secret"),
        (
            &[
                "relay",
                "--webhook",
                "http://x",
                "--secret-file",
                "/no/such",
            ],
            "/no/such",
        ),
        (
            &[
                "relay",
                "--webhook",
                "ftp://x",
                "--set",
                "relay.secret=0123456789abcdef",
            ],
            "ftp://x",
        ),
        (
            &["serve", "--set", "relay.webhook=http://x"],
            "relay.secret",
        ),
        (&["feed", "dead", "spring.tea"], "name the event"),
    ] {
        let output = seckill(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(named), "{words:?}: {said}");
    }
}
