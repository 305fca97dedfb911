//! Random walks through the life of orders, with a clock that the test moves, compared with a
//! simple model. Each walk ends with the deep audit of both sales.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use redis::{FromRedisValue, Value};
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::OrderState;
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::purchase::attempt::Purchase;
use seckill::domain::purchase::outcome::Outcome;
use seckill::domain::purchase::place::{Basket, Wish};
use seckill::domain::sale::{SaleEdit, StockKind};
use seckill::domain::time::EpochMs;
use seckill::store::orders;
use seckill::store::orders::grab;
use seckill::store::orders::holds::{Expiry, expiries};
use seckill::store::script::{
    ORDER_CANCEL, ORDER_CONFIRM, ORDER_EXPIRE, ORDER_PLACE, ORDER_USE, SALE_GRAB, Script,
};

use super::call_at;
use crate::support::orders::{attempt, new_order_id};
use crate::support::redis::World;

const HOLD_MS: u64 = 100;
const START: EpochMs = 1_000;
/// Until when confirmed orders of the list sale may be cancelled; those of the other never.
const CANCEL_UNTIL: EpochMs = START + 300;
const USERS: usize = 4;

/// One step of a walk. Orders are named by their place among those granted so far.
#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    Grab {
        user: usize,
        sale: usize,
        purchase: u32,
    },
    /// Units of one sale or of both in one order.
    Place {
        user: usize,
        request: u32,
        wanted: [u32; 2],
    },
    Confirm(usize),
    Cancel(usize),
    Use(usize),
    /// All orders there ever were, twice in one batch.
    Expire,
    Restock {
        sale: usize,
        count: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let order = 0usize..8;
    prop_oneof![
        2 => (1u64..80).prop_map(Step::Wait),
        5 => (0..USERS, 0usize..2, 1u32..4)
            .prop_map(|(user, sale, purchase)| Step::Grab { user, sale, purchase }),
        3 => (0..USERS, 0u32..2, 0u32..4, 0u32..4)
            .prop_filter("a line", |(.., list, count)| list + count > 0)
            .prop_map(|(user, request, list, count)| Step::Place {
                user,
                request,
                wanted: [list, count],
            }),
        2 => order.clone().prop_map(Step::Confirm),
        2 => order.clone().prop_map(Step::Cancel),
        1 => order.prop_map(Step::Use),
        2 => Just(Step::Expire),
        1 => (0usize..2, 1u64..3).prop_map(|(sale, count)| Step::Restock { sale, count }),
    ]
}

/// An order of the model: units of list sale 0, and a number of counter sale 1.
#[derive(Debug, Clone)]
struct ModelOrder {
    id: OrderId,
    user: usize,
    state: OrderState,
    deadline: EpochMs,
    units: Vec<String>,
    count: u64,
}

impl ModelOrder {
    fn has(&self, sale: usize) -> bool {
        if sale == 0 {
            !self.units.is_empty()
        } else {
            self.count > 0
        }
    }
}

#[derive(Debug, Default)]
struct Model {
    units: VecDeque<String>,
    count: u64,
    loaded: u64,
    orders: Vec<ModelOrder>,
    /// Place of the order that a request of a user got.
    requests: BTreeMap<(usize, u32), usize>,
    feed: Vec<(String, String)>,
}

impl Model {
    fn owner_of(&self, user: usize, sale: usize) -> Option<&ModelOrder> {
        let mut orders = self.orders.iter();
        orders.find(|order| order.user == user && order.state.is_alive() && order.has(sale))
    }

    fn left(&self, sale: usize) -> u64 {
        if sale == 0 {
            self.units.len() as u64
        } else {
            self.count
        }
    }

    fn grab(&mut self, user: usize, sale: usize, purchase: u32) -> &'static str {
        let purchase = u64::from(purchase);
        if purchase > 2 {
            "invalid_purchase"
        } else if self.owner_of(user, sale).is_some() {
            "already_grabbed"
        } else if self.left(sale) == 0 {
            "sold_out"
        } else if self.left(sale) < purchase {
            "insufficient_stock"
        } else {
            "grabbed"
        }
    }

    fn place(&self, user: usize, request: u32, wanted: [u32; 2]) -> &'static str {
        let wanted = wanted.map(u64::from);
        if let Some(&before) = self.requests.get(&(user, request)) {
            let before = &self.orders[before];
            let same = [before.units.len() as u64, before.count] == wanted;
            return if same {
                "repeated"
            } else {
                "request_id_reused"
            };
        }
        let lines = (0..2).filter(|&sale| wanted[sale] > 0);
        if wanted.iter().any(|&purchase| purchase > 2) {
            return "invalid_purchase";
        }
        if lines
            .clone()
            .any(|sale| self.owner_of(user, sale).is_some())
        {
            return "already_grabbed";
        }
        let short = lines.clone().find(|&sale| self.left(sale) < wanted[sale]);
        match short.map(|sale| self.left(sale)) {
            None => "grabbed",
            Some(0) => "sold_out",
            Some(_) => "insufficient_stock",
        }
    }

    fn take(&mut self, id: OrderId, user: usize, now: EpochMs, units: u64, count: u64) {
        self.count -= count;
        let units = self.units.drain(..units as usize).collect();
        self.feed.push(("held".to_owned(), id.to_string()));
        self.orders.push(ModelOrder {
            id,
            user,
            state: OrderState::Held,
            deadline: now + HOLD_MS,
            units,
            count,
        });
    }

    fn become_state(&mut self, place: usize, state: OrderState) {
        let order = &mut self.orders[place];
        order.state = state;
        self.feed.push((state.to_string(), order.id.to_string()));
        if !state.is_alive() {
            self.count += order.count;
            for unit in order.units.iter().rev() {
                self.units.push_front(unit.clone());
            }
        }
    }

    /// What the script must say, and the state that the order must come into.
    fn confirm(&self, place: usize) -> (&'static str, Option<OrderState>) {
        match self.orders[place].state {
            OrderState::Held => ("changed", Some(OrderState::Confirmed)),
            OrderState::Confirmed | OrderState::Used => ("repeated", None),
            OrderState::Cancelled => ("cancelled", None),
            OrderState::Expired => ("expired", None),
        }
    }

    fn cancel(&self, place: usize, now: EpochMs) -> (&'static str, Option<OrderState>) {
        let order = &self.orders[place];
        match order.state {
            OrderState::Confirmed if order.has(1) || now > CANCEL_UNTIL => {
                ("not_cancellable", None)
            }
            OrderState::Held | OrderState::Confirmed => ("changed", Some(OrderState::Cancelled)),
            OrderState::Used => ("used", None),
            OrderState::Cancelled => ("repeated", None),
            OrderState::Expired => ("expired", None),
        }
    }

    fn use_up(&self, place: usize) -> (&'static str, Option<OrderState>) {
        match self.orders[place].state {
            OrderState::Confirmed => ("changed", Some(OrderState::Used)),
            OrderState::Used => ("repeated", None),
            OrderState::Held => ("not_confirmed", None),
            OrderState::Cancelled => ("cancelled", None),
            OrderState::Expired => ("expired", None),
        }
    }
}

/// A walk: the real thing and the model, side by side.
struct Walk {
    world: World,
    sales: [SaleId; 2],
    now: EpochMs,
    model: Model,
}

const KINDS: [StockKind; 2] = [StockKind::List, StockKind::Counter];

impl Walk {
    async fn new() -> Self {
        let world = World::new().await;
        let sales = [
            world.sale("e.list", KINDS[0], 0).await,
            world.sale("e.count", KINDS[1], 0).await,
        ];
        for (sale, until) in sales.iter().zip([Some(CANCEL_UNTIL), None]) {
            let edit = SaleEdit {
                cancel_until: Some(until),
                ..SaleEdit::default()
            };
            world.put(sale, &edit).await;
            world.hold_for(sale, HOLD_MS).await;
        }
        let (now, model) = (START, Model::default());
        Self {
            world,
            sales,
            now,
            model,
        }
    }

    async fn go(&mut self, step: Step) -> Result<(), TestCaseError> {
        let place = |place: usize| place % self.model.orders.len().max(1);
        match step {
            Step::Wait(ms) => self.now += ms,
            Step::Restock { sale, count } => self.restock(sale, count).await,
            Step::Grab {
                user,
                sale,
                purchase,
            } => self.grab(user, sale, purchase).await?,
            Step::Place {
                user,
                request,
                wanted,
            } => self.place(user, request, wanted).await?,
            Step::Expire => self.expire().await?,
            _ if self.model.orders.is_empty() => {}
            Step::Confirm(at) => {
                let (at, expected) = (place(at), self.model.confirm(place(at)));
                self.change(&ORDER_CONFIRM, at, expected).await?;
            }
            Step::Cancel(at) => {
                let (at, expected) = (place(at), self.model.cancel(place(at), self.now));
                self.change(&ORDER_CANCEL, at, expected).await?;
            }
            Step::Use(at) => {
                let (at, expected) = (place(at), self.model.use_up(place(at)));
                self.change(&ORDER_USE, at, expected).await?;
            }
        }
        Ok(())
    }

    async fn restock(&mut self, sale: usize, count: u64) {
        let added = self.world.store.stock_add_count(&self.sales[sale], count);
        added.await.expect("added");
        if sale == 1 {
            self.model.count += count;
            return;
        }
        for _ in 0..count {
            self.model.loaded += 1;
            let unit = format!("sn-{}", self.model.loaded);
            self.model.units.push_back(unit);
        }
    }

    async fn grab(&mut self, user: usize, sale: usize, purchase: u32) -> Result<(), TestCaseError> {
        let id = &self.sales[sale];
        let attempt = attempt(id, &format!("u{user}"), purchase);
        let wanted = purchase.to_string();
        let args = [
            id.as_str(),
            KINDS[sale].as_str(),
            "0",
            "",
            "0",
            "0",
            &format!("u{user}"),
            &wanted,
            attempt.order.as_str(),
        ];
        let keys = self.world.store.keys().of_grab(id);
        let reply = call_at(&mut self.world, &SALE_GRAB, self.now, &keys, &args).await;
        let door = KINDS[sale].door();
        let batch = grab::decode(&reply, id, door, std::slice::from_ref(&attempt));
        let batch = batch.expect("understood");
        let expected = self.model.grab(user, sale, purchase);
        let told = match batch.outcomes[0].as_ref().expect("read") {
            Outcome::Grabbed(_) => "grabbed",
            Outcome::AlreadyGrabbed(grant) => {
                let owner = self.model.owner_of(user, sale);
                prop_assert_eq!(owner.map(|order| &order.id), Some(&grant.order));
                "already_grabbed"
            }
            Outcome::Refused(refusal) => refusal.code(),
        };
        prop_assert_eq!(told, expected);
        if told == "grabbed" {
            let (units, count) = if sale == 0 {
                (purchase, 0)
            } else {
                (0, purchase)
            };
            self.model
                .take(attempt.order, user, self.now, units.into(), count.into());
        }
        Ok(())
    }

    async fn place(
        &mut self,
        user: usize,
        request: u32,
        wanted: [u32; 2],
    ) -> Result<(), TestCaseError> {
        let wishes = self.sales.iter().zip(wanted).filter_map(|(sale, wanted)| {
            let purchase = Purchase::parse(&wanted.to_string()).ok()?;
            let goods = sale.clone();
            Some(Wish { goods, purchase })
        });
        let basket = Basket::new(wishes.collect()).expect("a basket");
        let (id, name) = (new_order_id(basket.first()), format!("u{user}"));
        let mut args = vec![name, request.to_string(), id.to_string(), "0".to_owned()];
        for wish in basket.wishes() {
            args.extend([wish.goods.to_string(), wish.purchase.get().to_string()]);
            args.extend(["", "0", "0"].map(str::to_owned));
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let keys = self.world.store.keys().of_placement(&basket);
        let reply = call_at(&mut self.world, &ORDER_PLACE, self.now, &keys, &args).await;
        let parts: Vec<Value> = redis::from_redis_value(reply).expect("an array");
        let told: Vec<String> = parts[..2]
            .iter()
            .map(|part| String::from_redis_value_ref(part).expect("a text"))
            .collect();
        prop_assert_eq!(&told[0], self.model.place(user, request, wanted));
        match told[0].as_str() {
            "grabbed" => {
                let place = self.model.orders.len();
                self.model.requests.insert((user, request), place);
                let [units, count] = wanted.map(u64::from);
                self.model.take(id, user, self.now, units, count);
            }
            "repeated" => {
                let before = &self.model.orders[self.model.requests[&(user, request)]];
                let repeated = told[1].split('\n').next();
                prop_assert_eq!(repeated, Some(before.id.as_str()));
            }
            _ => {}
        }
        Ok(())
    }

    async fn change(
        &mut self,
        script: &'static Script,
        place: usize,
        (expected, state): (&'static str, Option<OrderState>),
    ) -> Result<(), TestCaseError> {
        let order = &self.model.orders[place];
        let id = order.id.clone();
        let sales: Vec<&SaleId> = (0..2)
            .filter(|&n| order.has(n))
            .map(|n| &self.sales[n])
            .collect();
        let keys = self.world.store.keys();
        let (keys, buyer): (_, &[&str]) = match script.name {
            "order_confirm" => (keys.of_confirm("e", &sales), &[]),
            "order_cancel" => (keys.of_return("e", &sales), &["", ""]),
            _ => (keys.of_use("e", &sales), &[]),
        };
        let names: Vec<&str> = sales.iter().map(|sale| sale.as_str()).collect();
        let args = [&[id.as_str(), "0"], buyer, &names].concat();
        let reply = call_at(&mut self.world, script, self.now, &keys, &args).await;
        let told = match orders::changed(script.name, &id, &reply).expect("understood") {
            ChangeOutcome::Changed(_) => "changed",
            ChangeOutcome::Repeated(_) => "repeated",
            ChangeOutcome::Refused(refusal, _) => refusal.code(),
            ChangeOutcome::NoSuchOrder => "no_such_order",
        };
        prop_assert_eq!(told, expected);
        if let Some(state) = state {
            self.model.become_state(place, state);
        }
        Ok(())
    }

    async fn expire(&mut self) -> Result<(), TestCaseError> {
        let ids: Vec<OrderId> = self
            .model
            .orders
            .iter()
            .map(|order| order.id.clone())
            .collect();
        let lost = new_order_id(&self.sales[0]);
        let sales: Vec<&SaleId> = self.sales.iter().collect();
        let keys = self.world.store.keys().of_return("e", &sales);
        let mut args = vec!["60000", sales[0].as_str(), sales[1].as_str(), lost.as_str()];
        args.extend(ids.iter().chain(&ids).map(OrderId::as_str));
        let reply = call_at(&mut self.world, &ORDER_EXPIRE, self.now, &keys, &args).await;
        let (late, told) = expiries(reply).expect("understood");
        let [Expiry::Broken(_), told @ ..] = &told[..] else {
            return Err(TestCaseError::fail(format!("{told:?}")));
        };
        let (mut expected, mut latest, mut dead) = (Vec::new(), 0, Vec::new());
        for (place, order) in self.model.orders.iter().enumerate() {
            expected.push(match order.state {
                OrderState::Held if order.deadline < self.now => {
                    latest = latest.max(self.now - order.deadline);
                    dead.push(place);
                    Expiry::Expired
                }
                OrderState::Held => Expiry::NotDue,
                _ => Expiry::Settled,
            });
        }
        prop_assert_eq!(&told[..ids.len()], &expected[..]);
        prop_assert_eq!(late.as_millis(), u128::from(latest));
        // The units of a batch come back as one: those of its first order are the first.
        let feed_from = self.model.feed.len();
        for &place in dead.iter().rev() {
            self.model.become_state(place, OrderState::Expired);
        }
        self.model.feed[feed_from..].reverse();
        Ok(())
    }

    /// Everything that the model says about the end of the walk.
    async fn check(&mut self) -> Result<(), TestCaseError> {
        let stock = self.world.store.keys().stock(&self.sales[0]);
        let units: Vec<String> = self.world.run(&["LRANGE", &stock, "0", "-1"]).await;
        prop_assert_eq!(units, Vec::from(self.model.units.clone()));
        prop_assert_eq!(self.world.left(&self.sales[1]).await, self.model.count);
        prop_assert_eq!(self.world.feed("e").await, self.model.feed.clone());
        let held = self
            .model
            .orders
            .iter()
            .filter(|order| order.state == OrderState::Held);
        let mut held: Vec<_> = held
            .map(|order| (order.id.to_string(), order.deadline))
            .collect();
        held.sort_by_key(|(id, deadline)| (*deadline, id.clone()));
        prop_assert_eq!(self.world.holds("e").await, held);
        for order in &self.model.orders {
            prop_assert_eq!(self.world.order(&order.id).await.state, order.state);
        }
        for sale in &self.sales {
            let judged = self
                .world
                .store
                .recount(sale, &|_| {})
                .await
                .expect("recount");
            prop_assert_eq!(judged.expect("the sale exists").violations, []);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_walk_agrees_with_the_model(
        stock in (0u64..6, 0u64..6),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut walk = Walk::new().await;
            for (sale, count) in [(0, stock.0), (1, stock.1)] {
                if count > 0 {
                    walk.restock(sale, count).await;
                }
            }
            for step in steps {
                walk.go(step).await?;
            }
            walk.check().await
        })?;
    }
}
