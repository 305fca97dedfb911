//! The network splits. The replica is promoted on the other side while the old master goes on
//! selling.

use super::lab::{Host, Lab, in_lab};
use super::shop::Shop;
use super::till::{Way, codes};
use crate::fault::failover::until_in_step;
use crate::support::history::History;

const GOODS: &str = "list.a";
const STOCK: u64 = 60;
const BUYERS: usize = 20;

/// Buyers on both sides of a split with a promotion: what they were told before it was mended.
async fn split(shop: &mut Shop) -> History {
    shop.sale(Way::List, GOODS, STOCK).await;
    let mut history = shop
        .till(&[0, 1], Way::List, GOODS)
        .wave("first", 5, 1)
        .await;
    shop.till(&[0, 1], Way::List, GOODS)
        .settle(&mut history)
        .await;
    until_in_step(&mut shop.master.raw, 1).await;
    for own in [Host::M, Host::S1] {
        for other in [Host::R, Host::S2] {
            shop.lab.cut(own, other);
        }
    }
    shop.promote().await;
    shop.lab.lead(Host::S2, Host::R);
    for (server, name) in [(0, "old"), (1, "new")] {
        let till = shop.till(&[server], Way::List, GOODS);
        for wave in 0..3 {
            let told = till.wave(&format!("{name}-{wave}"), BUYERS, 1).await;
            println!("{name} side: {}", codes(&told));
            history.entries.extend(told.entries);
        }
    }
    history
}

#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn no_unit_is_acknowledged_on_both_sides_of_a_split() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "replicated:1").await;
        let mut history = split(&mut shop).await;
        shop.lab.heal();
        shop.demote().await;
        let till = shop.till(&[0, 1], Way::List, GOODS);
        till.settle(&mut history).await;
        println!("after it: {}", codes(&history));
        assert_eq!(history.promises().len() as u64, STOCK, "all is sold once");
        assert_eq!(history.violations(STOCK), [""; 0]);
        for world in [&mut shop.master, &mut shop.replica] {
            assert_eq!(Shop::wrong(world, GOODS, &history).await, [""; 0]);
        }
    });
}

/// The control, and the limit of the level: if no replica is waited for, two buyers are promised
/// the same unit, and the check finds it.
#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn without_waiting_for_the_replica_a_split_sells_units_twice() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "fsync").await;
        let history = split(&mut shop).await;
        let twice = history.violations(u64::MAX);
        let units = twice.iter().filter(|wrong| wrong.starts_with("unit "));
        println!("{} units promised to two", units.clone().count());
        assert!(units.count() > 0, "{twice:?}");
        let wrong = Shop::wrong(&mut shop.replica, GOODS, &history).await;
        assert!(
            wrong.iter().any(|wrong| wrong.contains("was shown")),
            "{wrong:?}"
        );
    });
}
