//! `lua/peak_record.lua`

use std::collections::BTreeMap;

use redis::Value;
use seckill::store::script::PEAK_RECORD;

use super::{assert_raises, call};
use crate::support::redis::World;

/// Records `number` of a master, and returns what is recorded of all of them.
async fn recorded(
    world: &mut World,
    run_id: &str,
    from: &str,
    number: &str,
) -> BTreeMap<String, u64> {
    let args = [run_id, from, number];
    let told = call(world, &PEAK_RECORD, &["peaks"], &args).await;
    let key = format!("{}peaks", world.prefix);
    let peaks: BTreeMap<String, u64> = world.run(&["HGETALL", &key]).await;
    let number = i64::try_from(peaks[run_id]).expect("small");
    assert_eq!(told.expect("recorded"), Value::Int(number));
    peaks
}

fn peaks(run_id: &str, number: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(run_id.to_owned(), number)])
}

#[tokio::test]
async fn a_number_rises_and_falls_from_what_is_recorded_alone() {
    let mut world = World::new().await;
    for (from, number, expected) in [
        ("0", "1", 1),
        ("0", "3", 3),
        ("0", "2", 3),
        ("2", "1", 3),
        ("3", "2", 2),
        ("3", "1", 2),
        ("3", "4", 4),
    ] {
        let found = recorded(&mut world, "m", from, number).await;
        assert_eq!(found, peaks("m", expected), "{from} {number}");
    }
}

#[tokio::test]
async fn the_first_number_of_a_master_drops_those_of_others() {
    let mut world = World::new().await;
    let key = format!("{}peaks", world.prefix);
    let _: u64 = world.run(&["HSET", &key, "old", "7", "older", "8"]).await;
    assert_eq!(recorded(&mut world, "m", "0", "1").await, peaks("m", 1));
}

#[tokio::test]
async fn wrong_calls_and_broken_data_raise() {
    let mut world = World::new().await;
    for (keys, args, words) in [
        (&[][..], &["m", "0", "1"][..], "peak_record takes 1 key"),
        (&["peaks"], &["m", "0"], "peak_record takes 1 key"),
        (&["peaks"], &["", "0", "1"], "peak_record takes 1 key"),
        (&["peaks"], &["m", "0", "0"], "peak_record takes 1 key"),
        (
            &["peaks"],
            &["m", "0", "many"],
            "number is not a whole number",
        ),
        (&["peaks"], &["m", "-1", "1"], "from is not a whole number"),
    ] {
        assert_raises(&mut world, &PEAK_RECORD, keys, args, words).await;
    }
    let key = format!("{}peaks", world.prefix);
    let _: u64 = world.run(&["HSET", &key, "m", "many"]).await;
    let words = "the number of m is not a whole number";
    assert_raises(
        &mut world,
        &PEAK_RECORD,
        &["peaks"],
        &["m", "0", "1"],
        words,
    )
    .await;
    let _: u64 = world.run(&["DEL", &key]).await;
    let _: u64 = world.run(&["RPUSH", &key, "x"]).await;
    assert_raises(
        &mut world,
        &PEAK_RECORD,
        &["peaks"],
        &["m", "0", "1"],
        "WRONGTYPE",
    )
    .await;
}
