//! A recount of one sale from its parts: every record, index entry and stocked unit.
//!
//! Feed it the orders of the event first, then everything else. It keeps about 60 bytes for an
//! order and 40 for a unit, so a sale of a million orders fits into the memory of any machine.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::{BuildHasher, Hash};

use super::bid_violation::BidViolation;
use super::figures::Figures;
use super::violation::Violation;
use crate::domain::ids::{OrderId, RequestId, SaleId, Username};
use crate::domain::money::{BONUS_BP_MAX, bonus};
use crate::domain::order::{Accepted, Line, Order, OrderState, POSTPONED_MS};
use crate::domain::sale::{Sale, StockKind};
use crate::domain::time::EpochMs;

/// Problems of one kind that are named one by one; the rest are counted.
const NAMED_MAX: usize = 20;

/// What has been counted so far.
#[derive(Debug)]
pub struct Recount {
    goods: SaleId,
    kind: StockKind,
    purchase_max: u32,
    /// `None` if it cannot be read: then no bonus is checked against it.
    bonus_bp: Option<u32>,
    now: EpochMs,
    seals: Seals,
    orders: HashMap<u128, Kept>,
    /// Seal of a unit → number of its order, or [`STOCK`].
    units: HashMap<u128, u128>,
    held: u128,
    confirmed: u128,
    used: u128,
    problems: Vec<Violation>,
    unnamed: usize,
}

/// No order has this number: its random part has only 100 bits.
const STOCK: u128 = u128::MAX;

/// What is remembered of an order.
#[derive(Debug, Clone, Copy)]
struct Kept {
    buyer: u64,
    /// Seal of the request that made it; 0 for none.
    request: u64,
    /// 0 for an order that is not held.
    deadline: EpochMs,
    is_alive: bool,
    /// The buyers' index names it.
    indexed: bool,
    /// The index of deadlines names it.
    in_holds: bool,
    /// The index of requests names it.
    in_requests: bool,
}

/// Short stand-ins for texts that would take too much memory. In practice no two texts share one:
/// the keys are random, and a seal that must be unique has 128 bits.
#[derive(Debug, Default)]
struct Seals(RandomState, RandomState);

impl Seals {
    fn short(&self, text: impl Hash) -> u64 {
        self.0.hash_one(text).max(1)
    }

    fn long(&self, bytes: &[u8]) -> u128 {
        u128::from(self.0.hash_one(bytes)) << 64 | u128::from(self.1.hash_one(bytes))
    }
}

impl Recount {
    /// A recount of `sale`, which begins at `now`.
    pub fn new(sale: &Sale, now: EpochMs) -> Self {
        let bonus_bp = sale.target().map(|target| target.bonus_bp);
        Self {
            goods: sale.id.clone(),
            kind: sale.kind(),
            purchase_max: sale.purchase_max(),
            now,
            bonus_bp: bonus_bp.filter(|&points| points <= BONUS_BP_MAX),
            seals: Seals::default(),
            orders: HashMap::new(),
            units: HashMap::new(),
            held: 0,
            confirmed: 0,
            used: 0,
            problems: sale.violations(),
            unnamed: 0,
        }
    }

    /// Counts one order of the event. The same order again changes nothing.
    pub fn order(&mut self, order: &Order) {
        let mut lines = order.lines.iter().filter(|line| line.goods == self.goods);
        let line = lines.next();
        if lines.next().is_some() {
            let goods = &self.goods;
            let what = format!("order {}: it has two lines of {goods}", order.id);
            return self.unreadable(what);
        }
        let Some(line) = line.filter(|_| order.state.is_alive() || order.request.is_some()) else {
            return;
        };
        let kept = Kept {
            buyer: self.seals.short(order.username.as_str()),
            request: self.request_seal(order.request.as_ref()),
            deadline: order.deadline.unwrap_or(0),
            is_alive: order.state.is_alive(),
            indexed: false,
            in_holds: false,
            in_requests: false,
        };
        match self.orders.entry(order.id.to_number()) {
            Entry::Occupied(_) => return,
            Entry::Vacant(place) => place.insert(kept),
        };
        self.line(order, line);
    }

    /// True when it has counted this order: one of this sale that is alive or has a request.
    pub fn knows(&self, order: &OrderId) -> bool {
        self.orders.contains_key(&order.to_number())
    }

    fn line(&mut self, order: &Order, line: &Line) {
        let units = match order.state {
            OrderState::Held => &mut self.held,
            OrderState::Confirmed => &mut self.confirmed,
            OrderState::Used => &mut self.used,
            OrderState::Cancelled | OrderState::Expired => return,
        };
        *units += u128::from(line.purchase);
        match (self.kind, line.bid) {
            (StockKind::List | StockKind::Counter, None) => self.units(order, line),
            (StockKind::Target, Some(accepted)) if may_be_a_bid(order) => {
                self.bid(order, line.purchase, accepted);
            }
            (StockKind::List | StockKind::Counter | StockKind::Target, _) => {
                self.problem(Violation::Misfit {
                    order: order.id.clone(),
                    kind: self.kind,
                });
            }
        }
    }

    /// Only the last bid of a target is cut, to what was left. A record that accepts more than was
    /// requested is not valid.
    fn bid(&mut self, order: &Order, cents: u64, accepted: Accepted) {
        let expected = self.bonus_bp.map(|points| bonus(cents, points));
        if let Some(expected) = expected.filter(|&expected| expected != accepted.bonus) {
            self.problem(BidViolation::BonusWrong {
                order: order.id.clone(),
                bonus: accepted.bonus,
                expected,
            });
        }
        if cents < accepted.requested && !accepted.filled {
            self.problem(BidViolation::CutShort {
                order: order.id.clone(),
                accepted: cents,
                requested: accepted.requested,
            });
        }
    }

    fn units(&mut self, order: &Order, line: &Line) {
        let (named, purchase) = (line.units.len() as u64, line.purchase);
        let expected = match self.kind {
            StockKind::List => purchase,
            StockKind::Counter | StockKind::Target => 0,
        };
        if named != expected {
            let order = order.id.clone();
            self.problem(Violation::UnitsMiscounted {
                order,
                named,
                purchase,
            });
        }
        if line.purchase > u64::from(self.purchase_max) {
            self.problem(Violation::TooManyUnits {
                order: order.id.clone(),
                purchase: line.purchase,
                purchase_max: self.purchase_max,
            });
        }
        for unit in &line.units {
            let other = self
                .units
                .insert(self.seals.long(unit.as_bytes()), order.id.to_number());
            if let Some(other) = other {
                let other = OrderId::from_number(self.goods.event(), other);
                let places = format!("in order {other} and in order {}", order.id);
                let unit = unit.clone();
                self.problem(Violation::UnitTwice { unit, places });
            }
        }
    }

    /// Counts one entry of the buyers' index of the sale.
    pub fn buyer(&mut self, username: Username, order: OrderId) {
        if self.kind == StockKind::Target {
            return self.problem(BidViolation::Indexed { username, order });
        }
        let buyer = self.seals.short(username.as_str());
        match self.orders.get_mut(&order.to_number()) {
            Some(kept) if kept.is_alive && kept.buyer == buyer => kept.indexed = true,
            _ => self.problem(Violation::Dangling { username, order }),
        }
    }

    /// Counts one entry of the event's index of deadlines. It may name an order of another sale.
    pub fn hold(&mut self, order: OrderId, deadline: EpochMs) {
        match self.orders.get_mut(&order.to_number()) {
            Some(kept) if deadline > 0 && kept.deadline == deadline => kept.in_holds = true,
            Some(kept) if is_postponed(kept.deadline, deadline, self.now) => kept.in_holds = true,
            _ => self.problem(Violation::HoldStale { order, deadline }),
        }
    }

    /// Counts one entry of the event's index of requests. It may name an order of another sale.
    pub fn request(&mut self, username: &Username, request: &RequestId, order: OrderId) {
        let seal = self.request_seal(Some(request));
        let buyer = self.seals.short(username.as_str());
        match self.orders.get_mut(&order.to_number()) {
            Some(kept) if kept.request == seal && kept.buyer == buyer => kept.in_requests = true,
            _ => self.problem(Violation::RequestStale {
                username: username.clone(),
                request: request.clone(),
                order,
            }),
        }
    }

    fn request_seal(&self, request: Option<&RequestId>) -> u64 {
        request.map_or(0, |request| self.seals.short(request.as_str()))
    }

    /// Does not check requests: the event was archived, and requests were dropped. Call it after
    /// the orders were counted.
    pub fn without_requests(&mut self) {
        for kept in self.orders.values_mut() {
            kept.request = 0;
        }
    }

    /// Counts one unit that is still in stock. Stock holds bytes: two units that were pushed by
    /// hand may look the same as text and still be different.
    pub fn stocked_unit(&mut self, bytes: &[u8]) {
        let Some(other) = self.units.insert(self.seals.long(bytes), STOCK) else {
            return;
        };
        let places = if other == STOCK {
            "in stock twice: it would be sold to two buyers".to_owned()
        } else {
            let order = OrderId::from_number(self.goods.event(), other);
            format!("in order {order} and in stock")
        };
        let unit = String::from_utf8_lossy(bytes).into_owned();
        self.problem(Violation::UnitTwice { unit, places });
    }

    /// Counts something that could not be read.
    pub fn unreadable(&mut self, what: String) {
        self.problem(Violation::Unreadable { what });
    }

    /// All contradictions between the records, the indexes and the counters.
    pub fn check(mut self, figures: &Figures) -> Vec<Violation> {
        let mut violations = figures.check();
        for (state, recorded, counted) in [
            (OrderState::Held, self.held, figures.held),
            (OrderState::Confirmed, self.confirmed, figures.confirmed),
            (OrderState::Used, self.used, figures.used),
        ] {
            if recorded != u128::from(counted) {
                violations.push(Violation::RecordsDisagree {
                    state,
                    recorded,
                    counted,
                });
            }
        }
        for (number, kept) in std::mem::take(&mut self.orders) {
            self.unnamed_in_indexes(number, kept);
        }
        violations.append(&mut self.problems);
        if self.unnamed > 0 {
            violations.push(Violation::More(self.unnamed));
        }
        violations
    }

    fn unnamed_in_indexes(&mut self, number: u128, kept: Kept) {
        let order = OrderId::from_number(self.goods.event(), number);
        if kept.is_alive && !kept.indexed && self.kind != StockKind::Target {
            let order = order.clone();
            self.problem(Violation::NotIndexed { order });
        }
        if kept.deadline > 0 && !kept.in_holds {
            let (order, deadline) = (order.clone(), kept.deadline);
            self.problem(Violation::HoldMissing { order, deadline });
        }
        if kept.request > 0 && !kept.in_requests {
            self.problem(Violation::RequestMissing { order });
        }
    }

    fn problem(&mut self, violation: impl Into<Violation>) {
        if self.problems.len() < NAMED_MAX {
            self.problems.push(violation.into());
        } else {
            self.unnamed += 1;
        }
    }
}

/// A bid is confirmed from the start until it is cancelled, and has the request that made it.
fn may_be_a_bid(order: &Order) -> bool {
    order.state == OrderState::Confirmed && order.request.is_some() && order.lines.len() == 1
}

/// True if `deadline` is where the expirer moved an overdue order: it may expire late.
fn is_postponed(recorded: EpochMs, deadline: EpochMs, now: EpochMs) -> bool {
    let overdue = recorded > 0 && recorded < now;
    overdue && recorded < deadline && deadline.saturating_sub(now) <= POSTPONED_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::figures::GOOD;
    use crate::domain::ids::ORDER_ID_RANDOM_BYTES;
    use crate::domain::order::Accepted;
    use crate::domain::sale::offer::{Offer, Target};

    fn sale() -> SaleId {
        SaleId::parse("a").expect("valid")
    }

    fn user(name: &str) -> Username {
        Username::parse(name.to_owned()).expect("valid")
    }

    fn request(name: &str) -> RequestId {
        RequestId::parse(name.to_owned()).expect("valid")
    }

    fn order(seed: u8, name: &str, units: &[&str]) -> Order {
        Order {
            id: OrderId::new(&sale(), [seed; ORDER_ID_RANDOM_BYTES]),
            state: OrderState::Confirmed,
            created_at: 1,
            username: user(name),
            deadline: None,
            changed_at: None,
            request: None,
            lines: vec![Line {
                goods: sale(),
                purchase: units.len() as u64,
                units: units.iter().map(|&unit| unit.to_owned()).collect(),
                bid: None,
            }],
        }
    }

    fn held(seed: u8, name: &str, units: &[&str], deadline: EpochMs) -> Order {
        Order {
            state: OrderState::Held,
            deadline: Some(deadline),
            ..order(seed, name, units)
        }
    }

    fn new() -> Recount {
        of_kind(StockKind::List)
    }

    fn of_kind(kind: StockKind) -> Recount {
        Recount::new(&sale_of(kind), 0)
    }

    fn sale_of(kind: StockKind) -> Sale {
        match kind {
            StockKind::List | StockKind::Counter => Sale::new(sale(), Offer::new(kind)),
            StockKind::Target => target_of(500),
        }
    }

    fn target_of(bonus_bp: u32) -> Sale {
        let offer = Offer::Target(Target {
            bid_min: None,
            bonus_bp,
            has_keyword: false,
        });
        Sale::new(sale(), offer)
    }

    /// A bid of 90 cents, all that was left, with a bonus of 4.
    fn bid(seed: u8, name: &str) -> Order {
        let mut order = order(seed, name, &[]);
        order.request = Some(request("r"));
        order.lines[0].purchase = 90;
        order.lines[0].bid = Some(Accepted {
            requested: 100,
            bonus: 4,
            paid: true,
            filled: true,
        });
        order
    }

    /// Bids that the index of requests knows.
    fn bids(bids: &[Order]) -> Recount {
        let mut recount = of_kind(StockKind::Target);
        for bid in bids {
            recount.order(bid);
        }
        for bid in bids {
            recount.request(&bid.username, &request("r"), bid.id.clone());
        }
        recount
    }

    const TARGET: Figures = Figures {
        kind: StockKind::Target,
        added: 200,
        removed: 0,
        left: 20,
        held: 0,
        confirmed: 180,
        used: 0,
        buyers: 0,
        purchase_max: 2,
    };

    /// Orders that the buyers' index knows, and a stock.
    fn recount(orders: &[Order], stock: &[&str]) -> Recount {
        let mut recount = new();
        for order in orders {
            recount.order(order);
        }
        for order in orders {
            recount.buyer(order.username.clone(), order.id.clone());
        }
        for unit in stock {
            recount.stocked_unit(unit.as_bytes());
        }
        recount
    }

    fn two_orders() -> [Order; 2] {
        [order(1, "x", &["u1", "u2"]), order(2, "y", &["u3"])]
    }

    #[test]
    fn parts_that_agree_hold() {
        let full = recount(&two_orders(), &["u4"]);
        assert_eq!(full.check(&GOOD), []);
        let again = {
            let mut recount = recount(&two_orders(), &[]);
            recount.order(&order(1, "x", &["u1", "u2"]));
            recount.check(&GOOD)
        };
        assert_eq!(again, [], "a scan may show an order twice");
    }

    #[test]
    fn a_unit_in_two_places_is_caught() {
        let sold_twice = recount(&[order(1, "x", &["u1", "u2"]), order(2, "y", &["u1"])], &[]);
        let in_stock = recount(&two_orders(), &["u2"]);
        let stocked_twice = recount(&two_orders(), &["u4", "u5", "u4"]);
        for (recount, place) in [
            (sold_twice, "in order a-"),
            (in_stock, "and in stock"),
            (stocked_twice, "in stock twice"),
        ] {
            match &recount.check(&GOOD)[..] {
                [Violation::UnitTwice { places, .. }] => assert!(places.contains(place)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn units_that_only_look_the_same_are_two() {
        let mut recount = new();
        recount.stocked_unit(b"\xfe");
        recount.stocked_unit(b"\xff");
        assert_eq!(recount.check(&Figures::default()), []);
    }

    #[test]
    fn a_lost_record_and_an_order_without_an_entry_are_caught() {
        let [first, lost] = two_orders();
        let mut recount = recount(&[first], &[]);
        recount.buyer(lost.username.clone(), lost.id.clone());
        let expected = [
            Violation::RecordsDisagree {
                state: OrderState::Confirmed,
                recorded: 2,
                counted: 3,
            },
            Violation::Dangling {
                username: user("y"),
                order: lost.id,
            },
        ];
        assert_eq!(recount.check(&GOOD), expected);

        let mut unindexed = new();
        let [first, second] = two_orders();
        unindexed.order(&first);
        unindexed.order(&second);
        unindexed.buyer(first.username, first.id);
        let order = second.id.clone();
        assert_eq!(unindexed.check(&GOOD), [Violation::NotIndexed { order }]);
    }

    #[test]
    fn a_buyer_with_two_orders_and_an_entry_of_another_are_caught() {
        let mut twice = new();
        let orders = [order(1, "x", &["u1", "u2"]), order(2, "x", &["u3"])];
        orders.iter().for_each(|order| twice.order(order));
        twice.buyer(user("x"), orders[0].id.clone());
        twice.buyer(user("y"), orders[1].id.clone());
        assert!(matches!(
            twice.check(&GOOD)[..],
            [Violation::Dangling { .. }, Violation::NotIndexed { .. }]
        ));
    }

    #[test]
    fn each_state_is_counted_alone_and_the_dead_are_not() {
        let mut orders = two_orders();
        orders[1].state = OrderState::Used;
        let figures = Figures {
            used: 1,
            confirmed: 2,
            ..GOOD
        };
        assert_eq!(recount(&orders, &[]).check(&figures), []);
        assert!(matches!(
            recount(&orders, &[]).check(&GOOD)[..],
            [
                Violation::RecordsDisagree { .. },
                Violation::RecordsDisagree { .. }
            ]
        ));
        orders[1].state = OrderState::Expired;
        let dead = recount(&orders, &["u3"]).check(&Figures {
            left: 7,
            confirmed: 2,
            ..GOOD
        });
        assert!(
            matches!(dead[..], [Violation::Dangling { .. }]),
            "a dead order frees its buyer: {dead:?}"
        );
    }

    #[test]
    fn the_index_of_deadlines_agrees_with_the_held_orders() {
        let figures = Figures {
            held: 3,
            confirmed: 0,
            ..GOOD
        };
        let orders = [held(1, "x", &["u1", "u2"], 9), held(2, "y", &["u3"], 8)];
        let [first, second] = [&orders[0].id, &orders[1].id];
        let with = |entries: &[(&OrderId, EpochMs)]| {
            let mut recount = recount(&orders, &[]);
            for &(order, deadline) in entries {
                recount.hold(order.clone(), deadline);
            }
            recount.check(&figures)
        };
        assert_eq!(with(&[(first, 9), (second, 8)]), []);
        let missing = Violation::HoldMissing {
            order: first.clone(),
            deadline: 9,
        };
        assert_eq!(with(&[(second, 8)]), std::slice::from_ref(&missing));
        let stale = Violation::HoldStale {
            order: first.clone(),
            deadline: 7,
        };
        assert_eq!(with(&[(first, 7), (second, 8)]), [stale, missing]);
        let unknown = order(3, "z", &[]).id;
        assert!(matches!(
            with(&[(first, 9), (second, 8), (&unknown, 1)])[..],
            [Violation::HoldStale { .. }]
        ));
    }

    #[test]
    fn an_overdue_order_may_be_postponed() {
        let late = 1_000 + POSTPONED_MS;
        for (recorded, deadline, postponed) in [
            (999, 1_001, true),
            (999, late, true),
            (999, late + 1, false),
            (999, 998, false),
            (1_000, late, false),
            (0, late, false),
        ] {
            let judged = is_postponed(recorded, deadline, 1_000);
            assert_eq!(judged, postponed, "{recorded} {deadline}");
        }
    }

    #[test]
    fn the_index_of_requests_agrees_with_the_records() {
        let mut orders = two_orders();
        orders[0].request = Some(request("r1"));
        let with = |entries: &[(&str, &str)]| {
            let mut recount = recount(&orders, &[]);
            for &(name, id) in entries {
                recount.request(&user(name), &request(id), orders[0].id.clone());
            }
            recount.check(&GOOD)
        };
        assert_eq!(with(&[("x", "r1")]), []);
        assert!(matches!(with(&[])[..], [Violation::RequestMissing { .. }]));
        for stale in [("x", "r2"), ("y", "r1")] {
            assert!(matches!(
                with(&[("x", "r1"), stale])[..],
                [Violation::RequestStale { .. }]
            ));
        }
    }

    #[test]
    fn an_order_with_wrong_numbers_or_lines_is_caught() {
        let mut miscounted = two_orders();
        miscounted[0].lines[0].units.pop();
        assert!(matches!(
            recount(&miscounted, &[]).check(&GOOD)[..],
            [Violation::UnitsMiscounted { .. }]
        ));
        let mut nameless = two_orders();
        nameless[0].lines[0].units.clear();
        let mut counter = of_kind(StockKind::Counter);
        counter.order(&order(1, "x", &["u1"]));
        counter.buyer(user("x"), order(1, "x", &[]).id);
        let figures = Figures {
            kind: StockKind::Counter,
            added: 1,
            confirmed: 1,
            buyers: 1,
            purchase_max: 2,
            ..Figures::default()
        };
        for caught in [
            recount(&nameless, &[]).check(&GOOD),
            counter.check(&figures),
        ] {
            assert!(
                matches!(caught[..], [Violation::UnitsMiscounted { .. }]),
                "list stock names each unit, counter stock none: {caught:?}"
            );
        }
        let greedy = order(1, "x", &["u1", "u2", "u3"]);
        let figures = Figures { buyers: 2, ..GOOD };
        let caught = recount(&[greedy], &[]).check(&figures);
        assert!(
            matches!(caught[..], [Violation::TooManyUnits { .. }]),
            "{caught:?}"
        );
        let mut doubled = order(1, "x", &["u1"]);
        doubled.lines.push(doubled.lines[0].clone());
        let mut recount = new();
        recount.order(&doubled);
        assert!(matches!(
            recount.check(&Figures::default())[..],
            [Violation::Unreadable { .. }]
        ));
    }

    #[test]
    fn bids_that_add_up_hold_and_need_no_buyers_index() {
        assert_eq!(bids(&[bid(1, "x"), bid(2, "x2")]).check(&TARGET), []);
        let mut indexed = bids(&[bid(1, "x"), bid(2, "y")]);
        indexed.buyer(user("x"), bid(1, "x").id);
        assert!(matches!(
            indexed.check(&TARGET)[..],
            [Violation::Bid(BidViolation::Indexed { .. })]
        ));
    }

    #[test]
    fn a_bid_that_does_not_fit_or_has_another_bonus_is_caught() {
        let misfits: [fn(&mut Order); 4] = [
            |order| order.lines[0].bid = None,
            |order| order.request = None,
            |order| order.state = OrderState::Used,
            |order| {
                order.state = OrderState::Held;
                order.deadline = Some(9);
            },
        ];
        for misfit in misfits {
            let mut wrong = bid(2, "y");
            misfit(&mut wrong);
            let violations = bids(&[bid(1, "x"), wrong]).check(&TARGET);
            let found = |violation: &Violation| matches!(violation, Violation::Misfit { .. });
            assert!(violations.iter().any(found), "{violations:?}");
        }
        let mut greedy = bid(2, "y");
        if let Some(accepted) = &mut greedy.lines[0].bid {
            accepted.bonus = 5;
        }
        assert!(matches!(
            bids(&[bid(1, "x"), greedy]).check(&TARGET)[..],
            [Violation::Bid(BidViolation::BonusWrong {
                bonus: 5,
                expected: 4,
                ..
            })]
        ));
        let mut bought = recount(&[bid(1, "x")], &[]).check(&GOOD);
        bought.retain(|violation| matches!(violation, Violation::Misfit { .. }));
        assert_eq!(bought.len(), 1, "a bid for units");
    }

    #[test]
    fn only_the_bid_that_filled_the_target_was_cut() {
        let judged = |requested, filled| {
            let mut cut = bid(2, "y");
            if let Some(accepted) = &mut cut.lines[0].bid {
                (accepted.requested, accepted.filled) = (requested, filled);
            }
            bids(&[bid(1, "x"), cut]).check(&TARGET)
        };
        for (requested, filled) in [(90, false), (90, true), (91, true)] {
            assert_eq!(judged(requested, filled), [], "{requested} {filled}");
        }
        let wrong = BidViolation::CutShort {
            order: bid(2, "y").id,
            accepted: 90,
            requested: 91,
        };
        assert_eq!(judged(91, false), [wrong.into()]);
    }

    #[test]
    fn a_bonus_that_cannot_be_is_named_once_and_no_bid_for_it() {
        let mut recount = Recount::new(&target_of(10_001), 0);
        for bid in [bid(1, "x"), bid(2, "y")] {
            recount.order(&bid);
            recount.request(&bid.username, &request("r"), bid.id);
        }
        let wrong = BidViolation::TermWrong {
            field: "bonus_bp",
            value: 10_001,
            range: 0..=10_000,
        };
        assert_eq!(recount.check(&TARGET), [wrong.into()]);
    }

    #[test]
    fn many_problems_are_counted_not_listed() {
        let mut recount = new();
        for number in 0..NAMED_MAX + 5 {
            recount.unreadable(number.to_string());
        }
        let violations = recount.check(&Figures::default());
        assert_eq!(violations.len(), NAMED_MAX + 1);
        assert_eq!(violations.last(), Some(&Violation::More(5)));
    }
}
