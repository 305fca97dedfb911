//! `lua/clear_undo.lua`. The whole command is tested in `clear.rs`.

use redis::Value;
use seckill::store::script::CLEAR_UNDO;

use super::{assert_raises, call};
use crate::support::redis::World;

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [(&[][..], &[][..]), (&["sale"], &["a"])] {
        assert_raises(&mut world, &CLEAR_UNDO, keys, args, "clear_undo takes").await;
    }
}

#[tokio::test]
async fn what_stopped_a_sale_before_stops_it_again_and_nothing_else() {
    for (fields, after) in [
        (["paused", "1", "clearing", "0 reset a"], None),
        (["paused", "1", "clearing", "1 delete a b"], Some("1")),
        (
            ["paused", "forgot", "clearing", "0 reset a"],
            Some("forgot"),
        ),
        (["paused", "1", "title", "t"], Some("1")),
    ] {
        let mut world = World::new().await;
        let sale = format!("{}sale", world.prefix);
        let () = world.run(&[&["HSET", &sale], &fields[..]].concat()).await;
        let undone = call(&mut world, &CLEAR_UNDO, &["sale"], &[]).await;
        let counted = i64::from(fields[2] == "clearing");
        assert_eq!(undone.expect("answered"), Value::Int(counted), "{fields:?}");
        let paused: Option<String> = world.run(&["HGET", &sale, "paused"]).await;
        assert_eq!(paused.as_deref(), after, "{fields:?}");
        let clearing: u64 = world.run(&["HEXISTS", &sale, "clearing"]).await;
        assert_eq!(clearing, 0);
    }
}
