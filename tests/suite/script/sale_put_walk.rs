//! `lua/sale_put.lua` when an edit has many fields: which of several reasons to refuse it is given,
//! and how it is written.

use std::collections::BTreeMap;

use redis::Value;
use seckill::domain::sale::EditRefusal;
use seckill::store::script::SALE_PUT;

use super::{Words, call_at};
use crate::support::redis::{PrivateRedis, World};

const KEYS: [&str; 4] = ["sale", "buyers", "deleted", "archived"];

/// An edit that there are several reasons to refuse. Each answer comes with what takes its reason
/// away: a command on a key without its prefix, or `EDIT`, a field and its new value, or `EDIT` and
/// a field that is edited no more.
struct Walk {
    seeds: &'static [Words],
    edit: &'static [(&'static str, &'static str)],
    answers: &'static [(&'static str, Words)],
}

/// The script runs at 100 ms.
const WALKS: [Walk; 6] = [
    // A sale with orders, which is to become an activity.
    Walk {
        seeds: &[
            &["HSET", "sale", "kind", "list", "clearing", "0 reset a"],
            &["HSET", "sale", "paused", "forgot", "grants", "1"],
            &["HSET", "sale", "opens_at", "2", "purchase_max", "3"],
            &["HSET", "buyers", "x", "a-1"],
            &["SET", "archived", "1"],
        ],
        edit: &[
            ("kind", "counter"),
            ("bid_min", "5"),
            ("opens_at", "3"),
            ("closes_at", "1"),
            ("purchase_max", "2"),
            ("feed", "0"),
            ("keyword", "k"),
            ("hold", "5000"),
            ("place", "here"),
            ("starts_at", "9"),
            ("ends_at", "8"),
        ],
        answers: &[
            ("being_cleared", &["HDEL", "sale", "clearing"]),
            ("archived", &["DEL", "archived"]),
            ("forgot", &["HDEL", "sale", "paused"]),
            ("kind_is_fixed", &["EDIT", "kind"]),
            ("not_of_this_kind", &["EDIT", "bid_min"]),
            ("already_open", &["EDIT", "opens_at"]),
            ("window_is_empty", &["EDIT", "closes_at", "10"]),
            (
                "purchase_max_lowered",
                &["HSET", "sale", "purchase_max", "2"],
            ),
            ("feed_is_fixed", &["EDIT", "feed"]),
            ("sold_elsewhere", &["DEL", "buyers"]),
            ("sold_elsewhere", &["HDEL", "sale", "grants"]),
            ("one_ticket_each", &["EDIT", "purchase_max"]),
            ("one_ticket_each", &["HDEL", "sale", "purchase_max"]),
            ("hold_and_keyword", &["EDIT", "hold", ""]),
            ("ends_before_start", &["EDIT", "starts_at"]),
            ("ends_before_closing", &["EDIT", "closes_at", "8"]),
            ("updated", &[]),
        ],
    },
    // An activity with tickets, which is to go off show.
    Walk {
        seeds: &[
            &["HSET", "sale", "kind", "list", "keyword", "k", "hold", "7"],
            &["HSET", "sale", "grants", "1", "ends_at", "8"],
        ],
        edit: &[
            ("keyword", ""),
            ("purchase_max", "2"),
            ("feed", "0"),
            ("starts_at", "9"),
            ("closes_at", "10"),
        ],
        answers: &[
            ("feed_is_fixed", &["EDIT", "feed"]),
            ("tickets_are_out", &["HDEL", "sale", "grants"]),
            ("one_ticket_each", &["EDIT", "purchase_max", "1"]),
            ("hold_and_keyword", &["HDEL", "sale", "hold"]),
            ("ends_before_start", &["EDIT", "starts_at", "8"]),
            ("ends_before_closing", &["EDIT", "closes_at"]),
            ("updated", &[]),
        ],
    },
    // A sale that is no activity, with the times of one.
    Walk {
        seeds: &[&["HSET", "sale", "kind", "counter", "grants", "1"]],
        edit: &[
            ("feed", "0"),
            ("hold", "5000"),
            ("place", "here"),
            ("starts_at", "9"),
            ("ends_at", "8"),
        ],
        answers: &[
            ("feed_is_fixed", &["EDIT", "feed"]),
            ("not_an_activity", &["EDIT", "place"]),
            ("not_an_activity", &["EDIT", "starts_at"]),
            ("not_an_activity", &["EDIT", "ends_at"]),
            ("updated", &[]),
        ],
    },
    // A target with bids.
    Walk {
        seeds: &[
            &["HSET", "sale", "kind", "target", "grants", "1"],
            &["SET", "archived", "1"],
        ],
        edit: &[
            ("kind", "list"),
            ("opens_at", "5"),
            ("closes_at", "4"),
            ("purchase_max", "2"),
            ("feed", "0"),
            ("bonus_bp", "1"),
        ],
        answers: &[
            ("archived", &["DEL", "archived"]),
            ("kind_is_fixed", &["EDIT", "kind", "target"]),
            ("not_of_this_kind", &["EDIT", "purchase_max"]),
            ("already_open", &["HSET", "sale", "opens_at", "5"]),
            ("window_is_empty", &["EDIT", "closes_at"]),
            ("feed_is_fixed", &["EDIT", "feed"]),
            ("terms_are_fixed", &["EDIT", "bonus_bp", "0"]),
            ("updated", &[]),
        ],
    },
    // A sale that does not exist.
    Walk {
        seeds: &[
            &["HSET", "deleted", "*", "1"],
            &["SET", "archived", "1"],
            &["HSET", "buyers", "x", "a-1"],
        ],
        edit: &[
            ("keyword", "k"),
            ("bid_min", "5"),
            ("opens_at", "3"),
            ("closes_at", "2"),
            ("purchase_max", "2"),
            ("hold", "5000"),
        ],
        answers: &[
            ("no_such_sale", &["EDIT", "kind", "list"]),
            ("being_cleared", &["DEL", "deleted"]),
            ("archived", &["DEL", "archived"]),
            ("not_of_this_kind", &["EDIT", "bid_min"]),
            ("window_is_empty", &["EDIT", "closes_at"]),
            ("sold_elsewhere", &["DEL", "buyers"]),
            ("one_ticket_each", &["EDIT", "purchase_max"]),
            ("hold_and_keyword", &["EDIT", "hold"]),
            ("created", &[]),
        ],
    },
    // A target that does not exist.
    Walk {
        seeds: &[],
        edit: &[
            ("kind", "target"),
            ("place", "here"),
            ("opens_at", "3"),
            ("closes_at", "2"),
        ],
        answers: &[
            ("not_of_this_kind", &["EDIT", "place"]),
            ("window_is_empty", &["EDIT", "opens_at", ""]),
            ("created", &[]),
        ],
    },
];

async fn run(world: &mut World, words: &[&str]) {
    let key = format!("{}{}", world.prefix, words[1]);
    let _: Value = world.run(&[&[words[0], &key], &words[2..]].concat()).await;
}

async fn put(world: &mut World, edit: &BTreeMap<&str, &str>) -> String {
    let keys = KEYS.map(|key| format!("{}{key}", world.prefix));
    let pairs = edit.iter().flat_map(|(field, value)| [*field, *value]);
    let args: Vec<&str> = ["a", "word"].into_iter().chain(pairs).collect();
    let answer = call_at(world, &SALE_PUT, 100, &keys, &args).await;
    redis::from_redis_value(answer).expect("a word")
}

/// Operators mend one reason after the other, so they must come in an order that stays.
#[tokio::test]
async fn of_several_reasons_to_refuse_the_first_is_given() {
    let mut reached = Vec::new();
    for walk in WALKS {
        let mut world = World::new().await;
        for words in walk.seeds {
            run(&mut world, words).await;
        }
        let mut edit: BTreeMap<&str, &str> = walk.edit.iter().copied().collect();
        for &(expected, mend) in walk.answers {
            let before = world.dump().await;
            let answer = put(&mut world, &edit).await;
            assert_eq!(answer, expected, "{edit:?}");
            let refused = EditRefusal::parse(expected);
            assert_eq!(refused.is_none(), mend.is_empty(), "{expected}");
            if refused.is_some() {
                assert_eq!(world.dump().await, before, "{expected} wrote something");
            }
            reached.extend(refused);
            match *mend {
                [] => {}
                ["EDIT", field] => drop(edit.remove(field)),
                ["EDIT", field, value] => drop(edit.insert(field, value)),
                _ => run(&mut world, mend).await,
            }
        }
    }
    for refusal in EditRefusal::ALL {
        assert!(reached.contains(&refusal), "{refusal:?} is in no walk");
    }
}

#[tokio::test]
async fn all_fields_are_written_at_once() {
    let server = PrivateRedis::forgetful();
    let mut world = World::at(server.url()).await;
    let notes = [("place", "here"), ("picture", "http://a/b"), ("title", "t")];
    let created = [("kind", "list"), ("keyword", "k"), ("opens_at", "1")];
    let created: BTreeMap<&str, &str> = created.into_iter().chain(notes).collect();
    let mut emptied: BTreeMap<&str, &str> = notes.map(|(field, _)| (field, "")).into();
    emptied.insert("opens_at", "");
    for (edit, answer, written) in [
        (&created, "created", [1, 0]),
        (&created, "updated", [1, 0]),
        (&emptied, "updated", [1, 1]),
    ] {
        let before = [world.calls("hset").await, world.calls("hdel").await];
        assert_eq!(put(&mut world, edit).await, answer);
        let after = [world.calls("hset").await, world.calls("hdel").await];
        let calls = [after[0] - before[0], after[1] - before[1]];
        assert_eq!(calls, written, "{edit:?}");
    }
    let key = format!("{}sale", world.prefix);
    let mut fields: Vec<String> = world.run(&["HKEYS", &key]).await;
    fields.sort();
    let kept = "gone gone_since history keyword kind purchase_max title";
    assert_eq!(fields.join(" "), kept);
}
