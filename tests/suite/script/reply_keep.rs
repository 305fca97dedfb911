//! `lua/reply_keep.lua`

use seckill::store::script::REPLY_KEEP;
use seckill::store::wechat::claims::{ClaimOutcome, MessageKey, SettleOutcome};

use super::assert_raises;
use super::reply_claim::{assert_remembered, claimed, memory};
use crate::support::redis::World;

#[tokio::test]
async fn a_reply_is_remembered_for_a_while() {
    let mut world = World::new().await;
    let mine = claimed(&world, "m").await;
    let (key, _) = memory(&mut world).await;
    let _: u64 = world.run(&["PEXPIRE", &key, "1000"]).await;
    for text in ["first", "again"] {
        let kept = world.store.reply_keep(&mine, text).await.expect("answered");
        assert_remembered(&mut world).await;
        // Only the first is the reply: the claim ended with it.
        let expected = if text == "first" {
            SettleOutcome::Settled
        } else {
            SettleOutcome::Lost
        };
        assert_eq!(kept, expected, "{text}");
    }
    let again = world.store.reply_claim(&MessageKey::new(&["m"])).await;
    let first = ClaimOutcome::Repeated("first".to_owned());
    assert_eq!(again.expect("answered"), first);
}

#[tokio::test]
async fn who_lost_his_claim_changes_nothing() {
    let mut world = World::new().await;
    let late = claimed(&world, "m").await;
    world.end_leases().await;
    let mine = claimed(&world, "m").await;
    let before = world.dump().await;
    let lost = world.store.reply_keep(&late, "late").await;
    assert_eq!(lost.expect("answered"), SettleOutcome::Lost);
    assert_eq!(world.dump().await, before);
    let kept = world.store.reply_keep(&mine, "mine").await;
    assert_eq!(kept.expect("answered"), SettleOutcome::Settled);
}

#[tokio::test]
async fn a_lease_that_ran_out_and_that_nobody_took_over_loses_no_reply() {
    for forgotten in [false, true] {
        let mut world = World::new().await;
        let late = claimed(&world, "m").await;
        let (key, _) = memory(&mut world).await;
        if forgotten {
            let _: u64 = world.run(&["DEL", &key]).await;
        } else {
            world.end_leases().await;
        }
        let kept = world.store.reply_keep(&late, "late").await;
        assert_eq!(kept.expect("answered"), SettleOutcome::Settled);
        let again = world.store.reply_claim(&MessageKey::new(&["m"])).await;
        let late = ClaimOutcome::Repeated("late".to_owned());
        assert_eq!(again.expect("answered"), late);
    }
}

#[tokio::test]
async fn wrong_calls_and_broken_data_raise() {
    let mut world = World::new().await;
    for (keys, args, words) in [
        (&[][..], &["w", "text", "5"][..], "reply_keep takes 1 key"),
        (&["reply"], &["w", "text"], "reply_keep takes 1 key"),
        (&["reply"], &["", "text", "5"], "reply_keep takes 1 key"),
        (&["reply"], &["w", "text", "soon"], "not an integer"),
    ] {
        assert_raises(&mut world, &REPLY_KEEP, keys, args, words).await;
    }
    let key = format!("{}reply", world.prefix);
    let args = ["w", "text", "5"];
    let _: String = world.run(&["SET", &key, "?w"]).await;
    let words = "neither a claim nor a reply";
    assert_raises(&mut world, &REPLY_KEEP, &["reply"], &args, words).await;
    let _: u64 = world.run(&["DEL", &key]).await;
    let _: u64 = world.run(&["RPUSH", &key, "x"]).await;
    assert_raises(&mut world, &REPLY_KEEP, &["reply"], &args, "WRONGTYPE").await;
}
