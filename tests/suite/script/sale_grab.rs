//! `lua/sale_grab.lua`

use proptest::prelude::*;
use seckill::domain::audit::violation::Violation;
use seckill::domain::caller::Caller;
use seckill::domain::ids::SaleId;
use seckill::domain::order::OrderState;
use seckill::domain::purchase::outcome::{Grant, Outcome, Refusal};
use seckill::domain::purchase::standing::Grants;
use seckill::domain::sale::{Door, ORDERS_MAX_DEFAULT, SaleEdit, StockKind};
use seckill::domain::time::EpochMs;
use seckill::failure::Failure;
use seckill::store::orders::grab;
use seckill::store::script::SALE_GRAB;

use super::{Words, a_broken_world, assert_raises, call_at, changed};
use crate::support::orders::{Decided, LONG_HOLD_MS, at_most, attempt};
use crate::support::redis::{World, sale_id};
use crate::support::wechat::on_show;

const KEYS: [&str; 7] = ["sale", "stock", "buyers", "orders", "holds", "feed", "gone"];

async fn grab(world: &World, sale: &SaleId, door: Door, asks: &[(&str, u32)]) -> Decided {
    world.grab_all(sale, door, asks).await
}

async fn refusals(world: &World, sale: &SaleId, door: Door, asks: &[(&str, u32)]) -> Vec<Refusal> {
    let batch = grab(world, sale, door, asks).await;
    let refusal = |outcome| match outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    };
    batch.outcomes.into_iter().map(refusal).collect()
}

fn paused(paused: bool) -> SaleEdit {
    SaleEdit {
        paused: Some(paused),
        ..SaleEdit::default()
    }
}

fn grabbed(outcome: &Outcome) -> &Grant {
    match outcome {
        Outcome::Grabbed(grant) => grant,
        other => panic!("not grabbed: {other:?}"),
    }
}

#[tokio::test]
async fn a_batch_is_decided_in_order() {
    for kind in [StockKind::List, StockKind::Counter] {
        let world = World::new().await;
        let sale = world.sale("a", kind, 4).await;
        let asks = [
            ("w", 2),
            ("x", 1),
            ("w", 1),
            ("y", 2),
            ("z", 3),
            ("v", 1),
            ("u", 1),
        ];
        let Decided { standing, outcomes } = grab(&world, &sale, kind.door(), &asks).await;
        let (w, x, v) = (
            grabbed(&outcomes[0]),
            grabbed(&outcomes[1]),
            grabbed(&outcomes[5]),
        );
        assert_eq!(
            (
                w.line.purchase,
                x.line.purchase,
                v.line.purchase,
                standing.left
            ),
            (2, 1, 1, 0)
        );
        assert_eq!(
            outcomes[2],
            Outcome::AlreadyGrabbed(w.clone()),
            "the first of a user wins"
        );
        assert_eq!(outcomes[3], Outcome::Refused(Refusal::InsufficientStock));
        assert_eq!(outcomes[4], Outcome::Refused(Refusal::InvalidPurchase));
        assert_eq!(outcomes[6], Outcome::Refused(Refusal::SoldOut));
        let units = [w, x, v].map(|grant| grant.line.units.clone());
        match kind {
            StockKind::List => assert_eq!(units.concat(), ["sn-1", "sn-2", "sn-3", "sn-4"]),
            StockKind::Counter | StockKind::Target => assert_eq!(units.concat(), [""; 0]),
        }
        world.assert_holds(&sale).await;
    }
}

#[tokio::test]
async fn a_retry_gets_the_stored_order_in_every_state_of_the_sale() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::List, 2).await;
    let first = grab(&world, &sale, Door::Seckill, &[("x", 2)]).await;
    let expected = Outcome::AlreadyGrabbed(grabbed(&first.outcomes[0]).clone());
    let past = Some(Some(1));
    let states = [
        SaleEdit::default(),
        SaleEdit {
            paused: Some(true),
            ..SaleEdit::default()
        },
        SaleEdit {
            paused: Some(false),
            closes_at: past,
            ..SaleEdit::default()
        },
    ];
    for state in states {
        if state != SaleEdit::default() {
            world.put(&sale, &state).await;
        }
        // The stock is gone, and the quantity is another: the answer stays.
        let again = grab(&world, &sale, Door::Seckill, &[("x", 1)]).await;
        assert_eq!(again.outcomes, std::slice::from_ref(&expected), "{state:?}");
    }
    let bad = refusals(&world, &sale, Door::Seckill, &[("x", 3)]).await;
    assert_eq!(
        bad,
        [Refusal::InvalidPurchase],
        "a bad quantity wins over the order"
    );
    world.assert_holds(&sale).await;
}

#[tokio::test]
async fn every_refusal_is_reached_and_writes_nothing() {
    let mut world = World::new().await;
    let hour = 3_600_000;
    let now = {
        let sale = world.sale("clock", StockKind::List, 0).await;
        world
            .store
            .sale_snapshot(&sale)
            .await
            .expect("read")
            .expect("exists")
            .now
    };
    let sale = world.sale("a", StockKind::List, 1).await;
    let never_stocked = world.sale("empty", StockKind::List, 0).await;
    let refused = world.held_sale("used-up", StockKind::List, 1).await;
    world.put(&refused, &at_most(Some(1))).await;
    for user in ["x", "y"] {
        world.given_back(&refused, user).await;
    }
    let show = world.activity("show", 5, &on_show("show")).await;
    let edit = |edit| (sale.clone(), Door::Seckill, Some(edit), 1);
    let cases = [
        (
            Refusal::NoSuchSale,
            (sale_id("nowhere"), Door::Seckill, None, 1),
        ),
        (Refusal::WrongDoor, (sale.clone(), Door::Incr, None, 1)),
        (Refusal::WrongDoor, (sale.clone(), Door::Office, None, 1)),
        (Refusal::WrongDoor, (show.clone(), Door::Incr, None, 1)),
        (Refusal::WrongDoor, (show, Door::Seckill, None, 1)),
        (
            Refusal::InvalidPurchase,
            (sale.clone(), Door::Seckill, None, 3),
        ),
        (Refusal::TooManyOrders, (refused, Door::Seckill, None, 1)),
        (Refusal::SoldOut, (never_stocked, Door::Seckill, None, 1)),
        (
            Refusal::InsufficientStock,
            (sale.clone(), Door::Seckill, None, 2),
        ),
        (
            Refusal::NotStarted,
            edit(SaleEdit {
                opens_at: Some(Some(now + hour)),
                ..SaleEdit::default()
            }),
        ),
        (
            Refusal::Paused,
            edit(SaleEdit {
                paused: Some(true),
                ..SaleEdit::default()
            }),
        ),
        (
            Refusal::Ended,
            edit(SaleEdit {
                paused: Some(false),
                opens_at: Some(None),
                closes_at: Some(Some(now - hour)),
                ..SaleEdit::default()
            }),
        ),
    ];
    let forgot = (Refusal::Forgot, (sale.clone(), Door::Seckill, None, 1));
    let mut reached = Vec::new();
    for (expected, (sale, door, edit, purchase)) in cases.into_iter().chain([forgot]) {
        if let Some(edit) = edit {
            world.put(&sale, &edit).await;
        }
        if expected == Refusal::Forgot {
            let key = world.store.keys().sale(&sale);
            let () = world.run(&["HSET", &key, "paused", "forgot"]).await;
        }
        let before = world.dump().await;
        let asks = [("x", purchase), ("y", purchase)];
        assert_eq!(refusals(&world, &sale, door, &asks).await, [expected; 2]);
        assert_eq!(world.dump().await, before, "{expected:?} wrote something");
        reached.push(expected);
    }
    assert!(
        Refusal::ALL.iter().all(|refusal| reached.contains(refusal)),
        "{reached:?}"
    );
}

#[tokio::test]
async fn who_has_had_all_orders_gets_no_more_and_nobody_else_is_affected() {
    for kind in [StockKind::List, StockKind::Counter] {
        let mut world = World::new().await;
        let sale = world.held_sale("a", kind, 4).await;
        for round in 0..ORDERS_MAX_DEFAULT {
            assert_eq!(world.gone(&sale, "x").await.1, u64::from(round));
            world.given_back(&sale, "x").await;
        }
        world.given_back(&sale, "y").await;
        assert_eq!(world.gone(&sale, "x").await, (21, 20));
        let none = Outcome::Refused(Refusal::TooManyOrders);
        let asks = [("x", 1), ("y", 2), ("x", 2), ("z", 1), ("x", 3)];
        let batch = grab(&world, &sale, kind.door(), &asks).await;
        assert_eq!([&batch.outcomes[0], &batch.outcomes[2]], [&none; 2]);
        grabbed(&batch.outcomes[1]);
        grabbed(&batch.outcomes[3]);
        let wrong = Outcome::Refused(Refusal::InvalidPurchase);
        assert_eq!((batch.outcomes[4].clone(), batch.standing.left), (wrong, 1));
        assert_eq!(batch.standing.refusal(), None, "no gate may close");

        // Stock comes before the limit, and a limit that is raised lets in.
        let short = refusals(&world, &sale, kind.door(), &[("x", 2)]).await;
        assert_eq!(short, [Refusal::InsufficientStock]);
        world.put(&sale, &at_most(Some(21))).await;
        let last = world.granted(&sale, "x", 1).await;
        world.put(&sale, &at_most(Some(1))).await;
        let again = grab(&world, &sale, kind.door(), &[("x", 1), ("n", 1)]).await;
        let Outcome::AlreadyGrabbed(grant) = &again.outcomes[0] else {
            panic!("an order that is alive is repeated: {:?}", again.outcomes);
        };
        assert_eq!(grant.order, last);
        assert_eq!(again.outcomes[1], Outcome::Refused(Refusal::SoldOut));
        changed(
            world
                .store
                .order_cancel(&last, &Caller::Operator)
                .await
                .expect("decided"),
        );
        world.put(&sale, &paused(true)).await;
        let stopped = refusals(&world, &sale, kind.door(), &[("x", 1)]).await;
        assert_eq!(stopped, [Refusal::Paused]);
        world.put(&sale, &paused(false)).await;
        world.put(&sale, &at_most(None)).await;
        world.granted(&sale, "x", 1).await;
        world.assert_holds(&sale).await;
    }
}

#[tokio::test]
async fn a_refusal_of_one_buyer_is_a_write_to_wait_for() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::Counter, 4).await;
    world.put(&sale, &at_most(Some(1))).await;
    world.given_back(&sale, "x").await;
    let keys = world.store.keys().of_grab(&sale);
    for (waits, wrote) in [("0", false), ("1", true)] {
        let args = ["a", "counter", waits, "", "0", "0", "x", "1", "a-1"];
        call_at(&mut world, &SALE_GRAB, 7, &keys, &args).await;
        let key = world.store.keys().sale(&sale);
        let at: Option<String> = world.run(&["HGET", &key, "waited_at"]).await;
        assert_eq!(at.as_deref() == Some("7"), wrote, "{at:?}");
    }
}

/// A server of the version before drops the sale and leaves the hash.
#[tokio::test]
async fn counts_that_were_left_behind_mean_nothing() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 2).await;
    for is_old in [false, true] {
        let gone = world.store.keys().gone(&sale);
        let _: u64 = world.run(&["HSET", &gone, "x", "20", "y", "99"]).await;
        if is_old {
            world.count_nothing(&sale).await;
        } else {
            let key = world.store.keys().sale(&sale);
            let _: u64 = world.run(&["HSET", &key, "gone", "0"]).await;
        }
        world.given_back(&sale, "x").await;
        assert_eq!(world.gone(&sale, "x").await, (1, 1), "{is_old}");
        assert_eq!(world.gone(&sale, "y").await, (1, 0), "{is_old}");
    }
    world.assert_holds(&sale).await;
}

#[tokio::test]
async fn an_activity_is_sold_by_the_office_whatever_its_stock() {
    for kind in [StockKind::List, StockKind::Counter] {
        let world = World::new().await;
        let sale = world.sale("show", kind, 2).await;
        let shown = SaleEdit {
            kind: None,
            ..on_show("show")
        };
        world.put(&sale, &shown).await;
        let batch = grab(&world, &sale, Door::Office, &[("x", 1), ("y", 1), ("x", 1)]).await;
        let [x, y] = [0, 1].map(|place: usize| grabbed(&batch.outcomes[place]).clone());
        assert_eq!(batch.outcomes[2], Outcome::AlreadyGrabbed(x.clone()));
        assert_eq!(
            x.line.units.len() + y.line.units.len(),
            match kind {
                StockKind::List => 2,
                StockKind::Counter | StockKind::Target => 0,
            }
        );
        // Elsewhere nobody is shown whose ticket it is.
        let told = refusals(&world, &sale, kind.door(), &[("x", 1), ("z", 1)]).await;
        assert_eq!(told, [Refusal::WrongDoor; 2]);
        world.assert_holds(&sale).await;
    }
}

#[tokio::test]
async fn the_window_includes_both_ends_to_the_millisecond() {
    let ended = Outcome::Refused(Refusal::Ended);
    let not_started = Outcome::Refused(Refusal::NotStarted);
    for (opens_at, closes_at) in [(1000, 2000), (1000, 1000)] {
        for (now, refused) in [
            (opens_at - 1, Some(&not_started)),
            (opens_at, None),
            (closes_at, None),
            (closes_at + 1, Some(&ended)),
        ] {
            // New for each instant: whoever holds an order gets it back at any time.
            let mut world = World::new().await;
            let sale = world.sale("a", StockKind::Counter, 1).await;
            set_window(&mut world, &sale, Some(opens_at), Some(closes_at)).await;
            let batch = grab_at(&mut world, &sale, now).await;
            match refused {
                Some(refused) => {
                    assert_eq!(&batch.outcomes[0], refused, "at {now}");
                    assert_eq!(batch.standing.grants, Grants::default());
                }
                None => {
                    assert_eq!(grabbed(&batch.outcomes[0]).line.purchase, 1, "at {now}");
                    let (last_at, count) = (now, 1);
                    assert_eq!(batch.standing.grants, Grants { last_at, count });
                    let snapshot = world.store.sale_snapshot(&sale).await.expect("read");
                    assert_eq!(snapshot.expect("exists").grants, Grants { last_at, count });
                }
            }
            assert_eq!(batch.standing.opens_in, opens_at.saturating_sub(now));
            world.assert_holds(&sale).await;
        }
    }
}

/// One attempt, decided as if it were `now`.
async fn grab_at(world: &mut World, sale: &SaleId, now: EpochMs) -> Decided {
    let attempt = attempt(sale, "x", 1);
    let order = attempt.order.as_str();
    let args = ["a", "counter", "0", "", "0", "0", "x", "1", order];
    let keys = world.store.keys().of_grab(sale);
    let reply = call_at(world, &SALE_GRAB, now, &keys, &args).await;
    grab::decode(&reply, sale, Door::Incr, &[attempt])
        .expect("understood")
        .into()
}

#[tokio::test]
async fn the_window_follows_the_clock_of_redis() {
    let mut world = World::new().await;
    let sale = world.sale("a", StockKind::Counter, 2).await;
    let later = 60_000;
    // Each bound is on the safe side of every later instant, so the order of things decides.
    let now = world.now().await;
    set_window(&mut world, &sale, Some(now + later), None).await;
    assert_eq!(refusal(&world, &sale, "early").await, Refusal::NotStarted);
    set_window(&mut world, &sale, Some(now), None).await;
    grabbed(&grab_one(&world, &sale, "in time").await);
    set_window(&mut world, &sale, None, Some(now + later)).await;
    grabbed(&grab_one(&world, &sale, "also in time").await);
    set_window(&mut world, &sale, None, Some(now - 1)).await;
    assert_eq!(refusal(&world, &sale, "late").await, Refusal::Ended);
    world.assert_holds(&sale).await;
}

/// Sets both ends of the window behind the back of `sale_put`, which protects opened sales.
async fn set_window(
    world: &mut World,
    sale: &SaleId,
    opens_at: Option<EpochMs>,
    closes_at: Option<EpochMs>,
) {
    let key = world.store.keys().sale(sale);
    for (field, at) in [("opens_at", opens_at), ("closes_at", closes_at)] {
        let _: i64 = match at {
            Some(at) => world.run(&["HSET", &key, field, &at.to_string()]).await,
            None => world.run(&["HDEL", &key, field]).await,
        };
    }
}

async fn grab_one(world: &World, sale: &SaleId, user: &str) -> Outcome {
    let mut batch = grab(world, sale, Door::Incr, &[(user, 1)]).await;
    batch.outcomes.remove(0)
}

async fn refusal(world: &World, sale: &SaleId, user: &str) -> Refusal {
    refusals(world, sale, Door::Incr, &[(user, 1)]).await[0]
}

#[tokio::test]
async fn a_sale_with_a_hold_grants_held_orders_until_their_deadline() {
    for kind in [StockKind::List, StockKind::Counter] {
        let mut world = World::new().await;
        let sale = world.held_sale("spring.tea", kind, 9).await;
        let before = world.now().await;
        let batch = grab(&world, &sale, kind.door(), &[("x", 2), ("y", 1), ("x", 1)]).await;
        let after = world.now().await;
        let [x, y] = [0, 1].map(|place: usize| grabbed(&batch.outcomes[place]).clone());
        assert_eq!(batch.outcomes[2], Outcome::AlreadyGrabbed(x.clone()));
        for grant in [&x, &y] {
            let order = world.order(&grant.order).await;
            assert_eq!((order.state, order.changed_at), (OrderState::Held, None));
            assert!((before..=after).contains(&order.created_at));
            assert_eq!(order.deadline, Some(order.created_at + LONG_HOLD_MS));
            assert_eq!(order.lines, std::slice::from_ref(&grant.line));
            assert_eq!(order.request, None);
            let hold = (order.id.to_string(), order.created_at + LONG_HOLD_MS);
            assert!(world.holds("spring").await.contains(&hold));
        }
        assert_eq!(world.holds("spring").await.len(), 2);
        assert_eq!(super::counted(&world, &sale).await, (3, 0, 0));

        // Without the hold the next order is sold at once; those that wait go on waiting.
        let sold_at_once = SaleEdit {
            hold: Some(None),
            ..SaleEdit::default()
        };
        world.put(&sale, &sold_at_once).await;
        let z = world.granted(&sale, "z", 1).await;
        let order = world.order(&z).await;
        assert_eq!((order.state, order.deadline), (OrderState::Confirmed, None));
        assert_eq!(world.holds("spring").await.len(), 2);
        assert_eq!(super::counted(&world, &sale).await, (3, 1, 0));
        let again = world.grab(&sale, "x", 1).await;
        assert_eq!(
            again,
            Outcome::AlreadyGrabbed(x),
            "a held order is repeated, too"
        );
        world.assert_holds(&sale).await;
    }
}

#[tokio::test]
async fn the_feed_knows_each_order_in_the_order_of_their_grants() {
    let mut world = World::new().await;
    let tea = world.held_sale("spring.tea", StockKind::List, 9).await;
    let cup = world.sale("spring.cup", StockKind::Counter, 9).await;
    let mut told = Vec::new();
    for round in 0..3 {
        let users = [0, 1].map(|user| format!("u{round}-{user}"));
        let asks = [(users[0].as_str(), 1), ("u0-0", 1), (users[1].as_str(), 1)];
        for (sale, kind, what) in [
            (&tea, StockKind::List, "held"),
            (&cup, StockKind::Counter, "confirmed"),
        ] {
            let batch = grab(&world, sale, kind.door(), &asks).await;
            let new = batch.outcomes.iter().filter_map(|outcome| match outcome {
                Outcome::Grabbed(grant) => Some(grant.order.to_string()),
                Outcome::AlreadyGrabbed(_) | Outcome::Refused(_) => None,
            });
            told.extend(new.map(|order| (what.to_owned(), order)));
        }
    }
    assert_eq!(told.len(), 12);
    assert_eq!(world.feed("spring").await, told);
}

#[tokio::test]
async fn a_sale_without_a_feed_writes_none() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 2).await;
    let silent = SaleEdit {
        feed: Some(false),
        ..SaleEdit::default()
    };
    world.put(&sale, &silent).await;
    let id = world.granted(&sale, "x", 1).await;
    world
        .store
        .order_cancel(&id, &Caller::Operator)
        .await
        .expect("decided");
    assert_eq!(world.feed("a").await, []);
    assert!(!world.contents().await.contains_key("{a}:feed"));
}

#[tokio::test]
async fn units_pushed_by_hand_are_sold_whatever_their_bytes() {
    let mut world = World::new().await;
    let sale = world.sale("a", StockKind::List, 0).await;
    let key = format!("{}{{a}}:stock:a", world.prefix);
    let units: [&[u8]; 3] = [b"tab\tline\nend", b"100%", b"\xff\x00"];
    let mut push = redis::cmd("RPUSH");
    push.arg(&key).arg(&units[..]);
    let _: i64 = push.query_async(&mut world.raw).await.expect("pushed");
    let batch = grab(&world, &sale, Door::Seckill, &[("x", 2), ("y", 1)]).await;
    assert_eq!(
        grabbed(&batch.outcomes[0]).line.units,
        ["tab\tline\nend", "100%"]
    );
    assert_eq!(grabbed(&batch.outcomes[1]).line.units, ["%FF\0"]);
    // The audit says that nobody accounted for them.
    let judged = world.store.recount(&sale, &|_| {}).await.expect("recount");
    let violations = judged.expect("exists").violations;
    assert!(
        violations[0].to_string().contains("3 too many"),
        "{violations:?}"
    );
}

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let arity = "sale_grab takes 7 keys";
    for (keys, args) in [
        (
            &KEYS[..5],
            &["a", "list", "0", "", "0", "0", "x", "1", "a-1"][..],
        ),
        (&KEYS, &[]),
        (&KEYS, &["a"]),
        (&KEYS, &["a", "list"]),
        (&KEYS, &["a", "list", "0", "", "0", "0"]),
        (&KEYS, &["a", "list", "0", "", "0", "0", "x"]),
        (&KEYS, &["a", "list", "0", "", "0", "0", "x", "1"]),
        (
            &KEYS,
            &["a", "list", "0", "", "0", "0", "x", "1", "a-1", "y"],
        ),
    ] {
        assert_raises(&mut world, &SALE_GRAB, keys, args, arity).await;
    }
    for purchase in ["0", "-1", "1.5", "x", "", "01", "1e1"] {
        let args = ["a", "list", "0", "", "0", "0", "x", purchase, "a-1"];
        assert_raises(&mut world, &SALE_GRAB, &KEYS, &args, "purchase").await;
    }
}

#[tokio::test]
async fn the_largest_batch_is_decided_and_a_larger_one_raises() {
    let mut world = World::new().await;
    let sale = world.sale("a", StockKind::List, 1500).await;
    let users: Vec<String> = (0..1001).map(|number| format!("u{number}")).collect();
    let asks: Vec<(&str, u32)> = users.iter().map(|user| (user.as_str(), 1)).collect();
    let batch = grab(&world, &sale, Door::Seckill, &asks[..1000]).await;
    assert!(
        batch
            .outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Grabbed(_)))
    );
    let mut args = vec!["a", "list", "0", "", "0", "0"];
    args.extend(users.iter().flat_map(|user| [user.as_str(), "1", "a-1"]));
    assert_raises(
        &mut world,
        &SALE_GRAB,
        &KEYS,
        &args,
        "at most 1000 attempts",
    )
    .await;
    world.assert_holds(&sale).await;
}

#[tokio::test]
async fn a_counter_below_zero_sells_nothing_and_hides_no_order() {
    let mut world = World::new().await;
    let sale = world.sale("b", StockKind::Counter, 5).await;
    let first = grab(&world, &sale, Door::Incr, &[("x", 2)]).await;
    let order = grabbed(&first.outcomes[0]).clone();
    let stock = format!("{}{{b}}:stock:b", world.prefix);
    let _: () = world.run(&["SET", &stock, "-1"]).await;
    let batch = grab(&world, &sale, Door::Incr, &[("x", 1), ("y", 1)]).await;
    let sold_out = Outcome::Refused(Refusal::SoldOut);
    assert_eq!(batch.outcomes, [Outcome::AlreadyGrabbed(order), sold_out]);
    let figures = world
        .store
        .sale_snapshot(&sale)
        .await
        .expect("read")
        .expect("exists")
        .figures;
    let named = figures.check();
    assert!(
        matches!(
            named[..],
            [
                Violation::NotConserved(_),
                Violation::BelowZero { left: -1 }
            ]
        ),
        "the audit names what is missing: {named:?}"
    );
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let args: Words = &["a", "list", "0", "", "0", "0", "x", "1", "a-1"];
    let counter: Words = &["a", "counter", "0", "", "0", "0", "x", "1", "b-1"];
    let list: &[Words] = &[&["HSET", "sale", "kind", "list"], &["RPUSH", "stock", "u"]];
    let count: &[Words] = &[&["HSET", "sale", "kind", "counter"]];
    let dead: &[Words] = &[
        &["HSET", "sale", "kind", "list", "gone_most", "20"],
        list[1],
    ];
    let cases: [(&[Words], Words, Words, &str); 18] = [
        (dead, &["SET", "gone", "x"], args, "WRONGTYPE"),
        (
            dead,
            &["HSET", "gone", "x", "many"],
            args,
            "gone is not a whole number",
        ),
        (
            list,
            &["HSET", "sale", "gone_most", "-1"],
            args,
            "gone_most is not a whole number",
        ),
        (
            list,
            &["HSET", "sale", "orders_max", "none"],
            args,
            "orders_max is not a whole number",
        ),
        (
            list,
            &["HSET", "sale", "history", "1"],
            args,
            "history is not N-word",
        ),
        (&[], &["SET", "sale", "x"], args, "WRONGTYPE"),
        (
            &[&["HSET", "sale", "kind", "list"]],
            &["SET", "stock", "1"],
            args,
            "WRONGTYPE",
        ),
        (list, &["SET", "buyers", "x"], args, "WRONGTYPE"),
        (list, &["SET", "orders", "x"], args, "WRONGTYPE"),
        (list, &["SET", "holds", "x"], args, "WRONGTYPE"),
        (list, &["SET", "feed", "x"], args, "WRONGTYPE"),
        (
            list,
            &["XADD", "feed", "5-1", "what", "by hand"],
            args,
            "equal or smaller",
        ),
        (
            list,
            &["HSET", "sale", "hold", "15m"],
            args,
            "hold is not a whole number",
        ),
        (
            list,
            &["HSET", "sale", "confirmed", "x"],
            args,
            "confirmed is not a whole number",
        ),
        (
            list,
            &["HSET", "sale", "opens_at", "soon"],
            args,
            "opens_at is not a whole number",
        ),
        (
            list,
            &["HSET", "sale", "purchase_max", "-1"],
            args,
            "purchase_max is not a whole",
        ),
        (
            count,
            &["SET", "stock", "--1"],
            counter,
            "stock is not a whole number",
        ),
        (
            count,
            &["SET", "stock", "1e3"],
            counter,
            "stock is not a whole number",
        ),
    ];
    for (seeds, broken, args, words) in cases {
        let mut world = a_broken_world(seeds, broken).await;
        assert_raises(&mut world, &SALE_GRAB, &KEYS, args, words).await;
    }
}

/// Somebody deletes, overwrites or invents what belongs to one buyer: nobody else of the batch is
/// concerned, in whatever place they are.
#[tokio::test]
async fn an_order_that_cannot_be_read_is_the_trouble_of_its_buyer_alone() {
    for (kind, broken) in [StockKind::List, StockKind::Counter]
        .into_iter()
        .flat_map(|kind| BROKEN.map(|broken| (kind, broken)))
    {
        let mut world = World::new().await;
        let sale = world.sale("a", kind, 3).await;
        let held = world.granted(&sale, "held", 1).await;
        let (id, record) = broken;
        let (buyers, orders) = {
            let keys = world.store.keys();
            (keys.buyers(&sale), keys.orders("a"))
        };
        let _: i64 = world.run(&["HSET", &buyers, "poor", id]).await;
        if let Some(record) = record {
            let _: i64 = world.run(&["HSET", &orders, id, record]).await;
        }
        let asks = ["poor", "held", "new", "poor", "new", "late"].map(|user| (user, 1));
        let batch = world.batch(&sale, kind.door(), &asks).await;
        let [poor, old, new, again, echo, late] = batch.outcomes.as_slice() else {
            panic!("{broken:?}: {batch:?}");
        };
        for poor in [poor, again] {
            let Err(Failure::Unreadable(why)) = poor else {
                panic!("{broken:?}: {poor:?}");
            };
            let named = id.replace(|char: char| char.is_control(), "?");
            assert!(why.contains(&named), "{broken:?}: {why}");
        }
        let shown = |outcome: &Result<Outcome, Failure>| match outcome {
            Ok(Outcome::Grabbed(grant)) => (true, grant.order.clone()),
            Ok(Outcome::AlreadyGrabbed(grant)) => (false, grant.order.clone()),
            other => panic!("{broken:?}: {other:?}"),
        };
        assert_eq!(shown(old), (false, held), "{broken:?}");
        let (granted, new) = shown(new);
        assert!(granted, "{broken:?}");
        assert_eq!(shown(echo), (false, new), "{broken:?}");
        assert!(shown(late).0, "{broken:?}");
        let standing = batch.standing;
        assert_eq!((standing.left, standing.grants.count), (0, 3), "{broken:?}");
        // Without the invention, all adds up.
        let _: i64 = world.run(&["HDEL", &buyers, "poor"]).await;
        let _: i64 = world.run(&["HDEL", &orders, id]).await;
        world.assert_holds(&sale).await;
    }
}

/// What somebody wrote by hand: the id that the buyer is said to hold, and its record.
const BROKEN: [(&str, Option<&str>); 9] = [
    ("a-lost", None),
    ("a-lost\u{1e}=free", None),
    ("", None),
    ("a-none", Some("")),
    ("a-none", Some("held\t1\tpoor\t\tr\na\t1")),
    ("a-none", Some("confirmed\t1\tpoor\nother\t1")),
    ("a-none", Some("confirmed\t1\tpoor\na\t1\tsn\u{1e}=free")),
    ("a-none\u{1e}=free", Some("confirmed\t1\tpoor\na\t1")),
    ("no id", Some("confirmed\t1\tpoor\na\t1")),
];

/// What a sale does, in the plainest words: the model that the script must agree with.
struct Model {
    left: u32,
    held: std::collections::HashMap<u8, u32>,
}

impl Model {
    fn ask(&mut self, user: u8, purchase: u32) -> &'static str {
        if purchase > 2 {
            return "invalid_purchase";
        }
        if self.held.contains_key(&user) {
            return "already_grabbed";
        }
        if self.left == 0 {
            return "sold_out";
        }
        if self.left < purchase {
            return "insufficient_stock";
        }
        self.left -= purchase;
        self.held.insert(user, purchase);
        "grabbed"
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Grabbed(_) => "grabbed",
        Outcome::AlreadyGrabbed(_) => "already_grabbed",
        Outcome::Refused(refusal) => refusal.code(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_split_into_batches_agrees_with_the_model(
        stock in 0u32..12,
        asks in prop::collection::vec((0u8..8, 1u32..4), 1..40),
        batch_size in 1usize..40,
        counter in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let kind = if counter { StockKind::Counter } else { StockKind::List };
            let world = World::new().await;
            let sale = world.sale("a", kind, u64::from(stock)).await;
            let mut model = Model { left: stock, held: Default::default() };
            for asks in asks.chunks(batch_size) {
                let names: Vec<_> = asks.iter().map(|(user, n)| (format!("u{user}"), *n)).collect();
                let named: Vec<_> = names.iter().map(|(user, n)| (user.as_str(), *n)).collect();
                let batch = grab(&world, &sale, kind.door(), &named).await;
                let expected: Vec<_> = asks.iter().map(|&(user, n)| model.ask(user, n)).collect();
                let got: Vec<_> = batch.outcomes.iter().map(word).collect();
                prop_assert_eq!(got, expected);
                prop_assert_eq!(batch.standing.left, u64::from(model.left));
            }
            world.assert_holds(&sale).await;
            Ok(())
        })?;
    }
}
