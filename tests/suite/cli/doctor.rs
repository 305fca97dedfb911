//! `seckill doctor`.

use super::Shop;
use crate::support::redis::{PrivateRedis, World};
use crate::support::table::rows;

#[tokio::test]
async fn the_doctor_says_whose_limits_it_read() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let shop = Shop::of(&world);
    for (limit, grade) in [("999", "warning"), ("1000", "ok")] {
        let _: redis::Value = world.run(&["CONFIG", "SET", "maxclients", limit]).await;
        let found = shop.json("doctor");
        let findings = found.as_array().expect("a list");
        let finding = |what: &str| findings.iter().find(|finding| finding["what"] == what);
        let clients = finding("clients").expect("clients");
        assert_eq!(clients["grade"], grade, "{clients}");
        assert_eq!(clients["found"], format!("maxclients {limit}"));
        let files = finding("open files").expect("open files");
        let said = files["found"].as_str().unwrap_or_default();
        assert!(
            said.contains("in this shell; the server inherits"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn the_doctor_asks_for_the_replicas_that_are_missing() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    let shop = Shop::of(&world);
    let found = shop.ends("doctor --set durability=replicated:1", 1).printed;
    let durability = found.lines().find(|line| line.starts_with("durability"));
    let durability = durability.expect("a line");
    for words in ["WRONG", "has 0 replicas online", "attach so many replicas"] {
        assert!(durability.contains(words), "{words} is not in {durability}");
    }
}

/// Durability, `min-replicas-to-write`, `min-replicas-max-lag`, and the grade of the finding, if
/// there is one.
const CUT_OFF: &str = "
    replicated:1    0  10  warning
    replicated:1    1  10  warning
    replicated:1    1  2   ok
    replicated:2    1  2   warning
    replicated:all  1  2   ok
    memory          0  10  -
";

#[tokio::test]
async fn the_doctor_asks_for_a_master_that_refuses_when_it_is_cut_off() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let shop = Shop::of(&world);
    for row in rows(CUT_OFF) {
        let [level, to_write, max_lag, grade] = row.cells();
        for (name, value) in [("to-write", to_write), ("max-lag", max_lag)] {
            let name = format!("min-replicas-{name}");
            let _: redis::Value = world.run(&["CONFIG", "SET", &name, value]).await;
        }
        let line = format!("doctor --json --set durability={level}");
        let found = shop.run(&line).json();
        let mut findings = found.as_array().expect("a list").iter();
        let cut_off = findings.find(|finding| finding["what"] == "cut-off master");
        let found = cut_off.map(|finding| finding["grade"].as_str().expect("a word"));
        assert_eq!(found.unwrap_or("-"), grade);
    }
}
