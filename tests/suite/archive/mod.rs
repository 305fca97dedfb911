//! What nobody needs of an event that is over is exported and then dropped, and nothing else.

mod command;
mod erase;
mod meanwhile;

use std::collections::BTreeSet;

use redis::Value;
use seckill::domain::archive::{ArchiveOutcome, ArchiveRefusal, Archived, Piece};
use seckill::domain::caller::Caller;
use seckill::domain::clear::Force;
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::OrderState;
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::payment::{PayOutcome, PayRefusal};
use seckill::domain::purchase::outcome::{Outcome, Refusal};
use seckill::domain::sale::{EditOutcome, EditRefusal, SaleEdit, StockKind};
use seckill::error::{Error, Result};
use seckill::store::Store;
use seckill::store::archive::Keeper;
use seckill::store::sales::clear::Clear;

use crate::support::bids::{event, terms};
use crate::support::orders::{closing, new_order_id};
use crate::support::redis::{PrivateRedis, World, relay_feed, sale_id};
use crate::support::terms::term_text;

/// Keeps pieces in memory, so many times; then it fails.
struct Memory {
    pieces: Vec<Piece>,
    times: usize,
    /// The last ones are kept all the same, as by a process that is killed right after.
    keeps_last: bool,
}

impl Memory {
    fn new() -> Self {
        Self {
            pieces: Vec::new(),
            times: usize::MAX,
            keeps_last: true,
        }
    }
}

impl Keeper for Memory {
    fn keep(&mut self, pieces: &[Piece]) -> Result<()> {
        if self.times > 0 || self.keeps_last {
            self.pieces.extend_from_slice(pieces);
        }
        if self.times == 0 {
            return Err(Error::Refused("killed".to_owned()));
        }
        self.times -= 1;
        Ok(())
    }

    fn looked_at(&mut self, _: u64) {}
}

async fn over(world: &World, sale: &SaleId) {
    world.put(sale, &closing(Some(1))).await;
}

async fn archive(store: &Store, keeper: &mut Memory) -> ArchiveOutcome {
    let outcome = store.event_archive(&event("e"), false, keeper).await;
    outcome.expect("answered")
}

async fn archived(world: &World, keeper: &mut Memory) -> Archived {
    match archive(&world.store, keeper).await {
        ArchiveOutcome::Done(archived) => archived,
        ArchiveOutcome::Refused(refusal) => panic!("{refusal:?}"),
    }
}

/// Dead orders, each with its request, as they stand after their units went back.
async fn bury(world: &mut World, sale: &SaleId, orders: usize) -> BTreeSet<String> {
    let (key, requests) = {
        let keys = world.store.keys();
        (keys.orders(sale.event()), keys.requests(sale.event()))
    };
    let ids: Vec<OrderId> = (0..orders).map(|_| new_order_id(sale)).collect();
    let mut write = redis::pipe();
    for (n, id) in ids.iter().enumerate() {
        let record = format!("expired\t1700000000000\tdead-{n}\t1700000000001\tr\n{sale}\t1");
        write.hset(&key, id.as_str(), record).ignore();
        write.hset(&requests, format!("dead-{n}\tr"), id.as_str());
    }
    let _: Value = write.query_async(&mut world.raw).await.expect("written");
    ids.iter().map(ToString::to_string).collect()
}

/// Ids of the orders that are in Redis.
async fn found(world: &mut World) -> BTreeSet<String> {
    let orders = world.store.keys().orders("e");
    world.run(&["HKEYS", &orders]).await
}

fn orders_of(pieces: &[Piece]) -> BTreeSet<String> {
    let orders = pieces.iter().filter_map(|piece| match piece {
        Piece::Order(order) => Some(order.id.to_string()),
        _ => None,
    });
    orders.collect()
}

/// An event whose sales are over, with an order in each state.
struct Over {
    world: World,
    sales: [SaleId; 3],
    /// Held, confirmed, used, one over two sales, and a bid.
    alive: Vec<OrderId>,
    back: OrderId,
    dead: BTreeSet<String>,
}

impl Over {
    async fn new() -> Self {
        let mut world = World::new().await;
        let list = world.held_sale("e.list", StockKind::List, 10).await;
        let count = world.held_sale("e.count", StockKind::Counter, 10).await;
        let loan = world.target("e.loan", 1000, &terms(1, 0)).await;
        let mut alive = Vec::new();
        for (sale, user) in [(&list, "held"), (&count, "sold"), (&list, "used")] {
            alive.push(world.granted(sale, user, 2).await);
        }
        let back = world.granted(&list, "back", 2).await;
        let store = world.store.clone();
        for order in &alive[1..] {
            store.order_confirm(order).await.expect("confirmed");
        }
        store.order_use(&alive[2]).await.expect("used");
        store
            .order_cancel(&back, &Caller::Operator)
            .await
            .expect("cancelled");
        let lines = [(&list, StockKind::List, 1), (&count, StockKind::Counter, 1)];
        let both = world.write_order("both", OrderState::Confirmed, 0, &lines);
        alive.push(both.await);
        world.pay("e", "al", "p1", 500).await;
        world.pay("e", "al", "p2", -100).await;
        alive.push(world.accepted("al", "bid", &loan, 300).await.id);
        let mut dead = bury(&mut world, &count, 3).await;
        dead.insert(back.to_string());
        let sales = [list, count, loan];
        for sale in &sales {
            over(&world, sale).await;
        }
        Self {
            world,
            sales,
            alive,
            back,
            dead,
        }
    }

    /// What the first archive of it tells.
    async fn archived(&mut self, fed: u64) {
        let mut memory = Memory::new();
        let done = archived(&self.world, &mut memory).await;
        let expected = Archived {
            entries: fed,
            dead_letters: 0,
            orders: 4,
            requests: 2,
            payments: 2,
            unreadable: 0,
            erased: None,
        };
        assert_eq!(done, expected);
        assert_eq!(orders_of(&memory.pieces), self.dead);
        for id in &self.alive {
            assert_ne!(self.world.order(id).await.state, OrderState::Cancelled);
        }
    }

    /// Who holds an order is still shown it, tickets are still checked, and the feed counts on.
    async fn goes_on(&mut self, fed: u64) {
        let (world, [_, count, _]) = (&mut self.world, &self.sales);
        let Outcome::AlreadyGrabbed(own) = world.grab(count, "sold", 1).await else {
            panic!("the buyer's own order is not shown");
        };
        assert_eq!(own.order, self.alive[1]);
        let nothing = world.grab(count, "dead-1", 1).await;
        assert_eq!(nothing, Outcome::Refused(Refusal::Ended));
        let store = world.store.clone();
        store.order_use(&self.alive[1]).await.expect("used");
        let feed = store.keys().feed("e");
        let told: Vec<(String, Value)> = world.run(&["XRANGE", &feed, "-", "+"]).await;
        assert_eq!(told[0].0, format!("0-{}", fed + 1));
        let confirmed = store.order_confirm(&self.back).await.expect("answered");
        assert_eq!(confirmed, ChangeOutcome::NoSuchOrder);
        world.assert_holds(count).await;
    }
}

#[tokio::test]
async fn what_nobody_needs_goes_and_all_else_stays() {
    let mut event = Over::new().await;
    let before = event.world.contents().await;
    let fed = event.world.feed("e").await.len() as u64;
    event.archived(fed).await;
    let after = event.world.contents().await;
    let changed = before
        .iter()
        .filter(|&(key, value)| after.get(key) != Some(value));
    let changed: Vec<&str> = changed.map(|(key, _)| key.as_str()).collect();
    let gone = [
        "{e}:feed",
        "{e}:gone:e.list",
        "{e}:orders",
        "{e}:payments",
        "{e}:requests",
        "{e}:sale:e.count",
        "{e}:sale:e.list",
    ];
    assert_eq!(changed, gone);
    for sale in &event.sales {
        event.world.assert_holds(sale).await;
    }
    // Nothing is left to do, and the second time says so.
    let again = archived(&event.world, &mut Memory::new()).await;
    assert_eq!(again, Archived::default());
    assert_eq!(event.world.contents().await, after);
    event.goes_on(fed).await;
}

/// Asserts that a refusal says this and leaves everything as it was.
async fn assert_refused(world: &mut World, expected: ArchiveRefusal) {
    let before = world.contents().await;
    let mut memory = Memory::new();
    let told = archive(&world.store, &mut memory).await;
    assert_eq!(told, ArchiveOutcome::Refused(expected));
    assert_eq!(memory.pieces, []);
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn what_is_in_the_way_is_named_and_nothing_changes() {
    let mut world = World::new().await;
    world.sale("elsewhere", StockKind::List, 1).await;
    assert_refused(&mut world, ArchiveRefusal::NoSuchEvent).await;
    let one = world.held_sale("e.a", StockKind::Counter, 9).await;
    let other = world.sale("e.b", StockKind::Counter, 9).await;
    let order = world.granted(&one, "x", 1).await;
    bury(&mut world, &one, 3).await;
    let not_ended = |sale: &SaleId, closes_at| ArchiveRefusal::NotEnded {
        sale: sale.clone(),
        closes_at,
    };
    assert_refused(&mut world, not_ended(&one, None)).await;
    over(&world, &one).await;
    assert_refused(&mut world, not_ended(&other, None)).await;
    let later = world.now().await + 60_000;
    world.put(&other, &closing(Some(later))).await;
    assert_refused(&mut world, not_ended(&other, Some(later))).await;
    over(&world, &other).await;

    world
        .store
        .feed_open(&relay_feed("e"))
        .await
        .expect("a group");
    let needed = ArchiveRefusal::FeedNeeded {
        group: "relay".to_owned(),
    };
    assert_refused(&mut world, needed.clone()).await;
    let taken = world.store.feed_take(&relay_feed("e"), "worker", 10).await;
    taken.expect("read").expect("a group");
    assert_refused(&mut world, needed).await;
    let acknowledged = ["0-1".to_owned()];
    let acknowledged = world
        .store
        .feed_acknowledge(&relay_feed("e"), &acknowledged)
        .await;
    acknowledged.expect("acknowledged");

    let key = world.store.keys().sale(&one);
    let _: u64 = world.run(&["HSET", &key, "clearing", "0 reset e.a"]).await;
    let cleared = ArchiveRefusal::BeingCleared {
        command: "reset e.a".to_owned(),
    };
    assert_refused(&mut world, cleared).await;
    let _: u64 = world.run(&["HDEL", &key, "clearing"]).await;
    assert_eq!(archived(&world, &mut Memory::new()).await.orders, 3);
    assert_eq!(world.order(&order).await.state, OrderState::Held);
}

/// A request that was dropped would be judged like a new one, so nothing can be asked again.
#[tokio::test]
async fn an_archived_event_is_closed_for_good_until_it_is_deleted() {
    let world = World::new().await;
    let sale = world.sale("e.a", StockKind::Counter, 9).await;
    let loan = world.target("e.loan", 100, &terms(1, 0)).await;
    assert_eq!(
        world.pay("e", "x", "r", 7).await,
        PayOutcome::Paid { balance: 7 }
    );
    over(&world, &sale).await;
    over(&world, &loan).await;
    archived(&world, &mut Memory::new()).await;
    let put = async |world: &World, id: &str, edit: &SaleEdit| {
        let put = world.store.sale_put(&sale_id(id), edit).await;
        put.expect("answered")
    };
    let new = SaleEdit {
        kind: Some(StockKind::List),
        ..SaleEdit::default()
    };
    let refused = EditOutcome::Refused(EditRefusal::Archived);
    for (id, edit) in [
        ("e.a", &closing(None)),
        ("e.a", &closing(Some(2))),
        ("e.a", &closing(Some(9_999_999_999_999))),
        ("e.loan", &closing(None)),
        ("e.new", &new),
    ] {
        assert_eq!(put(&world, id, edit).await, refused, "{id} {edit:?}");
    }
    let titled = SaleEdit {
        title: Some(term_text("over")),
        ..closing(Some(1))
    };
    assert_eq!(put(&world, "e.a", &titled).await, EditOutcome::Updated);
    for cents in [7, -7, 1] {
        let paid = world.pay("e", "x", "r", cents).await;
        assert_eq!(paid, PayOutcome::Refused(PayRefusal::Archived));
    }
    assert_eq!(world.balance("e", "x").await, Some(7));
    // A reset begins anew, and stays closed.
    let force = Force {
        with_orders: true,
        feed_too: true,
    };
    let sales = [&sale];
    let reset = world
        .store
        .sales_clear(&sales, Clear::Reset, force, &|_| {});
    reset.await.expect("reset");
    assert_eq!(put(&world, "e.a", &closing(None)).await, refused);
    world.store.event_delete("e", force).await.expect("deleted");
    assert_eq!(put(&world, "e.a", &new).await, EditOutcome::Created);
    world.pay("e", "x", "r", 7).await;
}

/// Memory that 100,000 dead orders with requests take, and that comes back.
#[tokio::test]
async fn the_memory_of_dead_orders_comes_back() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.sale("e.a", StockKind::Counter, 1).await;
    let empty = world.store.memory().await.expect("read").used;
    bury(&mut world, &sale, 100_000).await;
    let feed = world.store.keys().feed("e");
    let tell = "for n = 1, 200000 do redis.call('XADD', KEYS[1], '0-*', 'what', 'held', 'order', \
                'e-abcdefghijklmnopqrst', 'at', '1700000000000') end";
    let _: Value = world.run(&["EVAL", tell, "1", &feed]).await;
    let full = world.store.memory().await.expect("read").used;
    over(&world, &sale).await;
    let done = archived(&world, &mut Memory::new()).await;
    assert_eq!((done.orders, done.entries), (100_000, 200_000));
    let after = world.store.memory().await.expect("read").used;
    println!("used memory: {empty} bytes, with 100,000 dead orders {full}, archived {after}");
    assert!(full - empty > 15_000_000, "{empty} {full}");
    assert!(
        after - empty < (full - empty) / 10,
        "{empty} {full} {after}"
    );
    world.assert_holds(&sale).await;
}
