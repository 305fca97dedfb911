//! Networks that lose, delay, duplicate and reorder packets: answers are slow, and never wrong.

use std::time::{Duration, Instant};

use super::lab::{Host, Lab, Packets, Wire, in_lab};
use super::shop::Shop;
use super::till::{Rush, Way, codes};

const STOCK: u64 = 100_000;
const BUYERS: usize = 8;
const NOISE: Duration = Duration::from_secs(6);
/// Between whom: servers and Redis, and Redis and its replica.
const INNER: [(Host, Host); 4] = [
    (Host::S1, Host::M),
    (Host::S2, Host::M),
    (Host::M, Host::R),
    (Host::R, Host::M),
];

/// Sells over wires like these, and returns what happened to their packets.
async fn sold_over(shop: &mut Shop, name: &str, wire: Wire, pairs: &[(Host, Host)]) -> Packets {
    let goods = format!("list.{name}");
    shop.sale(Way::List, &goods, STOCK).await;
    let before = shop.lab.heal();
    let till = shop.till(&[0, 1], Way::List, &goods);
    let rush = Rush::start(&till, "user", BUYERS);
    rush.until_served(50, Instant::now()).await;
    for &(one, other) in pairs {
        shop.lab.set(one, other, wire);
        shop.lab.set(other, one, wire);
    }
    tokio::time::sleep(NOISE).await;
    let packets = shop.lab.heal();
    let healed = Instant::now();
    let served = rush.until_served(1, healed).await - healed;
    let mut history = rush.end().await;
    println!("{name}: {}; served {served:?} after it", codes(&history));
    till.settle(&mut history).await;
    for world in [&mut shop.master, &mut shop.replica] {
        let wrong = Shop::wrong(world, &goods, &history).await;
        assert_eq!(wrong, [""; 0], "{name}");
    }
    Packets {
        lost: packets.lost - before.lost,
        doubled: packets.doubled - before.doubled,
        overtaken: packets.overtaken - before.overtaken,
        kept: 0,
    }
}

/// The control is the count of packets: the wires did what they were told.
#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn noise_makes_nothing_wrong() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "replicated:1").await;
        let good = Wire::GOOD;
        let lossy = Wire { loss: 30, ..good };
        let (delay, jitter) = (5, 200);
        let slow = Wire {
            delay,
            jitter,
            ..good
        };
        let (twice, late) = (30, 40);
        let doubling = Wire {
            twice,
            late,
            ..good
        };
        let packets = sold_over(&mut shop, "loss", lossy, &INNER).await;
        assert!(packets.lost > 50, "{packets:?}");
        sold_over(&mut shop, "jitter", slow, &INNER).await;
        let packets = sold_over(&mut shop, "doubled", doubling, &INNER).await;
        assert!(
            packets.doubled > 50 && packets.overtaken > 50,
            "{packets:?}"
        );
        let every = Wire {
            loss: 10,
            jitter: 50,
            twice: 20,
            late: 20,
            ..good
        };
        let clients = [(Host::C, Host::S1), (Host::C, Host::S2)];
        let all = [&INNER[..], &clients].concat();
        let packets = sold_over(&mut shop, "all", every, &all).await;
        assert!(packets.lost > 50 && packets.doubled > 50, "{packets:?}");
    });
}
