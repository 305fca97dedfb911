//! `lua/number_unbind.lua`

use redis::Value;
use seckill::domain::ids::Number;
use seckill::store::bindings::BindOutcome;
use seckill::store::script::NUMBER_UNBIND;

use super::{Words, assert_raises};
use crate::support::bindings::{number, openid};
use crate::support::redis::World;

async fn unbind(world: &World, who: &str) -> Option<Number> {
    let unbound = world.store.number_unbind(&openid(who)).await;
    unbound.expect("answered")
}

async fn bind(world: &World, who: &str, what: &str) -> BindOutcome {
    let bound = world.store.number_bind(&openid(who), &number(what)).await;
    bound.expect("answered")
}

#[tokio::test]
async fn both_are_free_afterwards() {
    let mut world = World::new().await;
    assert_eq!(unbind(&world, "o-1").await, None);
    assert_eq!(world.dump().await, []);
    bind(&world, "o-2", "2020").await;
    let others = world.dump().await;
    bind(&world, "o-1", "2019").await;
    assert_eq!(unbind(&world, "o-1").await, Some(number("2019")));
    assert_eq!(world.dump().await, others, "something stayed, or is gone");
    assert_eq!(unbind(&world, "o-1").await, None);
    assert_eq!(bind(&world, "o-3", "2019").await, BindOutcome::Bound);
    assert_eq!(bind(&world, "o-1", "2021").await, BindOutcome::Bound);
}

/// Two openids of one number were made by hand: the one that leaves takes nothing from the other.
#[tokio::test]
async fn a_number_that_is_somebody_elses_stays_his() {
    let mut world = World::new().await;
    bind(&world, "o-1", "2019").await;
    let whole = world.contents().await;
    let [numbers, _] = world.store.keys().of_bindings();
    let _: u64 = world.run(&["HSET", &numbers, "o-2", "2019"]).await;
    assert_eq!(unbind(&world, "o-2").await, Some(number("2019")));
    assert_eq!(world.contents().await, whole);
}

const KEYS: [&str; 2] = ["numbers", "openids"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [(&KEYS[..1], &["o"][..]), (&KEYS, &[]), (&KEYS, &["o", "n"])] {
        let words = "number_unbind takes 2 keys";
        assert_raises(&mut world, &NUMBER_UNBIND, keys, args, words).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let cases: [Words; 2] = [&["SET", "numbers", "x"], &["SET", "openids", "x"]];
    for broken in cases {
        let mut world = World::new().await;
        let [numbers, openids] = KEYS.map(|key| format!("{}{key}", world.prefix));
        let key = if broken[1] == "numbers" {
            numbers
        } else {
            let _: Value = world.run(&["HSET", &numbers, "o", "n"]).await;
            openids
        };
        let _: Value = world.run(&[broken[0], &key, broken[2]]).await;
        assert_raises(&mut world, &NUMBER_UNBIND, &KEYS, &["o"], "WRONGTYPE").await;
    }
}
