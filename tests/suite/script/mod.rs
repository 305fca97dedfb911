//! One file for each script of `lua/`: every word reached, refusals write nothing, wrong calls
//! raise, broken data is named.

mod sale_grab;
mod sale_put;
mod sale_snapshot;
mod stock_add;
mod stock_remove;

use redis::Value;
use seckill::domain::sale::EpochMs;
use seckill::error::Error;
use seckill::store::script::Script;

use crate::support::redis::World;

/// Calls a script with these keys and arguments, whatever they are.
async fn call(
    world: &mut World,
    script: &'static Script,
    keys: &[&str],
    args: &[&str],
) -> Result<Value, Error> {
    let keys: Vec<String> = keys
        .iter()
        .map(|key| format!("{}{key}", world.prefix))
        .collect();
    let mut call = script.on(&keys);
    for arg in args {
        call = call.arg(*arg);
    }
    call.send(&mut world.raw).await
}

/// Calls the real script with whole keys and a clock that stands still at `now`.
async fn call_at(
    world: &mut World,
    script: &'static Script,
    now: EpochMs,
    keys: &[String],
    args: &[&str],
) -> Value {
    let clock = "local function now_ms()";
    assert!(
        script.source.contains(clock),
        "{} has no clock",
        script.name
    );
    let stopped = format!("{clock} return {now} end\nlocal function running_clock()");
    let source = script.source.replace(clock, &stopped);
    let mut eval = redis::cmd("EVAL");
    eval.arg(source).arg(keys.len()).arg(keys).arg(args);
    eval.query_async(&mut world.raw).await.expect("decided")
}

/// Asserts that a call raises with these words and changes nothing.
async fn assert_raises(
    world: &mut World,
    script: &'static Script,
    keys: &[&str],
    args: &[&str],
    words: &str,
) {
    let before = world.dump().await;
    let error = call(world, script, keys, args)
        .await
        .expect_err("it raises")
        .to_string();
    assert!(error.contains(words), "{keys:?} {args:?}: {error}");
    assert_eq!(
        world.dump().await,
        before,
        "{keys:?} {args:?} changed something"
    );
}
