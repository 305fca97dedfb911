//! The judge of a storm of baskets: compares requests and answers with the raw keys.

use std::collections::{BTreeMap, BTreeSet};

use seckill::domain::sale::StockKind;

use super::baskets::{Basket, EVENT, Goods};
use super::{Fields, Record, fields, key, number, wrong_feed, wrongly_new};
use crate::support::buyer::Reply;
use crate::support::redis::World;

/// The raw keys of one sale.
#[derive(Debug, Clone)]
pub struct SaleKeys {
    pub goods: Goods,
    pub sale: Fields,
    pub buyers: Fields,
    /// Units of list stock that are left.
    pub units: Vec<String>,
    pub left: i64,
}

impl SaleKeys {
    async fn read(world: &mut World, goods: Goods) -> Self {
        let name = goods.name();
        let stock = key(world, EVENT, &format!("stock:{name}"));
        let (units, left): (Vec<String>, i64) = match goods.kind() {
            StockKind::List => {
                let units: Vec<String> = world.run(&["LRANGE", &stock, "0", "-1"]).await;
                let left = units.len() as i64;
                (units, left)
            }
            StockKind::Counter | StockKind::Target => {
                (Vec::new(), world.run(&["GET", &stock]).await)
            }
        };
        Self {
            goods,
            sale: fields(world, EVENT, &format!("sale:{name}")).await,
            buyers: fields(world, EVENT, &format!("buyers:{name}")).await,
            units,
            left,
        }
    }
}

/// The raw keys of the event.
#[derive(Debug, Clone)]
pub struct Books {
    pub orders: Fields,
    pub requests: Fields,
    pub holds: BTreeSet<String>,
    pub sales: Vec<SaleKeys>,
    pub feed: Vec<(String, String)>,
}

impl Books {
    pub async fn read(world: &mut World) -> Self {
        let mut sales = Vec::new();
        for goods in Goods::all() {
            sales.push(SaleKeys::read(world, goods).await);
        }
        let holds = key(world, EVENT, "holds");
        Self {
            orders: fields(world, EVENT, "orders").await,
            requests: fields(world, EVENT, "requests").await,
            holds: world.run(&["ZRANGE", &holds, "0", "-1"]).await,
            sales,
            feed: world.feed(EVENT).await,
        }
    }
}

/// What an order has of each sale: how many, and which units.
type Lines = BTreeMap<String, (u64, Vec<String>)>;

fn lines_of_record(record: &Record<'_>) -> Lines {
    let lines = record.lines.iter().map(|line| {
        let count = line.get(1).and_then(|count| count.parse().ok());
        let units = line.iter().skip(2).map(|&unit| unit.to_owned());
        (line[0].to_owned(), (count.unwrap_or(0), units.collect()))
    });
    lines.collect()
}

fn lines_of_reply(reply: &Reply) -> Lines {
    let body = reply.json();
    let lines = body["lines"].as_array().expect("lines").iter().map(|line| {
        let units = line["units"].as_array().map_or(&[][..], Vec::as_slice);
        let units = units
            .iter()
            .map(|unit| unit.as_str().expect("a unit").to_owned());
        let count = line["purchase"].as_u64().expect("a quantity");
        let goods = line["goods"].as_str().expect("goods").to_owned();
        (goods, (count, units.collect()))
    });
    lines.collect()
}

/// Everything that no correct event could have answered, or left behind.
pub fn judge(baskets: &[Basket], books: &Books) -> Vec<String> {
    let records = books.orders.iter();
    let records = records.map(|(id, text)| (id.as_str(), Record::parse(text)));
    let (records, strange): (Vec<_>, Vec<_>) = records.partition(|(_, record)| record.is_some());
    let mut wrong: Vec<String> = strange
        .iter()
        .map(|(id, _)| format!("{id} is none"))
        .collect();
    let records = records
        .into_iter()
        .filter_map(|(id, record)| Some((id, record?)));
    let asked = baskets.iter().map(|basket| (basket.user.as_str(), basket));
    let case = Case {
        baskets: asked.collect(),
        books,
        records: records.collect(),
    };
    for basket in baskets {
        let about = |why| format!("{why}: {basket:?}");
        wrong.extend(strange_answer(basket).map(about));
        wrong.extend(case.broken_promise(basket).map(about));
    }
    for (order, record) in &case.records {
        let about = |why| format!("{order} {why}: {record:?}");
        wrong.extend(case.wrong_record(order, record).map(about));
    }
    for sale in &books.sales {
        wrong.extend(case.wrong_sale(sale));
    }
    if books.requests.len() != case.records.len() {
        wrong.push("there are more requests than orders".to_owned());
    }
    wrong.extend(case.wrong_holds());
    wrong.extend(case.feed());
    wrong
}

/// Answers to one basket against each other.
fn strange_answer(basket: &Basket) -> Option<String> {
    let Basket {
        placed,
        confirmed,
        cancelled,
        ..
    } = basket;
    let known = ["sold_out", "insufficient_stock", "cancelled"];
    for reply in [placed, confirmed, cancelled]
        .iter()
        .flat_map(|waves| waves.all())
    {
        let is_known = super::is_done(reply) || reply.status == 503;
        if !is_known && !known.contains(&reply.result.as_str()) {
            return Some(format!("a strange answer {}", reply.result));
        }
    }
    let shown: BTreeSet<_> = placed
        .done()
        .map(|r| (r.order(), lines_of_reply(r)))
        .collect();
    if shown.len() > 1 {
        return Some("one request, two orders".to_owned());
    }
    if placed.forgotten().is_some() {
        return Some("forgotten".to_owned());
    }
    let new = [
        (placed, "grabbed"),
        (confirmed, "confirmed"),
        (cancelled, "cancelled"),
    ];
    let mut wrong = new.iter().filter_map(|(waves, result)| {
        let is_confirmed_at_once = *result == "confirmed" && !is_held(basket);
        let why = wrongly_new(waves, waves.count(result))?;
        (!is_confirmed_at_once || why == "done twice").then(|| format!("{result}: {why}"))
    });
    wrong.next()
}

/// True when an order of this basket waits for its confirmation.
fn is_held(basket: &Basket) -> bool {
    let mut held = Goods::all().filter(|goods| goods.holds()).map(Goods::name);
    held.any(|held| basket.lines.iter().any(|(goods, _)| *goods == held))
}

struct Case<'a> {
    baskets: BTreeMap<&'a str, &'a Basket>,
    books: &'a Books,
    records: BTreeMap<&'a str, Record<'a>>,
}

impl Case<'_> {
    /// What was told of an order, against its record.
    fn broken_promise(&self, basket: &Basket) -> Option<String> {
        let told = basket.placed.done().next()?;
        let order = told.order().unwrap_or_default();
        let Some(record) = self.records.get(order.as_str()) else {
            return Some(format!("{order} is lost"));
        };
        if record.user != basket.user || lines_of_record(record) != lines_of_reply(told) {
            return Some(format!("{order} is another one: {record:?}"));
        }
        let refused = basket
            .confirmed
            .all()
            .find(|r| (r.status, r.result.as_str()) == (409, "cancelled"));
        let is_cancelled = basket.cancelled.is_done() || refused.is_some();
        if is_cancelled && record.state != "cancelled" {
            return Some(format!(
                "{order} was said to be cancelled and is {record:?}"
            ));
        }
        if basket.confirmed.is_done() && record.state == "held" {
            return Some(format!(
                "{order} was said to be confirmed and is {record:?}"
            ));
        }
        None
    }

    /// Compares a record with the request: all of it or nothing, in a state that was requested.
    fn wrong_record(&self, order: &str, record: &Record<'_>) -> Option<&'static str> {
        let Some(basket) = self.baskets.get(record.user) else {
            return Some("is nobody's");
        };
        if !basket.placed.may_be_done() {
            return Some("was made, but never executed");
        }
        if basket.placed.is_refused() {
            return Some("was made, but refused");
        }
        let request = format!("{}\t{}", record.user, record.request);
        if self.books.requests.get(&request).map(String::as_str) != Some(order) {
            return Some("is not what its request got");
        }
        let lines = lines_of_record(record);
        let counts = lines
            .iter()
            .map(|(goods, (count, _))| (goods.as_str(), *count));
        let counts: BTreeMap<_, _> = counts.collect();
        let asked = basket
            .lines
            .iter()
            .map(|(goods, n)| (goods.as_str(), u64::from(*n)));
        if counts != asked.collect() || record.lines.len() != counts.len() {
            return Some("has not all that was asked for");
        }
        let may_be = match record.state {
            "held" => is_held(basket),
            "confirmed" => !is_held(basket) || basket.confirmed.may_be_done(),
            "cancelled" => basket.cancelled.may_be_done(),
            _ => false,
        };
        (!may_be).then_some("is in a state that nobody asked for")
    }

    /// A sale against all records: each unit is in stock or in one living order, and all counts
    /// say so.
    fn wrong_sale(&self, keys: &SaleKeys) -> Vec<String> {
        let name = keys.goods.name();
        let living = self.records.iter().filter(|(_, record)| record.is_living());
        let (mut counts, mut buyers) = (BTreeMap::new(), Fields::new());
        let mut units = keys.units.clone();
        for (order, record) in living {
            let Some((count, named)) = lines_of_record(record).remove(&name) else {
                continue;
            };
            *counts.entry(record.state).or_insert(0) += count as i64;
            buyers.insert(record.user.to_owned(), (*order).to_owned());
            units.extend(named);
        }
        let stock = Goods::stock() as i64;
        let sold: i64 = counts.values().sum();
        let mut wrong = Vec::new();
        let mut convict =
            |why: &str| wrong.push(format!("{name} {why}: {} left, {counts:?}", keys.left));
        if keys.left + sold != stock || number(&keys.sale, "added") != stock {
            convict("does not add up");
        }
        let is_counted =
            |state| number(&keys.sale, state) == counts.get(state).copied().unwrap_or(0);
        if !["held", "confirmed", "used"].into_iter().all(is_counted) {
            convict("counts wrongly");
        }
        if keys.buyers != buyers {
            convict("knows other buyers");
        }
        units.sort_unstable();
        let mut all: Vec<_> = (1..=stock).map(|unit| format!("sn-{unit}")).collect();
        all.sort_unstable();
        match keys.goods.kind() {
            StockKind::List if units != all => convict("has not each unit once"),
            StockKind::Counter if !units.is_empty() => convict("has units with names"),
            _ => {}
        }
        wrong
    }

    /// The held orders are those that wait for their deadline.
    fn wrong_holds(&self) -> Option<String> {
        let held = self
            .records
            .iter()
            .filter(|(_, record)| record.state == "held");
        let held: BTreeSet<_> = held.map(|(order, _)| (*order).to_owned()).collect();
        let differ: Vec<_> = held.symmetric_difference(&self.books.holds).collect();
        (!differ.is_empty()).then(|| format!("the holds are wrong: {differ:?}"))
    }

    fn feed(&self) -> Vec<String> {
        let told = self.books.feed.iter();
        let told: BTreeSet<_> = told
            .map(|(what, id)| (what.as_str(), id.as_str()))
            .collect();
        let mut states = Vec::new();
        for (order, record) in &self.records {
            let Some(basket) = self.baskets.get(record.user) else {
                continue;
            };
            states.push((if is_held(basket) { "held" } else { "confirmed" }, *order));
            if record.state != "held" {
                states.push((record.state, order));
            }
            // Confirmed before it was cancelled: a client was told so, or the outcome was unknown.
            let told = told.contains(&("confirmed", *order));
            let perhaps = told && basket.confirmed.may_be_done();
            if basket.confirmed.is_done() || perhaps {
                states.push(("confirmed", order));
            }
        }
        wrong_feed(&self.books.feed, states)
    }
}
