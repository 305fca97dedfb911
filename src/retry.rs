//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// Pauses that double from failure to failure, up to a bound.
#[derive(Debug, Clone, Copy)]
pub struct BackOff {
    first: Duration,
    longest: Duration,
}

impl BackOff {
    /// The pause after the first failure, and the longest one.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause after so many failures in a row. Up to half of it is left out at random, so that
    /// many that failed together do not come back at the same moment.
    pub fn pause(self, failures: u32) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled
            .min(self.longest)
            .mul_f64(rand::random_range(0.5..=1.0))
    }
}

/// Failures in a row, with a pause after each.
#[derive(Debug)]
pub struct Failures {
    back_off: BackOff,
    in_a_row: u32,
}

impl Failures {
    /// None yet.
    pub fn new(back_off: BackOff) -> Self {
        Self {
            back_off,
            in_a_row: 0,
        }
    }

    /// How many there were since the last success.
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Another one: how long to wait before the next try.
    pub fn another(&mut self) -> Duration {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.back_off.pause(self.in_a_row)
    }

    /// A success: how many failures it ended.
    pub fn end(&mut self) -> u32 {
        std::mem::take(&mut self.in_a_row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(10);

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut failures = Failures::new(BackOff::new(FIRST, LONGEST));
        for full in [1, 2, 4, 8, 16, 32, 64, 100, 100].map(|times| FIRST * times) {
            let pause = failures.another();
            assert!((full / 2..=full).contains(&pause), "{pause:?} of {full:?}");
        }
        let pause = BackOff::new(FIRST, LONGEST).pause(u32::MAX);
        assert!((LONGEST / 2..=LONGEST).contains(&pause));
    }

    #[test]
    fn a_success_ends_the_row() {
        let mut failures = Failures::new(BackOff::new(FIRST, LONGEST));
        assert_eq!(failures.end(), 0);
        failures.another();
        failures.another();
        assert_eq!((failures.in_a_row(), failures.end()), (2, 2));
        assert!(failures.another() <= FIRST);
    }
}
