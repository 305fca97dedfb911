//! `lua/reply_claim.lua`

use std::time::{Duration, Instant};

use seckill::domain::ids::OrderId;
use seckill::failure::Failure;
use seckill::store::Store;
use seckill::store::script::REPLY_CLAIM;
use seckill::store::wechat::claims::{Claim, ClaimOutcome, LEASE, MEMORY, MessageKey};

use super::{assert_raises, call_at};
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{PrivateRedis, World};

async fn claim(world: &World, message: &str) -> ClaimOutcome {
    let key = MessageKey::new(&[message]);
    world.store.reply_claim(&key).await.expect("answered")
}

pub async fn claimed(world: &World, message: &str) -> Claim {
    match claim(world, message).await {
        ClaimOutcome::Claimed(claim) => claim,
        other => panic!("{message} is not ours: {other:?}"),
    }
}

/// The only message of this world, and how long it will be there, in ms.
pub async fn memory(world: &mut World) -> (String, i64) {
    let keys = world.messages().await;
    let [key] = keys.as_slice() else {
        panic!("not one key: {keys:?}");
    };
    (key.clone(), world.run(&["PTTL", key]).await)
}

/// Asserts that the only key of this world will be there as long as a message is remembered.
pub async fn assert_remembered(world: &mut World) {
    let (_, left) = memory(world).await;
    let [lease, memory] =
        [LEASE, MEMORY].map(|time| i64::try_from(time.as_millis()).expect("small"));
    assert!((lease + 1..=memory).contains(&left), "{left}");
}

#[tokio::test]
async fn a_message_is_answered_by_one() {
    let mut world = World::new().await;
    claimed(&world, "m").await;
    let (key, _) = memory(&mut world).await;
    assert!(key.contains("{wechat}:reply:"), "{key}");
    assert_remembered(&mut world).await;
    let before = world.dump().await;
    assert_eq!(claim(&world, "m").await, ClaimOutcome::Pending);
    assert_eq!(world.dump().await, before);
    claimed(&world, "another").await;
}

#[tokio::test]
async fn of_many_at_once_one_gets_the_claim() {
    let world = World::new().await;
    for round in 0..5 {
        let message = format!("m-{round}");
        let tries = (0..20).map(|_| claim(&world, &message));
        let tried = futures_util::future::join_all(tries).await;
        let pending = tried.iter().filter(|one| **one == ClaimOutcome::Pending);
        assert_eq!(pending.count(), 19, "{tried:?}");
    }
}

/// A store behind a proxy, with an open connection: Redis knows the scripts, as it does after a
/// server's first minutes. With the claim that was made and given up for that.
async fn store_behind(proxy: &Proxy, world: &World) -> (Store, Claim) {
    let store = Store::new(&proxy.url(), &world.prefix, Duration::from_secs(2)).expect("a store");
    let first = store.reply_claim(&MessageKey::new(&["first"])).await;
    let Ok(ClaimOutcome::Claimed(first)) = first else {
        panic!("not ours: {first:?}");
    };
    store.reply_release(&first).await.expect("answered");
    (store, first)
}

/// Waits until a claim was executed after `before` and given up, long before it would be forgotten.
async fn until_given_up(world: &mut World, before: u64) {
    let deadline = Instant::now() + MEMORY / 2;
    while world.calls("set").await <= before || world.messages().await != [""; 0] {
        assert!(Instant::now() < deadline, "it is still claimed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whoever claims does not hear of it: whenever Redis does so after all, nobody else has to wait.
#[tokio::test]
async fn a_claim_that_nobody_heard_of_is_given_up() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let proxy = Proxy::start(redis.socket()).await;
    let (store, _) = store_behind(&proxy, &world).await;
    let before = world.calls("set").await;
    proxy.set(Fault::SwallowReply);
    let unheard = store.reply_claim(&MessageKey::new(&["m"])).await;
    assert!(matches!(unheard, Err(Failure::Busy(_))), "{unheard:?}");
    until_given_up(&mut world, before).await;
}

/// A claim that arrives after its deadline is not made, so nobody else has to wait for its end.
#[tokio::test]
async fn a_claim_that_comes_late_is_not_made() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let proxy = Proxy::start(redis.socket()).await;
    let (store, _) = store_behind(&proxy, &world).await;
    let before = world.calls("set").await;
    proxy.set(Fault::Hold);
    let unheard = store.reply_claim(&MessageKey::new(&["m"])).await;
    assert!(matches!(unheard, Err(Failure::Busy(_))), "{unheard:?}");
    assert!(proxy.let_go().await > 0, "it was not on its way");
    // Redis reads all sockets before it reads one of them again.
    for _ in 0..2 {
        let _: String = world.run(&["PING"]).await;
    }
    assert_eq!(world.messages().await, [""; 0]);
    assert_eq!(
        world.calls("set").await,
        before,
        "it was claimed for a while"
    );
}

#[tokio::test]
async fn a_lease_that_ran_out_is_taken_over() {
    let mut world = World::new().await;
    let first = claimed(&world, "m").await;
    let (key, _) = memory(&mut world).await;
    let _: u64 = world.run(&["PEXPIRE", &key, "2500"]).await;
    world.end_leases().await;
    let second = claimed(&world, "m").await;
    assert_ne!(first, second);
    assert_remembered(&mut world).await;
    assert_eq!(claim(&world, "m").await, ClaimOutcome::Pending);
}

#[tokio::test]
async fn a_lease_runs_to_its_last_millisecond() {
    let mut world = World::new().await;
    let key = [format!("{}reply", world.prefix)];
    for (now, owner, expected) in [
        (1_000, "a", "claimed"),
        (5_999, "b", "pending"),
        (6_000, "b", "claimed"),
        (10_999, "a", "pending"),
    ] {
        let args = [owner, "5000", "60000"];
        let reply = call_at(&mut world, &REPLY_CLAIM, now, &key, &args).await;
        let words: Vec<String> = redis::from_redis_value(reply).expect("texts");
        assert_eq!(words[0], expected, "{now}");
    }
}

#[tokio::test]
async fn a_note_reaches_every_later_owner() {
    let mut world = World::new().await;
    let first = claimed(&world, "m").await;
    assert_eq!(first.note, None);
    let order = OrderId::parse("a-abcdfabcdfabcdfabcdf").expect("valid");
    world.store.reply_note(&first, &order).await.expect("noted");
    for _ in 0..3 {
        world.end_leases().await;
        assert_eq!(claimed(&world, "m").await.note.as_ref(), Some(&order));
    }
}

#[tokio::test]
async fn what_was_answered_is_repeated() {
    let mut world = World::new().await;
    for text in ["", "恭喜", "=?\n\r\0", &"长".repeat(10_000)] {
        let mine = claimed(&world, text).await;
        world.store.reply_keep(&mine, text).await.expect("kept");
        let before = world.dump().await;
        let repeated = ClaimOutcome::Repeated(text.to_owned());
        assert_eq!(claim(&world, text).await, repeated);
        assert_eq!(world.dump().await, before);
    }
}

#[tokio::test]
async fn wrong_calls_and_broken_data_raise() {
    let mut world = World::new().await;
    let wrong = "reply_claim takes 1 key";
    for (keys, args, words) in [
        (&[][..], &["w", "5", "9"][..], wrong),
        (&["reply"], &["w", "5"], wrong),
        (&["reply"], &["w", "5", "9", "x"], wrong),
        (&["reply"], &["", "5", "9"], wrong),
        (&["reply"], &["w\tw", "5", "9"], wrong),
        (&["reply"], &["w", "soon", "9"], "lease is not a whole"),
        (&["reply"], &["w", "5", "soon"], "not an integer"),
        (&["reply"], &["w", "5", "0"], "invalid expire"),
    ] {
        assert_raises(&mut world, &REPLY_CLAIM, keys, args, words).await;
    }
    let key = format!("{}reply", world.prefix);
    for broken in ["something", "?", "?w", "?w\t5", "?w\tsoon\t", "?w\t-5\t"] {
        let _: String = world.run(&["SET", &key, broken]).await;
        let words = "neither a claim nor a reply";
        let args = ["w", "5", "9"];
        assert_raises(&mut world, &REPLY_CLAIM, &["reply"], &args, words).await;
    }
    let _: u64 = world.run(&["DEL", &key]).await;
    let _: u64 = world.run(&["RPUSH", &key, "x"]).await;
    let args = ["w", "5", "9"];
    assert_raises(&mut world, &REPLY_CLAIM, &["reply"], &args, "WRONGTYPE").await;
}

/// A note is an order's id; what somebody wrote there by hand is named.
#[tokio::test]
async fn a_note_that_is_no_order_is_an_error() {
    let mut world = World::new().await;
    claimed(&world, "m").await;
    let (key, _) = memory(&mut world).await;
    let _: String = world.run(&["SET", &key, "?w\t1\tnonsense"]).await;
    let claim = world.store.reply_claim(&MessageKey::new(&["m"])).await;
    let error = claim.expect_err("no order").to_string();
    assert!(
        error.contains("the note of a message is \"nonsense\""),
        "{error}"
    );
}
