//! What many lookers share, and what they cost: the list of sales, metrics, probes.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seckill::domain::sale::StockKind;
use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::redis::{PrivateRedis, World, sale_id, signal};

/// Writes so many sales as somebody at Redis may, ten in each event.
async fn seed(world: &mut World, sales: usize) -> Vec<String> {
    let ids: Vec<String> = (0..sales).map(|n| format!("e{}.s{n:05}", n / 10)).collect();
    for ids in ids.chunks(1_000) {
        let mut seeds = redis::pipe();
        for id in ids {
            let (sale, keys) = (sale_id(id), world.store.keys());
            let fields = [("kind", "counter"), ("title", "t"), ("added", "7")];
            seeds.hset_multiple(keys.sale(&sale), &fields).ignore();
            seeds.set(keys.stock(&sale), 7).ignore();
        }
        let _: () = seeds.query_async(&mut world.raw).await.expect("written");
    }
    let mut ids = ids;
    ids.sort();
    ids
}

fn goods(page: &Value) -> Vec<&str> {
    let sales = page["sales"].as_array().expect("a list");
    let goods = sales.iter().map(|sale| sale["goods"].as_str());
    goods.map(|goods| goods.expect("an id")).collect()
}

#[tokio::test]
async fn pages_show_each_sale_once() {
    let mut world = World::new().await;
    let ids = seed(&mut world, 2_345).await;
    let app = TestApp::start(&world).await;
    for (limit, pages) in [
        ("", 3),
        ("limit=1000", 3),
        ("limit=999", 3),
        ("limit=100", 24),
    ] {
        let (mut seen, mut after, mut count) = (Vec::new(), String::new(), 0);
        loop {
            let path = format!("/sales?{limit}{after}");
            let reply = app.buyer.get(&path).await;
            let page = reply.json();
            seen.extend(goods(&page).iter().map(|id| (*id).to_owned()));
            count += 1;
            match page.get("next") {
                Some(next) => after = format!("&after={}", next.as_str().expect("an id")),
                None => break,
            }
            assert_eq!(page["next"], *seen.last().expect("a sale"));
        }
        assert_eq!((&seen, count), (&ids, pages), "{limit}");
    }
    let path = "/sales?after=e0.zzz&limit=1&_=17";
    assert_eq!(goods(&app.buyer.get(path).await.json()), ["e1.s00010"]);
    let end = app.buyer.get("/sales?after=zzz").await.json();
    assert_eq!((goods(&end).len(), end.get("next")), (0, None));
    for (query, named) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=1", "limit"),
        ("after=A", "after"),
        ("after=", "after"),
        ("after=%ff", ""),
    ] {
        let reply = app.buyer.get(&format!("/sales?{query}")).await;
        assert_eq!(reply.told(), (400, "invalid_request"), "{query}");
        let detail = reply.json()["detail"].as_str().expect("a text").to_owned();
        assert!(detail.starts_with(named), "{query}: {detail}");
    }
    app.stop().await;
}

/// Each answer of an operator is followed by a look, which must not show an older reading.
#[tokio::test]
async fn what_was_changed_here_is_shown_at_once() {
    let world = World::new().await;
    world.sale("b", StockKind::Counter, 1).await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let show = async |id: &str| {
        let list = app.buyer.get("/sales").await.json();
        let sales = list["sales"].as_array().expect("a list").clone();
        let listed = sales.into_iter().find(|sale| sale["goods"] == *id);
        let listed = listed.expect("listed");
        let alone = app.buyer.get(&format!("/sales/{id}")).await.json();
        for field in ["phase", "remaining", "title"] {
            assert_eq!(alone[field], listed[field], "{id}");
        }
        alone
    };
    for number in 0..10 {
        let id = format!("a.s{number}");
        let path = format!("/admin/sales/{id}");
        let stock = format!("{path}/stock");
        let put = r#"{"kind":"list","title":"x"}"#;
        assert_eq!(operator.json("PUT", &path, put).await.result, "created");
        let shown = show(&id).await;
        assert_eq!(
            (&shown["remaining"], &shown["title"]),
            (&0.into(), &"x".into())
        );
        let added = operator.json("POST", &stock, r#"{"count":5}"#).await;
        assert_eq!(
            (added.result.as_str(), &show(&id).await["remaining"]),
            ("added", &5.into())
        );
        let removed = operator.json("POST", &stock, r#"{"remove":2}"#).await;
        let left = &show(&id).await["remaining"];
        assert_eq!((removed.result.as_str(), left), ("removed", &3.into()));
        for (change, phase) in [("pause", "paused"), ("resume", "open")] {
            operator.post(&format!("{path}/{change}")).await;
            assert_eq!(show(&id).await["phase"], phase);
        }
        let units = operator.lines(&stock, &format!("u{number}\n")).await;
        assert_eq!(
            (units.result.as_str(), &show(&id).await["remaining"]),
            ("added", &4.into())
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn a_first_sale_is_shown_with_its_time() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    assert!(app.buyer.get("/sales").await.json()["server_time"].is_null());
    let put = r#"{"kind":"counter"}"#;
    let operator = app.operator();
    assert_eq!(
        operator.json("PUT", "/admin/sales/a", put).await.status,
        201
    );
    let list = app.buyer.get("/sales").await.json();
    assert_eq!(goods(&list), ["a"]);
    assert!(list["server_time"].is_u64(), "{list}");
    app.stop().await;
}

/// The figures in a scrape: whether they are there, and the lines of sales.
fn figures(scrape: &str) -> (bool, usize) {
    let up = |line: &str| scrape.lines().any(|own| own == line);
    let (up, down) = (up("seckill_figures_up 1"), up("seckill_figures_up 0"));
    assert!(up != down, "{scrape}");
    let lines = scrape.lines();
    let lines = lines
        .filter(|line| line.starts_with("seckill_units{") || line.starts_with("seckill_buyers{"));
    (up, lines.count())
}

#[tokio::test]
async fn a_crowd_that_scrapes_shares_figures_which_are_whole_or_left_out() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    seed(&mut world, 300).await;
    let app = TestApp::start(&world).await;
    let since = Instant::now();
    let before = world.calls("scan").await;
    let scrapers = (0..30).map(|_| async {
        let mut whole = 0;
        for _ in 0..10 {
            let scrape = app.buyer.get("/metrics").await;
            assert_eq!(scrape.status, 200);
            match figures(&scrape.body) {
                (true, lines) => assert_eq!(lines, 300 * 5),
                (false, lines) => assert_eq!(lines, 0),
            }
            whole += usize::from(figures(&scrape.body).0);
        }
        whole
    });
    let whole: usize = join_all(scrapers).await.into_iter().sum();
    assert!(whole > 0, "no scrape has figures");
    // Two walks for each reading, of one page, a quarter of a second apart. The expirer and the
    // relay walk, too, each second.
    let calls = world.calls("scan").await - before;
    let most = 2 * (since.elapsed().as_millis() / 250 + 2) + since.elapsed().as_millis() / 500 + 4;
    assert!(u128::from(calls) <= most, "{calls} scans, at most {most}");
    app.stop().await;
}

#[tokio::test]
async fn a_redis_that_stands_still_leaves_no_figure_behind() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    seed(&mut world, 30).await;
    let app = TestApp::start(&world).await;
    let until = async |up: bool| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let scrape = app.buyer.get("/metrics").await.body;
            let (is_up, lines) = figures(&scrape);
            assert_eq!(lines, if is_up { 150 } else { 0 }, "{scrape}");
            assert!(scrape.contains("seckill_queue_attempts 0"), "{scrape}");
            if is_up == up {
                break;
            }
            assert!(Instant::now() < deadline, "never {up}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    until(true).await;
    signal("-STOP", redis.server_id());
    until(false).await;
    signal("-CONT", redis.server_id());
    until(true).await;
    app.stop().await;
}

#[tokio::test]
async fn a_broken_sale_is_counted_where_it_has_no_figures() {
    let mut world = World::new().await;
    seed(&mut world, 20).await;
    let stock = world.store.keys().stock(&sale_id("e0.s00003"));
    let _: () = world.run(&["SET", &stock, "few"]).await;
    let app = TestApp::start(&world).await;
    let scrape = app.buyer.metrics().await;
    assert_eq!(figures(&scrape), (true, 19 * 5));
    assert!(scrape.contains("\nseckill_unreadable 1\n"), "{scrape}");
    app.stop().await;
}

/// Each asker gets a verdict of an examination that began after the question.
#[tokio::test]
async fn many_probes_share_an_examination() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let app = TestApp::start(&world).await;
    assert_eq!(app.buyer.get("/readyz").await.status, 200);
    let (since, before) = (Instant::now(), world.calls("info").await);
    let askers = (0..50).map(|_| async {
        for _ in 0..5 {
            assert_eq!(app.buyer.get("/readyz").await.status, 200);
        }
    });
    join_all(askers).await;
    let calls = world.calls("info").await - before;
    // This test asks twice itself.
    let most = since.elapsed().as_millis() / 100 + 4;
    assert!(
        u128::from(calls) <= most,
        "{calls} examinations, at most {most}"
    );
    app.stop().await;
}
