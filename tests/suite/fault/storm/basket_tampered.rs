//! The negative control of the storm of baskets: after a calm one, the judge gets each possible lie
//! and each wrong key, and must name what is wrong.

use super::basket_judge::{Books, judge};
use super::baskets::{Basket, Goods, end_soon, stock_up, storm};
use super::{Servers, Waves, add, busy, named};
use crate::support::app::TestApp;
use crate::support::redis::World;

/// What is changed, and what the judge must say then.
type Tampering = (&'static str, fn(&mut [Basket], &mut Books));

const KEYS: [Tampering; 11] = [
    ("is lost", |baskets, books| {
        books.orders.remove(&living(baskets));
    }),
    ("is none", |baskets, books| {
        rewrite(baskets, books, |record| record.insert(0, '\t'));
    }),
    ("has not all that was asked for", |baskets, books| {
        rewrite(baskets, books, |record| {
            let last = record.rfind('\n').expect("lines");
            record.truncate(last);
        });
    }),
    ("is another one", |baskets, books| {
        rewrite(baskets, books, |record| {
            *record = record.replace("sn-", "sn-9");
        });
    }),
    ("is in a state that nobody asked for", |baskets, books| {
        rewrite(baskets, books, |record| {
            record.replace_range(..9, "cancelled");
        });
    }),
    ("is not what its request got", |_, books| {
        books.requests.pop_first();
    }),
    ("does not add up", |_, books| books.sales[1].left += 1),
    ("counts wrongly", |_, books| {
        add(&mut books.sales[2].sale, "confirmed", 1);
    }),
    ("knows other buyers", |_, books| {
        books.sales[3].buyers.pop_last();
    }),
    ("has not each unit once", |baskets, books| {
        rewrite(baskets, books, |record| {
            *record = record.replace("sn-", "sn-9");
        });
    }),
    ("the holds are wrong", |_, books| {
        books.holds.insert("strange".to_owned());
    }),
];

const ANSWERS: [Tampering; 6] = [
    ("never executed", |baskets, _| {
        granted(baskets).placed = Waves(vec![vec![busy()]]);
    }),
    ("one request, two orders", |baskets, _| {
        let waves = &mut granted(baskets).placed;
        let mut other = waves.0[0][0].clone();
        other.body = other.body.replace("\"order\":\"b-", "\"order\":\"b-x");
        waves.0.push(vec![other]);
    }),
    ("grabbed: done twice", |baskets, _| {
        let waves = &mut granted(baskets).placed;
        let first = waves.0[0].clone();
        waves.0.push(first);
    }),
    ("grabbed: repeated", |baskets, _| {
        let waves = &mut granted(baskets).placed;
        waves.0 = vec![vec![busy()], vec![named(&waves.0[0][0], "already_grabbed")]];
    }),
    ("forgotten", |baskets, _| {
        let waves = &mut granted(baskets).placed;
        let mut refusal = named(&waves.0[0][0], "sold_out");
        refusal.status = 409;
        waves.0.push(vec![refusal]);
    }),
    ("was said to be cancelled and is", |baskets, _| {
        let basket = granted(baskets);
        basket.cancelled = Waves(vec![vec![named(&basket.placed.0[0][0], "cancelled")]]);
    }),
];

/// The first basket whose order was granted and confirmed at once and did not change any more.
fn plain() -> Basket {
    let goods = Goods::all().filter(|goods| !goods.holds()).take(6);
    let lines = goods.map(|goods| (goods.name(), 2));
    Basket::of("plain".to_owned(), lines.collect())
}

fn granted(baskets: &mut [Basket]) -> &mut Basket {
    &mut baskets[0]
}

fn living(baskets: &[Basket]) -> String {
    baskets[0].order().expect("an order")
}

fn rewrite(baskets: &[Basket], books: &mut Books, change: fn(&mut String)) {
    let record = books.orders.get_mut(&living(baskets));
    change(record.expect("a record"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tampering_with_a_storm_of_baskets_is_convicted() {
    let mut world = World::new().await;
    stock_up(&world).await;
    let apps = [TestApp::start(&world).await, TestApp::start(&world).await];
    let servers = Servers::of(&apps);
    let mut baskets = vec![plain()];
    baskets[0].place_once_more(&servers).await;
    let (others, ()) = tokio::join!(storm(&servers), end_soon(&servers));
    baskets.extend(others);
    let books = Books::read(&mut world).await;
    assert_eq!(judge(&baskets, &books), [""; 0]);
    for (words, tamper) in KEYS.iter().chain(&ANSWERS) {
        let (mut baskets, mut books) = (baskets.clone(), books.clone());
        tamper(&mut baskets, &mut books);
        let wrong = judge(&baskets, &books);
        let is_seen = wrong.iter().any(|wrong| wrong.contains(words));
        assert!(is_seen, "the judge did not see that {words:?}: {wrong:?}");
    }
    drop(servers);
    for app in apps {
        app.stop().await;
    }
}
