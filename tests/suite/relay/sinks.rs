//! Several sinks: each reads every feed in a group of its own.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use seckill::config;
use seckill::domain::feed::{Feed, Group, Message};
use seckill::relay::sink::{Answer, Sink};

use super::Running;
use crate::support::PATIENCE;
use crate::support::process::seckill;
use crate::support::receiver::Receiver;
use crate::support::redis::World;

/// What a shelf answers to the entries of a delivery.
type Mood = fn(&[u64]) -> Answer;

/// A sink that keeps what it accepts. Clones are the same shelf.
#[derive(Clone)]
struct Shelf {
    group: Group,
    seqs: Arc<Mutex<Vec<u64>>>,
    mood: Arc<Mutex<Mood>>,
}

impl Shelf {
    fn new(group: Group) -> Self {
        Self {
            group,
            seqs: Arc::default(),
            mood: Arc::new(Mutex::new(|_| Answer::Accepted)),
        }
    }

    fn set_mood(&self, mood: Mood) {
        *self.mood.lock().expect("not poisoned") = mood;
    }

    fn seqs(&self) -> Vec<u64> {
        self.seqs.lock().expect("not poisoned").clone()
    }

    async fn until(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.seqs().len() < count {
            assert!(Instant::now() < deadline, "{} entries", self.seqs().len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn take(&self, seqs: &[u64]) -> Answer {
        let answer = (self.mood.lock().expect("not poisoned"))(seqs);
        if answer == Answer::Accepted {
            self.seqs.lock().expect("not poisoned").extend(seqs);
        }
        answer
    }
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.group.as_str())
    }
}

impl Sink for Shelf {
    fn group(&self) -> Group {
        self.group.clone()
    }

    fn deliver<'a>(&'a self, _: &'a str, messages: &'a [&'a Message]) -> BoxFuture<'a, Answer> {
        let seqs: Vec<u64> = messages.iter().map(|message| message.entry.seq).collect();
        Box::pin(async move { self.take(&seqs) })
    }
}

/// A relay to the shelves of the groups `relay` and `books`.
fn start(world: &World) -> (Running, Shelf, Shelf) {
    let [first, books] = [Group::RELAY, Group::new("books")].map(Shelf::new);
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(first.clone()), Box::new(books.clone())];
    let settings = config::Relay {
        attempts_max: 2,
        ..config::Relay::default()
    };
    (Running::to(world, sinks, &settings), first, books)
}

async fn length(world: &mut World) -> usize {
    let feed = format!("{}{{spring}}:feed", world.prefix);
    world.run(&["XLEN", &feed]).await
}

#[tokio::test]
async fn a_sink_in_trouble_holds_up_no_other_and_misses_nothing() {
    let mut world = World::new().await;
    let (relay, first, books) = start(&world);
    books.set_mood(|_| Answer::Failed("closed".to_owned()));
    world.sell("spring", 0, 1000).await;
    first.until(1000).await;
    let groups = [Group::RELAY, Group::new("books"), Group::new("none")];
    // Acknowledged a moment after it was delivered.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let feeds = world.store.feeds(&groups).await.expect("read");
        let (event, state) = &feeds[0];
        let state = state.as_ref().expect("a state");
        let lags = state.lags.iter();
        let lags: Vec<_> = lags
            .map(|(group, lag)| (group.as_str(), lag.undelivered))
            .collect();
        if (event.as_str(), &lags[..]) == ("spring", &[("relay", 0), ("books", 1000)][..]) {
            break;
        }
        assert!(Instant::now() < deadline, "{lags:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        length(&mut world).await,
        1000,
        "the books have read nothing"
    );
    books.set_mood(|_| Answer::Accepted);
    books.until(1000).await;
    relay.stop().await;
    let all: Vec<u64> = (1..=1000).collect();
    assert_eq!(first.seqs(), all);
    // What failed comes later than others, and only once.
    let mut later = books.seqs();
    later.sort_unstable();
    assert_eq!(later, all);
    let left = length(&mut world).await;
    assert!(left <= 200, "{left} entries that nobody needs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_goes_back_to_its_own_sink_only() {
    let world = World::new().await;
    let receiver = Receiver::start();
    let (relay, first, books) = start(&world);
    books.set_mood(|seqs| match seqs.contains(&2) {
        true => Answer::Refused("no room".to_owned()),
        false => Answer::Accepted,
    });
    world.sell("spring", 0, 3).await;
    first.until(3).await;
    books.until(2).await;
    let dead = super::poison::until_dead(&world, "spring", 1).await;
    relay.stop().await;
    assert_eq!(dead, [("0-2".to_owned(), "no room".to_owned())]);
    let run = async |words: &[&str], code: i32| {
        let prefix = format!("redis.prefix={}", world.prefix);
        let all = [
            "--json",
            "--set",
            &prefix,
            "--redis-url",
            world.url.expose(),
        ];
        let words = [words, &all].concat();
        let done = tokio::task::block_in_place(|| seckill(&words));
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{said}");
        serde_json::from_slice::<serde_json::Value>(&done.stdout).expect("JSON")
    };
    let listed = run(&["feed", "dead", "spring"], 0).await;
    assert_eq!(listed[0]["group"], "books");
    let webhook = receiver.url();
    let retry = ["feed", "retry", "spring", "--webhook", &webhook];
    let secret = format!("relay.secret={}", crate::support::receiver::SECRET);
    let said = run(&[&retry[..], &["--set", &secret]].concat(), 1).await;
    let why = said["left"][0]["reason"].as_str().expect("a reason");
    assert!(why.contains("the group books"), "{why}");
    assert_eq!(receiver.calls(), 0, "the letter is not for the webhook");
    let feed = Feed::new("spring", Group::new("books"));
    let lag = world
        .store
        .feed_lag(&feed)
        .await
        .expect("read")
        .expect("a group");
    assert_eq!((lag.undelivered, lag.dead), (0, 1));
}
