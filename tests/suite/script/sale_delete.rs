//! `lua/sale_delete.lua`. The whole command is tested in `clear.rs`.

use redis::Value;
use seckill::store::script::SALE_DELETE;

use super::{Words, assert_broken_data_raises, assert_raises, call};
use crate::support::redis::World;

const KEYS: [&str; 5] = ["deleted", "sale", "stock", "buyers", "gone"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [(&KEYS[..3], &["a"][..]), (&KEYS, &[])] {
        assert_raises(
            &mut world,
            &SALE_DELETE,
            keys,
            args,
            "sale_delete takes deleted",
        )
        .await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let seeds: [Words; 1] = [&["HSET", "sale", "kind", "list", "clearing", "0 reset a"]];
    let cases: [(Words, &str); 4] = [
        (&["SET", "sale", "x"], "WRONGTYPE"),
        (&["HSET", "sale", "history", "x"], "history is not N-word"),
        (
            &["HSET", "sale", "known", "x"],
            "known is not a whole number",
        ),
        (&["SET", "deleted", "x"], "WRONGTYPE"),
    ];
    assert_broken_data_raises(&SALE_DELETE, &KEYS, &["a"], &seeds, cases).await;
}

#[tokio::test]
async fn nothing_happens_to_a_sale_that_nobody_began_to_clear() {
    let mut world = World::new().await;
    let sale = format!("{}sale", world.prefix);
    let () = world.run(&["HSET", &sale, "kind", "list"]).await;
    let before = world.dump().await;
    let told = call(&mut world, &SALE_DELETE, &KEYS, &["a"]).await;
    let not_cleared = Value::BulkString(b"not_cleared".to_vec());
    let a = Value::BulkString(b"a".to_vec());
    assert_eq!(told.expect("answered"), Value::Array(vec![not_cleared, a]));
    assert_eq!(world.dump().await, before);
}
