//! Targets that may take so many bids that they fill the memory of Redis.

use super::finding::{Finding, Grade};
use crate::domain::counted::counted;
use crate::domain::ids::SaleId;
use crate::domain::purchase::bid::BID_BYTES;
use crate::domain::sale::Phase;
use crate::failure::Result;
use crate::store::sales::snapshot::Snapshot;

/// The most bids that a target may still take without a finding: 3 GB of Redis.
const BIDS_MAX: u64 = 10_000_000;
/// Targets that are named. The rest are counted.
const NAMED_MAX: usize = 5;
const MIB: u64 = 1 << 20;

/// Names the targets whose smallest bid is very small or was never set. No finding if there are no
/// targets.
pub(super) fn targets(sales: &[(SaleId, Result<Snapshot>)]) -> Option<Finding> {
    let readable = sales.iter().filter_map(|(_, read)| read.as_ref().ok());
    let targets = readable.filter(|snapshot| snapshot.sale.target().is_some());
    let targets: Vec<&Snapshot> = targets.collect();
    if targets.is_empty() {
        return None;
    }
    let small: Vec<String> = targets.iter().copied().filter_map(small).collect();
    if small.is_empty() {
        let found = format!(
            "{}, none with tiny bids",
            counted(targets.len() as u64, "target")
        );
        return Some(Finding::new("targets", Grade::Good, found, ""));
    }
    let mut found = small[..small.len().min(NAMED_MAX)].join("; ");
    if small.len() > NAMED_MAX {
        found += &format!("; and {} more", small.len() - NAMED_MAX);
    }
    let mend = "before the first bid: `seckill sale put ID --bid-min CENTS`. After it the smallest \
                bid is fixed: take unneeded stock back with `seckill stock remove ID --count \
                CENTS`";
    Some(Finding::new("targets", Grade::Warning, found, mend))
}

/// The text about one target; `None` if it takes no more bids.
fn small(snapshot: &Snapshot) -> Option<String> {
    let (sale, left) = (&snapshot.sale, snapshot.figures.for_sale());
    let target = sale.target()?;
    let is_full = left == 0 && snapshot.grants.count > 0;
    if is_full || sale.phase(snapshot.now) == Phase::Ended {
        return None;
    }
    let bids = left / target.smallest_bid().max(1);
    if target.bid_min.is_some() && bids <= BIDS_MAX {
        return None;
    }
    let set = if target.bid_min.is_some() {
        ""
    } else {
        ", which is not set"
    };
    let smallest = counted(target.smallest_bid(), "cent");
    let room = bids.saturating_mul(BID_BYTES) / MIB;
    Some(format!(
        "{}: smallest bid {smallest}{set}; {} may come, of {room} MiB of Redis",
        sale.id,
        counted(bids, "bid")
    ))
}
