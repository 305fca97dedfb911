//! The audit of the terms of a sale, whatever was sold.

use super::bid_violation::BidViolation;
use super::violation::Violation;
use crate::domain::money::{BONUS_BP_MAX, CENTS_MAX};
use crate::domain::sale::{Sale, Stop};

impl Sale {
    /// The terms of a target that no operator can have set. Scripts refuse each bid for some of
    /// them. Other kinds of sale have none.
    pub fn broken_terms(&self) -> Vec<BidViolation> {
        let Some(target) = self.target() else {
            return Vec::new();
        };
        let terms = [
            ("bid_min", target.smallest_bid(), 1..=CENTS_MAX),
            ("bonus_bp", target.bonus_bp.into(), 0..=BONUS_BP_MAX.into()),
        ];
        let broken = terms
            .into_iter()
            .filter(|(_, value, range)| !range.contains(value));
        let named = broken.map(|(field, value, range)| BidViolation::TermWrong {
            field,
            value,
            range,
        });
        let keyword = target.has_keyword.then_some(BidViolation::HasKeyword);
        named.chain(keyword).collect()
    }

    /// What is wrong with the sale itself, whatever its figures say.
    pub fn violations(&self) -> Vec<Violation> {
        let terms = self.broken_terms().into_iter().map(Violation::from);
        let forgot = self.stop == Some(Stop::Forgot);
        let forgot = forgot.then(|| Violation::Forgot(self.id.clone()));
        terms.chain(forgot).collect()
    }
}
