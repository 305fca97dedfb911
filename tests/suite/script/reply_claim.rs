//! `lua/reply_claim.lua`

use seckill::store::replies::{Claim, ClaimOutcome, LEASE, MessageKey};
use seckill::store::script::REPLY_CLAIM;

use super::{assert_raises, call};
use crate::support::redis::World;

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

/// The only key of this world, and how long it will be there, in ms.
pub async fn memory(world: &mut World) -> (String, i64) {
    let keys: Vec<String> = world.run(&["KEYS", &format!("{}*", world.prefix)]).await;
    let [key] = keys.as_slice() else {
        panic!("not one key: {keys:?}");
    };
    (key.clone(), world.run(&["PTTL", key]).await)
}

#[tokio::test]
async fn a_message_is_answered_by_one() {
    let mut world = World::new().await;
    claimed(&world, "m").await;
    let (key, lease) = memory(&mut world).await;
    assert!(key.contains("{wechat}:reply:"), "{key}");
    let longest = i64::try_from(LEASE.as_millis()).expect("small");
    assert!((1..=longest).contains(&lease), "{lease}");
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

#[tokio::test]
async fn a_lease_that_ran_out_is_taken_over() {
    let mut world = World::new().await;
    let first = claimed(&world, "m").await;
    let (key, _) = memory(&mut world).await;
    let _: u64 = world.run(&["PEXPIRE", &key, "0"]).await;
    let second = claimed(&world, "m").await;
    assert_ne!(first, second);
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
    for (keys, args, words) in [
        (&[][..], &["w", "5"][..], "reply_claim takes 1 key"),
        (&["reply"], &["w"], "reply_claim takes 1 key"),
        (&["reply"], &["w", "5", "x"], "reply_claim takes 1 key"),
        (&["reply"], &["w", "soon"], "not an integer"),
        (&["reply"], &["w", "0"], "invalid expire"),
    ] {
        assert_raises(&mut world, &REPLY_CLAIM, keys, args, words).await;
    }
    let key = format!("{}reply", world.prefix);
    let _: String = world.run(&["SET", &key, "something"]).await;
    let words = "neither a claim nor a reply";
    assert_raises(&mut world, &REPLY_CLAIM, &["reply"], &["w", "5"], words).await;
    let _: u64 = world.run(&["DEL", &key]).await;
    let _: u64 = world.run(&["RPUSH", &key, "x"]).await;
    let broken = call(&mut world, &REPLY_CLAIM, &["reply"], &["w", "5"]).await;
    let error = broken.expect_err("it raises").to_string();
    assert!(error.contains("WRONGTYPE"), "{error}");
}
