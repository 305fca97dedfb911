//! The clock of Redis is set while requests are in flight. Set forward, they are `busy`; set back,
//! they may be executed later by as much, and no later.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::EFFECT_WITHIN;
use super::lab::{Host, Lab, Wire, in_lab};
use super::late::{Desk, WATCH, goods};
use super::shop::Shop;
use super::till::{Way, codes};
use crate::support::kept::Kept;
use crate::support::other_redis::Clock;
use crate::support::redis::sale_id;

const BUYERS: usize = 6;
const FORWARD_SECONDS: i64 = 30;
const BACK_SECONDS: i64 = 2;
/// The wire is repaired before any client gives up.
const SHORT_HOLD: Duration = Duration::from_millis(300);

async fn shop_with(lab: Lab, clock: &Clock) -> Shop {
    let environment = clock.environment();
    let environment: [(&str, &Path); 2] =
        environment.each_ref().map(|(name, path)| (*name, &**path));
    Shop::with_clock(lab, "fsync", &environment).await
}

#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn a_clock_that_is_set_forward_makes_requests_busy() {
    in_lab(async |lab: Lab| {
        let clock = Clock::ahead(0);
        let mut shop = shop_with(lab, &clock).await;
        let desk = Desk::open(&shop).await;
        let mut plain = shop.plain(Host::S1);
        shop.lab.set(Host::S1, Host::M, Wire::HELD);
        plain.set("early");
        let since = Instant::now();
        let stepped = async {
            sleep_until(since + SHORT_HOLD).await;
            clock.shift(FORWARD_SECONDS);
            // What is sent when the step is known stays out of it.
            shop.lab.let_go_kept(Host::S1, Host::M);
        };
        let (told, ()) = tokio::join!(desk.asked("held", BUYERS), stepped);
        // The control: without the protection, the clock does not matter.
        shop.until_done("early").await;
        let mut granted = Vec::new();
        for (way, told) in Way::ALL.into_iter().zip(&told) {
            println!("{way:?} over a step forward: {}", codes(told));
            assert_eq!(told.promises().len(), 0, "{way:?}");
            let kept = Kept::read(&mut shop.master, &sale_id(goods(way))).await;
            granted.extend(kept.delays(told));
        }
        assert_eq!(granted, [], "done although Redis saw that it was late");
        assert_ne!(told.iter().map(|told| told.count("busy")).sum::<usize>(), 0);
        shop.lab.set(Host::S1, Host::M, Wire::GOOD);
        desk.works(&shop, "after").await;
    });
}

#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn a_clock_that_is_set_back_delays_no_more_than_that() {
    in_lab(async |lab: Lab| {
        let clock = Clock::ahead(0);
        let mut shop = shop_with(lab, &clock).await;
        let mut desk = Desk::open(&shop).await;
        let mut plain = shop.plain(Host::S1);
        shop.lab.set(Host::S1, Host::M, Wire::HELD);
        plain.set("late");
        let told = desk.asked("held", BUYERS).await;
        desk.hear(told);
        let asked = Instant::now();
        clock.shift(-BACK_SECONDS);
        sleep_until(asked + EFFECT_WITHIN + Duration::from_secs(BACK_SECONDS.unsigned_abs())).await;
        desk.close(&mut shop).await;
        shop.lab.set(Host::S1, Host::M, Wire::GOOD);
        // The control: without the protection, the request is executed now.
        shop.until_done("late").await;
        sleep(WATCH).await;
        let changed = desk.changed(&mut shop).await;
        println!("changed after a step back: {changed:?}");
        desk.works(&shop, "after").await;
        assert_eq!(changed, [""; 0], "done too late");
    });
}
