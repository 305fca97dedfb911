//! The buyers of a sale, as a closed gate remembers them: 8 bytes each.

/// Most buyers that a gate remembers: 32 MB. With more, every attempt passes the gate.
pub const BUYERS_MAX: usize = 4_000_000;

/// Sorted fingerprints of all buyers who held an order.
#[derive(Debug, Default)]
pub struct Buyers {
    sorted: Vec<u64>,
}

impl Buyers {
    /// Remembers these, in any order.
    pub fn new(mut fingerprints: Vec<u64>) -> Self {
        fingerprints.sort_unstable();
        fingerprints.dedup();
        fingerprints.shrink_to_fit();
        Self {
            sorted: fingerprints,
        }
    }

    /// True for every buyer who was remembered.
    pub fn contains(&self, fingerprint: u64) -> bool {
        self.sorted.binary_search(&fingerprint).is_ok()
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_was_remembered_is_known() {
        let buyers = Buyers::new(vec![7, 1, 7, u64::MAX, 0]);
        assert_eq!(buyers.len(), 4);
        assert!(
            [0, 1, 7, u64::MAX]
                .into_iter()
                .all(|buyer| buyers.contains(buyer))
        );
        assert!(!buyers.contains(2));
    }
}
