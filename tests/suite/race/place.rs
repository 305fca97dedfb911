//! Orders over several sales under a crowd: never oversold, never in part, one order for each
//! request; and the gates hear of every grant that a buyer hears of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use seckill::domain::ids::SaleId;
use seckill::domain::sale::StockKind;

use super::gate::{STALE_MAX, door, until_closed};
use crate::support::app::TestApp;
use crate::support::buyer::{Buyer, Reply};
use crate::support::crowd::{ask, at_once};
use crate::support::redis::{World, sale_id};

const LIST: StockKind = StockKind::List;
const COUNTER: StockKind = StockKind::Counter;

async fn left(world: &World, sales: &[SaleId]) -> Vec<u64> {
    join_all(sales.iter().map(|sale| world.left(sale))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_from_fifty_connections_gets_one_order() {
    let mut world = World::new().await;
    let servers = TestApp::two(&world).await;
    let sales = [
        world.sale("e.a", LIST, 10).await,
        world.sale("e.b", COUNTER, 10).await,
    ];
    let addresses = servers.each_ref().map(|app| app.buyer.address());
    for round in 0..3 {
        let before = left(&world, &sales).await;
        let (user, request) = (format!("x{round}"), "the request");
        let asks = (0..50).map(|number| {
            // A client of its own is a connection of its own.
            let (buyer, user) = (Buyer::new(addresses[number % 2]), user.clone());
            async move { buyer.place(&user, request, &[("e.a", 2), ("e.b", 1)]).await }
        });
        let replies = at_once(asks).await;
        let orders: BTreeSet<_> = replies.iter().map(|reply| reply.order()).collect();
        assert_eq!(orders.len(), 1, "{orders:?}");
        let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        statuses.sort_unstable();
        assert_eq!((statuses[0], statuses[48], statuses[49]), (200, 200, 201));
        let now = left(&world, &sales).await;
        assert_eq!([before[0] - now[0], before[1] - now[1]], [2, 1]);
    }
    let orders = world.store.keys().orders("e");
    assert_eq!(world.run::<u64>(&["HLEN", &orders]).await, 3);
    for sale in &sales {
        world.assert_holds(sale).await;
    }
    TestApp::stop_all(servers).await;
}

/// What a buyer asks for, and what came back.
struct Asked {
    user: String,
    lines: BTreeMap<&'static str, u32>,
    reply: Reply,
}

/// Some of the sales in some order, one or two of each.
fn some_lines(random: &mut StdRng, sales: &[&'static str]) -> Vec<(&'static str, u32)> {
    let mut sales = sales.to_vec();
    sales.shuffle(random);
    sales.truncate(random.random_range(1..=sales.len()));
    let lines = sales
        .into_iter()
        .map(|goods| (goods, random.random_range(1..=2)));
    lines.collect()
}

/// One buyer: three different requests, each of them sent twice.
async fn shop(
    buyer: Buyer,
    user: String,
    mut random: StdRng,
    sales: &[&'static str],
) -> Vec<Asked> {
    let mut asked = Vec::new();
    for number in 0..3 {
        let (lines, request) = (some_lines(&mut random, sales), format!("r{number}"));
        for _ in 0..2 {
            asked.push(Asked {
                user: user.clone(),
                lines: lines.iter().copied().collect(),
                reply: buyer.place(&user, &request, &lines).await,
            });
        }
    }
    asked
}

/// The lines of an answer that shows an order, and how many units each of them names.
fn shown_lines(reply: &Reply) -> BTreeMap<String, (u64, usize)> {
    let body = reply.json();
    let lines = body["lines"].as_array().expect("lines").iter().map(|line| {
        let units = line["units"].as_array().map_or(0, Vec::len);
        let purchase = line["purchase"].as_u64().expect("a quantity");
        (
            line["goods"].as_str().expect("goods").to_owned(),
            (purchase, units),
        )
    });
    lines.collect()
}

const SALES: [(&str, StockKind, u64); 5] = [
    ("e.a", LIST, 40),
    ("e.b", COUNTER, 25),
    ("e.c", LIST, 60),
    ("e.d", COUNTER, 90),
    ("e.e", LIST, 7),
];

/// Two hundred buyers, each at one of two servers; what they asked and heard.
async fn a_crowd_shops(servers: &[TestApp; 2]) -> Vec<Asked> {
    let seed: u64 = rand::random();
    println!("crowd seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let shops = (0..200).map(|number| {
        let buyer = servers[number % 2].buyer.clone();
        let random = StdRng::seed_from_u64(random.random());
        let (user, sales) = (format!("user-{number}"), SALES.map(|(goods, ..)| goods));
        async move { shop(buyer, user, random, &sales).await }
    });
    at_once(shops).await.into_iter().flatten().collect()
}

/// Asserts that an order has all that was asked for, with a unit for each of a list.
fn assert_whole(asked: &Asked) {
    let shown = shown_lines(&asked.reply);
    assert_eq!(shown.len(), asked.lines.len(), "{:?}", asked.reply);
    for (goods, (purchase, units)) in shown {
        assert_eq!(purchase, u64::from(asked.lines[goods.as_str()]));
        let counted = ["e.b", "e.d"].contains(&goods.as_str());
        let named = if counted { 0 } else { purchase };
        assert_eq!(units as u64, named, "{:?}", asked.reply);
    }
}

/// Asserts that a refusal names a sale that was asked for.
fn assert_names_a_sale(asked: &Asked) {
    let problem = asked.reply.json();
    let goods = problem["goods"].as_str().expect("a sale is named");
    assert!(SALES.iter().any(|sale| sale.0 == goods), "{problem}");
    assert!(asked.lines.contains_key(goods), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_buyers_of_overlapping_sales_get_all_or_nothing() {
    let mut world = World::new().await;
    let servers = TestApp::two(&world).await;
    for (goods, kind, stock) in SALES {
        world.sale(goods, kind, stock).await;
    }
    let asked = a_crowd_shops(&servers).await;
    let mut orders: BTreeMap<String, &Asked> = BTreeMap::new();
    for asked in &asked {
        match asked.reply.status {
            201 | 200 => {
                assert_whole(asked);
                let order = asked.reply.order().expect("an order");
                let owner = orders.entry(order).or_insert(asked);
                assert_eq!(owner.user, asked.user);
            }
            409 => assert_names_a_sale(asked),
            _ => panic!("{:?}", asked.reply),
        }
    }
    // What the buyers were promised is what is gone, of each sale, and nothing else happened.
    for (goods, _, stock) in SALES {
        let sale = sale_id(goods);
        let units = orders.values().filter_map(|asked| asked.lines.get(goods));
        let promised: u64 = units.map(|&units| u64::from(units)).sum();
        assert!(
            promised <= stock,
            "{goods} is oversold: {promised} of {stock}"
        );
        assert_eq!(world.left(&sale).await, stock - promised, "{goods}");
        world.assert_holds(&sale).await;
    }
    let key = world.store.keys().orders("e");
    assert_eq!(world.run::<usize>(&["HLEN", &key]).await, orders.len());
    assert!(orders.len() > 20, "only {} orders: no race", orders.len());
    TestApp::stop_all(servers).await;
}

/// How a buyer can come to know of an order at the server whose gate is closed.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// It granted the order.
    Granted,
    /// Another server did, and this one repeated it.
    Repeated,
    /// Another server did, and this one named it when it refused another request.
    Named,
}

/// The rounds are many because a gate that was not told still lets one attempt in 20 ms pass.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_hears_of_an_order_before_its_buyer_does() {
    let world = World::new().await;
    let sale = world.sale("e.rush", LIST, 0).await;
    let servers = TestApp::two(&world).await;
    let [here, there] = servers.each_ref().map(|app| app.buyer.clone());
    let lines = [("e.rush", 1)];
    for round in 0..8 {
        for way in [Way::Granted, Way::Repeated, Way::Named] {
            let user = format!("{way:?}-{round}");
            until_closed(&here, &sale).await;
            world.store.stock_add_count(&sale, 1).await.expect("added");
            let shown = match way {
                Way::Granted => here.place(&user, "r", &lines).await,
                Way::Repeated => {
                    assert_eq!(there.place(&user, "r", &lines).await.status, 201);
                    here.place(&user, "r", &lines).await
                }
                Way::Named => {
                    assert_eq!(there.place(&user, "r", &lines).await.status, 201);
                    here.place(&user, "another", &lines).await
                }
            };
            let order = shown.order();
            assert!(order.is_some(), "{way:?}: {shown:?}");
            let again = ask(&door(&here, &sale), &user, 1).await.answer;
            assert_eq!(again.code, "already_grabbed", "{way:?} in round {round}");
            assert_eq!(again.order.map(|promise| promise.order), order);
        }
    }
    world.assert_holds(&sale).await;
    TestApp::stop_all(servers).await;
}

/// Another server's gate lags by one probe, as with the doors, however many strangers ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_of_another_server_hears_of_an_order_with_the_next_probe() {
    let world = World::new().await;
    let sale = world.sale("e.rush", LIST, 0).await;
    let servers = TestApp::two(&world).await;
    let [here, there] = servers.each_ref().map(|app| app.buyer.clone());
    for round in 0..5 {
        let user = format!("user-{round}");
        until_closed(&there, &sale).await;
        world.store.stock_add_count(&sale, 1).await.expect("added");
        let placed = here.place(&user, "r", &[("e.rush", 1)]).await;
        assert_eq!(placed.status, 201, "{placed:?}");
        let told = Instant::now();
        let at_the_other = Arc::new(door(&there, &sale));
        while told.elapsed() < STALE_MAX {
            assert_eq!(
                ask(&*at_the_other, "stranger", 1).await.answer.code,
                "sold_out"
            );
        }
        let again = ask(&*at_the_other, &user, 1).await.answer;
        assert_eq!(again.code, "already_grabbed", "round {round}");
    }
    world.assert_holds(&sale).await;
    TestApp::stop_all(servers).await;
}
