//! Many messages at once: never more tickets than there are, never two for one, and each comes
//! back once.

use std::collections::BTreeSet;
use std::time::Instant;

use seckill::domain::ids::OrderId;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::crowd::at_once;
use crate::support::redis::World;
use crate::support::wechat::{Follower, Heard, office, on_show};

const BOOKED: &str = "恭喜您，抢票成功！";
const BEFORE: &str = "您已经抢到票了，请不要重复抢票！";
const SOLD_OUT: &str = "对不起，票已经被抢光啦";
const NO_TICKET: &str = "您没有该活动未使用的票！";
const RETURNED: &str = "退票成功！";

/// All say it at the same time.
async fn all_say(asks: impl IntoIterator<Item = (Follower, &'static str)>) -> Vec<Heard> {
    let asks = asks.into_iter();
    let asks = asks.map(|(follower, words)| async move { follower.says(words).await });
    at_once(asks).await
}

fn count(heard: &[Heard], text: &str) -> usize {
    heard.iter().filter(|heard| heard.text == text).count()
}

async fn two_servers(world: &World) -> [TestApp; 2] {
    [office(world).await, office(world).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_user_fifty_times_gets_one_ticket() {
    let world = World::new().await;
    let sale = world.activity("a", 50, &on_show("key")).await;
    let servers = two_servers(&world).await;
    world.bound(&servers[0], "o-1", "2019010001").await;
    let asks = (0..50).map(|ask| (Follower::new(&servers[ask % 2], "o-1"), "抢票 key"));
    let heard = all_say(asks).await;
    assert_eq!((count(&heard, BOOKED), count(&heard, BEFORE)), (1, 49));
    let tickets: BTreeSet<_> = heard.iter().map(Heard::ticket).collect();
    assert_eq!(tickets.len(), 1, "{tickets:?}");
    assert_eq!(world.left(&sale).await, 49);
    world.assert_holds(&sale).await;
    TestApp::stop_all(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_users_share_ten_tickets() {
    let world = World::new().await;
    let sale = world.activity("a", 10, &on_show("key")).await;
    let servers = two_servers(&world).await;
    let mut asks = Vec::new();
    for user in 0..50 {
        let app = &servers[user % 2];
        let follower = world
            .bound(app, &format!("o-{user}"), &format!("20190100{user:02}"))
            .await;
        asks.push((follower, "抢票 key"));
    }
    let heard = all_say(asks.clone()).await;
    assert_eq!((count(&heard, BOOKED), count(&heard, SOLD_OUT)), (10, 40));
    let booked = heard.iter().filter(|heard| heard.text == BOOKED);
    let tickets: BTreeSet<_> = booked.map(Heard::ticket).collect();
    assert_eq!(tickets.len(), 10);
    assert_eq!(world.left(&sale).await, 0);
    // A user who has one hears so again, in the same crowd.
    let again = all_say(asks).await;
    assert_eq!((count(&again, BEFORE), count(&again, SOLD_OUT)), (10, 40));
    let repeated = again.iter().flat_map(Heard::tickets).collect();
    assert_eq!(tickets, repeated);
    world.assert_holds(&sale).await;
    TestApp::stop_all(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_goes_back_once_however_many_ask() {
    let world = World::new().await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let servers = two_servers(&world).await;
    let follower = world.bound(&servers[0], "o-1", "2019010001").await;
    for round in 0..5 {
        let booked = follower.says("抢票 key").await;
        assert_eq!(booked.text, BOOKED, "round {round}");
        let asks = (0..20).map(|ask| (Follower::new(&servers[ask % 2], "o-1"), "退票 key"));
        let heard = all_say(asks).await;
        assert_eq!((count(&heard, RETURNED), count(&heard, NO_TICKET)), (1, 19));
        assert_eq!(world.left(&sale).await, 5);
        world.assert_holds(&sale).await;
    }
    TestApp::stop_all(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_back_is_booked_at_the_same_time() {
    let world = World::new().await;
    let sale = world.activity("a", 3, &on_show("key")).await;
    let servers = two_servers(&world).await;
    let mut users = Vec::new();
    for user in 0..12 {
        let app = &servers[user % 2];
        let number = format!("20190100{user:02}");
        users.push(world.bound(app, &format!("o-{user}"), &number).await);
    }
    let (mut booked, mut returned) = (0, 0);
    for _ in 0..6 {
        let asks = users.iter().flat_map(|follower| {
            ["抢票 key", "退票 key", "抢票 key"].map(|words| (follower.clone(), words))
        });
        let heard = all_say(asks).await;
        booked += count(&heard, BOOKED);
        returned += count(&heard, RETURNED);
        let known = [BOOKED, BEFORE, SOLD_OUT, RETURNED, NO_TICKET];
        assert!(
            heard
                .iter()
                .all(|heard| known.contains(&heard.text.as_str())),
            "{heard:?}"
        );
        // What users were told is what happened.
        let out = u64::try_from(booked - returned).expect("no more returned than booked");
        assert_eq!(world.left(&sale).await, 3 - out);
        world.assert_holds(&sale).await;
    }
    assert!(returned > 5, "only {returned} went back: no race");
    // Nothing is lost: all that is left can be booked. A server may learn a moment later that
    // something came back at the other one.
    let deadline = Instant::now() + PATIENCE;
    let mut heard = Vec::new();
    while world.left(&sale).await > 0 {
        assert!(
            Instant::now() < deadline,
            "units came back and cannot be booked: {heard:?}"
        );
        heard = all_say(users.iter().map(|user| (user.clone(), "抢票 key"))).await;
    }
    for heard in heard.iter().filter(|heard| heard.kind == "news") {
        let order = world
            .order(&OrderId::parse(&heard.ticket()).expect("an order id"))
            .await;
        assert!(order.state.is_alive());
    }
    world.assert_holds(&sale).await;
    TestApp::stop_all(servers).await;
}
