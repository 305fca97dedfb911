//! Bids under a crowd: never more than the target, to the cent; one bonus for each accepted bid;
//! one effect for each request; and no balance below nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use seckill::domain::caller::Caller;
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::change::{ChangeOutcome, ChangeRefusal};

use crate::fault::rounds;
use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::buyer::{Buyer, Reply};
use crate::support::crowd::at_once;
use crate::support::redis::World;

fn number(reply: &Reply, field: &str) -> u64 {
    reply.json()[field].as_u64().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_bids_of_30_at_once_for_a_target_of_100() {
    for _ in 0..5 {
        let world = World::new().await;
        let servers = TestApp::two(&world).await;
        let loan = world.target("loan", 100, &terms(1, 0)).await;
        let addresses = servers.each_ref().map(|app| app.buyer.address());
        let bids = (0..20).map(|bid| {
            let buyer = Buyer::new(addresses[bid % 2]);
            async move { buyer.bid(&format!("u{bid}"), "r", "loan", 30).await }
        });
        let replies = at_once(bids).await;
        let mut accepted: Vec<u64> = replies.iter().map(|r| number(r, "accepted")).collect();
        accepted.sort_unstable();
        assert_eq!(accepted[16..], [10, 30, 30, 30]);
        assert_eq!(accepted[..16], [0; 16]);
        for reply in &replies {
            let is_last = number(reply, "accepted") == 10;
            assert_eq!(reply.json()["filled"] == true, is_last, "{}", reply.body);
            let is_refused = reply.result == "target_reached";
            assert_eq!(is_refused, number(reply, "accepted") == 0);
        }
        world.assert_holds(&loan).await;
        TestApp::stop_all(servers).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_from_fifty_connections_has_one_effect() {
    let world = World::new().await;
    let servers = TestApp::two(&world).await;
    let loan = world.target("p.loan", 10_000, &terms(1, 1_000)).await;
    world.set_accounts("p", &[("x", 10_000)]).await;
    let addresses = servers.each_ref().map(|app| app.buyer.address());
    for round in 1..=3u64 {
        let bids = (0..50).map(|bid| {
            // A client of its own is a connection of its own.
            let buyer = Buyer::new(addresses[bid % 2]);
            let request = format!("r{round}");
            async move { buyer.bid("x", &request, "p.loan", 1_000).await }
        });
        let replies = at_once(bids).await;
        let orders: BTreeSet<_> = replies.iter().map(|reply| reply.order()).collect();
        assert_eq!(orders.len(), 1, "{orders:?}");
        let new = replies.iter().filter(|r| r.result == "bid_accepted");
        assert_eq!(new.count(), 1);
        assert_eq!(world.left(&loan).await, 10_000 - round * 1_000);
        assert_eq!(world.balance("p", "x").await, Some(10_000 - round * 900));
    }
    world.assert_holds(&loan).await;
    TestApp::stop_all(servers).await;
}

const BONUS_BP: u32 = 250;

/// What one connection saw: each request by user and name, and what was said of it.
type Seen = Vec<((usize, u32), u64, Reply)>;

/// Random bids of one connection; every tenth is sent twice.
async fn bid_at_random(buyer: Buyer, connection: u32, bids: u32, users: usize, seed: u64) -> Seen {
    let mut random = StdRng::seed_from_u64(seed);
    let mut seen = Vec::new();
    for bid in 0..bids {
        let (user, request) = (random.random_range(0..users), connection * 100_000 + bid);
        let cents = random.random_range(1..=5_000);
        for _ in 0..=u32::from(bid % 10 == 0) {
            let name = (format!("u{user}"), format!("r{request}"));
            let reply = buyer.bid(&name.0, &name.1, "p.loan", cents).await;
            seen.push(((user, request), cents, reply));
        }
    }
    seen
}

/// Again and again with `SECKILL_TEST_ROUNDS`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_fills_a_target_to_the_cent() {
    for _ in 0..rounds() {
        ten_thousand_bids().await;
    }
}

/// Enough bids to fill the target, from too few users for all to have money left.
struct Crowd {
    servers: [TestApp; 2],
    world: World,
    loan: SaleId,
    target: u64,
    users: Vec<String>,
    /// What each of them has before the first bid.
    balance: u64,
}

/// What the buyers were told, added up.
#[derive(Default)]
struct Told {
    /// Cents and bonus of each request that was accepted.
    accepted: BTreeMap<(usize, u32), (u64, u64)>,
    orders: BTreeSet<String>,
    filled: u32,
    refused: BTreeSet<String>,
}

const BIDS: u32 = 10_000;

impl Crowd {
    async fn start() -> Self {
        let world = World::new().await;
        let servers = TestApp::two(&world).await;
        // Less than all bids together, more than those that go through before it is nearly full.
        let target = u64::from(BIDS) * 1_200 + 77;
        let loan = world.target("p.loan", target, &terms(100, BONUS_BP)).await;
        let users: Vec<String> = (0..1_000).map(|user| format!("u{user}")).collect();
        // Some have spent all before the target is full; together they have enough.
        let balance = target * 13 / 10 / users.len() as u64;
        for names in users.chunks(500) {
            let accounts: Vec<_> = names.iter().map(|name| (name.as_str(), balance)).collect();
            world.set_accounts("p", &accounts).await;
        }
        Self {
            servers,
            world,
            loan,
            target,
            users,
            balance,
        }
    }

    /// Bids over many connections at once.
    async fn bid(&self) -> Seen {
        let (connections, users) = (64, self.users.len());
        let seed: u64 = rand::random();
        println!("bids seed {seed}");
        let addresses = self.servers.each_ref().map(|app| app.buyer.address());
        let crowd = (0..connections).map(|number| {
            let buyer = Buyer::new(addresses[number as usize % 2]);
            // Some have one more: together they are all.
            let share = BIDS / connections + u32::from(number < BIDS % connections);
            let seed = seed.wrapping_add(number.into());
            bid_at_random(buyer, number, share, users, seed)
        });
        at_once(crowd).await.concat()
    }

    /// What the buyers were told is all that happened.
    async fn end(self, told: Told) {
        let total: u64 = told.accepted.values().map(|got| got.0).sum();
        assert_eq!(total, self.target, "refused for {:?}", told.refused);
        assert_eq!((told.filled, self.world.left(&self.loan).await), (1, 0));
        let mut spent: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        for ((user, _), got) in told.accepted {
            let spent = spent.entry(user).or_default();
            *spent = (spent.0 + got.0, spent.1 + got.1);
        }
        for (user, name) in self.users.iter().enumerate() {
            let (paid, bonus) = spent.get(&user).copied().unwrap_or_default();
            let expected = (self.balance + bonus).checked_sub(paid);
            assert_eq!(self.world.balance("p", name).await, expected, "{name}");
            assert!(expected.is_some(), "{name} paid more than there was");
        }
        self.world.assert_holds(&self.loan).await;
        TestApp::stop_all(self.servers).await;
    }
}

impl Told {
    fn add(&mut self, request: (usize, u32), cents: u64, reply: &Reply) {
        assert!(matches!(reply.status, 200 | 400), "{reply:?}");
        let got = (number(reply, "accepted"), number(reply, "bonus"));
        match reply.result.as_str() {
            "bid_accepted" => {
                assert!(got.0 <= cents);
                assert_eq!(got.1, got.0 * u64::from(BONUS_BP) / 10_000);
                let before = self.accepted.insert(request, got);
                assert_eq!(before, None, "accepted twice");
                assert!(self.orders.insert(reply.order().expect("an order")));
                self.filled += u32::from(reply.json()["filled"] == true);
            }
            "already_bid" => assert_eq!(self.accepted.get(&request), Some(&got)),
            code => _ = self.refused.insert(code.to_owned()),
        }
    }
}

async fn ten_thousand_bids() {
    let crowd = Crowd::start().await;
    let seen = crowd.bid().await;
    let asked: BTreeSet<_> = seen.iter().map(|(request, ..)| request).collect();
    assert_eq!(asked.len(), BIDS as usize);
    let mut told = Told::default();
    for (request, cents, reply) in &seen {
        told.add(*request, *cents, reply);
    }
    for code in ["target_reached", "insufficient_balance"] {
        assert!(told.refused.contains(code), "{:?}", told.refused);
    }
    crowd.end(told).await;
}

/// Cancels each of these bids twice; how many went back.
async fn cancel_all(world: &World, mut bids: Vec<OrderId>) -> usize {
    bids.shuffle(&mut rand::rng());
    let cancels = bids.iter().flat_map(|bid| {
        [0, 1].map(|_| async {
            let outcome = world.store.order_cancel(bid, &Caller::Operator).await;
            match outcome.expect("decided") {
                ChangeOutcome::Changed(_) => 1,
                ChangeOutcome::Repeated(_)
                | ChangeOutcome::Refused(ChangeRefusal::NotCancellable, _) => 0,
                other => panic!("{other:?}"),
            }
        })
    });
    join_all(cancels).await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancels_beside_bids_lose_and_make_no_cent() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let loan: SaleId = world.target("p.loan", 26_000, &terms(1, 999)).await;
    let names: Vec<String> = (0..20).map(|user| format!("u{user}")).collect();
    let accounts: Vec<_> = names.iter().map(|name| (name.as_str(), 3_000)).collect();
    world.set_accounts("p", &accounts).await;
    let (mut bids, mut gone) = (Vec::new(), 0);
    for round in 0..6 {
        let asked = (0..60).map(|bid| {
            let (buyer, user) = (app.buyer.clone(), names[bid % names.len()].clone());
            let (request, cents) = (format!("r{round}-{bid}"), 37 * (bid as u64 % 11 + 1));
            tokio::spawn(async move { buyer.bid(&user, &request, "p.loan", cents).await })
        });
        let asked: Vec<_> = asked.collect();
        let cancelled = cancel_all(&world, std::mem::take(&mut bids)).await;
        gone += cancelled;
        for reply in join_all(asked).await {
            let reply = reply.expect("an answer");
            let known = ["bid_accepted", "target_reached", "insufficient_balance"];
            assert!(known.contains(&reply.result.as_str()), "{reply:?}");
            let order = reply.order();
            bids.extend(order.map(|id| OrderId::parse(&id).expect("an order id")));
        }
        assert_eq!(
            world.left(&loan).await + world.confirmed(&loan).await,
            26_000
        );
        world.assert_holds(&loan).await;
    }
    assert!(gone > 20, "only {gone} bids went back: no race");
    app.stop().await;
}
