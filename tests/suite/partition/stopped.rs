//! A process that stands still while clients ask, give up, and decide otherwise elsewhere: when it
//! goes on, it executes nothing of what was given up.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::lab::{Host, Lab, in_lab};
use super::late::{Desk, WATCH, change, change_at_last};
use super::shop::{Shop, Stopped};
use crate::fault::rounds;

/// How long a client waits for a server that stands still.
const GIVES_UP: Duration = Duration::from_millis(800);

/// Seconds for which a process stands still, one time after the other.
fn stops() -> &'static [u64] {
    if rounds() > 1 { &[2, 6, 20] } else { &[3] }
}

#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn a_server_that_stood_still_does_nothing_that_was_given_up() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "fsync").await;
        let mut desk = Desk::open(&shop).await;
        let patient = desk.tills.clone();
        let mut wrong = Vec::new();
        for seconds in stops() {
            desk.tills = patient.clone().map(|till| till.giving_up_after(GIVES_UP));
            let stopped = Stopped::process(shop.servers[0].id());
            let end = Instant::now() + Duration::from_secs(*seconds);
            let given_up = timeout(GIVES_UP, change(&shop, 0, "resume", 999)).await;
            assert!(given_up.is_err(), "it stands still: {given_up:?}");
            // What the operator does instead, at the other server.
            change_at_last(&shop, 1, "pause", 1).await;
            desk.ask_until(end, &format!("stop-{seconds}")).await;
            desk.close(&mut shop).await;
            drop(stopped);
            sleep(WATCH).await;
            let changed = desk.changed(&mut shop).await;
            println!("after {seconds} s a server changed {changed:?}");
            wrong.extend(changed);
            wrong.extend(desk.late(&mut shop).await);
            // The control: what is asked for now is done.
            desk.tills = patient.clone();
            desk.works(&shop, &format!("after-{seconds}")).await;
        }
        assert_eq!(wrong, [""; 0], "executed after all clients had gone");
    });
}

#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn a_redis_that_stood_still_does_nothing_that_is_late() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "fsync").await;
        let mut desk = Desk::open(&shop).await;
        let mut wrong = Vec::new();
        for seconds in stops() {
            let mut plain = shop.plain(Host::S1);
            let stopped = Stopped::process(shop.redis[0].id());
            let end = Instant::now() + Duration::from_secs(*seconds);
            plain.set("late");
            desk.ask_until(end, &format!("stop-{seconds}")).await;
            drop(stopped);
            // The control: without the protection, the request is executed now.
            shop.until_done("late").await;
            sleep(WATCH).await;
            println!("after {seconds} s Redis went on");
            wrong.extend(desk.late(&mut shop).await);
            desk.works(&shop, &format!("after-{seconds}")).await;
        }
        assert_eq!(wrong, [""; 0], "done too late");
    });
}
