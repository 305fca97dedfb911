//! What a crowd was told, and whether it can be true.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Entry {
    pub user: String,
    pub asked: u32,
    pub sent: Instant,
    pub answered: Instant,
    pub answer: Answer,
}

/// The part of an answer that promises something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: String,
    pub order: Option<Promise>,
}

/// An order as its buyer saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    pub order: String,
    pub purchase: u32,
    pub units: Vec<String>,
}

impl Answer {
    pub fn refusal(code: &str) -> Self {
        Self {
            code: code.to_owned(),
            order: None,
        }
    }

    /// True when the sender cannot tell what happened, or knows that nothing did yet.
    pub fn is_open(&self) -> bool {
        matches!(self.code.as_str(), "busy" | "unknown" | "no_answer")
    }
}

/// Everything that a crowd saw.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub entries: Vec<Entry>,
}

impl History {
    /// Users and their orders, by the first answer that showed one.
    pub fn promises(&self) -> BTreeMap<&str, &Promise> {
        let mut promises = BTreeMap::new();
        for entry in &self.entries {
            if let Some(promise) = &entry.answer.order {
                promises.entry(entry.user.as_str()).or_insert(promise);
            }
        }
        promises
    }

    /// Units promised to any user.
    pub fn granted(&self) -> u64 {
        self.promises()
            .values()
            .map(|promise| u64::from(promise.purchase))
            .sum()
    }

    pub fn count(&self, code: &str) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.answer.code == code)
            .count()
    }

    /// Answers with an unknown outcome.
    pub fn open(&self) -> Vec<&Answer> {
        let answers = self.entries.iter().map(|entry| &entry.answer);
        answers.filter(|answer| answer.is_open()).collect()
    }

    /// Everything that no correct sale of `stock` units could have answered.
    pub fn violations(&self, stock: u64) -> Vec<String> {
        let mut violations = Vec::new();
        let granted = self.granted();
        if granted > stock {
            violations.push(format!("oversold: {granted} units promised of {stock}"));
        }
        violations.extend(self.shared_orders());
        violations.extend(self.shared_units());
        for user in self
            .entries
            .iter()
            .map(|entry| &entry.user)
            .collect::<BTreeSet<_>>()
        {
            violations.extend(self.disagreements(user));
        }
        violations
    }

    fn shared_orders(&self) -> Vec<String> {
        let mut owners: HashMap<&str, &str> = HashMap::new();
        let shared = self.promises().into_iter().filter_map(|(user, promise)| {
            let other = owners.insert(&promise.order, user)?;
            Some(format!(
                "order {} promised to {other} and {user}",
                promise.order
            ))
        });
        shared.collect()
    }

    fn shared_units(&self) -> Vec<String> {
        let mut owners: HashMap<&str, &str> = HashMap::new();
        let mut violations = Vec::new();
        for (user, promise) in self.promises() {
            for unit in &promise.units {
                if let Some(other) = owners.insert(unit, user) {
                    violations.push(format!("unit {unit} promised to {other} and {user}"));
                }
            }
        }
        violations
    }

    /// Compares the answers to one user: one order, granted once, never lost.
    fn disagreements(&self, user: &str) -> Vec<String> {
        let own: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.user == user)
            .collect();
        let mut violations = Vec::new();
        let orders: Vec<&Promise> = own.iter().filter_map(|e| e.answer.order.as_ref()).collect();
        if orders.windows(2).any(|pair| pair[0] != pair[1]) {
            violations.push(format!("{user} was shown different orders: {orders:?}"));
        }
        let grabbed = own.iter().filter(|entry| entry.answer.code == "grabbed");
        let grabbed: Vec<_> = grabbed.collect();
        if grabbed.len() > 1 {
            violations.push(format!("{user} grabbed {} times", grabbed.len()));
        }
        for grab in &grabbed {
            let promised = grab.answer.order.as_ref().map(|promise| promise.purchase);
            if promised != Some(grab.asked) {
                violations.push(format!(
                    "{user} asked for {} and got {promised:?}",
                    grab.asked
                ));
            }
        }
        let known_at = own
            .iter()
            .filter(|e| e.answer.order.is_some())
            .map(|e| e.answered)
            .min();
        let forgotten = own.iter().find(|entry| {
            let later = known_at.is_some_and(|known| entry.sent > known);
            later && entry.answer.order.is_none() && !entry.answer.is_open()
        });
        if let Some(entry) = forgotten {
            let code = &entry.answer.code;
            violations.push(format!("{user} holds an order and was later told {code}"));
        }
        violations
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entry(at: u64, user: &str, code: &str, promise: Option<(&str, &[&str])>) -> Entry {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let sent = *START.get_or_init(Instant::now) + Duration::from_millis(at * 10);
        let order = promise.map(|(order, units)| Promise {
            order: order.to_owned(),
            purchase: units.len() as u32,
            units: units.iter().map(|&unit| unit.to_owned()).collect(),
        });
        Entry {
            user: user.to_owned(),
            asked: order.as_ref().map_or(1, |promise| promise.purchase),
            sent,
            answered: sent + Duration::from_millis(5),
            answer: Answer {
                code: code.to_owned(),
                order,
            },
        }
    }

    fn violations(entries: &[Entry], stock: u64) -> usize {
        History {
            entries: entries.to_vec(),
        }
        .violations(stock)
        .len()
    }

    #[test]
    fn a_true_history_passes() {
        let history = [
            entry(1, "x", "grabbed", Some(("o1", &["u1", "u2"]))),
            entry(2, "y", "sold_out", None),
            entry(3, "x", "unknown", None),
            entry(4, "x", "already_grabbed", Some(("o1", &["u1", "u2"]))),
        ];
        assert_eq!(violations(&history, 2), 0);
    }

    #[test]
    fn every_lie_is_caught() {
        let grab = entry(1, "x", "grabbed", Some(("o1", &["u1"])));
        let lies = [
            (
                "oversold",
                entry(2, "y", "grabbed", Some(("o2", &["u2", "u3"]))),
            ),
            (
                "one order for two",
                entry(2, "y", "grabbed", Some(("o1", &["u2"]))),
            ),
            (
                "one unit for two",
                entry(2, "y", "grabbed", Some(("o2", &["u1"]))),
            ),
            (
                "another order on retry",
                entry(2, "x", "already_grabbed", Some(("o2", &["u1"]))),
            ),
            (
                "other units on retry",
                entry(2, "x", "already_grabbed", Some(("o1", &["u2"]))),
            ),
            (
                "grabbed twice",
                entry(2, "x", "grabbed", Some(("o1", &["u1"]))),
            ),
            ("order forgotten", entry(2, "x", "sold_out", None)),
            (
                "got other than asked",
                Entry {
                    asked: 2,
                    ..entry(2, "y", "grabbed", Some(("o2", &["u2"])))
                },
            ),
        ];
        for (name, lie) in lies {
            assert_eq!(violations(&[grab.clone(), lie], 2), 1, "{name}");
        }
    }
}
