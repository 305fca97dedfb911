//! The judge of a storm of bids: compares requests and answers with the raw keys.

use std::collections::{BTreeMap, BTreeSet};

use super::bids::{Asked, Deed, EVENT, TARGETS};
use super::{Act, Fields, Record, Waves, fields, key, number, wrong_feed, wrongly_new};
use crate::support::buyer::Reply;
use crate::support::redis::World;

/// The raw keys of the event.
#[derive(Debug, Clone)]
pub struct Books {
    pub orders: Fields,
    pub requests: Fields,
    pub accounts: Fields,
    pub paid_in: Fields,
    pub payments: Fields,
    pub targets: BTreeMap<&'static str, Fields>,
    pub stocks: BTreeMap<&'static str, i64>,
    pub feed: Vec<(String, String)>,
}

impl Books {
    pub async fn read(world: &mut World) -> Self {
        let (mut targets, mut stocks) = (BTreeMap::new(), BTreeMap::new());
        for (goods, _) in TARGETS {
            let sale = fields(world, EVENT, &format!("sale:{goods}")).await;
            targets.insert(goods, sale);
            let stock = key(world, EVENT, &format!("stock:{goods}"));
            let stock: Option<i64> = world.run(&["GET", &stock]).await;
            stocks.insert(goods, stock.unwrap_or_default());
        }
        Self {
            orders: fields(world, EVENT, "orders").await,
            requests: fields(world, EVENT, "requests").await,
            accounts: fields(world, EVENT, "accounts").await,
            paid_in: fields(world, EVENT, "accounts:paid_in").await,
            payments: fields(world, EVENT, "payments").await,
            targets,
            stocks,
            feed: world.feed(EVENT).await,
        }
    }
}

/// A bid as its record has it.
#[derive(Debug, Clone, PartialEq)]
struct Bid<'a> {
    record: Record<'a>,
    goods: &'a str,
    accepted: i64,
    requested: i64,
    bonus: i64,
    filled: bool,
}

impl<'a> Bid<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let record = Record::parse(text)?;
        let [goods, numbers] = record.lines.first()?[..] else {
            return None;
        };
        let numbers: Vec<i64> = numbers.split('/').filter_map(|n| n.parse().ok()).collect();
        // This event has accounts, so one paid each of them.
        let ([accepted, requested, bonus, 1, filled], 1) = (&numbers[..], record.lines.len())
        else {
            return None;
        };
        Some(Self {
            record,
            goods,
            accepted: *accepted,
            requested: *requested,
            bonus: *bonus,
            filled: *filled == 1,
        })
    }

    /// What it took from the account of its bidder.
    fn spent(&self) -> i64 {
        match self.record.is_living() {
            true => self.accepted - self.bonus,
            false => 0,
        }
    }
}

/// What an answer says of a bid.
fn shown(reply: &Reply) -> (Option<String>, i64, i64, i64) {
    let body = reply.json();
    let cents = |name: &str| body[name].as_i64().unwrap_or_default();
    let (requested, accepted) = (cents("requested"), cents("accepted"));
    (reply.order(), requested, accepted, cents("bonus"))
}

/// Everything that no correct event could have answered, or left behind.
pub fn judge(asked: &[Asked], books: &Books) -> Vec<String> {
    let records = books.orders.iter();
    let bids = records.map(|(id, text)| (id.as_str(), Bid::parse(text)));
    let (bids, strange): (Vec<_>, Vec<_>) = bids.partition(|(_, bid)| bid.is_some());
    let mut wrong: Vec<String> = strange
        .iter()
        .map(|(id, _)| format!("{id} is no bid"))
        .collect();
    let bids = bids.into_iter().filter_map(|(id, bid)| Some((id, bid?)));
    let case = Case {
        asked,
        books,
        bids: bids.collect(),
    };
    wrong.extend(case.answers());
    wrong.extend(case.promises());
    wrong.extend(case.records());
    wrong.extend(case.cancels());
    wrong.extend(case.payments());
    wrong.extend(case.accounts());
    wrong.extend(case.targets());
    wrong.extend(case.feed());
    wrong
}

struct Case<'a> {
    asked: &'a [Asked],
    books: &'a Books,
    bids: BTreeMap<&'a str, Bid<'a>>,
}

impl<'a> Case<'a> {
    /// What was asked, by whom under which request id, for bids.
    fn asked_bids(&self) -> impl Iterator<Item = ((&'a str, &'a str), &'a Asked)> {
        self.asked.iter().filter_map(|asked| match &asked.deed {
            Deed::Bid { user, request, .. } => Some(((user.as_str(), request.as_str()), asked)),
            _ => None,
        })
    }

    /// Answers to one request against each other.
    fn answers(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for Asked { deed, waves } in self.asked {
            let mut convict = |why: &str| wrong.push(format!("{deed:?}: {why}: {waves:?}"));
            if let Some(reply) = waves.all().find(|reply| !deed.expects(reply)) {
                convict(&format!("a strange answer {}", reply.result));
            }
            if deed.is_repeatable() && waves.forgotten().is_some() {
                convict("forgotten");
            }
            match deed {
                Deed::Bid { .. } => {
                    let all: BTreeSet<_> = waves.done().map(shown).collect();
                    let new = waves.count("bid_accepted");
                    if all.len() > 1 {
                        convict("one request, two bids");
                    }
                    if let Some(why) = wrongly_new(waves, new) {
                        convict(why);
                    }
                }
                Deed::Pay { .. } => {
                    let all: BTreeSet<_> = waves.done().map(|reply| &reply.body).collect();
                    if all.len() > 1 {
                        convict("one request, two payments");
                    }
                }
                _ => {}
            }
        }
        wrong
    }

    /// Each bid that a client was told of exists, as it was told.
    fn promises(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for ((user, request), asked) in self.asked_bids() {
            let Deed::Bid { goods, cents, .. } = asked.deed else {
                continue;
            };
            for (order, requested, accepted, bonus) in asked.waves.done().map(shown) {
                let order = order.unwrap_or_default();
                let Some(bid) = self.bids.get(order.as_str()) else {
                    wrong.push(format!("{order} of {user} is lost"));
                    continue;
                };
                let told = (user, request, goods, requested, accepted, bonus);
                let (record, cents) = (&bid.record, cents as i64);
                let (who, name) = (record.user, record.request);
                let is = (who, name, bid.goods, bid.requested, bid.accepted, bid.bonus);
                if is != told || requested != cents {
                    wrong.push(format!("{order} is another one: {told:?}, {is:?}"));
                }
            }
        }
        wrong
    }

    /// Each record is what a request may have made, is the only one that it made, and has right
    /// numbers.
    fn records(&self) -> Vec<String> {
        let asked: BTreeMap<_, _> = self.asked_bids().collect();
        let mut wrong = Vec::new();
        for (order, bid) in &self.bids {
            let (user, request) = (bid.record.user, bid.record.request);
            let made = asked.get(&(user, request));
            if !made.is_some_and(|asked| asked.waves.may_be_done()) {
                wrong.push(format!("{order} was made, but never executed: {made:?}"));
            }
            if made.is_some_and(|asked| asked.waves.is_refused()) {
                wrong.push(format!("{order} was made, but refused: {made:?}"));
            }
            let entry = self.books.requests.get(&format!("{user}\t{request}"));
            if entry.map(String::as_str) != Some(*order) {
                wrong.push(format!("{order} is not what its request got: {entry:?}"));
            }
            let target = TARGETS.iter().find(|(goods, _)| *goods == bid.goods);
            let &(_, bp) = target.expect("a target of this test");
            if bid.bonus != bid.accepted * bp / 10_000 {
                wrong.push(format!("{order} has a wrong bonus: {bid:?}"));
            }
            let is_cut = bid.accepted < bid.requested;
            if bid.accepted > bid.requested || (is_cut && !bid.filled) {
                wrong.push(format!("{order} is wrongly cut: {bid:?}"));
            }
            if !["confirmed", "cancelled"].contains(&bid.record.state) {
                wrong.push(format!("{order} is in no state of a bid: {bid:?}"));
            }
        }
        if self.books.requests.len() != self.bids.len() {
            wrong.push("there are more requests than bids".to_owned());
        }
        wrong
    }

    /// What was said to be cancelled is, and was once; nothing else is cancelled.
    fn cancels(&self) -> Vec<String> {
        let mut asked: BTreeMap<&str, Waves> = BTreeMap::new();
        for (order, cancel) in self.asked.iter().filter_map(|a| Some((a.cancels()?, a))) {
            let all = asked.entry(order).or_default();
            all.0.extend(cancel.waves.0.iter().cloned());
        }
        let mut wrong = Vec::new();
        for (order, waves) in &asked {
            let state = self.bids.get(order).map(|bid| bid.record.state);
            if waves.is_done() && state != Some("cancelled") {
                wrong.push(format!("{order} was said to be cancelled and is {state:?}"));
            }
            if let Some(why) = wrongly_new(waves, waves.count("cancelled")) {
                wrong.push(format!("{order} cancelled: {why}"));
            }
        }
        for (order, bid) in &self.bids {
            let may_be = asked.get(order).is_some_and(Waves::may_be_done);
            if bid.record.state == "cancelled" && !may_be {
                wrong.push(format!("{order} is cancelled, but nobody did that"));
            }
        }
        wrong
    }

    /// Each payment that was acknowledged is there once, and no other one.
    fn payments(&self) -> Vec<String> {
        let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
        for Asked { deed, waves } in self.asked {
            let Deed::Pay {
                user,
                request,
                cents,
            } = deed
            else {
                continue;
            };
            let field = format!("{user}\t{request}");
            let entry = self.books.payments.get(&field);
            let told = waves.done().next().map(|reply| {
                let balance = &reply.json()["balance"];
                format!("{cents}\t{balance}")
            });
            let is_right = match (entry, told) {
                (Some(entry), Some(told)) => *entry == told,
                (Some(entry), None) => {
                    waves.may_be_done() && entry.starts_with(&format!("{cents}\t"))
                }
                (None, told) => told.is_none(),
            };
            if !is_right {
                wrong.push(format!(
                    "the payment {field:?} is wrong: {entry:?}, {waves:?}"
                ));
            }
            known.insert(field);
        }
        let strange = self
            .books
            .payments
            .keys()
            .filter(|field| !known.contains(*field));
        wrong.extend(strange.map(|field| format!("nobody made the payment {field:?}")));
        wrong
    }

    /// paid in = balance + accepted - bonuses: of each account, and of all of them.
    fn accounts(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let (mut all, mut all_paid_in) = (0, 0);
        let books = self.books;
        let users: BTreeSet<_> = books.accounts.keys().chain(books.paid_in.keys()).collect();
        for user in users {
            let own = self.bids.values().filter(|bid| bid.record.user == user);
            let spent: i64 = own.map(Bid::spent).sum();
            let has_and_spent = number(&books.accounts, user) + spent;
            let paid_in = number(&books.paid_in, user);
            if has_and_spent != paid_in {
                wrong.push(format!("{user} has and spent {has_and_spent} of {paid_in}"));
            }
            let possible = self.paid_in(user);
            if possible.is_some_and(|sums| !sums.contains(&has_and_spent)) {
                wrong.push(format!("{user} was never paid {has_and_spent} in"));
            }
            (all, all_paid_in) = (all + has_and_spent, all_paid_in + paid_in);
        }
        if all != all_paid_in {
            wrong.push(format!("all have and spent {all} of {all_paid_in}"));
        }
        wrong
    }

    /// What this account may have been paid in, by the answers, without payments, which are checked
    /// separately; nothing if its balance was set without a condition.
    fn paid_in(&self, user: &str) -> Option<BTreeSet<i64>> {
        let own = self.books.payments.iter().filter_map(|(field, entry)| {
            let (owner, (cents, _)) = (field.split('\t').next()?, entry.split_once('\t')?);
            (owner == user).then(|| cents.parse::<i64>().expect("cents"))
        });
        let mut sums = BTreeSet::from([own.sum()]);
        for Asked { deed, waves } in self.asked {
            match deed {
                Deed::Overwrite { user: owner, .. } if owner == user => return None,
                Deed::Open { user: owner, cents } if owner == user => {
                    sums = added(sums, waves, [*cents as i64]);
                }
                Deed::SetIf {
                    user: owner,
                    seen,
                    cents,
                } if owner == user => {
                    sums = added(sums, waves, [*cents as i64 - *seen as i64]);
                }
                _ => {}
            }
        }
        Some(sums)
    }

    /// stock + accepted = added - removed, and these two are what the answers say.
    fn targets(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (goods, _) in TARGETS {
            let own = self.bids.values().filter(|bid| bid.goods == goods);
            let living = own.filter(|bid| bid.record.is_living());
            let accepted: i64 = living.map(|bid| bid.accepted).sum();
            let (target, stock) = (&self.books.targets[goods], self.books.stocks[goods]);
            let of = |name: &str| number(target, name);
            if stock < 0 || stock + accepted != of("added") - of("removed") {
                wrong.push(format!(
                    "{goods}: {stock} left, {accepted} accepted, {target:?}"
                ));
            }
            if of("confirmed") != accepted {
                wrong.push(format!("{goods} does not count {accepted}: {target:?}"));
            }
            let (raised, lowered) = self.stocked(goods);
            if !raised.contains(&of("added")) || !lowered.contains(&of("removed")) {
                wrong.push(format!("{goods} was stocked in another way: {target:?}"));
            }
        }
        wrong
    }

    /// What may have been added to a target and removed by the answers.
    fn stocked(&self, target: &str) -> (BTreeSet<i64>, BTreeSet<i64>) {
        let (mut raised, mut lowered) = (BTreeSet::from([0]), BTreeSet::from([0]));
        for Asked { deed, waves } in self.asked {
            match *deed {
                Deed::Raise { goods, cents } if goods == target => {
                    raised = added(raised, waves, [cents as i64]);
                }
                Deed::Lower { goods, cents } if goods == target => {
                    let told = waves
                        .done()
                        .next()
                        .map(|reply| reply.json()["removed"].as_i64());
                    lowered = match told {
                        Some(told) => added(lowered, waves, [told.expect("cents")]),
                        // As much as was left.
                        None => added(lowered, waves, 1..=cents as i64),
                    };
                }
                _ => {}
            }
        }
        (raised, lowered)
    }

    fn feed(&self) -> Vec<String> {
        let accepted = self.bids.keys().map(|order| ("confirmed", *order));
        let cancelled = self.bids.iter().filter(|(_, bid)| !bid.record.is_living());
        let cancelled = cancelled.map(|(order, _)| ("cancelled", *order));
        wrong_feed(&self.books.feed, accepted.chain(cancelled).collect())
    }
}

/// These sums after a change by one of these amounts: certain, possible, or not.
fn added(
    sums: BTreeSet<i64>,
    waves: &Waves,
    amounts: impl IntoIterator<Item = i64> + Clone,
) -> BTreeSet<i64> {
    if !waves.may_be_done() {
        return sums;
    }
    let with = sums.iter().flat_map(|sum| {
        let amounts = amounts.clone().into_iter();
        amounts.map(move |amount| sum + amount)
    });
    let with: BTreeSet<i64> = with.collect();
    match waves.is_done() {
        true => with,
        false => &with | &sums,
    }
}
