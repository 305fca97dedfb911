//! `lua/reply_note.lua`

use seckill::domain::ids::OrderId;
use seckill::store::script::REPLY_NOTE;
use seckill::store::wechat::claims::{ClaimOutcome, MessageKey, SettleOutcome};

use super::assert_raises;
use super::reply_claim::{claimed, memory};
use crate::support::redis::World;

fn order(number: u32) -> OrderId {
    OrderId::parse(&format!("a-abcdfabcdfabcdfabcd{number}")).expect("valid")
}

#[tokio::test]
async fn the_last_note_stays_and_nothing_else_changes() {
    let mut world = World::new().await;
    let mine = claimed(&world, "m").await;
    let (key, _) = memory(&mut world).await;
    let _: u64 = world.run(&["PEXPIRE", &key, "50000"]).await;
    for number in [1, 2] {
        let noted = world.store.reply_note(&mine, &order(number)).await;
        assert_eq!(noted.expect("answered"), SettleOutcome::Settled);
        let (_, left) = memory(&mut world).await;
        assert!((1..=50_000).contains(&left), "{left}");
        let other = world.store.reply_claim(&MessageKey::new(&["m"])).await;
        assert_eq!(other.expect("answered"), ClaimOutcome::Pending);
    }
    world.end_leases().await;
    assert_eq!(claimed(&world, "m").await.note, Some(order(2)));
}

/// A lease that ran out and was not taken over loses nothing: the next owner gets the note.
#[tokio::test]
async fn a_late_note_is_still_found() {
    let mut world = World::new().await;
    let late = claimed(&world, "m").await;
    world.end_leases().await;
    let noted = world.store.reply_note(&late, &order(1)).await;
    assert_eq!(noted.expect("answered"), SettleOutcome::Settled);
    assert_eq!(claimed(&world, "m").await.note, Some(order(1)));
}

#[tokio::test]
async fn who_has_no_claim_notes_nothing() {
    let mut world = World::new().await;
    let late = claimed(&world, "m").await;
    let (key, _) = memory(&mut world).await;
    for state in ["taken over", "answered", "given up", "forgotten"] {
        match state {
            "taken over" => {
                world.end_leases().await;
                claimed(&world, "m").await;
            }
            "answered" => {
                let _: String = world.run(&["SET", &key, "=text"]).await;
            }
            "given up" => {
                let _: String = world.run(&["SET", &key, "?\t0\ta-1"]).await;
            }
            _ => {
                let _: u64 = world.run(&["DEL", &key]).await;
            }
        }
        let before = world.dump().await;
        let lost = world.store.reply_note(&late, &order(1)).await;
        assert_eq!(lost.expect("answered"), SettleOutcome::Lost, "{state}");
        assert_eq!(world.dump().await, before, "{state}");
    }
}

#[tokio::test]
async fn wrong_calls_and_broken_data_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&[][..], &["w", "note"][..]),
        (&["reply"], &["w"]),
        (&["reply"], &["w", "note", "x"]),
        (&["reply"], &["", "note"]),
        (&["reply"], &["w", ""]),
    ] {
        let words = "reply_note takes 1 key";
        assert_raises(&mut world, &REPLY_NOTE, keys, args, words).await;
    }
    let key = format!("{}reply", world.prefix);
    let _: String = world.run(&["SET", &key, "?w"]).await;
    let (args, words) = (["w", "note"], "neither a claim nor a reply");
    assert_raises(&mut world, &REPLY_NOTE, &["reply"], &args, words).await;
    let _: u64 = world.run(&["DEL", &key]).await;
    let _: u64 = world.run(&["RPUSH", &key, "x"]).await;
    assert_raises(&mut world, &REPLY_NOTE, &["reply"], &args, "WRONGTYPE").await;
}
