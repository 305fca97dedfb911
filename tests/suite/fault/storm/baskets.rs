//! A storm of baskets: 64 clients place orders of 1 to 20 lines over 20 sales of one event, in any
//! order, and confirm and cancel them, at two servers, while Redis is killed.

use futures_util::future::join_all;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use seckill::domain::sale::{SaleEdit, StockKind};

use super::basket_judge::{Books, judge};
use super::{Act, Desk, KILLS_MAX, Servers, Waves, storms};
use crate::fault::rounds;
use crate::support::app::TestApp;
use crate::support::bids::FAR;
use crate::support::buyer::Reply;
use crate::support::orders::LONG_HOLD_MS;
use crate::support::redis::{PrivateRedis, World, sale_id};
use crate::support::terms::term_number;

pub const EVENT: &str = "b";
const SALES: usize = 20;
const CLIENTS: usize = 64;
/// What there is at least between two kills.
const EACH_PHASE: [(&str, usize); 4] = [
    ("grabbed", 150),
    ("already_grabbed", 20),
    ("confirmed", 40),
    ("cancelled", 60),
];

/// Without scarcity there is no test.
const AT_LAST: [(&str, usize); 2] = [("sold_out", 10), ("insufficient_stock", 1)];

/// A sale of the event.
#[derive(Debug, Clone, Copy)]
pub struct Goods(usize);

impl Goods {
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SALES).map(Self)
    }

    pub fn name(self) -> String {
        format!("{EVENT}.goods-{}", self.0)
    }

    pub fn kind(self) -> StockKind {
        match self.0 % 2 {
            0 => StockKind::List,
            _ => StockKind::Counter,
        }
    }

    /// True when its orders wait for a confirmation.
    pub fn holds(self) -> bool {
        self.0 % 7 == 3
    }

    /// Enough for the orders that each phase waits for, and not for all that come.
    pub fn stock() -> u64 {
        75 * (KILLS_MAX.min(rounds()) as u64 + 1)
    }
}

/// One thing that a client does with its order.
#[derive(Debug, Clone)]
enum Deed {
    Place(Vec<(String, u32)>, String),
    Confirm(String),
    Cancel(String, String),
}

impl Act for Deed {
    async fn send(&self, desk: &Desk) -> Reply {
        match self {
            Self::Place(lines, user) => {
                let lines: Vec<_> = lines
                    .iter()
                    .map(|(goods, n)| (goods.as_str(), *n))
                    .collect();
                desk.buyer.place(user, "the request", &lines).await
            }
            Self::Confirm(order) => {
                let path = format!("/orders/{order}/confirm");
                desk.operator.post(&path).await
            }
            Self::Cancel(order, user) => {
                let path = format!("/orders/{order}/cancel");
                desk.buyer.form(&path, &[("username", user)]).await
            }
        }
    }

    fn is_repeatable(&self) -> bool {
        true
    }
}

/// What one user asked for, and all that came back.
#[derive(Debug, Clone)]
pub struct Basket {
    pub user: String,
    pub lines: Vec<(String, u32)>,
    pub placed: Waves,
    pub confirmed: Waves,
    pub cancelled: Waves,
}

impl Basket {
    pub fn of(user: String, lines: Vec<(String, u32)>) -> Self {
        Self {
            user,
            lines,
            placed: Waves::default(),
            confirmed: Waves::default(),
            cancelled: Waves::default(),
        }
    }

    fn random(user: String, random: &mut StdRng) -> Self {
        let mut goods: Vec<_> = Goods::all().map(Goods::name).collect();
        goods.shuffle(random);
        goods.truncate(random.random_range(1..=SALES));
        let lines = goods
            .into_iter()
            .map(|goods| (goods, random.random_range(1..=2)));
        Self::of(user, lines.collect())
    }

    pub fn order(&self) -> Option<String> {
        self.placed.done().next().and_then(Reply::order)
    }

    async fn place(&mut self, servers: &Servers, random: &mut StdRng) {
        let first = Deed::Place(self.lines.clone(), self.user.clone());
        self.placed = servers.ask(&first, random).await;
        if self.placed.is_done() && random.random_ratio(1, 4) {
            self.lines.shuffle(random);
            self.place_once_more(servers).await;
        }
    }

    /// The one request of this basket; the order of its lines does not matter.
    pub async fn place_once_more(&mut self, servers: &Servers) {
        let again = Deed::Place(self.lines.clone(), self.user.clone());
        servers.settle(&again, &mut self.placed, false).await;
    }

    /// Confirms the order, cancels it, does both at once, or leaves it.
    async fn decide(&mut self, servers: &Servers, random: &mut StdRng) {
        let Some(order) = self.order() else {
            return;
        };
        let confirm = Deed::Confirm(order.clone());
        let cancel = Deed::Cancel(order, self.user.clone());
        match random.random_range(0..10) {
            0..3 => self.confirmed = servers.ask(&confirm, random).await,
            3..6 => self.cancelled = servers.ask(&cancel, random).await,
            6..9 => {
                let confirmed = servers.settle(&confirm, &mut self.confirmed, false);
                let cancelled = servers.settle(&cancel, &mut self.cancelled, false);
                tokio::join!(confirmed, cancelled);
            }
            _ => {}
        }
    }
}

pub async fn stock_up(world: &World) {
    for goods in Goods::all() {
        let sale = world
            .sale(&goods.name(), goods.kind(), Goods::stock())
            .await;
        let edit = SaleEdit {
            hold: goods.holds().then(|| term_number(LONG_HOLD_MS)),
            cancel_until: Some(Some(FAR)),
            ..SaleEdit::default()
        };
        world.put(&sale, &edit).await;
    }
}

/// One client: basket after basket, each of another user, until the storm is over.
async fn shop(servers: Servers, client: usize, mut random: StdRng) -> Vec<Basket> {
    let mut baskets = Vec::new();
    while !servers.tally.is_over() {
        let user = format!("user-{client}-{}", baskets.len());
        let mut basket = Basket::random(user, &mut random);
        basket.place(&servers, &mut random).await;
        basket.decide(&servers, &mut random).await;
        baskets.push(basket);
    }
    baskets
}

pub async fn storm(servers: &Servers) -> Vec<Basket> {
    let seed: u64 = rand::random();
    println!("storm seed {seed}");
    let shops = (0..CLIENTS).map(|client| {
        let mut servers = servers.clone();
        servers.desks.rotate_left(client % 2);
        let random = StdRng::seed_from_u64(seed.wrapping_add(client as u64));
        tokio::spawn(shop(servers, client, random))
    });
    let baskets = join_all(shops.collect::<Vec<_>>()).await.into_iter();
    baskets
        .flat_map(|baskets| baskets.expect("a client"))
        .collect()
}

/// Ends the storm without any fault, when there is enough of everything.
pub async fn end_soon(servers: &Servers) {
    servers.tally.until(&EACH_PHASE, 1).await;
    servers.tally.end();
}

/// Each basket that may have got an order asks for it again.
async fn everybody_asks_again(baskets: &mut [Basket], servers: &Servers) {
    let again = baskets
        .iter_mut()
        .filter(|basket| basket.placed.may_be_done());
    let mut again: Vec<_> = again.collect();
    for baskets in again.chunks_mut(CLIENTS) {
        join_all(
            baskets
                .iter_mut()
                .map(|basket| basket.place_once_more(servers)),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_in_a_storm_of_baskets() {
    for kills in storms() {
        let redis = PrivateRedis::durable();
        let world = World::at(redis.url()).await;
        stock_up(&world).await;
        let apps = [TestApp::start(&world).await, TestApp::start(&world).await];
        let servers = Servers::of(&apps);
        let tally = &servers.tally;
        let kills = tally.kill_in_between(&redis, kills, &EACH_PHASE, &AT_LAST);
        let (mut baskets, ()) = tokio::join!(storm(&servers), kills);
        assert!(tally.open() > 0, "the kill hit no client");

        let mut after = World::at(redis.url()).await;
        after.use_prefix(&world.prefix);
        assert_eq!(judge(&baskets, &Books::read(&mut after).await), [""; 0]);
        everybody_asks_again(&mut baskets, &servers).await;
        assert_eq!(judge(&baskets, &Books::read(&mut after).await), [""; 0]);
        for goods in Goods::all() {
            after.assert_holds(&sale_id(&goods.name())).await;
        }
        drop(servers);
        for app in apps {
            app.stop().await;
        }
    }
}
