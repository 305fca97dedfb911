//! Packets of one direction are lost: nothing is acknowledged that the other Redis lacks, and soon
//! after the wire is mended everybody is served.

use std::time::{Duration, Instant};

use super::lab::{Host, Lab, Wire, in_lab};
use super::shop::Shop;
use super::till::{Rush, Way, codes};
use crate::support::history::History;
use crate::support::kept::Kept;
use crate::support::redis::sale_id;

const STOCK: u64 = 100_000;
const BUYERS: usize = 8;
/// Orders before the cut.
const BEFORE: usize = 50;
const CUT: Duration = Duration::from_secs(3);
/// TCP tries again after 0.2, 0.6, 1.4, 3 and 6.2 seconds of silence.
const SERVED_WITHIN: Duration = Duration::from_secs(4);

/// Sells while packets from one host to another are lost. What was told by the end of that, and
/// the orders of it that the replica lacks then.
async fn cut_one_way(shop: &mut Shop, from: Host, to: Host) -> (History, Vec<String>) {
    let name = format!("{from:?}-{to:?}");
    let goods = format!("list.{}", name.to_lowercase());
    shop.sale(Way::List, &goods, STOCK).await;
    // The side that is cut off: the servers if their master is, else the one that is.
    let cut_off: &[usize] = if from == Host::S1 || to == Host::S1 {
        &[0]
    } else {
        &[0, 1]
    };
    let rush = Rush::start(&shop.till(&[0, 1], Way::List, &goods), "both", BUYERS);
    let own = Rush::start(&shop.till(cut_off, Way::List, &goods), "own", BUYERS / 2);
    own.until_served(BEFORE, Instant::now()).await;
    shop.lab.set(from, to, Wire::CUT);
    tokio::time::sleep(CUT).await;
    let mut told = rush.heard();
    told.entries.extend(own.heard().entries);
    let lost = Kept::read(&mut shop.replica, &sale_id(&goods))
        .await
        .lost(&told);
    let packets = shop.lab.set(from, to, Wire::GOOD);
    let healed = Instant::now();
    let served = own.until_served(1, healed).await - healed;
    let mut history = rush.end().await;
    history.entries.extend(own.end().await.entries);
    println!(
        "{name}: {}; {} packets lost; served {served:?} after it; {} lost at the replica",
        codes(&history),
        packets.lost,
        lost.len(),
    );
    assert!(packets.lost > 0, "{name}");
    assert!(served < SERVED_WITHIN, "{name}: {served:?}");
    shop.till(&[0, 1], Way::List, &goods)
        .settle(&mut history)
        .await;
    assert_eq!(
        Shop::wrong(&mut shop.master, &goods, &history).await,
        [""; 0]
    );
    (history, lost)
}

#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn nothing_is_acknowledged_over_a_wire_that_leads_one_way() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "replicated:1").await;
        for (from, to) in [
            (Host::M, Host::R),
            (Host::R, Host::M),
            (Host::S1, Host::M),
            (Host::M, Host::S1),
        ] {
            let (history, lost) = cut_one_way(&mut shop, from, to).await;
            assert_eq!(lost, [""; 0], "{from:?} to {to:?}");
            assert!(history.count("unknown") > 0, "nobody was in doubt");
        }
    });
}

/// The control: without waiting for the replica, the same cut shows orders that it lacks.
#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn without_waiting_for_the_replica_a_one_way_cut_loses() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "fsync").await;
        let (_, lost) = cut_one_way(&mut shop, Host::M, Host::R).await;
        assert_ne!(lost, [""; 0], "the same fault must show losses");
    });
}
