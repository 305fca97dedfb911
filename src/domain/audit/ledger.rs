//! The conservation law: every stocked unit is either left or in one order, never both.
//!
//! `seckill audit`, the endpoint of operators and the end of every integration test check it. This
//! module checks the figures only. [`Recount`](super::recount::Recount) checks every record.

use super::figures::Figures;
use super::violation::Violation;
use crate::domain::sale::StockKind;

impl Figures {
    /// Compares the counters with the stock. Empty if the law holds.
    pub fn check(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        if self.removed > self.added || self.stocked() != self.accounted() {
            violations.push(Violation::NotConserved(*self));
        }
        // The sum alone would not show a unit that was sold twice: one more granted, one less left.
        if self.left < 0 {
            violations.push(Violation::BelowZero { left: self.left });
        }
        if !self.buyers_agree() {
            violations.push(Violation::BuyersDisagree(*self));
        }
        violations
    }

    /// A buyer may bid as often as anything is left, so the buyers' index of a target is empty.
    fn buyers_agree(&self) -> bool {
        let buyers = u128::from(self.buyers);
        let most = buyers * u128::from(self.purchase_max);
        match self.kind {
            StockKind::List | StockKind::Counter => (buyers..=most).contains(&self.granted()),
            StockKind::Target => buyers == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::figures::GOOD;

    #[test]
    fn figures_that_add_up_hold() {
        assert_eq!(GOOD.check(), []);
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
    fn a_stock_below_zero_is_named_whatever_the_sum_says() {
        let oversold = Figures {
            left: -1,
            added: 3,
            ..GOOD
        };
        assert_eq!((oversold.for_sale(), GOOD.for_sale()), (0, 6));
        assert_eq!(oversold.check(), [Violation::BelowZero { left: -1 }]);
        let tampered = Figures {
            left: -7,
            added: 4,
            ..GOOD
        };
        let [missing, Violation::BelowZero { left: -7 }] = &tampered.check()[..] else {
            panic!("two violations");
        };
        let said = missing.to_string();
        assert!(
            said.contains("left -7 + granted 3 = -4: 7 missing"),
            "{said}"
        );
    }

    #[test]
    fn figures_that_cannot_be_are_named_not_summed_over_the_edge() {
        let most = u64::MAX;
        for figures in [
            Figures { held: most, ..GOOD },
            Figures {
                left: i64::MAX,
                ..GOOD
            },
            Figures {
                left: i64::MIN,
                ..GOOD
            },
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
            let violations = figures.check();
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
    fn nobody_is_in_the_buyers_index_of_a_target() {
        let target = Figures {
            kind: StockKind::Target,
            buyers: 0,
            ..GOOD
        };
        assert_eq!(target.check(), []);
        let wrong = Figures {
            buyers: 1,
            ..target
        };
        assert_eq!(wrong.check(), [Violation::BuyersDisagree(wrong)]);
    }

    #[test]
    fn too_many_or_too_few_buyers_are_caught() {
        for buyers in [1, 4] {
            let figures = Figures { buyers, ..GOOD };
            assert_eq!(figures.check(), [Violation::BuyersDisagree(figures)]);
        }
    }
}
