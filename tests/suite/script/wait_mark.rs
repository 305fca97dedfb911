//! `lua/wait_mark.lua`

use seckill::store::script::WAIT_MARK;

use super::{assert_raises, call};
use crate::support::redis::World;

#[tokio::test]
async fn each_call_writes() {
    let mut world = World::new().await;
    for _ in 0..2 {
        let before = world.now().await;
        let marked = call(&mut world, &WAIT_MARK, &["mark"], &[]).await;
        let marked = marked.expect("marked");
        assert_eq!(marked, redis::Value::BulkString(b"marked".to_vec()));
        let key = format!("{}mark", world.prefix);
        let at: u64 = world.run(&["GET", &key]).await;
        assert!((before..=world.now().await).contains(&at), "{at}");
    }
}

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&[][..], &[][..]),
        (&["mark", "more"], &[]),
        (&["mark"], &["1"]),
    ] {
        assert_raises(&mut world, &WAIT_MARK, keys, args, "wait_mark takes 1 key").await;
    }
}
