//! All samples of a bench, and medians over its rounds.

use std::collections::BTreeMap;

use crate::plan::{Case, Path};
use crate::run::Sample;

/// The samples by case; the n-th of each case is of round n, so they can be paired.
#[derive(Default)]
pub struct Figures {
    samples: BTreeMap<Case, Vec<Sample>>,
}

/// A median with the smallest and the largest.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Figures {
    /// Adds a sample of the current round.
    pub fn add(&mut self, case: Case, sample: Sample) {
        self.samples.entry(case).or_default().push(sample);
    }

    /// A figure over the rounds; `None` when it was not measured.
    pub fn spread(&self, case: Case, figure: impl Fn(&Sample) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.samples.get(&case)?.iter().filter_map(figure).collect())
    }

    /// The rate against the rate of another path in the same round. Ratios are taken within a
    /// round and then the median, because the machine drifts between rounds.
    pub fn ratio(&self, case: Case, reference: Path) -> Option<Spread> {
        let reference = Case {
            path: reference,
            ..case
        };
        let pairs = self
            .samples
            .get(&case)?
            .iter()
            .zip(self.samples.get(&reference)?);
        Spread::of(
            pairs
                .map(|(own, other)| own.seen.rate / other.seen.rate)
                .collect(),
        )
    }

    /// Requests that were refused in all rounds together.
    pub fn refused(&self, case: Case) -> u64 {
        let samples = self.samples.get(&case).into_iter().flatten();
        samples.map(|sample| sample.seen.refused).sum()
    }

    /// Every case, in the order of the table.
    pub fn cases(&self) -> impl Iterator<Item = Case> + '_ {
        self.samples.keys().copied()
    }
}

impl Spread {
    /// Of some values; `None` of none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { median, min, max })
    }
}
