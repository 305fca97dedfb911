//! The audit of dead orders: what a sale counted when they died, against their records.

use std::collections::{HashMap, HashSet};

use super::gone_violation::GoneViolation;
use super::violation::Violation;
use crate::domain::ids::{SaleId, Username};
use crate::domain::order::Order;
use crate::domain::time::EpochMs;

/// Problems that are named one by one. The rest are counted.
const NAMED_MAX: usize = 20;

/// What a sale says about its dead orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// How many were counted.
    pub counted: u64,
    /// The largest number of dead orders of one buyer.
    pub most: u64,
    /// When the counting began. Orders that died before may or may not have been counted.
    pub since: EpochMs,
}

/// A recount of the dead orders of a sale. The rule, for each buyer: the sale counts as many as
/// have died, except that those that died before the counting began may be missing. A sale that
/// does not count dead orders has no such rule.
#[derive(Debug)]
pub struct GoneRecount {
    goods: SaleId,
    gone: Option<Gone>,
    entries: HashMap<Username, Entry>,
    /// Dead orders so far. A scan may return one twice.
    seen: HashSet<u128>,
    is_unreadable: bool,
}

#[derive(Debug, Default)]
struct Entry {
    counted: u64,
    dead: u64,
    /// Those that certainly died after the counting began.
    late: u64,
}

impl GoneRecount {
    /// A recount for a sale that says this about its dead orders; `None`: it does not count them.
    pub fn new(goods: &SaleId, gone: Option<Gone>) -> Self {
        Self {
            goods: goods.clone(),
            gone,
            entries: HashMap::new(),
            seen: HashSet::new(),
            is_unreadable: false,
        }
    }

    /// Counts one order of the event. The same order again changes nothing.
    pub fn order(&mut self, order: &Order) {
        let is_dead = !order.state.is_alive() && order.line(&self.goods).is_some();
        let Some(gone) = self.gone.filter(|_| is_dead) else {
            return;
        };
        if !self.seen.insert(order.id.to_number()) {
            return;
        }
        let entry = self.entries.entry(order.username.clone()).or_default();
        entry.dead += 1;
        // Another order may have died in the same millisecond, before the counting began.
        if order.changed_at.is_some_and(|died_at| died_at > gone.since) {
            entry.late += 1;
        }
    }

    /// Whether the counts of buyers mean anything.
    pub fn has_counts(&self) -> bool {
        self.gone.is_some_and(|gone| gone.counted > 0)
    }

    /// Takes the number of dead orders that the sale says a buyer has.
    pub fn counted(&mut self, username: Username, counted: u64) {
        self.entries.entry(username).or_default().counted = counted;
    }

    /// Counts a number of dead orders that cannot be read and is named as such.
    pub fn unreadable(&mut self) {
        self.is_unreadable = true;
    }

    /// Compares the fields of the sale with the numbers of its buyers.
    fn check_fields(&self, gone: Gone) -> Vec<Violation> {
        let numbers = self.entries.values().map(|entry| entry.counted);
        let sum = numbers.clone().map(u128::from).sum();
        let largest = numbers.max().unwrap_or(0);
        let Gone { counted, most, .. } = gone;
        let mut violations = Vec::new();
        if sum != u128::from(counted) {
            let by_buyer = sum;
            violations.push(GoneViolation::Disagree { counted, by_buyer }.into());
        }
        if counted > 0 && largest != most {
            let by_buyer = largest;
            violations.push(GoneViolation::MostDisagree { most, by_buyer }.into());
        }
        violations
    }

    /// Every number that is wrong.
    pub fn check(self) -> Vec<Violation> {
        let Some(gone) = self.gone.filter(|_| !self.is_unreadable) else {
            return Vec::new();
        };
        let mut violations = self.check_fields(gone);
        let mut unnamed = 0;
        for (username, entry) in self.entries {
            if (entry.late..=entry.dead).contains(&entry.counted) {
                continue;
            }
            if violations.len() == NAMED_MAX {
                unnamed += 1;
                continue;
            }
            let (counted, dead) = (entry.counted, entry.dead);
            let miscounted = GoneViolation::Miscounted {
                username,
                counted,
                dead,
            };
            violations.push(miscounted.into());
        }
        if unnamed > 0 {
            violations.push(Violation::More(unnamed));
        }
        violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ORDER_ID_RANDOM_BYTES, OrderId};
    use crate::domain::order::{Line, OrderState};

    fn goods() -> SaleId {
        SaleId::parse("e.tea").expect("valid")
    }

    fn user(name: &str) -> Username {
        Username::parse(name.to_owned()).expect("valid")
    }

    fn order(seed: u8, state: OrderState, changed_at: Option<EpochMs>) -> Order {
        Order {
            id: OrderId::new(&goods(), [seed; ORDER_ID_RANDOM_BYTES]),
            state,
            created_at: 1,
            username: user("x"),
            deadline: None,
            changed_at,
            request: None,
            lines: vec![Line {
                goods: goods(),
                purchase: 1,
                units: Vec::new(),
                bid: None,
            }],
        }
    }

    fn gone(counted: u64, most: u64) -> Gone {
        Gone {
            counted,
            most,
            since: 10,
        }
    }

    /// What is wrong when the sale began to count at 10, orders of x died at these times, and x has
    /// so many counted.
    fn check(died_at: &[EpochMs], counted: u64, of_x: u64) -> Vec<Violation> {
        let gone = gone(counted, of_x);
        let mut recount = GoneRecount::new(&goods(), Some(gone));
        for (seed, &at) in (1..).zip(died_at) {
            let dead = order(seed, OrderState::Expired, Some(at));
            recount.order(&dead);
            recount.order(&dead);
        }
        recount.order(&order(100, OrderState::Confirmed, Some(99)));
        let mut elsewhere = order(101, OrderState::Cancelled, Some(99));
        elsewhere.lines[0].goods = SaleId::parse("e.cup").expect("valid");
        recount.order(&elsewhere);
        if recount.has_counts() {
            recount.counted(user("x"), of_x);
        }
        recount.check()
    }

    #[test]
    fn each_death_is_counted_once_and_older_ones_may_be_missing() {
        for (died_at, counted) in [
            (&[][..], 0),
            (&[11, 12], 2),
            (&[3, 9, 10], 0),
            (&[3, 9, 10], 1),
            (&[3, 11], 1),
            (&[3, 11], 2),
        ] {
            assert_eq!(check(died_at, counted, counted), [], "{died_at:?}");
        }
    }

    #[test]
    fn a_death_that_was_not_counted_or_counted_twice_is_named() {
        for (died_at, counted) in [
            (&[11, 12][..], 1),
            (&[11], 0),
            (&[3, 11], 0),
            (&[11], 2),
            (&[3, 11], 3),
            (&[], 1),
        ] {
            let dead = died_at.len() as u64;
            let username = user("x");
            let named = GoneViolation::Miscounted {
                username,
                counted,
                dead,
            };
            assert_eq!(
                check(died_at, counted, counted),
                [named.into()],
                "{died_at:?}"
            );
        }
        let (counted, by_buyer) = (1, 2);
        let sum = GoneViolation::Disagree { counted, by_buyer };
        assert_eq!(check(&[11, 12], 1, 2), [sum.into()]);
    }

    #[test]
    fn the_buyer_with_most_is_who_the_sale_says() {
        let mut recount = GoneRecount::new(&goods(), Some(gone(1, 2)));
        recount.order(&order(1, OrderState::Cancelled, Some(11)));
        recount.counted(user("x"), 1);
        let (most, by_buyer) = (2, 1);
        let most = GoneViolation::MostDisagree { most, by_buyer };
        assert_eq!(recount.check(), [most.into()]);
    }

    #[test]
    fn a_sale_that_does_not_count_or_cannot_be_read_accuses_nobody() {
        let mut old = GoneRecount::new(&goods(), None);
        old.order(&order(1, OrderState::Cancelled, Some(11)));
        assert!(!old.has_counts());
        assert_eq!(old.check(), []);
        let gone = gone(2, 2);
        let mut broken = GoneRecount::new(&goods(), Some(gone));
        broken.unreadable();
        assert_eq!(broken.check(), []);
    }

    #[test]
    fn only_so_many_buyers_are_named() {
        let gone = gone(25, 1);
        let mut recount = GoneRecount::new(&goods(), Some(gone));
        for n in 0..25 {
            recount.counted(user(&format!("u{n}")), 1);
        }
        let named = recount.check();
        assert_eq!((named.len(), named.last()), (21, Some(&Violation::More(5))));
    }
}
