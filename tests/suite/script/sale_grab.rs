//! `lua/sale_grab.lua`

use proptest::prelude::*;
use seckill::domain::attempt::{Attempt, Purchase};
use seckill::domain::ids::{OrderId, SaleId, Username};
use seckill::domain::order::Order;
use seckill::domain::outcome::{Outcome, Refusal};
use seckill::domain::sale::{SaleEdit, StockKind};
use seckill::store::reply::Batch;
use seckill::store::script::SALE_GRAB;

use super::assert_raises;
use crate::support::redis::{World, sale_id};

/// A raw command or a list of arguments.
type Words = &'static [&'static str];

const KEYS: [&str; 4] = ["sale", "stock", "buyers", "orders"];

fn attempt(sale: &SaleId, user: &str, purchase: u32) -> Attempt {
    Attempt {
        username: Username::parse(user.to_owned()).expect("valid"),
        purchase: Purchase::parse(&purchase.to_string()).expect("valid"),
        order: OrderId::new(sale, rand::random()),
    }
}

async fn grab(world: &World, sale: &SaleId, door: StockKind, asks: &[(&str, u32)]) -> Batch {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    let attempts: Vec<_> = asks
        .iter()
        .map(|&(user, n)| attempt(sale, user, n))
        .collect();
    world
        .store
        .lane()
        .sale_grab(sale, door, &attempts, deadline)
        .await
        .expect("decided")
}

async fn refusals(
    world: &World,
    sale: &SaleId,
    door: StockKind,
    asks: &[(&str, u32)],
) -> Vec<Refusal> {
    let batch = grab(world, sale, door, asks).await;
    let refusal = |outcome| match outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    };
    batch.outcomes.into_iter().map(refusal).collect()
}

fn grabbed(outcome: &Outcome) -> &Order {
    match outcome {
        Outcome::Grabbed(order) => order,
        other => panic!("not grabbed: {other:?}"),
    }
}

#[tokio::test]
async fn a_batch_is_decided_in_order() {
    for door in [StockKind::List, StockKind::Counter] {
        let world = World::new().await;
        let sale = world.sale("a", door, 4).await;
        let asks = [
            ("w", 2),
            ("x", 1),
            ("w", 1),
            ("y", 2),
            ("z", 3),
            ("v", 1),
            ("u", 1),
        ];
        let Batch { standing, outcomes } = grab(&world, &sale, door, &asks).await;
        let (w, x, v) = (
            grabbed(&outcomes[0]),
            grabbed(&outcomes[1]),
            grabbed(&outcomes[5]),
        );
        assert_eq!(
            (w.purchase, x.purchase, v.purchase, standing.left),
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
        let units = [w, x, v].map(|order| order.units.clone());
        match door {
            StockKind::List => assert_eq!(units.concat(), ["sn-1", "sn-2", "sn-3", "sn-4"]),
            StockKind::Counter => assert_eq!(units.concat(), [""; 0]),
        }
        world.assert_holds(&sale).await;
    }
}

#[tokio::test]
async fn a_retry_gets_the_stored_order_in_every_state_of_the_sale() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::List, 2).await;
    let first = grab(&world, &sale, StockKind::List, &[("x", 2)]).await;
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
            world.store.sale_put(&sale, &state).await.expect("put");
        }
        // The stock is gone, and the quantity is another: the answer stays.
        let again = grab(&world, &sale, StockKind::List, &[("x", 1)]).await;
        assert_eq!(again.outcomes, std::slice::from_ref(&expected), "{state:?}");
    }
    let bad = refusals(&world, &sale, StockKind::List, &[("x", 3)]).await;
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
    let edit = |edit| (sale.clone(), StockKind::List, Some(edit), 1);
    let cases = [
        (
            Refusal::NoSuchSale,
            (sale_id("nowhere"), StockKind::List, None, 1),
        ),
        (
            Refusal::WrongDoor,
            (sale.clone(), StockKind::Counter, None, 1),
        ),
        (
            Refusal::InvalidPurchase,
            (sale.clone(), StockKind::List, None, 3),
        ),
        (Refusal::SoldOut, (never_stocked, StockKind::List, None, 1)),
        (
            Refusal::InsufficientStock,
            (sale.clone(), StockKind::List, None, 2),
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
    let mut reached = Vec::new();
    for (expected, (sale, door, edit, purchase)) in cases {
        if let Some(edit) = edit {
            world.store.sale_put(&sale, &edit).await.expect("put");
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
async fn the_window_includes_both_ends() {
    let mut world = World::new().await;
    let sale = world.sale("a", StockKind::Counter, 1).await;
    // A window of the present millisecond is open in it; how often depends on the machine, so
    // the two ends are tried until the clock hits them, each within a bound.
    for field in ["opens_at", "closes_at"] {
        let key = format!("{}{{a}}:sale:a", world.prefix);
        let hit = 'hunt: {
            for _ in 0..2000 {
                let (seconds, micros): (u64, u64) = world.run(&["TIME"]).await;
                let soon = seconds * 1000 + micros / 1000 + 1;
                let _: i64 = world.run(&["HSET", &key, field, &soon.to_string()]).await;
                let snapshot = world
                    .store
                    .sale_snapshot(&sale)
                    .await
                    .expect("read")
                    .expect("exists");
                let asked = refusals_or_grab(&world, &sale).await;
                let after = world
                    .store
                    .sale_snapshot(&sale)
                    .await
                    .expect("read")
                    .expect("exists");
                if snapshot.now == soon && after.now == soon {
                    break 'hunt Some(asked);
                }
            }
            None
        };
        let _: i64 = world.run(&["HDEL", &key, field]).await;
        assert!(
            matches!(hit, Some(Outcome::Grabbed(_) | Outcome::AlreadyGrabbed(_))),
            "{field}: {hit:?}"
        );
        let _: i64 = world
            .run(&["DEL", &format!("{}{{a}}:buyers:a", world.prefix)])
            .await;
        let _: () = world
            .run(&["SET", &format!("{}{{a}}:stock:a", world.prefix), "1"])
            .await;
    }
}

async fn refusals_or_grab(world: &World, sale: &SaleId) -> Outcome {
    grab(world, sale, StockKind::Counter, &[("x", 1)])
        .await
        .outcomes
        .remove(0)
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
    let batch = grab(&world, &sale, StockKind::List, &[("x", 2), ("y", 1)]).await;
    assert_eq!(
        grabbed(&batch.outcomes[0]).units,
        ["tab\tline\nend", "100%"]
    );
    assert_eq!(grabbed(&batch.outcomes[1]).units, ["\u{fffd}\0"]);
    // The audit says that nobody accounted for them.
    let (_, violations) = world
        .store
        .recount(&sale, &|_| {})
        .await
        .expect("recount")
        .expect("exists");
    assert!(
        violations[0].to_string().contains("3 units too many"),
        "{violations:?}"
    );
}

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let arity = "sale_grab takes 4 keys";
    for (keys, args) in [
        (&KEYS[..3], &["a", "list", "0", "x", "1", "a-1"][..]),
        (&KEYS, &[]),
        (&KEYS, &["a"]),
        (&KEYS, &["a", "list"]),
        (&KEYS, &["a", "list", "0", "x"]),
        (&KEYS, &["a", "list", "0", "x", "1"]),
        (&KEYS, &["a", "list", "0", "x", "1", "a-1", "y"]),
    ] {
        assert_raises(&mut world, &SALE_GRAB, keys, args, arity).await;
    }
    for purchase in ["0", "-1", "1.5", "x", "", "01", "1e1"] {
        let args = ["a", "list", "0", "x", purchase, "a-1"];
        assert_raises(&mut world, &SALE_GRAB, &KEYS, &args, "purchase").await;
    }
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let args: Words = &["a", "list", "0", "x", "1", "a-1"];
    let counter: Words = &["a", "counter", "0", "x", "1", "b-1"];
    let list: &[Words] = &[&["HSET", "sale", "kind", "list"], &["RPUSH", "stock", "u"]];
    let count: &[Words] = &[&["HSET", "sale", "kind", "counter"]];
    let cases: [(&[Words], Words, Words, &str); 10] = [
        (&[], &["SET", "sale", "x"], args, "WRONGTYPE"),
        (
            &[&["HSET", "sale", "kind", "list"]],
            &["SET", "stock", "1"],
            args,
            "WRONGTYPE",
        ),
        (list, &["SET", "buyers", "x"], args, "WRONGTYPE"),
        (list, &["SET", "orders", "x"], args, "WRONGTYPE"),
        (
            list,
            &["HSET", "buyers", "x", "a-lost"],
            args,
            "order a-lost of a buyer is missing",
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
            &["SET", "stock", "-1"],
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
        let mut world = World::new().await;
        for seed in seeds.iter().chain([&broken]) {
            let key = format!("{}{}", world.prefix, seed[1]);
            let seed = [&[seed[0], &key], &seed[2..]].concat();
            let _: redis::Value = world.run(&seed).await;
        }
        assert_raises(&mut world, &SALE_GRAB, &KEYS, args, words).await;
    }
}

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
            let door = if counter { StockKind::Counter } else { StockKind::List };
            let world = World::new().await;
            let sale = world.sale("a", door, u64::from(stock)).await;
            let mut model = Model { left: stock, held: Default::default() };
            for asks in asks.chunks(batch_size) {
                let names: Vec<_> = asks.iter().map(|(user, n)| (format!("u{user}"), *n)).collect();
                let named: Vec<_> = names.iter().map(|(user, n)| (user.as_str(), *n)).collect();
                let batch = grab(&world, &sale, door, &named).await;
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
