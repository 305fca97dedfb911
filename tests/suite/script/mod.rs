//! One file for each script of `lua/`: every word reached, refusals write nothing, wrong calls
//! raise, broken data is named.

mod account_pay;
mod account_set;
mod account_set_if;
mod archive_begin;
mod archive_entries;
mod archive_erase;
mod archive_fields;
mod archive_orders;
mod bid_cancel;
mod bid_place;
mod clear_begin;
mod clear_orders;
mod clear_undo;
mod commands_check;
pub mod deadline;
mod event_close;
mod event_delete;
mod feed_bury;
mod feed_drop;
mod feed_lag;
mod feed_leave;
mod feed_trim;
mod number_bind;
mod number_unbind;
mod order_cancel;
mod order_confirm;
mod order_expire;
mod order_place;
mod order_use;
mod order_walk;
mod peak_record;
mod reply_claim;
mod reply_keep;
mod reply_note;
mod reply_release;
mod sale_delete;
mod sale_grab;
mod sale_put;
mod sale_put_walk;
mod sale_reset;
mod sale_resume;
mod sale_snapshot;
mod stock_add;
mod stock_remove;
mod wait_mark;

use redis::Value;
use seckill::domain::ids::SaleId;
use seckill::domain::order::Order;
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::time::EpochMs;
use seckill::failure::Failure;
use seckill::store::script::Script;

use crate::support::redis::World;

/// Calls a script with these keys and arguments, whatever they are.
async fn call(
    world: &mut World,
    script: &'static Script,
    keys: &[&str],
    args: &[&str],
) -> Result<Value, Failure> {
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
    if script.has_deadline {
        eval.arg("");
    }
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

/// A raw command on a key without its prefix.
type Words = &'static [&'static str];

/// An order of 2 units of list sale `a`, with everything that belongs to it.
const AN_ORDER: [Words; 5] = [
    &[
        "HSET",
        "sale",
        "kind",
        "list",
        "held",
        "2",
        "confirmed",
        "2",
        "cancel_until",
        "9999999999999",
    ],
    &["RPUSH", "stock", "sn-3"],
    &["HSET", "buyers", "x", "a-1"],
    &["HSET", "orders", "a-1", "held\t1\tx\t9\na\t2\tsn-1\tsn-2"],
    &["ZADD", "holds", "9", "a-1"],
];

/// Ways to break the order `a-1`, and what a script says of it.
const BROKEN_ORDERS: [(Words, &str); 21] = [
    (
        &["HSET", "orders", "a-1", "held"],
        "a-1 has a malformed record",
    ),
    (
        &["HSET", "orders", "a-1", "done\t1\tx\na\t1\tu"],
        "a-1 has a malformed record",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\na\t2\tu\tv"],
        "a-1 has a malformed record",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\t\tr\na\t2\tu\tv"],
        "a-1 has a malformed record",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\tsoon\na\t2\tu\tv"],
        "a-1 has a malformed record",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\t9\t\na\t2\tu\tv"],
        "a-1 has a malformed record",
    ),
    (
        &["HSET", "orders", "a-1", "held\t01\tx\t9\na\t2\tu\tv"],
        "time of order a-1 is not a whole number: 01",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\t09\na\t2\tu\tv"],
        "time of order a-1 is not a whole number: 09",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\u{1}\t9\na\t2\tu\tv"],
        "a-1 has a malformed record",
    ),
    (
        &[
            "HSET",
            "orders",
            "a-1",
            "held\t1\tx\t9\tr\u{7f}\na\t2\tu\tv",
        ],
        "a-1 has a malformed record",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\t9\tr\tr\na\t2\tu\tv"],
        "a-1 has a malformed record",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\t9\na\t2\tu\tv\n"],
        "a-1 has a malformed record",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\t9\na\t2\tu\tv\nb"],
        "a-1 has a malformed record",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\t9\na\t0"],
        "a-1 has a malformed record",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\t9\na\t2"],
        "names 0 units of list sale a and counts 2",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\t9\na\t2\tu"],
        "names 1 units of list sale a and counts 2",
    ),
    (
        &["HSET", "orders", "a-1", "held\t1\tx\t9\na\t1\tu\nb\t1\tv"],
        "no keys for a line of sale b",
    ),
    (&["HDEL", "sale", "kind"], "sale a has no kind"),
    (
        &["HSET", "sale", "kind", "target"],
        "sale a has the kind target",
    ),
    (
        &["HSET", "sale", "held", "1"],
        "has 2 units and sale a counts only 1 as held",
    ),
    (
        &["HSET", "sale", "held", "-2"],
        "held of sale a is not a whole number",
    ),
];

/// Ways to break a key of `a-1` itself: `DEL` comes first.
const BROKEN_KEYS: [(Words, &str); 4] = [
    (&["SET", "orders", "x"], "WRONGTYPE"),
    (&["SET", "holds", "x"], "WRONGTYPE"),
    (&["SET", "feed", "x"], "WRONGTYPE"),
    (
        &["XADD", "feed", "5-1", "what", "by hand"],
        "equal or smaller",
    ),
];

/// Writes seeds, then what breaks them. A list replaces what was there, as a text does by itself.
async fn a_broken_world(seeds: &[&[&str]], broken: Words) -> World {
    let mut world = World::new().await;
    let delete = ["DEL", broken[1]];
    let delete = (broken[0] == "RPUSH").then_some(&delete[..]);
    for words in seeds.iter().copied().chain(delete).chain([broken]) {
        let key = format!("{}{}", world.prefix, words[1]);
        let words = [&[words[0], &key], &words[2..]].concat();
        let _: Value = world.run(&words).await;
    }
    world
}

/// Asserts that a call raises before its first write, in whichever of these ways its data is
/// broken.
async fn assert_broken_data_raises(
    script: &'static Script,
    keys: &[&str],
    args: &[&str],
    seeds: &[Words],
    broken: impl IntoIterator<Item = (Words, &'static str)>,
) {
    for (broken, words) in broken {
        let mut world = a_broken_world(seeds, broken).await;
        assert_raises(&mut world, script, keys, args, words).await;
    }
}

/// The order of a change that happened.
fn changed(outcome: ChangeOutcome) -> Order {
    match outcome {
        ChangeOutcome::Changed(order) => order,
        other => panic!("nothing changed: {other:?}"),
    }
}

/// Units that wait, are sold and are handed out.
async fn counted(world: &World, sale: &SaleId) -> (u64, u64, u64) {
    let snapshot = world.store.sale_snapshot(sale).await.expect("read");
    let figures = snapshot.expect("the sale exists").figures;
    (figures.held, figures.confirmed, figures.used)
}
