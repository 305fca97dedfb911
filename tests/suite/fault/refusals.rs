//! A master that is cut off from its replica still has a stock, and sells it out to buyers who all
//! hear `unknown`. Nobody may hear that there is nothing left: the replica has it all.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use seckill::domain::caller::Caller;
use seckill::domain::durability::Durability;
use seckill::domain::sale::StockKind;

use super::failover::{Pair, until_linked};
use super::promoted::until_ready;
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::orders::at_most;
use crate::support::proxy::Fault;
use crate::support::redis::{World, sale_id};

const STOCK: u64 = 5;
const TIMEOUT: Duration = Duration::from_millis(500);

struct Shop {
    pair: Pair,
    world: World,
    app: TestApp,
}

impl Shop {
    async fn open(level: Durability) -> Self {
        let pair = Pair::start().await;
        let world = World::at(pair.master.url()).await;
        world.sale("e.list", StockKind::List, STOCK).await;
        world.sale("e.cup", StockKind::Counter, STOCK).await;
        world.sale("e.empty", StockKind::Counter, 1).await;
        world.target("e.loan", STOCK, &terms(1, 0)).await;
        let once = world.held_sale("e.once", StockKind::Counter, STOCK).await;
        world.put(&once, &at_most(Some(1))).await;
        world.given_back(&once, "used-up").await;
        until_linked(&pair.master).await;
        let app = TestApp::with(&world, |config| {
            config.redis.url = Some(pair.front.url());
            config.redis.timeout = TIMEOUT;
            config.durability = Some(level);
        });
        let app = app.await;
        until_ready(&app.buyer).await;
        Self { pair, world, app }
    }

    /// What so many strangers hear at each door, and for a basket and a bid; `name` is theirs.
    async fn crowd(&self, name: &str, buyers: u64) -> Vec<String> {
        let asking = (0..buyers).flat_map(|n| {
            let user = format!("{name}-{n}");
            ["/seckill", "/incr", "/orders", "/bids"].map(|path| self.asks(path, user.clone()))
        });
        join_all(asking).await
    }

    async fn asks(&self, path: &'static str, user: String) -> String {
        let body = match path {
            "/seckill" => format!(r#"{{"username":"{user}","purchase":1,"goods":"e.list"}}"#),
            "/incr" => format!(r#"{{"username":"{user}","purchase":1,"goods":"e.cup"}}"#),
            "/orders" => format!(
                r#"{{"username":"{user}","request_id":"r","lines":[{{"goods":"e.cup","purchase":2}}]}}"#
            ),
            _ => {
                format!(r#"{{"username":"{user}","request_id":"bid","goods":"e.loan","amount":1}}"#)
            }
        };
        let operator = self.app.operator();
        let reply = operator.json("POST", path, &body).await;
        reply.json()["code"].as_str().expect("a code").to_owned()
    }

    /// Strangers ask until nothing is left at the master: what they hear.
    async fn sell_out(&self) -> Vec<String> {
        let (deadline, mut told) = (Instant::now() + PATIENCE, Vec::new());
        let sales = ["e.list", "e.cup", "e.loan"].map(sale_id);
        for round in 0.. {
            told.extend(self.crowd(&format!("early-{round}"), STOCK).await);
            let left = join_all(sales.iter().map(|sale| self.world.left(sale))).await;
            if left == [0; 3] {
                break;
            }
            assert!(Instant::now() < deadline, "{left:?} are left");
        }
        told
    }

    /// What a buyer hears who has had all orders of a sale that has units.
    async fn used_up(&self) -> String {
        self.app.buyer.code("/incr", "e.once", "used-up", "1").await
    }

    /// Waits until the gate of a sale is closed.
    async fn until_closed(&self, goods: &str) {
        let closed = format!("seckill_gate_buyers{{refusal=\"sold_out\",sale=\"{goods}\"}}");
        let deadline = Instant::now() + PATIENCE;
        while !self.app.buyer.metrics().await.contains(&closed) {
            assert!(Instant::now() < deadline, "the gate of {goods} stays open");
            let asked = self.app.buyer.code("/incr", goods, "nobody", "1").await;
            assert_eq!(asked, "sold_out");
        }
    }
}

fn in_doubt(code: &str) -> bool {
    code == "busy" || code == "unknown"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_stock_is_gone_before_a_replica_has_heard_of_it() {
    let shop = Shop::open(Durability::Replicated(1)).await;
    // A gate that closed when all was well.
    assert_eq!(
        shop.app.buyer.code("/incr", "e.empty", "first", "1").await,
        "grabbed"
    );
    shop.until_closed("e.empty").await;
    assert_eq!(shop.used_up().await, "too_many_orders");

    shop.pair.link.set(Fault::Stall);
    let told = shop.sell_out().await;
    assert!(told.iter().all(|code| in_doubt(code)), "{told:?}");
    // Those whose answers came in time met an empty stock.
    let deadline = Instant::now() + PATIENCE;
    for round in 0.. {
        let told = shop.crowd(&format!("late-{round}"), 3).await;
        assert!(told.iter().all(|code| in_doubt(code)), "{told:?}");
        if told.iter().any(|code| code == "busy") {
            break;
        }
        assert!(Instant::now() < deadline, "no answer came in time");
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = shop.used_up().await;
        assert!(in_doubt(&told) && Instant::now() < deadline, "{told}");
        if told == "busy" {
            break;
        }
    }
    let stranger = shop.app.buyer.code("/incr", "e.empty", "other", "1").await;
    assert!(
        in_doubt(&stranger),
        "a gate that closed before says {stranger}"
    );
    let holder = shop.app.buyer.code("/incr", "e.empty", "first", "1").await;
    assert_eq!(holder, "unknown", "what is shown must not be forgotten");

    // The replica takes over, and it has what nobody got.
    let _second = shop.pair.fail_over().await;
    until_ready(&shop.app.buyer).await;
    let told = shop.crowd("again", STOCK + 3).await;
    let count = |wanted: &str| told.iter().filter(|code| *code == wanted).count() as u64;
    assert!(
        count("grabbed") >= STOCK && count("bid_accepted") == STOCK,
        "{told:?}"
    );
    assert!(
        count("sold_out") > 0 && count("target_reached") > 0,
        "{told:?}"
    );
    assert!(!told.iter().any(|code| in_doubt(code)), "{told:?}");
    assert_eq!(shop.used_up().await, "too_many_orders");
    shop.app.stop().await;
}

/// The control: where no replica is waited for, the same crowd hears that all is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_replica_counts_the_stock_of_the_master_does() {
    let shop = Shop::open(Durability::Memory).await;
    shop.pair.link.set(Fault::Stall);
    let told = shop.crowd("early", STOCK + 3).await;
    for code in ["sold_out", "target_reached"] {
        assert!(told.iter().any(|told| told == code), "{code}: {told:?}");
    }
    assert_eq!(shop.used_up().await, "too_many_orders");
    shop.app.stop().await;
}

/// What is read of an order is not said before a replica has it, either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_not_shown_as_a_replica_does_not_have_it() {
    let shop = Shop::open(Durability::Replicated(1)).await;
    let sale = shop.world.held_sale("e.held", StockKind::List, 2).await;
    let order = shop.world.granted(&sale, "x", 1).await;
    let path = format!("/orders/{order}");
    let operator = shop.app.operator();
    // Readers at the same time share a wait.
    let mut master = World::at(shop.pair.master.url()).await;
    let before = master.calls("wait").await;
    let told = join_all((0..50).map(|_| operator.get(&path))).await;
    assert!(told.iter().all(|reply| reply.status == 200), "{told:?}");
    let waits = master.calls("wait").await - before;
    assert!((1..=30).contains(&waits), "{waits} waits for 50 readings");

    shop.pair.link.set(Fault::Stall);
    let cancelled = shop
        .world
        .store
        .order_cancel(&order, &Caller::Operator)
        .await;
    assert!(cancelled.is_ok(), "{cancelled:?}");
    let told = operator.get(&path).await;
    assert_eq!(
        (told.status, told.result.as_str()),
        (503, "busy"),
        "{}",
        told.body
    );
    shop.pair.link.set(Fault::None);
    shop.pair.link.close_all().await;
    until_linked(&shop.pair.master).await;
    let told = operator.get(&path).await;
    assert!(told.body.contains("\"cancelled\""), "{}", told.body);
    shop.app.stop().await;
}
