//! The negative control of the storm of bids: after a calm one, the judge gets each possible lie
//! and each wrong key, and must name what is wrong.

use super::bid_judge::{Books, judge};
use super::bids::{Asked, Deed, EVENT, Event, TARGETS};
use super::{Waves, add, busy, key, named};
use crate::support::app::TestApp;
use crate::support::redis::{World, sale_id};

/// What is changed, and what the judge must say then.
type Tampering = (&'static str, fn(&mut Vec<Asked>, &mut Books));

const KEYS: [Tampering; 14] = [
    ("has and spent", |asked, books| {
        add(&mut books.accounts, &payer(asked), 1);
    }),
    ("all have and spent", |asked, books| {
        add(&mut books.paid_in, &payer(asked), -1);
    }),
    // Both of them, so that the account adds up.
    ("was never paid", |asked, books| {
        add(&mut books.accounts, &payer(asked), 5);
        add(&mut books.paid_in, &payer(asked), 5);
    }),
    ("the payment", |asked, books| {
        books.payments.remove(&payment(asked));
    }),
    ("the payment", |asked, books| {
        let entry = books.payments.get_mut(&payment(asked)).expect("paid");
        entry.push('0');
    }),
    ("nobody made the payment", |_, books| {
        let entry = "5\t5".to_owned();
        books.payments.insert("user-0\tstrange".to_owned(), entry);
    }),
    ("is lost", |asked, books| {
        books.orders.remove(&living(asked, books));
    }),
    ("is no bid", |asked, books| {
        rewrite(asked, books, |record| record.push('\n'));
    }),
    ("is another one", |asked, books| {
        rewrite(asked, books, |record| {
            *record = record.replacen("bid-", "bad-", 1);
        });
    }),
    ("has a wrong bonus", |asked, books| {
        rewrite(asked, books, |record| add_to_part(record, 2));
    }),
    ("accepted, {", |asked, books| {
        rewrite(asked, books, |record| add_to_part(record, 0));
    }),
    ("left, ", |_, books| {
        *books.stocks.get_mut(TARGETS[1].0).expect("a target") += 1;
    }),
    ("was stocked in another way", |_, books| {
        let target = books.targets.get_mut(TARGETS[0].0).expect("a target");
        add(target, "added", 1);
        add(target, "removed", 1);
    }),
    ("the feed is wrong", |_, books| {
        books.feed.pop();
    }),
];

const STATES: [Tampering; 3] = [
    ("was said to be cancelled and is", |asked, books| {
        let order = cancelled(asked);
        let record = books.orders.get_mut(&order).expect("a bid");
        *record = record.replacen("cancelled", "confirmed", 1);
    }),
    ("is cancelled, but nobody did that", |asked, books| {
        rewrite(asked, books, |record| {
            *record = record.replacen("confirmed", "cancelled", 1);
        });
    }),
    ("is not what its request got", |_, books| {
        books.requests.pop_first();
    }),
];

const ANSWERS: [Tampering; 12] = [
    ("was made, but refused", |asked, _| {
        let waves = accepted(asked);
        let unknown = named(&busy(), "unknown");
        let refusal = named(&waves.0[0][0], "target_reached");
        waves.0 = vec![vec![unknown], vec![refusal]];
    }),
    ("never executed", |asked, _| {
        let waves = accepted(asked);
        *waves = Waves(vec![vec![busy()]]);
    }),
    ("done twice", |asked, _| {
        let waves = accepted(asked);
        let first = waves.0[0].clone();
        waves.0.push(first);
    }),
    ("repeated, but it was never executed", |asked, _| {
        let waves = accepted(asked);
        waves.0 = vec![vec![busy()], vec![named(&waves.0[0][0], "already_bid")]];
    }),
    ("one request, two bids", |asked, _| {
        let waves = accepted(asked);
        let mut other = named(&waves.0[0][0], "already_bid");
        other.body = other.body.replace("\"order\":\"p-", "\"order\":\"p-x");
        waves.0.push(vec![other]);
    }),
    ("forgotten", |asked, _| {
        let waves = accepted(asked);
        let refusal = named(&waves.0[0][0], "target_reached");
        waves.0.push(vec![refusal]);
    }),
    ("a strange answer", |asked, _| {
        accepted(asked).0.push(vec![named(&busy(), "no_such_sale")]);
    }),
    ("cancelled: done twice", |asked, _| {
        let cancel = asked.iter().find(|a| a.waves.count("cancelled") == 1);
        let cancel = cancel.expect("a cancel").clone();
        asked.push(cancel);
    }),
    ("was said to be cancelled and is", |asked, books| {
        let order = living(asked, books);
        let cancel = asked.iter().find(|a| a.waves.count("cancelled") == 1);
        let mut cancel = cancel.expect("a cancel").clone();
        let user = String::new();
        cancel.deed = Deed::Cancel { user, order };
        asked.push(cancel);
    }),
    ("one request, two payments", |asked, _| {
        let paid = asked.iter_mut().find(|a| a.waves.count("deposited") > 0);
        let waves = &mut paid.expect("a payment").waves;
        let mut other = waves.done().next().expect("paid").clone();
        other.body = other.body.replace("\"balance\":", "\"balance\":1");
        waves.0.push(vec![other]);
    }),
    ("the payment", |asked, _| {
        let paid = asked.iter_mut().find(|a| a.waves.count("deposited") > 0);
        paid.expect("a payment").waves = Waves(vec![vec![busy()]]);
    }),
    ("was stocked in another way", |asked, _| {
        let raise = asked.iter().find(|a| matches!(a.deed, Deed::Raise { .. }));
        let raise = raise.expect("a raise").clone();
        asked.push(raise);
    }),
];

/// Adds one to a number of a bid.
fn add_to_part(record: &mut String, part: usize) {
    let (head, numbers) = record.rsplit_once('\t').expect("a bid");
    let mut numbers: Vec<i64> = numbers
        .split('/')
        .map(|n| n.parse().expect("a number"))
        .collect();
    numbers[part] += 1;
    let numbers: Vec<_> = numbers.iter().map(i64::to_string).collect();
    *record = format!("{head}\t{}", numbers.join("/"));
}

/// A buyer whose deposit was made, and whose balance was never set without a condition.
fn paid(asked: &[Asked]) -> (String, String) {
    let paid = asked
        .iter()
        .filter(|asked| asked.waves.count("deposited") > 0);
    let mut paid = paid.filter_map(|asked| match &asked.deed {
        Deed::Pay { user, request, .. } => Some((user.clone(), request.clone())),
        _ => None,
    });
    let paid = paid.find(|(user, _)| !user.starts_with("stated"));
    paid.expect("a payment")
}

fn payer(asked: &[Asked]) -> String {
    paid(asked).0
}

fn payment(asked: &[Asked]) -> String {
    let (user, request) = paid(asked);
    format!("{user}\t{request}")
}

/// A bid that a client was told of once, and that was never cancelled.
fn living(asked: &[Asked], books: &Books) -> String {
    let cancels: Vec<_> = asked.iter().filter_map(Asked::cancels).collect();
    let told = asked
        .iter()
        .filter(|asked| asked.waves.count("bid_accepted") > 0);
    let told = told.filter_map(|asked| asked.waves.done().next()?.order());
    let mut living = told.filter(|order| !cancels.contains(&order.as_str()));
    let order = living.next().expect("a living bid");
    assert!(books.orders.contains_key(&order));
    order
}

fn cancelled(asked: &[Asked]) -> String {
    let cancel = asked
        .iter()
        .find(|asked| asked.waves.is_done() && asked.cancels().is_some());
    cancel
        .and_then(Asked::cancels)
        .expect("a cancel")
        .to_owned()
}

fn rewrite(asked: &[Asked], books: &mut Books, change: fn(&mut String)) {
    let order = living(asked, books);
    change(books.orders.get_mut(&order).expect("a bid"));
}

/// The answers of a bid that was sent once and accepted.
fn accepted(asked: &mut [Asked]) -> &mut Waves {
    let mut waves = asked.iter_mut().map(|asked| &mut asked.waves);
    let once = waves.find(|waves| waves.all().count() == 1 && waves.count("bid_accepted") == 1);
    once.expect("a bid")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tampering_with_a_storm_of_bids_is_convicted() {
    let mut world = World::new().await;
    let servers = [TestApp::start(&world).await, TestApp::start(&world).await];
    let event = Event::new(&servers);
    let mut asked = event.begin(&world).await;
    let (storm, ()) = tokio::join!(event.storm(), event.end_soon());
    asked.extend(storm);
    let books = Books::read(&mut world).await;
    assert_eq!(judge(&asked, &books), [""; 0]);
    for (words, tamper) in KEYS.iter().chain(&STATES).chain(&ANSWERS) {
        let (mut asked, mut books) = (asked.clone(), books.clone());
        tamper(&mut asked, &mut books);
        let wrong = judge(&asked, &books);
        let is_seen = wrong.iter().any(|wrong| wrong.contains(words));
        assert!(is_seen, "the judge did not see that {words:?}: {wrong:?}");
    }

    // A wrong key in Redis: the audit of the product finds it, too.
    let accounts = key(&world, EVENT, "accounts");
    let _: i64 = world
        .run(&["HINCRBY", &accounts, &payer(&asked), "1"])
        .await;
    assert_ne!(judge(&asked, &Books::read(&mut world).await), [""; 0]);
    let judged = world.store.recount(&sale_id(TARGETS[0].0), &|_| {}).await;
    let judged = judged.expect("recount").expect("the sale exists");
    assert_ne!(judged.violations, []);
    drop(event);
    for app in servers {
        app.stop().await;
    }
}
