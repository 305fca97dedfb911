//! `lua/reply_release.lua`

use seckill::domain::ids::OrderId;
use seckill::store::script::REPLY_RELEASE;
use seckill::store::wechat::claims::SettleOutcome;

use super::assert_raises;
use super::reply_claim::{claimed, memory};
use crate::support::redis::World;

#[tokio::test]
async fn a_released_message_can_be_claimed_again() {
    let mut world = World::new().await;
    let mine = claimed(&world, "m").await;
    let released = world.store.reply_release(&mine).await;
    assert_eq!(released.expect("answered"), SettleOutcome::Settled);
    assert_eq!(world.dump().await, []);
    claimed(&world, "m").await;
}

#[tokio::test]
async fn a_note_outlives_the_claim_that_was_given_up() {
    let mut world = World::new().await;
    let order = OrderId::parse("a-abcdfabcdfabcdfabcdf").expect("valid");
    let mine = claimed(&world, "m").await;
    let (key, _) = memory(&mut world).await;
    let _: u64 = world.run(&["PEXPIRE", &key, "50000"]).await;
    world.store.reply_note(&mine, &order).await.expect("noted");
    for expected in [SettleOutcome::Settled, SettleOutcome::Lost] {
        let released = world.store.reply_release(&mine).await;
        assert_eq!(released.expect("answered"), expected);
    }
    let (_, left) = memory(&mut world).await;
    assert!((1..=50_000).contains(&left), "{left}");
    let next = claimed(&world, "m").await;
    assert_eq!(next.note, Some(order));
}

#[tokio::test]
async fn nobody_elses_claim_and_no_reply_is_released() {
    let mut world = World::new().await;
    let late = claimed(&world, "m").await;
    let (key, _) = memory(&mut world).await;
    let _: u64 = world.run(&["DEL", &key]).await;
    let lost = world.store.reply_release(&late).await;
    assert_eq!(lost.expect("answered"), SettleOutcome::Lost);
    let mine = claimed(&world, "m").await;
    for kept in [false, true] {
        if kept {
            world.store.reply_keep(&mine, "text").await.expect("kept");
        }
        let before = world.dump().await;
        let lost = world.store.reply_release(&late).await;
        assert_eq!(lost.expect("answered"), SettleOutcome::Lost);
        assert_eq!(world.dump().await, before);
    }
}

#[tokio::test]
async fn wrong_calls_and_broken_data_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&[][..], &["w"][..]),
        (&["reply"], &[]),
        (&["reply"], &["w", "x"]),
        (&["reply"], &[""]),
    ] {
        let words = "reply_release takes 1 key";
        assert_raises(&mut world, &REPLY_RELEASE, keys, args, words).await;
    }
    let key = format!("{}reply", world.prefix);
    let _: String = world.run(&["SET", &key, "?w"]).await;
    let words = "neither a claim nor a reply";
    assert_raises(&mut world, &REPLY_RELEASE, &["reply"], &["w"], words).await;
    let _: u64 = world.run(&["DEL", &key]).await;
    let _: u64 = world.run(&["RPUSH", &key, "x"]).await;
    assert_raises(&mut world, &REPLY_RELEASE, &["reply"], &["w"], "WRONGTYPE").await;
}
