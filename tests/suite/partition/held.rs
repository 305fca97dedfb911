//! The network delays bytes to Redis until long after all clients were told `unknown` or `busy`:
//! the bytes have no effect any more.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, sleep_until};

use super::lab::{Host, Lab, Wire, in_lab};
use super::late::{Desk, WATCH, change, change_at_last, goods};
use super::shop::Shop;
use super::till::Way;
use crate::fault::rounds;
use crate::support::PATIENCE;

const BUYERS: usize = 12;
const TOLD_NOTHING: [&str; 2] = ["unknown", "busy"];

/// How long the network keeps what should never happen.
fn hold() -> Duration {
    Duration::from_secs(if rounds() > 1 { 45 } else { 4 })
}

/// Seconds, one time after the other.
fn holds() -> &'static [u64] {
    if rounds() > 1 {
        &[2, 3, 5, 8, 15]
    } else {
        &[3]
    }
}

/// Buyers without an answer buy at the other server under another name, and cancel.
async fn elsewhere(shop: &Shop, way: Way) {
    let till = shop.till(&[1], way, goods(way));
    let mut history = till.wave("elsewhere", 3, 1).await;
    till.settle(&mut history).await;
    for promise in history.promises().values() {
        let path = format!("/orders/{}/cancel", promise.order);
        let deadline = Instant::now() + PATIENCE;
        while shop.operator(1).post(&path).await.status != 200 {
            assert!(Instant::now() < deadline, "{promise:?} is not cancelled");
        }
    }
}

#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn held_bytes_do_nothing_once_they_are_let_go() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "fsync").await;
        let mut desk = Desk::open(&shop).await;
        let mut plain = shop.plain(Host::S1);

        shop.lab.set(Host::S1, Host::M, Wire::HELD);
        let asked = Instant::now();
        plain.set("late");
        let (changed, told) =
            tokio::join!(change(&shop, 0, "pause", 999), desk.asked("held", BUYERS));
        desk.hear(told);
        let told = desk.told.iter().flat_map(|told| &told.entries);
        let mut known = told.filter(|told| !TOLD_NOTHING.contains(&&*told.answer.code));
        assert_eq!(known.next().map(|told| &told.answer), None);
        assert_eq!(changed, [503; 3], "an operator");
        join_all(Way::ALL.map(|way| elsewhere(&shop, way))).await;
        change_at_last(&shop, 1, "resume", 1).await;
        sleep_until(asked + hold()).await;
        desk.close(&mut shop).await;
        let kept = shop.lab.set(Host::S1, Host::M, Wire::HELD).kept;
        shop.lab.set(Host::S1, Host::M, Wire::GOOD);
        // The control: without the protection, the request is executed now, seconds after it was
        // sent.
        shop.until_done("late").await;
        sleep(WATCH).await;
        println!("{kept} packets are let go after {:?}", hold());
        let changed = desk.changed(&mut shop).await;
        println!("  changed: {changed:?}");
        let late = desk.late(&mut shop).await;
        desk.works(&shop, "fresh").await;
        assert_eq!((changed, late), (vec![], vec![]), "done too late");
    });
}

/// Buyers of all ages, in one hold after the other.
#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn requests_of_any_age_do_nothing_after_their_time() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "fsync").await;
        let mut desk = Desk::open(&shop).await;
        let mut wrong = Vec::new();
        for seconds in holds() {
            let mut plain = shop.plain(Host::S1);
            shop.lab.set(Host::S1, Host::M, Wire::HELD);
            let end = Instant::now() + Duration::from_secs(*seconds);
            plain.set("late");
            desk.ask_until(end, &format!("hold-{seconds}")).await;
            shop.lab.set(Host::S1, Host::M, Wire::GOOD);
            shop.until_done("late").await;
            sleep(WATCH).await;
            println!("after a hold of {seconds} s");
            wrong.extend(desk.late(&mut shop).await);
            desk.works(&shop, &format!("after-{seconds}")).await;
        }
        assert_eq!(wrong, [""; 0], "done too late");
    });
}
