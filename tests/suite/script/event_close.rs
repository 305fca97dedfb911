//! `lua/event_close.lua`. The whole command is tested in `clear.rs`.

use seckill::store::script::EVENT_CLOSE;

use super::{Words, assert_broken_data_raises, assert_raises, call};
use crate::support::redis::World;

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [(&[][..], &[][..]), (&["deleted"], &["a"])] {
        assert_raises(
            &mut world,
            &EVENT_CLOSE,
            keys,
            args,
            "event_close takes one key",
        )
        .await;
    }
    let broken: [(Words, &str); 1] = [(&["SET", "deleted", "x"], "WRONGTYPE")];
    assert_broken_data_raises(&EVENT_CLOSE, &["deleted"], &[], &[], broken).await;
}

#[tokio::test]
async fn it_may_be_called_again() {
    let mut world = World::new().await;
    for _ in 0..2 {
        call(&mut world, &EVENT_CLOSE, &["deleted"], &[])
            .await
            .expect("closed");
    }
    let deleted = format!("{}deleted", world.prefix);
    let fields: Vec<String> = world.run(&["HKEYS", &deleted]).await;
    assert_eq!(fields, ["*"]);
}
