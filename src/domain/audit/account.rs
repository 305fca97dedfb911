//! The audit of accounts: what the buyers of an event may spend on its targets.

use std::collections::{HashMap, HashSet};

use super::bid_violation::BidViolation;
use super::violation::Violation;
use crate::domain::ids::Username;
use crate::domain::order::Order;

/// Problems that are named one by one. The rest are counted.
const NAMED_MAX: usize = 20;

/// What a buyer may spend, at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub username: Username,
    /// Cents that it has now.
    pub balance: u64,
    /// Cents that operators put in, less what they took out.
    pub paid_in: u64,
}

/// A recount of all accounts of an event from its parts. The law, for each account:
/// paid in = balance + accepted of its living bids - their bonuses.
#[derive(Debug, Default)]
pub struct AccountRecount {
    entries: HashMap<Username, Entry>,
    /// Orders that were counted. A scan may return one twice.
    seen: HashSet<u128>,
}

#[derive(Debug, Default)]
struct Entry {
    balance: Option<u64>,
    paid_in: Option<u64>,
    /// The buyer made a payment.
    has_payments: bool,
    /// What the living bids took, minus their bonuses.
    spent: i128,
    /// The balance, or what was paid in, cannot be read, so the sum cannot be checked.
    is_unreadable: bool,
}

impl AccountRecount {
    /// Counts one order of the event. The same order again changes nothing.
    pub fn order(&mut self, order: &Order) {
        let bids = order.lines.iter().filter_map(|line| {
            let accepted = line.bid.filter(|accepted| accepted.paid)?;
            Some(i128::from(line.purchase) - i128::from(accepted.bonus))
        });
        let bids: Vec<i128> = bids.collect();
        if bids.is_empty() || !order.state.is_alive() || !self.seen.insert(order.id.to_number()) {
            return;
        }
        let entry = self.entries.entry(order.username.clone()).or_default();
        entry.spent += bids.into_iter().sum::<i128>();
    }

    /// Counts one balance, in cents.
    pub fn balance(&mut self, username: Username, cents: u64) {
        self.entries.entry(username).or_default().balance = Some(cents);
    }

    /// Counts what was paid into one account, in cents.
    pub fn paid_in(&mut self, username: Username, cents: u64) {
        self.entries.entry(username).or_default().paid_in = Some(cents);
    }

    /// Counts one payment into an account or out of it.
    pub fn payment(&mut self, username: Username) {
        self.entries.entry(username).or_default().has_payments = true;
    }

    /// Counts a balance, or what was paid in, that cannot be read and is named as such.
    pub fn unreadable(&mut self, username: Option<Username>) {
        if let Some(username) = username {
            self.entries.entry(username).or_default().is_unreadable = true;
        }
    }

    /// Accounts so far.
    pub fn counted(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Every account that does not add up.
    pub fn check(self) -> Vec<Violation> {
        let mut wrong: Vec<Violation> = Vec::new();
        let mut unnamed = 0;
        for (username, entry) in self.entries {
            let Some(violation) = entry.violation(username) else {
                continue;
            };
            if wrong.len() == NAMED_MAX {
                unnamed += 1;
                continue;
            }
            wrong.push(violation.into());
        }
        if unnamed > 0 {
            wrong.push(Violation::More(unnamed));
        }
        wrong
    }
}

impl Entry {
    /// What is wrong with the account of this buyer, if anything is.
    fn violation(&self, username: Username) -> Option<BidViolation> {
        let paid_in = self.paid_in.unwrap_or(0);
        let expected = i128::from(paid_in) - self.spent;
        if self.is_unreadable {
            return None;
        }
        if self.has_payments && self.paid_in.is_none() {
            return Some(BidViolation::PaidInMissing { username });
        }
        (self.balance.map(i128::from) != Some(expected)).then_some(BidViolation::BalanceWrong {
            username,
            balance: self.balance,
            paid_in,
            spent: self.spent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ORDER_ID_RANDOM_BYTES, OrderId, SaleId};
    use crate::domain::order::{Accepted, Line, OrderState};

    fn user(name: &str) -> Username {
        Username::parse(name.to_owned()).expect("valid")
    }

    /// A confirmed bid of `x`, 50 cents with a bonus of 2.
    fn bid(seed: u8, paid: bool) -> Order {
        let goods = SaleId::parse("e.loan").expect("valid");
        Order {
            id: OrderId::new(&goods, [seed; ORDER_ID_RANDOM_BYTES]),
            state: OrderState::Confirmed,
            created_at: 1,
            username: user("x"),
            deadline: None,
            changed_at: None,
            request: None,
            lines: vec![Line {
                goods,
                purchase: 50,
                units: Vec::new(),
                bid: Some(Accepted {
                    requested: 80,
                    bonus: 2,
                    paid,
                    filled: false,
                }),
            }],
        }
    }

    fn check(orders: &[Order], balance: Option<u64>, paid_in: u64) -> Vec<Violation> {
        let mut recount = AccountRecount::default();
        for order in orders {
            recount.order(order);
        }
        if let Some(cents) = balance {
            recount.balance(user("x"), cents);
        }
        recount.paid_in(user("x"), paid_in);
        recount.check()
    }

    #[test]
    fn what_was_paid_in_is_there_or_was_accepted() {
        let cancelled = Order {
            state: OrderState::Cancelled,
            ..bid(3, true)
        };
        let orders = [bid(1, true), bid(1, true), bid(2, false), cancelled];
        assert_eq!(check(&orders, Some(52), 100), []);
        assert_eq!(check(&[], Some(0), 0), []);
    }

    #[test]
    fn a_cent_too_many_or_too_few_is_caught() {
        for balance in [Some(51), Some(53), None] {
            let wrong = BidViolation::BalanceWrong {
                username: user("x"),
                balance,
                paid_in: 100,
                spent: 48,
            };
            assert_eq!(check(&[bid(1, true)], balance, 100), [wrong.into()]);
        }
    }

    /// A payment always writes what was paid in, even if it is 0 afterwards.
    #[test]
    fn payments_leave_an_entry_of_what_was_paid_in() {
        let judged = |balance, paid_in| {
            let mut recount = AccountRecount::default();
            recount.payment(user("x"));
            if let Some(cents) = balance {
                recount.balance(user("x"), cents);
            }
            if let Some(cents) = paid_in {
                recount.paid_in(user("x"), cents);
            }
            recount.check()
        };
        assert_eq!(judged(Some(0), Some(0)), []);
        let missing = BidViolation::PaidInMissing {
            username: user("x"),
        };
        for balance in [None, Some(0), Some(50)] {
            assert_eq!(judged(balance, None), [missing.clone().into()]);
        }
        assert_eq!(judged(None, Some(0)).len(), 1, "there is no balance");
    }

    #[test]
    fn an_account_that_cannot_be_read_is_not_named_again() {
        let mut recount = AccountRecount::default();
        recount.order(&bid(1, true));
        recount.unreadable(Some(user("x")));
        recount.unreadable(None);
        recount.paid_in(user("x"), 100);
        assert_eq!(recount.counted(), 1);
        assert_eq!(recount.check(), []);
    }

    #[test]
    fn many_problems_are_counted_not_listed() {
        let mut recount = AccountRecount::default();
        for number in 0..NAMED_MAX + 3 {
            recount.balance(user(&number.to_string()), 1);
        }
        let wrong = recount.check();
        assert_eq!(wrong.len(), NAMED_MAX + 1);
        assert_eq!(wrong.last(), Some(&Violation::More(3)));
    }
}
