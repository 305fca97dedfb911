//! `lua/order_place.lua`

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use redis::Value;
use seckill::domain::caller::Caller;
use seckill::domain::ids::{OrderId, RequestId};
use seckill::domain::order::change::ChangeOutcome;
use seckill::domain::order::{Order, OrderState};
use seckill::domain::purchase::attempt::Purchase;
use seckill::domain::purchase::outcome::{Outcome, Refusal};
use seckill::domain::purchase::place::{
    Basket, LINES_MAX, PlaceOutcome, PlaceRefusal, Placement, Wish,
};
use seckill::domain::sale::{SaleEdit, StockKind};
use seckill::store::orders::place::Placed;
use seckill::store::script::ORDER_PLACE;
use tokio::time::Instant;

use super::{Words, assert_broken_data_raises, assert_raises, call, changed};
use crate::support::TIMEOUT;
use crate::support::orders::{at_most, new_order_id, username};
use crate::support::redis::{World, sale_id};
use crate::support::terms::term_number;

const LIST: StockKind = StockKind::List;
const COUNTER: StockKind = StockKind::Counter;

fn purchase(units: u32) -> Purchase {
    Purchase::parse(&units.to_string()).expect("valid")
}

fn placement(name: &str, request: &str, lines: &[(&str, u32)]) -> Placement {
    let wishes = lines.iter().map(|&(goods, units)| Wish {
        goods: sale_id(goods),
        purchase: purchase(units),
    });
    let basket = Basket::new(wishes.collect()).expect("one event");
    Placement {
        username: username(name),
        request: RequestId::parse(request.to_owned()).expect("valid"),
        order: new_order_id(basket.first()),
        basket,
    }
}

async fn place_all(world: &World, placement: &Placement) -> Placed {
    let deadline = Instant::now() + TIMEOUT;
    let placed = world
        .store
        .lane()
        .order_place(placement, &[], deadline)
        .await;
    placed.expect("decided")
}

pub async fn place(
    world: &World,
    name: &str,
    request: &str,
    lines: &[(&str, u32)],
) -> PlaceOutcome {
    place_all(world, &placement(name, request, lines))
        .await
        .outcome
        .expect("kept")
}

fn grabbed(outcome: PlaceOutcome) -> Order {
    match outcome {
        PlaceOutcome::Grabbed(order) => order,
        other => panic!("not grabbed: {other:?}"),
    }
}

fn line_refused(goods: &str, refusal: Refusal) -> PlaceOutcome {
    let goods = sale_id(goods);
    PlaceOutcome::Refused(PlaceRefusal::Line { goods, refusal })
}

fn edit() -> SaleEdit {
    SaleEdit::default()
}

#[tokio::test]
async fn an_order_over_sales_of_both_kinds_takes_all_and_writes_each_key() {
    let mut world = World::new().await;
    let tea = world.sale("e.tea", LIST, 5).await;
    let cup = world.sale("e.cup", COUNTER, 5).await;
    let asked = placement("秒 x", "req 1", &[("e.cup", 1), ("e.tea", 2), ("e.cup", 1)]);
    let placed = place_all(&world, &asked).await;
    let order = grabbed(placed.outcome.expect("kept"));
    assert_eq!(order.id, asked.order);
    assert_eq!(
        (order.state, order.username.as_str()),
        (OrderState::Confirmed, "秒 x")
    );
    assert_eq!((order.deadline, order.changed_at), (None, None));
    assert_eq!(order.request, Some(asked.request.clone()));
    let lines = order
        .lines
        .iter()
        .map(|line| (line.goods.as_str(), line.purchase, line.units.join(" ")));
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [
            ("e.cup", 2, String::new()),
            ("e.tea", 2, "sn-1 sn-2".to_owned())
        ],
        "the same goods twice are one line"
    );
    let left: Vec<_> = placed
        .standings
        .iter()
        .map(|s| (s.left, s.grants.count, s.purchase_max))
        .collect();
    assert_eq!(left, [(3, 1, 2), (3, 1, 2)], "as of after the order");
    let (keys, id) = (world.store.keys().clone(), order.id.as_str());
    let requested: String = world
        .run(&["HGET", &keys.requests("e"), "秒 x\treq 1"])
        .await;
    assert_eq!(requested, id);
    let feed: Value = world.run(&["XRANGE", &keys.feed("e"), "-", "+"]).await;
    let told = format!("{feed:?}");
    assert!(
        told.contains("0-1") && told.contains("confirmed") && told.contains(id),
        "{told}"
    );
    for sale in [&tea, &cup] {
        let index: String = world.run(&["HGET", &keys.buyers(sale), "秒 x"]).await;
        assert_eq!(index, id, "{sale}");
        world.assert_holds(sale).await;
    }
    let held: u64 = world.run(&["EXISTS", &keys.holds("e")]).await;
    assert_eq!(held, 0, "nothing waits");
    // The buying endpoints show their own line of the order.
    for sale in [&tea, &cup] {
        let Outcome::AlreadyGrabbed(grant) = world.grab(sale, "秒 x", 1).await else {
            panic!("the endpoint of {sale} does not know the order");
        };
        assert_eq!(
            (grant.order.as_str(), Some(&grant.line)),
            (id, order.line(sale))
        );
    }
}

#[tokio::test]
async fn the_largest_basket_is_decided() {
    let world = World::new().await;
    let names: Vec<String> = (0..LINES_MAX).map(|n| format!("e.{n}")).collect();
    for (place, goods) in names.iter().enumerate() {
        let kind = if place % 2 == 0 { LIST } else { COUNTER };
        world.sale(goods, kind, 2).await;
    }
    let lines: Vec<_> = names.iter().map(|goods| (goods.as_str(), 2)).collect();
    let order = grabbed(place(&world, "x", "r", &lines).await);
    assert_eq!(order.lines.len(), LINES_MAX);
    for goods in &names {
        assert_eq!(world.left(&sale_id(goods)).await, 0);
        world.assert_holds(&sale_id(goods)).await;
    }
}

#[tokio::test]
async fn the_shortest_hold_of_its_sales_holds_the_order() {
    let mut world = World::new().await;
    let sales = [
        ("e.a", None),
        ("e.b", Some(60_000)),
        ("e.c", Some(5_000)),
        ("e.d", None),
    ];
    for (goods, hold) in sales {
        let sale = world.sale(goods, COUNTER, 5).await;
        let hold = Some(hold.map(term_number));
        world.put(&sale, &SaleEdit { hold, ..edit() }).await;
    }
    let all = sales.map(|(goods, _)| (goods, 1));
    for (name, lines, hold) in [
        ("x", &all[..], Some(5_000)),
        ("y", &all[..2], Some(60_000)),
        ("z", &[all[0], all[3]], None),
    ] {
        let order = grabbed(place(&world, name, "r", lines).await);
        let deadline = hold.map(|hold| order.created_at + hold);
        assert_eq!((order.deadline, order.changed_at), (deadline, None));
        let state = if hold.is_some() {
            OrderState::Held
        } else {
            OrderState::Confirmed
        };
        assert_eq!(order.state, state);
        let key = world.store.keys().holds("e");
        let score: Option<u64> = world.run(&["ZSCORE", &key, order.id.as_str()]).await;
        assert_eq!(score, deadline);
    }
    for (goods, _) in sales {
        world.assert_holds(&sale_id(goods)).await;
    }
}

#[tokio::test]
async fn an_order_is_told_to_the_feed_when_any_of_its_sales_is() {
    let mut world = World::new().await;
    for (goods, feed) in [("e.told", true), ("e.quiet", false), ("e.calm", false)] {
        let sale = world.sale(goods, COUNTER, 5).await;
        let feed = Some(feed);
        world.put(&sale, &SaleEdit { feed, ..edit() }).await;
    }
    let feed = world.store.keys().feed("e");
    grabbed(place(&world, "x", "r", &[("e.quiet", 1), ("e.calm", 1)]).await);
    assert_eq!(world.run::<u64>(&["XLEN", &feed]).await, 0);
    grabbed(place(&world, "y", "r", &[("e.quiet", 1), ("e.told", 1)]).await);
    assert_eq!(world.run::<u64>(&["XLEN", &feed]).await, 1);
}

#[tokio::test]
async fn every_refusal_names_the_first_line_and_writes_nothing() {
    let mut world = World::new().await;
    let now: (u64, u64) = world.run(&["TIME"]).await;
    let (past, hour) = (now.0 * 1000 - 1000, 3_600_000);
    for (goods, stock) in [("e.ok", 5), ("e.few", 1), ("e.none", 0), ("e.none2", 0)] {
        world.sale(goods, LIST, stock).await;
    }
    let held = world.sale("e.held", COUNTER, 5).await;
    let Outcome::Grabbed(own) = world.grab(&held, "x", 1).await else {
        panic!("not grabbed");
    };
    let opens_at = past + hour;
    for (goods, change) in [
        (
            "e.paused",
            SaleEdit {
                paused: Some(true),
                ..edit()
            },
        ),
        (
            "e.early",
            SaleEdit {
                opens_at: Some(Some(opens_at)),
                ..edit()
            },
        ),
        (
            "e.over",
            SaleEdit {
                closes_at: Some(Some(past)),
                ..edit()
            },
        ),
    ] {
        let sale = world.sale(goods, COUNTER, 5).await;
        world.put(&sale, &change).await;
    }
    let already = PlaceOutcome::Refused(PlaceRefusal::AlreadyGrabbed {
        goods: held,
        order: own.order,
    });
    let refused = line_refused;
    // In the order of the checks: each case has all later reasons as well, in earlier lines.
    let cases: [(&[(&str, u32)], PlaceOutcome); 11] = [
        (
            &[("e.none", 1), ("e.ok", 3), ("e.no", 1), ("e.nix", 1)],
            refused("e.no", Refusal::NoSuchSale),
        ),
        (
            &[("e.held", 1), ("e.ok", 3), ("e.few", 9)],
            refused("e.ok", Refusal::InvalidPurchase),
        ),
        (
            &[("e.ok", 1), ("e.held", 1), ("e.ok", 2)],
            refused("e.ok", Refusal::InvalidPurchase),
        ),
        (&[("e.none", 1), ("e.paused", 1), ("e.held", 1)], already),
        (
            &[("e.none", 1), ("e.paused", 1), ("e.over", 1)],
            refused("e.paused", Refusal::Paused),
        ),
        (
            &[("e.few", 2), ("e.early", 1), ("e.over", 1)],
            PlaceOutcome::Refused(PlaceRefusal::NotStarted {
                goods: sale_id("e.early"),
                opens_at,
            }),
        ),
        (
            &[("e.none", 1), ("e.over", 1), ("e.early", 1)],
            refused("e.over", Refusal::Ended),
        ),
        (
            &[("e.ok", 1), ("e.none2", 1), ("e.none", 1)],
            refused("e.none2", Refusal::SoldOut),
        ),
        (
            &[("e.ok", 1), ("e.none", 1), ("e.few", 2)],
            refused("e.none", Refusal::SoldOut),
        ),
        (
            &[("e.few", 2), ("e.none", 1)],
            refused("e.few", Refusal::InsufficientStock),
        ),
        (
            &[("e.ok", 2), ("e.few", 2)],
            refused("e.few", Refusal::InsufficientStock),
        ),
    ];
    for (lines, expected) in cases {
        let before = world.dump().await;
        assert_eq!(place(&world, "x", "r", lines).await, expected, "{lines:?}");
        assert_eq!(world.dump().await, before, "{lines:?} wrote something");
    }
    // A refused request is not remembered: with the right lines it gets its order.
    grabbed(place(&world, "x", "r", &[("e.ok", 2), ("e.few", 1)]).await);
}

#[tokio::test]
async fn a_request_gets_its_order_again_whatever_became_of_the_sales() {
    let mut world = World::new().await;
    let tea = world.sale("e.tea", LIST, 2).await;
    let cup = world.sale("e.cup", COUNTER, 1).await;
    let lines: [(&str, u32); 3] = [("e.tea", 1), ("e.cup", 1), ("e.tea", 1)];
    let order = grabbed(place(&world, "x", "r", &lines).await);
    let repeated = PlaceOutcome::Repeated(order.clone());
    let states = [
        edit(),
        SaleEdit {
            paused: Some(true),
            ..edit()
        },
        SaleEdit {
            paused: Some(false),
            closes_at: Some(Some(1)),
            ..edit()
        },
    ];
    for state in states {
        for sale in [&tea, &cup] {
            if state != edit() {
                world.put(sale, &state).await;
            }
        }
        for lines in [&lines[..], &[("e.cup", 1), ("e.tea", 2)]] {
            let before = world.dump().await;
            assert_eq!(
                place(&world, "x", "r", lines).await,
                repeated,
                "{state:?} {lines:?}"
            );
            assert_eq!(world.dump().await, before, "{state:?} {lines:?}");
        }
    }
    // As it is now, not as it was.
    for sale in [&tea, &cup] {
        let cancel_until = Some(Some(99_999_999_999_999));
        world
            .put(
                sale,
                &SaleEdit {
                    cancel_until,
                    ..edit()
                },
            )
            .await;
    }
    let cancelled = world.store.order_cancel(&order.id, &Caller::Operator).await;
    let ChangeOutcome::Changed(cancelled) = cancelled.expect("asked") else {
        panic!("not cancelled");
    };
    let repeated = PlaceOutcome::Repeated(cancelled);
    assert_eq!(place(&world, "x", "r", &lines).await, repeated);
}

#[tokio::test]
async fn a_cancelled_order_leaves_every_stock_as_it_was() {
    let mut world = World::new().await;
    let five = SaleEdit {
        purchase_max: Some(term_number(5)),
        hold: Some(term_number(60_000)),
        ..edit()
    };
    for goods in ["e.a", "e.b", "e.c"] {
        let kind = if goods == "e.c" { COUNTER } else { LIST };
        let sale = world.sale(goods, kind, 7).await;
        world.put(&sale, &five).await;
        grabbed(place(&world, "other", goods, &[(goods, 1)]).await);
    }
    let of_stock = |(key, _): &(String, _)| key.contains("stock") || key.contains("buyers");
    let stocks = async |world: &mut World| {
        let contents = world.contents().await.into_iter();
        contents.filter(of_stock).collect::<Vec<_>>()
    };
    let before = stocks(&mut world).await;
    for number in 0..3 {
        // Three of a in two lines: all of them come back.
        let lines = [("e.a", 2), ("e.b", 3), ("e.a", 1), ("e.c", 5)];
        let order = grabbed(place(&world, "x", &format!("r{number}"), &lines).await);
        assert_ne!(stocks(&mut world).await, before);
        for _ in 0..2 {
            world
                .store
                .order_cancel(&order.id, &Caller::Operator)
                .await
                .expect("asked");
            assert_eq!(stocks(&mut world).await, before, "round {number}");
        }
    }
    for goods in ["e.a", "e.b", "e.c"] {
        world.assert_holds(&sale_id(goods)).await;
    }
}

#[tokio::test]
async fn a_request_id_belongs_to_its_buyer_and_to_what_it_asked_for() {
    let mut world = World::new().await;
    for goods in ["e.a", "e.b", "e.c"] {
        world.sale(goods, COUNTER, 9).await;
    }
    grabbed(place(&world, "x", "r", &[("e.a", 2), ("e.b", 1)]).await);
    let reused = PlaceOutcome::Refused(PlaceRefusal::RequestIdReused);
    let others: [&[(&str, u32)]; 6] = [
        &[("e.a", 2)],
        &[("e.a", 1), ("e.b", 1)],
        &[("e.a", 2), ("e.b", 2)],
        &[("e.a", 2), ("e.c", 1)],
        &[("e.a", 2), ("e.b", 1), ("e.c", 1)],
        &[("e.c", 7)],
    ];
    for lines in others {
        let before = world.dump().await;
        assert_eq!(place(&world, "x", "r", lines).await, reused, "{lines:?}");
        assert_eq!(world.dump().await, before, "{lines:?}");
    }
    grabbed(place(&world, "y", "r", &[("e.a", 1)]).await);
    grabbed(place(&world, "x", "r2", &[("e.c", 1)]).await);
    for goods in ["e.a", "e.b", "e.c"] {
        world.assert_holds(&sale_id(goods)).await;
    }
}

#[tokio::test]
async fn units_pushed_by_hand_are_sold_whatever_their_bytes() {
    let mut world = World::new().await;
    let sale = world.sale("e.a", LIST, 0).await;
    world.sale("e.b", COUNTER, 1).await;
    let key = world.store.keys().stock(&sale);
    let units: [&[u8]; 2] = [b"a\ne.b\t7", b"\xff%"];
    let mut push = redis::cmd("RPUSH");
    push.arg(&key).arg(&units[..]);
    let _: i64 = push.query_async(&mut world.raw).await.expect("pushed");
    let lines = [("e.a", 2), ("e.b", 1)];
    let order = grabbed(place(&world, "x", "r", &lines).await);
    assert_eq!(order.lines[0].units, ["a\ne.b\t7", "%FF%"]);
    let again = place(&world, "x", "r", &lines).await;
    assert_eq!(again, PlaceOutcome::Repeated(order));
}

#[tokio::test]
async fn a_line_of_which_the_buyer_has_had_all_orders_refuses_the_basket() {
    let mut world = World::new().await;
    let tea = world.held_sale("e.a", LIST, 9).await;
    let cup = world.held_sale("e.b", COUNTER, 9).await;
    world.put(&cup, &at_most(Some(2))).await;
    let lines = [("e.a", 2), ("e.b", 1)];
    for round in 0..2 {
        let request = format!("r{round}");
        let order = grabbed(place(&world, "x", &request, &lines).await);
        changed(
            world
                .store
                .order_cancel(&order.id, &Caller::Operator)
                .await
                .expect("decided"),
        );
    }
    assert_eq!(world.gone(&tea, "x").await, (2, 2));
    assert_eq!(world.gone(&cup, "x").await, (2, 2));
    let before = world.dump().await;
    let told = place(&world, "x", "again", &lines).await;
    let refusal = PlaceRefusal::Line {
        goods: sale_id("e.b"),
        refusal: Refusal::TooManyOrders,
    };
    assert_eq!(told, PlaceOutcome::Refused(refusal));
    // Stock is looked at first, and the other sale has room.
    let told = place(&world, "x", "more", &[("e.b", 1), ("e.a", 10)]).await;
    assert!(matches!(told, PlaceOutcome::Refused(_)), "{told:?}");
    assert_eq!(world.dump().await, before);
    grabbed(place(&world, "x", "tea", &[("e.a", 1)]).await);
    grabbed(place(&world, "y", "r", &lines).await);
    for sale in [&tea, &cup] {
        world.assert_holds(sale).await;
    }
}

#[tokio::test]
async fn whoever_waits_for_replicas_has_a_write_to_wait_for() {
    let mut world = World::new().await;
    world.sale("e.a", COUNTER, 2).await;
    world.sale("e.b", COUNTER, 2).await;
    let keys = [
        "{e}:requests",
        "{e}:orders",
        "{e}:holds",
        "{e}:feed",
        "{e}:sale:e.a",
        "{e}:stock:e.a",
        "{e}:buyers:e.a",
        "{e}:gone:e.a",
    ];
    let sale = format!("{}{{e}}:sale:e.a", world.prefix);
    for (request, waits, purchase, answer, writes) in [
        ("r", "1", "1", "grabbed", false),
        ("r", "0", "1", "repeated", false),
        ("r", "0", "2", "request_id_reused", false),
        ("r", "1", "2", "request_id_reused", true),
        ("r2", "1", "1", "already_grabbed", true),
        ("r", "1", "1", "repeated", true),
    ] {
        let _: u64 = world.run(&["HDEL", &sale, "waited_at"]).await;
        let args = [
            "x",
            request,
            "e-abcdfabcdfabcdfabcdf",
            waits,
            "e.a",
            purchase,
            "",
            "0",
            "0",
        ];
        let reply = call(&mut world, &ORDER_PLACE, &keys, &args)
            .await
            .expect("decided");
        assert!(format!("{reply:?}").contains(answer), "{answer}: {reply:?}");
        let wrote: u64 = world.run(&["HEXISTS", &sale, "waited_at"]).await;
        assert_eq!(wrote == 1, writes, "{request} {answer}");
    }
}

const KEYS: [&str; 8] = [
    "requests", "orders", "holds", "feed", "sale", "stock", "buyers", "gone",
];

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let arity = "order_place takes 4 keys";
    let good = ["x", "r", "e-1", "0", "e", "1", "", "0", "0"];
    let two = [&good[..], &["e.b", "1", "", "0", "0"]].concat();
    let cases: [(&[&str], &[&str]); 7] = [
        (&KEYS[..6], &good),
        (&KEYS[..4], &good[..4]),
        (&KEYS, &[]),
        (&KEYS, &good[..4]),
        (&KEYS, &good[..5]),
        (&KEYS, &two[..13]),
        (&KEYS, &two),
    ];
    for (keys, args) in cases {
        assert_raises(&mut world, &ORDER_PLACE, keys, args, arity).await;
    }
    for purchase in ["0", "-1", "1.5", "x", "", "01", "1e1"] {
        let args = ["x", "r", "e-1", "0", "e", purchase, "", "0", "0"];
        assert_raises(&mut world, &ORDER_PLACE, &KEYS, &args, "purchase").await;
    }
    let twelve = [&KEYS[..], &["sale", "stock", "buyers", "gone"]].concat();
    let twice = [&good[..], &good[4..]].concat();
    assert_raises(&mut world, &ORDER_PLACE, &twelve, &twice, "no goods twice").await;
}

#[tokio::test]
async fn broken_data_raises_before_the_first_write() {
    let keys = [&KEYS[..], &["sale2", "stock2", "buyers2", "gone2"]].concat();
    let args = [
        "x", "r", "e-1", "0", "e.a", "1", "", "0", "0", "e.b", "1", "", "0", "0",
    ];
    let seeds: [Words; 4] = [
        &["HSET", "sale", "kind", "list"],
        &["RPUSH", "stock", "u"],
        &["HSET", "sale2", "kind", "counter", "gone_most", "20"],
        &["SET", "stock2", "5"],
    ];
    let cases: [(Words, &str); 22] = [
        (
            &["HSET", "sale2", "gone_most", "x"],
            "gone_most is not a whole number",
        ),
        (
            &["HSET", "sale2", "orders_max", "none"],
            "orders_max is not a whole number",
        ),
        (&["SET", "gone2", "x"], "WRONGTYPE"),
        (
            &["HSET", "sale2", "history", "0-x"],
            "history is not N-word",
        ),
        (&["SET", "requests", "x"], "WRONGTYPE"),
        (&["SET", "orders", "x"], "WRONGTYPE"),
        (&["SET", "holds", "x"], "WRONGTYPE"),
        (&["SET", "feed", "x"], "WRONGTYPE"),
        (&["SET", "sale2", "x"], "WRONGTYPE"),
        (&["SET", "buyers2", "x"], "WRONGTYPE"),
        (&["SET", "stock", "1"], "WRONGTYPE"),
        (
            &["XADD", "feed", "5-1", "what", "by hand"],
            "equal or smaller",
        ),
        (&["HSET", "sale2", "kind", "bag"], "has the kind bag"),
        (
            &["HSET", "sale2", "hold", "15m"],
            "hold is not a whole number",
        ),
        (
            &["HSET", "sale2", "held", "x"],
            "held is not a whole number",
        ),
        (
            &["HSET", "sale2", "confirmed", "x"],
            "confirmed is not a whole number",
        ),
        (
            &["HSET", "sale2", "grants", "1.5"],
            "grants is not a whole number",
        ),
        (
            &["HSET", "sale2", "opens_at", "soon"],
            "opens_at is not a whole number",
        ),
        (
            &["HSET", "sale2", "closes_at", "late"],
            "closes_at is not a whole number",
        ),
        (
            &["HSET", "sale2", "purchase_max", "-1"],
            "purchase_max is not a whole",
        ),
        (&["SET", "stock2", "1e3"], "stock2 is not a whole number"),
        (
            &["HSET", "requests", "x\tr", "e-lost"],
            "order e-lost of a request is missing",
        ),
    ];
    assert_broken_data_raises(&ORDER_PLACE, &keys, &args, &seeds, cases).await;
}

/// Also where the call would stop a sale that lost orders: this server knows of five.
#[tokio::test]
async fn broken_data_raises_before_a_sale_that_lost_orders_is_stopped() {
    let keys = [&KEYS[..], &["sale2", "stock2", "buyers2", "gone2"]].concat();
    let args = [
        "x", "r", "e-1", "0", "e.a", "1", "1-x", "5", "9", "e.b", "1", "1-x", "5", "9",
    ];
    let seeds: [Words; 2] = [
        &["HSET", "sale", "kind", "list"],
        &["HSET", "sale2", "kind", "counter"],
    ];
    let cases: [(Words, &str); 2] = [
        (
            &["HSET", "requests", "x\tr", "e-lost"],
            "order e-lost of a request is missing",
        ),
        (
            &["HSET", "sale2", "known", "x"],
            "known is not a whole number",
        ),
    ];
    assert_broken_data_raises(&ORDER_PLACE, &keys, &args, &seeds, cases).await;
}

/// What a placement does, in the plainest words: the model that the script must agree with.
#[derive(Default)]
struct Model {
    /// Of each sale, by its place in [`SALES`].
    left: Vec<u32>,
    held: HashMap<(u8, usize), usize>,
    requests: HashMap<(u8, u8), (BTreeMap<usize, u32>, usize)>,
    /// The holder of each unit, in the order of the grants; none if the order was cancelled.
    orders: Vec<Option<(u8, BTreeMap<usize, u32>)>>,
}

/// Sales of the model, with kind and the most units in one order; the last does not exist.
const SALES: [(&str, StockKind, u32); 4] = [
    ("e.a", LIST, 2),
    ("e.b", COUNTER, 3),
    ("e.c", LIST, 5),
    ("e.nix", LIST, 0),
];

impl Model {
    /// The answer, and the number of the order that it shows.
    fn place(&mut self, user: u8, request: u8, asked: &[(usize, u32)]) -> (String, Option<usize>) {
        let mut sum = BTreeMap::new();
        let mut in_order = Vec::new();
        for &(sale, units) in asked {
            if !sum.contains_key(&sale) {
                in_order.push(sale);
            }
            *sum.entry(sale).or_insert(0) += units;
        }
        let first =
            |wrong: &dyn Fn(usize) -> bool| in_order.iter().copied().find(|&sale| wrong(sale));
        let say = |word: &str, sale: usize| format!("{word} {}", SALES[sale].0);
        if let Some(sale) = first(&|sale| sale == 3) {
            return (say("no_such_sale", sale), None);
        }
        if let Some((before, order)) = self.requests.get(&(user, request)) {
            return match *before == sum {
                true => ("repeated".to_owned(), Some(*order)),
                false => ("request_id_reused".to_owned(), None),
            };
        }
        if let Some(sale) = first(&|sale| sum[&sale] > SALES[sale].2) {
            return (say("invalid_purchase", sale), None);
        }
        if let Some(sale) = first(&|sale| self.held.contains_key(&(user, sale))) {
            return (say("already_grabbed", sale), Some(self.held[&(user, sale)]));
        }
        if let Some(sale) = first(&|sale| self.left[sale] < sum[&sale]) {
            let word = if self.left[sale] == 0 {
                "sold_out"
            } else {
                "insufficient_stock"
            };
            return (say(word, sale), None);
        }
        let number = self.orders.len();
        for (&sale, units) in &sum {
            self.left[sale] -= units;
            self.held.insert((user, sale), number);
        }
        self.orders.push(Some((user, sum.clone())));
        self.requests.insert((user, request), (sum, number));
        ("grabbed".to_owned(), Some(number))
    }

    fn cancel(&mut self, number: usize) {
        let Some((user, sum)) = self.orders[number].take() else {
            return;
        };
        for (sale, units) in sum {
            self.left[sale] += units;
            self.held.remove(&(user, sale));
        }
    }
}

/// The outcome in the words of the model.
fn said(outcome: &PlaceOutcome) -> (String, Option<&OrderId>) {
    match outcome {
        PlaceOutcome::Grabbed(order) => ("grabbed".to_owned(), Some(&order.id)),
        PlaceOutcome::Repeated(order) => ("repeated".to_owned(), Some(&order.id)),
        PlaceOutcome::Refused(PlaceRefusal::RequestIdReused) => {
            ("request_id_reused".to_owned(), None)
        }
        PlaceOutcome::Refused(PlaceRefusal::AlreadyGrabbed { goods, order }) => {
            (format!("already_grabbed {goods}"), Some(order))
        }
        PlaceOutcome::Refused(PlaceRefusal::NotStarted { goods, .. }) => {
            (format!("not_started {goods}"), None)
        }
        PlaceOutcome::Refused(PlaceRefusal::Line { goods, refusal }) => {
            (format!("{} {goods}", refusal.code()), None)
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// User, request, lines by the place of their sale.
    Place(u8, u8, Vec<(usize, u32)>),
    /// The order of this number, if there are that many.
    Cancel(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Mostly sales that exist and quantities that are allowed.
    let sale = prop_oneof![20 => 0usize..3, 1 => Just(3usize)];
    let line = (sale, prop_oneof![9 => 1u32..3, 1 => 3u32..7]);
    let place = (0u8..5, 0u8..4, prop::collection::vec(line, 1..5));
    let place = place.prop_map(|(user, request, lines)| Step::Place(user, request, lines));
    let step = prop_oneof![5 => place, 1 => (0usize..5).prop_map(Step::Cancel)];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_placements_agree_with_the_model(
        stock in prop::collection::vec(0u32..12, 3),
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let world = World::new().await;
            let mut sales = Vec::new();
            for (&units, (goods, kind, most)) in stock.iter().zip(SALES) {
                let sale = world.sale(goods, kind, units.into()).await;
                let change = SaleEdit {
                    purchase_max: Some(term_number(most.into())),
                    // Orders with the second sale are held, others confirmed.
                    hold: Some((goods == "e.b").then(|| term_number(60_000))),
                    cancel_until: Some(Some(99_999_999_999_999)),
                    ..edit()
                };
                world.put(&sale, &change).await;
                sales.push(sale);
            }
            let mut model = Model { left: stock, ..Model::default() };
            let mut orders: Vec<OrderId> = Vec::new();
            for step in &steps {
                let (user, request, lines) = match step {
                    Step::Place(user, request, lines) => (*user, *request, lines),
                    Step::Cancel(number) => {
                        if let Some(order) = orders.get(*number) {
                            world.store.order_cancel(order, &Caller::Operator).await.expect("asked");
                            model.cancel(*number);
                        }
                        continue;
                    }
                };
                let named: Vec<_> = lines.iter().map(|&(sale, n)| (SALES[sale].0, n)).collect();
                let asked = placement(&format!("u{user}"), &format!("r{request}"), &named);
                let placed = place_all(&world, &asked).await;
                let (word, shown) = said(placed.outcome.as_ref().expect("kept"));
                if word == "grabbed" {
                    orders.push(asked.order.clone());
                }
                let (expected, number) = model.place(user, request, lines);
                prop_assert_eq!(&word, &expected);
                prop_assert_eq!(shown, number.map(|number| &orders[number]));
                for (wish, standing) in asked.basket.wishes().iter().zip(&placed.standings) {
                    let sale = sales.iter().position(|sale| *sale == wish.goods).expect("known");
                    prop_assert_eq!(standing.left, u64::from(model.left[sale]));
                }
            }
            for sale in &sales {
                world.assert_holds(sale).await;
            }
            Ok(())
        })?;
    }
}
