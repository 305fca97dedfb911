//! `lua/commands_check.lua`

use redis::Value;
use seckill::store::script::COMMANDS_CHECK;
use seckill::store::server::permissions::COMMANDS;

use super::{assert_raises, call};
use crate::support::redis::{PrivateRedis, World, connect};

async fn refused(world: &mut World, asked: &[&str]) -> Vec<String> {
    let answer = call(world, &COMMANDS_CHECK, &["x"], asked).await;
    redis::from_redis_value(answer.expect("an answer")).expect("a list of texts")
}

#[tokio::test]
async fn what_the_user_may_not_run_is_named() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let asked = [
        "HSET KEY f v",
        "GET KEY",
        "XINFO STREAM KEY",
        "XINFO GROUPS KEY",
        "TIME",
    ];
    assert_eq!(refused(&mut world, &asked).await, [""; 0]);
    let rules = ["+@all", "-hset", "-xinfo|groups", "-time", "~*"];
    let user = [&["ACL", "SETUSER", "shop", "on", ">secret"], &rules[..]].concat();
    let () = world.run(&user).await;
    world.raw = connect(&redis.user_url("shop", "secret")).await;
    assert_eq!(
        refused(&mut world, &asked).await,
        ["HSET KEY f v", "XINFO GROUPS KEY", "TIME"]
    );
    let before: Value = Value::Nil;
    let found: Value = world.run(&["GET", &format!("{}x", world.prefix)]).await;
    assert_eq!(found, before, "a question writes nothing");
}

#[tokio::test]
async fn a_key_of_others_and_an_unknown_command_are_refused() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    assert_eq!(
        refused(&mut world, &["NOSUCH KEY", "GET KEY"]).await,
        ["NOSUCH KEY"]
    );
    let pattern = format!("~{}y*", world.prefix);
    let user = ["ACL", "SETUSER", "shop", "on", ">secret", "+@all", &pattern];
    let () = world.run(&user).await;
    let own = COMMANDS_CHECK
        .on(&[format!("{}y", world.prefix)])
        .arg("GET KEY");
    world.raw = connect(&redis.user_url("shop", "secret")).await;
    let own: Vec<String> =
        redis::from_redis_value(own.send(&mut world.raw).await.expect("an answer")).expect("texts");
    assert_eq!(own, [""; 0]);
    let foreign = call(&mut world, &COMMANDS_CHECK, &["x"], &["GET KEY"]).await;
    assert!(
        foreign.is_err(),
        "the key of the question itself is forbidden"
    );
}

#[tokio::test]
async fn every_question_of_the_program_has_enough_words() {
    let mut world = World::new().await;
    for command in COMMANDS {
        let name = command.name().to_lowercase().replace(' ', "|");
        let about: Vec<Value> = world.run(&["COMMAND", "INFO", &name]).await;
        let about: Vec<Value> = redis::from_redis_value(about[0].clone()).expect("known");
        let arity: i64 = redis::from_redis_value(about[1].clone()).expect("a number");
        let words = command.asked.split(' ').count();
        let words = i64::try_from(words).expect("few");
        let fits = if arity < 0 {
            words >= -arity
        } else {
            words == arity
        };
        assert!(
            fits,
            "{} has {words} words and {name} takes {arity}",
            command.asked
        );
    }
    let asked: Vec<&str> = COMMANDS.iter().map(|command| command.asked).collect();
    assert_eq!(refused(&mut world, &asked).await, [""; 0]);
}

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    for (keys, args) in [
        (&[][..], &["GET KEY"][..]),
        (&["a", "b"], &["GET KEY"]),
        (&["a"], &[]),
    ] {
        assert_raises(
            &mut world,
            &COMMANDS_CHECK,
            keys,
            args,
            "takes a key and commands",
        )
        .await;
    }
    for empty in ["", " "] {
        let words = "not an empty text";
        assert_raises(&mut world, &COMMANDS_CHECK, &["a"], &["TIME", empty], words).await;
    }
}
