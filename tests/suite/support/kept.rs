//! Compares what a Redis keeps of a sale, by its raw keys, with what a crowd was told.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use seckill::domain::ids::SaleId;
use seckill::domain::order::OrderState;

use super::history::{Entry, History, Promise};
use super::redis::World;

/// An order as its record has it.
#[derive(Debug, Clone)]
pub struct Record {
    pub user: String,
    pub lives: bool,
    /// When it was granted, by the clock of Redis, in epoch milliseconds.
    pub granted_at: u64,
    /// What it has of the sale, after the number; of a bid the five numbers of its record.
    pub units: Vec<String>,
}

/// The orders of a sale by their ids.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    pub records: BTreeMap<String, Record>,
}

impl Kept {
    pub async fn read(world: &mut World, sale: &SaleId) -> Self {
        let orders = world.store.keys().orders(sale.event());
        let records: BTreeMap<String, String> = world.run(&["HGETALL", &orders]).await;
        let records = records.into_iter();
        let records = records.filter_map(|(id, text)| Some((id, record(&text, sale.as_str())?)));
        Self {
            records: records.collect(),
        }
    }

    /// Orders that hold something.
    pub fn alive(&self) -> impl Iterator<Item = (&String, &Record)> {
        self.records.iter().filter(|(_, record)| record.lives)
    }

    /// Everything that was answered and is not so here.
    pub fn violations(&self, history: &History) -> Vec<String> {
        let mut violations = self.lost(history);
        violations.extend(self.executed(history));
        violations.extend(self.units_twice());
        violations
    }

    /// Orders that a client was shown and that are missing here, or differ.
    pub fn lost(&self, history: &History) -> Vec<String> {
        let lost = history.promises().into_iter().filter_map(|(user, shown)| {
            let kept = self.records.get(&shown.order);
            let found = kept.is_some_and(|kept| is_kept(user, shown, kept));
            (!found).then(|| format!("{user} was shown {shown:?}, and here is {kept:?}"))
        });
        lost.collect()
    }

    /// Orders of users who got only `busy` and refusals.
    pub fn executed(&self, history: &History) -> Vec<String> {
        let mut codes: HashMap<&str, Vec<&str>> = HashMap::new();
        for entry in &history.entries {
            let shown = entry.answer.order.as_ref().map(|_| "an order");
            let code = shown.unwrap_or(&entry.answer.code);
            codes.entry(&entry.user).or_default().push(code);
        }
        let open = ["unknown", "no_answer", "an order"];
        let executed = self.alive().filter_map(|(id, record)| {
            let told = codes.get(record.user.as_str())?;
            let lie = !told.iter().any(|code| open.contains(code));
            lie.then(|| format!("{} was told {told:?} and has {id}", record.user))
        });
        executed.collect()
    }

    fn units_twice(&self) -> Vec<String> {
        let mut owners: HashMap<&str, &str> = HashMap::new();
        let mut violations = Vec::new();
        for (id, record) in self.alive() {
            for unit in record.units.iter().filter(|unit| !unit.contains('/')) {
                if let Some(other) = owners.insert(unit, id) {
                    violations.push(format!("unit {unit} is in {other} and {id}"));
                }
            }
        }
        violations
    }

    /// How long after its buyer had asked each order was granted that the buyer was not shown.
    /// Of several requests of a buyer it is the last one before the grant.
    pub fn delays(&self, history: &History) -> Vec<(String, Duration)> {
        let shown = history.promises();
        let unseen = self.records.values();
        let unseen = unseen.filter(|record| !shown.contains_key(record.user.as_str()));
        let delays = unseen.filter_map(|record| {
            let own = history.entries.iter().filter(|e| e.user == record.user);
            let asked = own.map(sent_at).filter(|&sent| sent <= record.granted_at);
            let late = record.granted_at - asked.max()?;
            Some((record.user.clone(), Duration::from_millis(late)))
        });
        delays.collect()
    }
}

/// When a request was sent, in epoch milliseconds.
fn sent_at(entry: &Entry) -> u64 {
    let sent = SystemTime::now() - entry.sent.elapsed();
    let sent = sent.duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(sent.expect("after 1970").as_millis()).expect("in this age")
}

fn is_kept(user: &str, shown: &Promise, kept: &Record) -> bool {
    let units = shown.units.is_empty() || shown.units == kept.units;
    kept.user == user && kept.lives && units
}

/// Reads a record; `None` when it has nothing of the sale.
fn record(text: &str, sale: &str) -> Option<Record> {
    let mut lines = text.lines();
    let mut head = lines.next()?.split('\t');
    let state = OrderState::parse(head.next()?)?;
    let granted_at = head.next()?.parse().ok()?;
    let user = head.next()?.to_owned();
    let line = lines.find(|line| line.split('\t').next() == Some(sale))?;
    let bid = line.contains('/');
    let units = line.split('\t').skip(if bid { 1 } else { 2 });
    let dead = [OrderState::Cancelled, OrderState::Expired];
    Some(Record {
        user,
        lives: !dead.contains(&state),
        granted_at,
        units: units.map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::support::history::Answer;

    fn kept(records: &[(&str, &str)]) -> Kept {
        let records = records.iter();
        let records = records.map(|&(id, text)| (id.to_owned(), record(text, "e.a")));
        let records = records.filter_map(|(id, record)| Some((id, record?)));
        Kept {
            records: records.collect(),
        }
    }

    fn told(user: &str, code: &str, shown: Option<(&str, &str)>) -> Entry {
        let promise = |(order, unit): (&str, &str)| Promise {
            order: order.to_owned(),
            purchase: 1,
            units: vec![unit.to_owned()],
        };
        Entry {
            user: user.to_owned(),
            asked: 1,
            sent: Instant::now(),
            answered: Instant::now(),
            answer: Answer {
                code: code.to_owned(),
                order: shown.map(promise),
            },
        }
    }

    #[test]
    fn every_lie_is_found() {
        let one = ("o1", "confirmed\t5\tx\ne.a\t1\tu1");
        let shown = Some(("o1", "u1"));
        for (name, records, entry, found) in [
            ("true", vec![one], told("x", "grabbed", shown), 0),
            ("not asked", vec![one], told("y", "sold_out", None), 0),
            ("perhaps", vec![one], told("x", "unknown", None), 0),
            ("lost", vec![], told("x", "grabbed", shown), 1),
            (
                "of another",
                vec![("o1", "held\t5\ty\t9\ne.a\t1\tu1")],
                told("x", "grabbed", shown),
                1,
            ),
            (
                "other units",
                vec![("o1", "held\t5\tx\t9\ne.a\t1\tu2")],
                told("x", "grabbed", shown),
                1,
            ),
            (
                "dead",
                vec![("o1", "expired\t5\tx\t9\ne.a\t1\tu1")],
                told("x", "grabbed", shown),
                1,
            ),
            ("busy and done", vec![one], told("x", "busy", None), 1),
            (
                "refused and done",
                vec![one],
                told("x", "sold_out", None),
                1,
            ),
            (
                "unit twice",
                vec![one, ("o2", "held\t5\tz\t9\ne.a\t1\tu1")],
                told("x", "grabbed", shown),
                1,
            ),
            (
                "of another sale",
                vec![("o1", "held\t5\tx\t9\ne.b\t1\tu1")],
                told("x", "busy", None),
                0,
            ),
        ] {
            let history = History {
                entries: vec![entry],
            };
            let violations = kept(&records).violations(&history);
            assert_eq!(violations.len(), found, "{name}: {violations:?}");
        }
    }

    #[test]
    fn a_late_effect_is_measured_from_the_last_request_before_it() {
        let history = History {
            entries: vec![told("x", "unknown", None)],
        };
        let granted = sent_at(&history.entries[0]) + 1_500;
        let late = format!("confirmed\t{granted}\tx\ne.a\t1\tu1");
        let delays = kept(&[("o1", &late)]).delays(&history);
        let (_, delay) = delays[0];
        let close = Duration::from_millis(1_490)..Duration::from_millis(1_501);
        assert!(close.contains(&delay), "{delay:?}");
        let before = kept(&[("o1", "confirmed\t5\tx\ne.a\t1\tu1")]);
        assert_eq!(before.delays(&history), []);
    }
}
