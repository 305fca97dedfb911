//! The conservation law: what was stocked is either left or in somebody's order, never both.
//!
//! One law with many callers: `seckill audit` and the end of every integration test.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::ids::{OrderId, SaleId, Username};
use super::order::{Order, OrderState};

/// Problems of one kind that are named one by one; the rest are counted.
const NAMED_MAX: usize = 20;

/// The figures of a sale at one instant, in units, as the store counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Ever put into stock.
    pub added: u64,
    /// Ever taken back out by an operator.
    pub removed: u64,
    /// In stock now: the length of the list, or the counter.
    pub left: u64,
    /// In orders that wait for confirmation.
    pub held: u64,
    /// In confirmed orders.
    pub confirmed: u64,
    /// In used orders.
    pub used: u64,
    /// Buyers who hold an order.
    pub buyers: u64,
    /// Most units in one order.
    pub purchase_max: u32,
}

impl Figures {
    /// Units in orders, whatever their state. Wider than a figure, as every sum here: broken
    /// figures must be named, so no sum of them may overflow.
    pub fn granted(&self) -> u128 {
        u128::from(self.held) + u128::from(self.confirmed) + u128::from(self.used)
    }

    /// Units that are somewhere: in stock or in orders.
    fn accounted(&self) -> u128 {
        u128::from(self.left) + self.granted()
    }

    /// What the counters say against the stock: empty when the law holds.
    pub fn check(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let stocked = self.added.checked_sub(self.removed).map(u128::from);
        if stocked != Some(self.accounted()) {
            violations.push(Violation::NotConserved(*self));
        }
        let buyers = u128::from(self.buyers);
        let most = buyers * u128::from(self.purchase_max);
        if self.granted() < buyers || self.granted() > most {
            violations.push(Violation::BuyersDisagree(*self));
        }
        violations
    }
}

/// One way in which a sale breaks the law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// `added - removed` is not `left + held + confirmed + used`.
    NotConserved(Figures),
    /// The number of buyers cannot hold the number of units granted.
    BuyersDisagree(Figures),
    /// The order records add up to something else than the counters.
    RecordsDisagree {
        /// Of the orders in this state.
        state: OrderState,
        /// Their units, by the records.
        recorded: u128,
        /// The same, by the counter of the sale.
        counted: u64,
    },
    /// A unit is in two orders, in an order and in stock, or in stock twice.
    UnitTwice {
        /// The unit.
        unit: String,
        /// Where it was found, in words.
        places: String,
    },
    /// The units of an order are not as many as it says.
    UnitsMiscounted {
        /// The order.
        order: OrderId,
        /// Units that it names.
        named: u64,
        /// Units that it says it has.
        purchase: u64,
    },
    /// A buyer has more orders than one.
    BuyerTwice {
        /// Who.
        username: Username,
        /// The order that the buyers' index names, if any.
        indexed: Option<OrderId>,
        /// The order that it does not name.
        other: OrderId,
    },
    /// The buyers' index names an order that does not exist or is somebody else's.
    Dangling {
        /// Who.
        username: Username,
        /// The order that is not there.
        order: OrderId,
    },
    /// A record or key that cannot be read.
    Unreadable {
        /// What it is.
        what: String,
    },
    /// More problems of the kinds above than are worth naming.
    More(usize),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConserved(figures) => not_conserved(figures, f),
            Self::BuyersDisagree(figures) => write!(
                f,
                "{} buyers hold {} units, with 1 to {} units each: the buyers' index or the \
                 counters are wrong; `seckill audit --deep` names the orders",
                figures.buyers,
                figures.granted(),
                figures.purchase_max,
            ),
            Self::RecordsDisagree {
                state,
                recorded,
                counted,
            } => write!(
                f,
                "the {state} order records hold {recorded} units, the counter says {counted}"
            ),
            Self::UnitTwice { unit, places } => write!(f, "unit {unit:?} is {places}"),
            Self::UnitsMiscounted {
                order,
                named,
                purchase,
            } => {
                write!(f, "order {order} names {named} units and counts {purchase}")
            }
            Self::BuyerTwice {
                username,
                indexed: Some(indexed),
                other,
            } => {
                write!(f, "{username:?} holds order {indexed}, and also {other}")
            }
            Self::BuyerTwice {
                username,
                indexed: None,
                other,
            } => write!(
                f,
                "{username:?} holds order {other}, which the buyers' index does not know: \
                 the buyer could grab again"
            ),
            Self::Dangling { username, order } => write!(
                f,
                "the buyers' index says that {username:?} holds {order}, which is no order of \
                 that buyer in this sale"
            ),
            Self::Unreadable { what } => write!(f, "cannot be read: {what}"),
            Self::More(count) => write!(f, "and {count} more of these"),
        }
    }
}

fn not_conserved(figures: &Figures, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let accounted = figures.accounted();
    let (added, removed) = (u128::from(figures.added), u128::from(figures.removed));
    if removed > added {
        let surplus = removed - added;
        return write!(
            f,
            "added {added}, but removed {removed}, which is {surplus} more than there ever were; \
             {accounted} are left or granted: the counters are wrong"
        );
    }
    let stocked = added - removed;
    write!(f, "added {added} - removed {removed} = {stocked}, but ")?;
    write!(
        f,
        "left {} + granted {} = {accounted}: ",
        figures.left,
        figures.granted()
    )?;
    if accounted > stocked {
        let surplus = accounted - stocked;
        write!(
            f,
            "{surplus} units too many (were they pushed into Redis by hand? \
             `seckill stock add` keeps count)"
        )
    } else {
        let deficit = stocked - accounted;
        write!(
            f,
            "{deficit} units missing (were they popped from Redis by hand? \
             `seckill stock remove` keeps count)"
        )
    }
}

/// A recount of one sale from its parts: feed it every order, buyer and stocked unit once.
#[derive(Debug)]
pub struct Recount {
    goods: SaleId,
    orders: HashMap<OrderId, Username>,
    indexed: HashMap<Username, OrderId>,
    units: HashMap<String, OrderId>,
    stocked: HashSet<Box<[u8]>>,
    held: u128,
    confirmed: u128,
    used: u128,
    problems: Vec<Violation>,
    unnamed: usize,
}

impl Recount {
    /// A recount of the sale `goods`.
    pub fn new(goods: SaleId) -> Self {
        Self {
            goods,
            orders: HashMap::new(),
            indexed: HashMap::new(),
            units: HashMap::new(),
            stocked: HashSet::new(),
            held: 0,
            confirmed: 0,
            used: 0,
            problems: Vec::new(),
            unnamed: 0,
        }
    }

    /// Counts one entry of the buyers' index. Buyers come before orders.
    pub fn buyer(&mut self, username: Username, order: OrderId) {
        self.indexed.insert(username, order);
    }

    /// Counts one order record; orders that have nothing of this sale are passed over, and so are
    /// dead ones: their units are in stock again or in other orders.
    pub fn order(&mut self, order: Order) {
        let Some(line) = order.line(&self.goods).cloned() else {
            return;
        };
        if self.orders.contains_key(&order.id) {
            return;
        }
        let units = match order.state {
            OrderState::Held => &mut self.held,
            OrderState::Confirmed => &mut self.confirmed,
            OrderState::Used => &mut self.used,
            OrderState::Cancelled | OrderState::Expired => return,
        };
        *units += u128::from(line.purchase);
        let indexed = self.indexed.get(&order.username);
        if indexed != Some(&order.id) {
            let (username, indexed) = (order.username.clone(), indexed.cloned());
            let other = order.id.clone();
            self.problem(Violation::BuyerTwice {
                username,
                indexed,
                other,
            });
        }
        let (named, purchase) = (line.units.len() as u64, u64::from(line.purchase));
        if !line.units.is_empty() && named != purchase {
            let order = order.id.clone();
            self.problem(Violation::UnitsMiscounted {
                order,
                named,
                purchase,
            });
        }
        for unit in line.units {
            self.sold_unit(unit, &order.id);
        }
        self.orders.insert(order.id, order.username);
    }

    fn sold_unit(&mut self, unit: String, order: &OrderId) {
        if let Some(other) = self.units.insert(unit.clone(), order.clone()) {
            let places = format!("in order {other} and in order {order}");
            self.problem(Violation::UnitTwice { unit, places });
        }
    }

    /// Counts one unit that is still in stock. Orders come before stock. Stock holds bytes: two
    /// units that were pushed by hand may look the same as text and still be two.
    pub fn stocked_unit(&mut self, bytes: &[u8]) {
        let unit = String::from_utf8_lossy(bytes);
        let order = self.units.get(unit.as_ref());
        let sold = order.map(|order| format!("in order {order} and in stock"));
        let again = !self.stocked.insert(bytes.into());
        let twice = again.then(|| "in stock twice: it would be sold to two buyers".to_owned());
        for places in sold.into_iter().chain(twice) {
            let unit = unit.clone().into_owned();
            self.problem(Violation::UnitTwice { unit, places });
        }
    }

    /// Counts something that could not be read.
    pub fn unreadable(&mut self, what: String) {
        self.problem(Violation::Unreadable { what });
    }

    /// Everything that the parts say against each other and against the counters.
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
        let indexed = std::mem::take(&mut self.indexed);
        for (username, order) in indexed {
            if self.orders.get(&order) != Some(&username) {
                self.problem(Violation::Dangling { username, order });
            }
        }
        violations.append(&mut self.problems);
        if self.unnamed > 0 {
            violations.push(Violation::More(self.unnamed));
        }
        violations
    }

    fn problem(&mut self, violation: Violation) {
        if self.problems.len() < NAMED_MAX {
            self.problems.push(violation);
        } else {
            self.unnamed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ORDER_ID_RANDOM_BYTES;
    use crate::domain::order::Line;

    const GOOD: Figures = Figures {
        added: 10,
        removed: 1,
        left: 6,
        held: 0,
        confirmed: 3,
        used: 0,
        buyers: 2,
        purchase_max: 2,
    };

    fn sale() -> SaleId {
        SaleId::parse("a").expect("valid")
    }

    fn user(name: &str) -> Username {
        Username::parse(name.to_owned()).expect("valid")
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
                purchase: units.len() as u32,
                units: units.iter().map(|&unit| unit.to_owned()).collect(),
            }],
        }
    }

    fn recount(orders: &[Order], stock: &[&str]) -> Recount {
        let mut recount = Recount::new(sale());
        for order in orders {
            recount.buyer(order.username.clone(), order.id.clone());
        }
        for order in orders {
            recount.order(order.clone());
        }
        for unit in stock {
            recount.stocked_unit(unit.as_bytes());
        }
        recount
    }

    #[test]
    fn figures_that_add_up_hold() {
        assert_eq!(GOOD.check(), []);
        let full = recount(
            &[order(1, "x", &["u1", "u2"]), order(2, "y", &["u3"])],
            &["u4"],
        );
        assert_eq!(full.check(&GOOD), []);
    }

    #[test]
    fn a_unit_too_many_or_too_few_is_caught() {
        for left in [5, 7] {
            let figures = Figures { left, ..GOOD };
            assert_eq!(figures.check(), [Violation::NotConserved(figures)]);
        }
        let removed = Figures {
            removed: 11,
            ..GOOD
        };
        assert_eq!(removed.check(), [Violation::NotConserved(removed)]);
    }

    #[test]
    fn figures_that_cannot_be_are_named_not_summed_over_the_edge() {
        let most = u64::MAX;
        for figures in [
            Figures { held: most, ..GOOD },
            Figures { left: most, ..GOOD },
            Figures {
                confirmed: most,
                used: most,
                buyers: most,
                purchase_max: u32::MAX,
                ..GOOD
            },
            Figures {
                removed: most,
                ..GOOD
            },
        ] {
            let violations = recount(&[], &[]).check(&figures);
            assert!(
                violations.contains(&Violation::NotConserved(figures)),
                "{violations:?}"
            );
            for violation in violations {
                assert!(!violation.to_string().is_empty());
            }
        }
    }

    #[test]
    fn too_many_or_too_few_buyers_are_caught() {
        for buyers in [1, 4] {
            let figures = Figures { buyers, ..GOOD };
            assert_eq!(figures.check(), [Violation::BuyersDisagree(figures)]);
        }
    }

    #[test]
    fn a_unit_in_two_places_is_caught() {
        let sold_twice = recount(&[order(1, "x", &["u1", "u2"]), order(2, "y", &["u1"])], &[]);
        let in_stock = recount(
            &[order(1, "x", &["u1", "u2"]), order(2, "y", &["u3"])],
            &["u2"],
        );
        let stocked_twice = recount(
            &[order(1, "x", &["u1", "u2"]), order(2, "y", &["u3"])],
            &["u4", "u5", "u4"],
        );
        for recount in [sold_twice, in_stock, stocked_twice] {
            assert!(matches!(
                recount.check(&GOOD)[..],
                [Violation::UnitTwice { .. }]
            ));
        }
    }

    #[test]
    fn units_that_only_look_the_same_are_two() {
        let mut recount = recount(&[], &[]);
        recount.stocked_unit(b"\xfe");
        recount.stocked_unit(b"\xff");
        assert_eq!(recount.check(&Figures::default()), []);
    }

    #[test]
    fn a_lost_record_and_a_second_order_are_caught() {
        let lost = {
            let mut recount = recount(&[order(1, "x", &["u1", "u2"])], &[]);
            recount.buyer(user("y"), order(2, "y", &[]).id);
            recount.check(&GOOD)
        };
        let expected = [
            Violation::RecordsDisagree {
                state: OrderState::Confirmed,
                recorded: 2,
                counted: 3,
            },
            Violation::Dangling {
                username: user("y"),
                order: order(2, "y", &[]).id,
            },
        ];
        assert_eq!(lost, expected);

        let twice = recount(&[order(1, "x", &["u1", "u2"]), order(2, "x", &["u3"])], &[]);
        assert!(matches!(
            twice.check(&GOOD)[..],
            [Violation::BuyerTwice { .. }]
        ));
    }

    #[test]
    fn each_state_is_counted_alone_and_the_dead_are_not() {
        let mut orders = [order(1, "x", &["u1", "u2"]), order(2, "y", &["u3"])];
        orders[1].state = OrderState::Held;
        let figures = Figures {
            held: 1,
            confirmed: 2,
            ..GOOD
        };
        assert_eq!(recount(&orders, &[]).check(&figures), []);
        let swapped = recount(&orders, &[]).check(&GOOD);
        assert!(
            matches!(
                swapped[..],
                [
                    Violation::RecordsDisagree { .. },
                    Violation::RecordsDisagree { .. }
                ]
            ),
            "{swapped:?}"
        );
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
    fn many_problems_are_counted_not_listed() {
        let mut recount = Recount::new(sale());
        for number in 0..NAMED_MAX + 5 {
            recount.unreadable(number.to_string());
        }
        let violations = recount.check(&Figures::default());
        assert_eq!(violations.len(), NAMED_MAX + 1);
        assert_eq!(violations.last(), Some(&Violation::More(5)));
    }
}
