//! Orders for tests: granted at the lane, read, and written by hand.

use std::collections::BTreeMap;

use redis::Value;
use seckill::domain::caller::Caller;
use seckill::domain::ids::{OrderId, SaleId, Username};
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::order::{Order, OrderState};
use seckill::domain::purchase::attempt::{Attempt, Purchase};
use seckill::domain::purchase::outcome::Outcome;
use seckill::domain::purchase::standing::Standing;
use seckill::domain::sale::{Door, EditOutcome, SaleEdit, StockKind};
use seckill::domain::time::EpochMs;
use seckill::failure::Result;
use seckill::store::Store;
use seckill::store::orders::grab::Batch;
use seckill::store::orders::holds::{ExpireOutcome, Slice};

use super::TIMEOUT;
use super::redis::World;
use super::terms::term_number;

/// A hold that no test outlives.
pub const LONG_HOLD_MS: u64 = 3_600_000;

/// A batch in which every order could be read.
pub struct Decided {
    pub standing: Standing,
    pub outcomes: Vec<Outcome>,
}

impl From<Batch> for Decided {
    fn from(
        Batch {
            standing, outcomes, ..
        }: Batch,
    ) -> Self {
        let outcomes = outcomes.into_iter().map(|outcome| outcome.expect("read"));
        Self {
            standing,
            outcomes: outcomes.collect(),
        }
    }
}

pub fn attempt(sale: &SaleId, user: &str, purchase: u32) -> Attempt {
    Attempt {
        username: username(user),
        purchase: Purchase::parse(&purchase.to_string()).expect("valid"),
        order: new_order_id(sale),
    }
}

pub fn username(name: &str) -> Username {
    Username::parse(name.to_owned()).expect("valid")
}

pub fn new_order_id(sale: &SaleId) -> OrderId {
    OrderId::new(sale, rand::random())
}

/// A change of nothing but these fields.
pub fn held_for(ms: u64) -> SaleEdit {
    SaleEdit {
        hold: Some(term_number(ms)),
        ..SaleEdit::default()
    }
}

/// A change of nothing but the limit of orders for one buyer.
pub fn at_most(orders: Option<u32>) -> SaleEdit {
    SaleEdit {
        orders_max: Some(orders.map(|orders| term_number(orders.into()))),
        ..SaleEdit::default()
    }
}

/// A change of nothing but the pause.
pub fn paused(paused: bool) -> SaleEdit {
    SaleEdit {
        paused: Some(paused),
        ..SaleEdit::default()
    }
}

/// A change of nothing but the opening.
pub fn opening(at: Option<EpochMs>) -> SaleEdit {
    SaleEdit {
        opens_at: Some(at),
        ..SaleEdit::default()
    }
}

/// A change of nothing but the end.
pub fn closing(at: Option<EpochMs>) -> SaleEdit {
    SaleEdit {
        closes_at: Some(at),
        ..SaleEdit::default()
    }
}

impl World {
    /// Creates and stocks a sale whose orders are held for an hour.
    pub async fn held_sale(&self, id: &str, kind: StockKind, stock: u64) -> SaleId {
        let sale = self.sale(id, kind, stock).await;
        self.put(&sale, &held_for(LONG_HOLD_MS)).await;
        sale
    }

    pub async fn put(&self, sale: &SaleId, edit: &SaleEdit) {
        let put = self.store.sale_put(sale, edit).await.expect("answered");
        assert!(!matches!(put, EditOutcome::Refused(_)), "{put:?}");
    }

    /// Decides these attempts in one batch.
    pub async fn grab_all(&self, sale: &SaleId, door: Door, asks: &[(&str, u32)]) -> Decided {
        Decided::from(self.batch(sale, door, asks).await)
    }

    /// The same, where orders may be unreadable.
    pub async fn batch(&self, sale: &SaleId, door: Door, asks: &[(&str, u32)]) -> Batch {
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        let attempts: Vec<_> = asks
            .iter()
            .map(|&(user, n)| attempt(sale, user, n))
            .collect();
        let lane = self.store.lane();
        let decided = lane.sale_grab(sale, door, &attempts, None, deadline).await;
        decided.expect("decided")
    }

    /// Decides one attempt, at the endpoint that sells the sale.
    pub async fn grab(&self, sale: &SaleId, user: &str, purchase: u32) -> Outcome {
        let snapshot = self.store.sale_snapshot(sale).await.expect("read");
        let door = snapshot.expect("the sale exists").sale.door();
        let mut batch = self.grab_all(sale, door, &[(user, purchase)]).await;
        batch.outcomes.remove(0)
    }

    /// The order that this attempt is granted.
    pub async fn granted(&self, sale: &SaleId, user: &str, purchase: u32) -> OrderId {
        match self.grab(sale, user, purchase).await {
            Outcome::Grabbed(grant) => grant.order,
            other => panic!("{user} got nothing of {sale}: {other:?}"),
        }
    }

    /// An order that the buyer is granted and cancels.
    pub async fn given_back(&self, sale: &SaleId, user: &str) -> OrderId {
        let id = self.granted(sale, user, 1).await;
        let changed = self
            .store
            .order_cancel(&id, &Caller::Operator)
            .await
            .expect("decided");
        assert!(matches!(changed, ChangeOutcome::Changed(_)), "{changed:?}");
        id
    }

    /// What the sale counts of its dead orders: in all, and of this buyer.
    pub async fn gone(&mut self, sale: &SaleId, user: &str) -> (u64, u64) {
        let (key, gone) = {
            let keys = self.store.keys();
            (keys.sale(sale), keys.gone(sale))
        };
        let all: Option<u64> = self.run(&["HGET", &key, "gone"]).await;
        let of_buyer: Option<u64> = self.run(&["HGET", &gone, user]).await;
        (all.unwrap_or(0), of_buyer.unwrap_or(0))
    }

    /// Makes the sale one of the version before, which counts no dead orders.
    pub async fn count_nothing(&mut self, sale: &SaleId) {
        let key = self.store.keys().sale(sale);
        let _: u64 = self
            .run(&["HDEL", &key, "gone", "gone_most", "gone_since"])
            .await;
    }

    /// An order that exists.
    pub async fn order(&self, id: &OrderId) -> Order {
        let order = self.store.order(id).await.expect("read");
        order.expect("the order exists")
    }

    /// Writes an order over several sales by hand, as one attempt would: its units leave the
    /// stocks, and counters, buyers, requests and holds know it.
    pub async fn write_order(
        &mut self,
        user: &str,
        state: OrderState,
        deadline: EpochMs,
        lines: &[(&SaleId, StockKind, u32)],
    ) -> OrderId {
        let id = new_order_id(lines[0].0);
        let event = id.event().to_owned();
        let request = format!("request of {id}");
        let mut record = format!("{state}\t1700000000000\t{user}\t{deadline}\t{request}");
        for &(sale, kind, purchase) in lines {
            record.push_str(&format!("\n{sale}\t{purchase}"));
            let (key, stock) = {
                let keys = self.store.keys();
                (keys.sale(sale), keys.stock(sale))
            };
            let count = purchase.to_string();
            match kind {
                StockKind::List => {
                    let units: Vec<String> = self.run(&["LPOP", &stock, &count]).await;
                    assert_eq!(units.len(), purchase as usize);
                    record.push_str(&format!("\t{}", units.join("\t")));
                }
                StockKind::Counter | StockKind::Target => {
                    let _: i64 = self.run(&["DECRBY", &stock, &count]).await;
                }
            }
            let buyers = self.store.keys().buyers(sale);
            let _: i64 = self.run(&["HINCRBY", &key, state.as_str(), &count]).await;
            let _: i64 = self.run(&["HINCRBY", &key, "grants", "1"]).await;
            let _: i64 = self.run(&["HSET", &buyers, user, id.as_str()]).await;
        }
        self.write_record(&id, &record).await;
        let requests = self.store.keys().requests(&event);
        let request = format!("{user}\t{request}");
        let _: i64 = self.run(&["HSET", &requests, &request, id.as_str()]).await;
        if state == OrderState::Held {
            let holds = self.store.keys().holds(&event);
            let _: i64 = self
                .run(&["ZADD", &holds, &deadline.to_string(), id.as_str()])
                .await;
        }
        id
    }

    /// Writes a record as it is.
    pub async fn write_record(&mut self, id: &OrderId, record: &str) {
        let orders = self.store.keys().orders(id.event());
        let _: i64 = self.run(&["HSET", &orders, id.as_str(), record]).await;
    }

    /// The clock of Redis.
    pub async fn now(&mut self) -> EpochMs {
        let (seconds, micros): (u64, u64) = self.run(&["TIME"]).await;
        seconds * 1000 + micros / 1000
    }

    /// Held orders of the event by the holds, each with its deadline.
    pub async fn holds(&mut self, event: &str) -> Vec<(String, EpochMs)> {
        let holds = self.store.keys().holds(event);
        self.run(&["ZRANGE", &holds, "0", "-1", "WITHSCORES"]).await
    }

    /// The feed of the event: the state and the order of each entry, whose ids have no gap.
    pub async fn feed(&mut self, event: &str) -> Vec<(String, String)> {
        let feed = self.store.keys().feed(event);
        let mut told = Vec::new();
        loop {
            let after = format!("(0-{}", told.len());
            let page: Vec<(String, BTreeMap<String, String>)> = self
                .run(&["XRANGE", &feed, &after, "+", "COUNT", "1000"])
                .await;
            if page.is_empty() {
                return told;
            }
            for (id, mut entry) in page {
                assert_eq!(id, format!("0-{}", told.len() + 1), "{entry:?}");
                assert_eq!(entry.len(), 3, "{entry:?}");
                assert!(entry["at"].parse::<EpochMs>().is_ok(), "{entry:?}");
                let order = entry.remove("order").expect("an order");
                told.push((entry.remove("what").expect("what"), order));
            }
        }
    }

    /// What each key under this prefix holds, whatever Redis makes of it inside.
    pub async fn contents(&mut self) -> BTreeMap<String, Value> {
        let mut contents = BTreeMap::new();
        let keys: Vec<String> = self.run(&["KEYS", &format!("{}*", self.prefix)]).await;
        for key in keys {
            let kind: String = self.run(&["TYPE", &key]).await;
            let read: &[&str] = match kind.as_str() {
                "hash" => &["HGETALL", &key],
                "list" => &["LRANGE", &key, "0", "-1"],
                "zset" => &["ZRANGE", &key, "0", "-1", "WITHSCORES"],
                "stream" => &["XRANGE", &key, "-", "+"],
                "string" => &["GET", &key],
                other => panic!("{key} is a {other}"),
            };
            let mut value: Value = self.run(read).await;
            if let (true, Value::Array(flat)) = (kind == "hash", &value) {
                let mut pairs: Vec<_> = flat.chunks(2).map(|pair| format!("{pair:?}")).collect();
                pairs.sort();
                let pairs = pairs.into_iter().map(Value::SimpleString);
                value = Value::Array(pairs.collect());
            }
            let name = key[self.prefix.len()..].to_owned();
            contents.insert(name, value);
        }
        contents
    }
}

/// Expires what is overdue now, as an expirer does.
pub async fn expire(
    store: &Store,
    event: &str,
    at_most: usize,
    slice: Slice,
) -> Result<ExpireOutcome> {
    let due = store.clock().await?.time;
    store.order_expire(event, due, at_most, slice).await
}
