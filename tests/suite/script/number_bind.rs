//! `lua/number_bind.lua`

use redis::Value;
use seckill::domain::ids::{Number, OpenId};
use seckill::store::script::NUMBER_BIND;
use seckill::store::wechat::bindings::BindOutcome;

use super::{Words, assert_raises};
use crate::support::bindings::{number, openid};
use crate::support::redis::World;

async fn bind(world: &World, who: &str, what: &str) -> BindOutcome {
    let bound = world.store.number_bind(&openid(who), &number(what)).await;
    bound.expect("answered")
}

async fn number_of(world: &World, who: &str) -> Option<Number> {
    world.store.number_of(&openid(who)).await.expect("read")
}

#[tokio::test]
async fn an_openid_and_a_number_are_bound_one_to_one() {
    let mut world = World::new().await;
    assert_eq!(number_of(&world, "o-1").await, None);
    assert_eq!(bind(&world, "o-1", "2019").await, BindOutcome::Bound);
    assert_eq!(bind(&world, "o-2", "2020").await, BindOutcome::Bound);
    assert_eq!(number_of(&world, "o-1").await, Some(number("2019")));
    let before = world.dump().await;
    let otherwise = BindOutcome::BoundOtherwise(number("2019"));
    for (who, what, outcome) in [
        ("o-1", "2019", BindOutcome::Repeated),
        ("o-1", "2021", otherwise.clone()),
        // Whose the other number is, is not told.
        ("o-1", "2020", otherwise),
        ("o-3", "2019", BindOutcome::Taken),
    ] {
        assert_eq!(bind(&world, who, what).await, outcome, "{who} {what}");
        assert_eq!(world.dump().await, before, "{who} {what} wrote something");
    }
    assert_eq!(number_of(&world, "o-3").await, None);
}

/// Many at once want one number, and one wants many: one of them gets it.
#[tokio::test]
async fn of_many_at_once_one_is_bound() {
    let world = World::new().await;
    for round in 0..5 {
        let number = number(&format!("n-{round}"));
        let tries = (0..20).map(|n| {
            let (store, number) = (world.store.clone(), number.clone());
            let openid = OpenId::parse(&format!("o-{round}-{n}")).expect("valid");
            async move { (store.number_bind(&openid, &number).await, openid) }
        });
        let tried = futures_util::future::join_all(tries).await;
        let (bound, others): (Vec<_>, Vec<_>) = tried
            .into_iter()
            .map(|(outcome, openid)| (outcome.expect("answered"), openid))
            .partition(|(outcome, _)| *outcome == BindOutcome::Bound);
        assert_eq!(bound.len(), 1, "{bound:?}");
        for (outcome, openid) in others {
            assert_eq!(outcome, BindOutcome::Taken);
            let number = world.store.number_of(&openid).await.expect("read");
            assert_eq!(number, None);
        }
    }
}

#[tokio::test]
async fn one_way_alone_is_put_right() {
    for (lost, field) in [(0, "o-1"), (1, "2019")] {
        let mut world = World::new().await;
        bind(&world, "o-1", "2019").await;
        let whole = world.contents().await;
        let key = world.store.keys().of_bindings()[lost].clone();
        let _: u64 = world.run(&["HDEL", &key, field]).await;
        assert_eq!(bind(&world, "o-1", "2019").await, BindOutcome::Bound);
        assert_eq!(world.contents().await, whole);
    }
}

#[tokio::test]
async fn what_is_no_number_is_named() {
    let mut world = World::new().await;
    let [numbers, _] = world.store.keys().of_bindings();
    let _: u64 = world.run(&["HSET", &numbers, "o-1", "a b"]).await;
    let error = world.store.number_of(&openid("o-1")).await;
    let error = error.expect_err("unreadable").to_string();
    assert!(error.contains("\"a b\""), "{error}");
}

const KEYS: [&str; 2] = ["numbers", "openids"];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&KEYS[..1], &["o", "n"][..]),
        (&KEYS, &[]),
        (&KEYS, &["o"]),
        (&KEYS, &["o", "n", "m"]),
    ] {
        let words = "number_bind takes 2 keys";
        assert_raises(&mut world, &NUMBER_BIND, keys, args, words).await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let cases: [Words; 2] = [&["SET", "numbers", "x"], &["SET", "openids", "x"]];
    for broken in cases {
        let mut world = World::new().await;
        let key = format!("{}{}", world.prefix, broken[1]);
        let _: Value = world.run(&[broken[0], &key, broken[2]]).await;
        let args = ["o", "n"];
        assert_raises(&mut world, &NUMBER_BIND, &KEYS, &args, "WRONGTYPE").await;
    }
}
