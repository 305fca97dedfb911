//! `lua/number_unbind.lua`

use redis::Value;
use seckill::domain::ids::{Number, OpenId};
use seckill::store::script::NUMBER_UNBIND;
use seckill::store::wechat::bindings::BindOutcome;

use super::{Words, assert_raises, call};
use crate::support::bindings::{number, openid};
use crate::support::redis::World;

async fn unbind(world: &World, who: &str) -> Option<Number> {
    let unbound = world.store.number_unbind(&openid(who)).await;
    unbound.expect("answered")
}

/// An operator frees a number after they were shown which openid it is bound to.
async fn free(world: &World, what: &str) -> Option<OpenId> {
    let shown = world.store.openid_of(&number(what)).await.expect("read");
    let freed = world.store.number_free(&number(what)).await;
    let freed = freed.expect("answered");
    assert_eq!(freed, shown);
    freed
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

#[tokio::test]
async fn an_operator_frees_a_number() {
    let mut world = World::new().await;
    assert_eq!(free(&world, "2019").await, None);
    assert_eq!(world.dump().await, []);
    bind(&world, "o-2", "2020").await;
    let others = world.dump().await;
    bind(&world, "o-1", "2019").await;
    assert_eq!(free(&world, "2019").await, Some(openid("o-1")));
    assert_eq!(world.dump().await, others, "something stayed, or is gone");
    for free_already in ["2019", "o-2"] {
        assert_eq!(free(&world, free_already).await, None);
        assert_eq!(world.dump().await, others, "{free_already}");
    }
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

/// Two numbers of one openid were made by hand: the one that is freed takes nothing from the other.
#[tokio::test]
async fn an_openid_that_has_another_number_keeps_it() {
    let mut world = World::new().await;
    bind(&world, "o-1", "2019").await;
    let whole = world.contents().await;
    let [_, openids] = world.store.keys().of_bindings();
    let _: u64 = world.run(&["HSET", &openids, "2020", "o-1"]).await;
    assert_eq!(free(&world, "2020").await, Some(openid("o-1")));
    assert_eq!(world.contents().await, whole);
}

/// One half was deleted by hand. The entry of the number says who is bound to it. An openid frees
/// whichever half it has.
#[tokio::test]
async fn half_a_binding_is_freed_from_the_side_that_has_it() {
    let mut world = World::new().await;
    let [numbers, openids] = world.store.keys().of_bindings();
    bind(&world, "o-1", "2019").await;
    let _: u64 = world.run(&["HDEL", &openids, "2019"]).await;
    let half = world.dump().await;
    assert_eq!(free(&world, "2019").await, None);
    assert_eq!(world.dump().await, half);
    assert_eq!(unbind(&world, "o-1").await, Some(number("2019")));
    assert_eq!(world.dump().await, []);
    bind(&world, "o-1", "2019").await;
    let _: u64 = world.run(&["HDEL", &numbers, "o-1"]).await;
    let half = world.dump().await;
    assert_eq!(unbind(&world, "o-1").await, None);
    assert_eq!(world.dump().await, half);
    assert_eq!(free(&world, "2019").await, Some(openid("o-1")));
    assert_eq!(world.dump().await, []);
}

/// What is no openid was put there by hand: it is named, and the number is free.
#[tokio::test]
async fn a_number_is_freed_from_what_is_no_openid() {
    let mut world = World::new().await;
    let [_, openids] = world.store.keys().of_bindings();
    let _: u64 = world.run(&["HSET", &openids, "2019", "a b"]).await;
    let shown = world.store.openid_of(&number("2019")).await;
    let shown = shown.expect_err("unreadable").to_string();
    let freed = world.store.number_free(&number("2019")).await;
    let freed = freed.expect_err("unreadable").to_string();
    assert!(shown.contains("\"a b\""), "{shown}");
    assert!(
        freed.contains("\"a b\"") && freed.contains("free now"),
        "{freed}"
    );
    assert_eq!(world.dump().await, []);
}

const KEYS: [&str; 2] = ["numbers", "openids"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&KEYS[..1], &["openid", "o"][..]),
        (&KEYS, &[]),
        (&KEYS, &["openid"]),
        (&KEYS, &["openid", "o", ""]),
        (&KEYS, &["name", "o"]),
        (&KEYS, &["", "o"]),
    ] {
        let words = "number_unbind takes 2 keys";
        assert_raises(&mut world, &NUMBER_UNBIND, keys, args, words).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let cases: [(Words, &str, &str); 2] = [
        (&["numbers", "openids", "o", "n"], "openid", "o"),
        (&["openids", "numbers", "n", "o"], "number", "n"),
    ];
    for (places, by, name) in cases {
        // One hash is whole and the other key has another type; then both have.
        let mut world = World::new().await;
        let [whole, broken] = [places[0], places[1]].map(|key| format!("{}{key}", world.prefix));
        let _: Value = world.run(&["HSET", &whole, places[2], places[3]]).await;
        let _: Value = world.run(&["SET", &broken, "x"]).await;
        let args = [by, name];
        assert_raises(&mut world, &NUMBER_UNBIND, &KEYS, &args, "WRONGTYPE").await;
        let _: Value = world.run(&["SET", &whole, "x"]).await;
        assert_raises(&mut world, &NUMBER_UNBIND, &KEYS, &args, "WRONGTYPE").await;
    }
}

#[tokio::test]
async fn a_refusal_writes_nothing() {
    let mut world = World::new().await;
    for [key, field, value] in [[KEYS[0], "o-1", "2019"], [KEYS[1], "2019", "o-1"]] {
        let key = format!("{}{key}", world.prefix);
        let _: u64 = world.run(&["HSET", &key, field, value]).await;
    }
    let before = world.dump().await;
    for (by, name) in [
        ("openid", "2019"),
        ("number", "o-1"),
        ("openid", ""),
        ("number", ""),
        ("number", "2020"),
    ] {
        let answer = call(&mut world, &NUMBER_UNBIND, &KEYS, &[by, name]).await;
        let not_bound = Value::BulkString(b"not_bound".to_vec());
        assert_eq!(answer.expect("answered"), Value::Array(vec![not_bound]));
        assert_eq!(world.dump().await, before, "{by} {name:?}");
    }
}
