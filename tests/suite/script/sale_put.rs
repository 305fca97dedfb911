//! `lua/sale_put.lua`

use seckill::domain::caller::Caller;
use seckill::domain::ids::SaleId;
use seckill::domain::purchase::outcome::{Outcome, Refusal};
use seckill::domain::sale::activity::{Activity, Keyword};
use seckill::domain::sale::terms::{Of, put_terms};
use seckill::domain::sale::values::{Form, TermValue};
use seckill::domain::sale::{Door, EditOutcome, EditRefusal, Sale, SaleEdit, StockKind, Stop};
use seckill::store::script::SALE_PUT;

use super::assert_raises;
use crate::support::app::TestApp;
use crate::support::orders::at_most;
use crate::support::redis::{World, sale_id};
use crate::support::terms::{term_number, term_text};

fn edit() -> SaleEdit {
    SaleEdit::default()
}

#[tokio::test]
async fn a_sale_is_created_once_and_then_changed() {
    let world = World::new().await;
    let id = sale_id("spring.tea");
    let put = async |edit: &SaleEdit| world.store.sale_put(&id, edit).await.expect("answered");
    let titled = SaleEdit {
        title: Some(term_text("茶")),
        ..edit()
    };
    let none = EditOutcome::Refused(EditRefusal::NoSuchSale);
    assert_eq!(put(&titled).await, none);
    let create = SaleEdit {
        kind: Some(StockKind::List),
        opens_at: Some(Some(5)),
        ..edit()
    };
    assert_eq!(put(&create).await, EditOutcome::Created);
    let limit = SaleEdit {
        purchase_max: Some(term_number(9)),
        ..edit()
    };
    let closing = SaleEdit {
        closes_at: Some(Some(7)),
        ..edit()
    };
    let paused = SaleEdit {
        paused: Some(true),
        ..edit()
    };
    for change in [&create, &titled, &limit, &closing, &paused] {
        assert_eq!(put(change).await, EditOutcome::Updated, "{change:?}");
    }
    let sale = stored(&world, &id).await;
    assert_eq!((sale.title.as_str(), sale.kind()), ("茶", StockKind::List));
    assert_eq!((sale.opens_at, sale.closes_at), (Some(5), Some(7)));
    assert_eq!((sale.purchase_max(), sale.stop), (9, Some(Stop::Paused)));
    let unbounded = SaleEdit {
        opens_at: Some(None),
        ..edit()
    };
    assert_eq!(put(&unbounded).await, EditOutcome::Updated);
    assert_eq!(stored(&world, &id).await.opens_at, None);
}

#[tokio::test]
async fn what_a_running_sale_must_not_change_is_refused_and_writes_nothing() {
    let mut world = World::new().await;
    let id = world.sale("a", StockKind::List, 5).await;
    let wider = SaleEdit {
        purchase_max: Some(term_number(5)),
        opens_at: Some(Some(1)),
        ..edit()
    };
    world.store.sale_put(&id, &wider).await.expect("put");
    let app = TestApp::start(&world).await;
    assert_eq!(app.buyer.code("/seckill", "a", "x", "1").await, "grabbed");
    app.stop().await;
    let before = world.dump().await;
    for (edit, expected) in [
        (
            SaleEdit {
                kind: Some(StockKind::Counter),
                ..edit()
            },
            EditOutcome::Refused(EditRefusal::KindIsFixed),
        ),
        (
            SaleEdit {
                purchase_max: Some(term_number(4)),
                ..edit()
            },
            EditOutcome::Refused(EditRefusal::PurchaseMaxLowered),
        ),
        (
            SaleEdit {
                opens_at: Some(Some(9_999_999_999_999)),
                ..edit()
            },
            EditOutcome::Refused(EditRefusal::AlreadyOpen),
        ),
        (
            SaleEdit {
                opens_at: Some(None),
                ..edit()
            },
            EditOutcome::Refused(EditRefusal::AlreadyOpen),
        ),
        (
            SaleEdit {
                closes_at: Some(Some(0)),
                ..edit()
            },
            EditOutcome::Refused(EditRefusal::WindowIsEmpty),
        ),
    ] {
        let outcome = world.store.sale_put(&id, &edit).await.expect("answered");
        assert_eq!(outcome, expected, "{edit:?}");
        assert_eq!(world.dump().await, before, "{edit:?} wrote something");
    }
    for edit in [
        SaleEdit {
            purchase_max: Some(term_number(6)),
            ..edit()
        },
        SaleEdit {
            opens_at: Some(Some(1)),
            ..edit()
        },
        SaleEdit {
            closes_at: Some(Some(9_999_999_999_999)),
            ..edit()
        },
    ] {
        let outcome = world.store.sale_put(&id, &edit).await.expect("answered");
        assert_eq!(outcome, EditOutcome::Updated, "{edit:?}");
    }
}

#[tokio::test]
async fn holds_and_cancelling_change_at_any_time() {
    let world = World::new().await;
    let id = world.held_sale("a", StockKind::List, 5).await;
    world.granted(&id, "x", 1).await;
    for (hold, cancel_until) in [(Some(1_000), Some(7)), (None, None), (Some(5_000), Some(0))] {
        let edit = SaleEdit {
            hold: Some(hold.map(term_number)),
            cancel_until: Some(cancel_until),
            ..edit()
        };
        let outcome = world.store.sale_put(&id, &edit).await.expect("answered");
        assert_eq!(outcome, EditOutcome::Updated);
        let snapshot = world.store.sale_snapshot(&id).await.expect("read");
        let sale = snapshot.expect("exists").sale;
        assert_eq!((sale.hold, sale.cancel_until), (hold, cancel_until));
    }
}

#[tokio::test]
async fn the_feed_is_fixed_by_the_first_grant() {
    let mut world = World::new().await;
    let feed = |on| SaleEdit {
        feed: Some(on),
        ..edit()
    };
    for on in [true, false] {
        let id = world
            .held_sale(if on { "on" } else { "off" }, StockKind::List, 5)
            .await;
        for on in [!on, on] {
            let outcome = world
                .store
                .sale_put(&id, &feed(on))
                .await
                .expect("answered");
            assert_eq!(outcome, EditOutcome::Updated, "nothing was granted yet");
        }
        let order = world.granted(&id, "x", 1).await;
        // Fixed for good, even if the only order is dead and no buyer holds one.
        world
            .store
            .order_cancel(&order, &Caller::Operator)
            .await
            .expect("decided");
        let before = world.dump().await;
        let outcome = world
            .store
            .sale_put(&id, &feed(!on))
            .await
            .expect("answered");
        assert_eq!(outcome, EditOutcome::Refused(EditRefusal::FeedIsFixed));
        assert_eq!(world.dump().await, before);
        let same = world
            .store
            .sale_put(&id, &feed(on))
            .await
            .expect("answered");
        assert_eq!(same, EditOutcome::Updated);
        let snapshot = world.store.sale_snapshot(&id).await.expect("read");
        assert_eq!(snapshot.expect("exists").sale.feed, on);
    }
}

#[tokio::test]
async fn wrong_calls_raise() {
    let mut world = World::new().await;
    let keys = ["sale", "buyers", "deleted", "archived"];
    for (keys, args, words) in [
        (&keys[..2], &["kind", "list"][..], "takes 4 keys"),
        (&keys, &[], "takes 4 keys"),
        (&keys, &["kind"], "takes 4 keys"),
        (&keys, &["stock", "9"], "no such field: stock"),
        (
            &keys,
            &["kind", "list", "opens_at", "soon"],
            "opens_at is not a whole number",
        ),
        (
            &keys,
            &["kind", "list", "purchase_max", "two"],
            "purchase_max is not a whole number",
        ),
        (
            &keys,
            &["kind", "list", "hold", "15m"],
            "hold is not a whole number",
        ),
        (
            &keys,
            &["kind", "list", "cancel_until", "soon"],
            "cancel_until is not a whole number",
        ),
        (
            &keys,
            &["kind", "list", "keyword", "k", "starts_at", "soon"],
            "starts_at is not a whole number",
        ),
        (
            &keys,
            &["kind", "list", "keyword", "k", "ends_at", "soon"],
            "ends_at is not a whole number",
        ),
    ] {
        let args = [&["a", "word"], args].concat();
        assert_raises(&mut world, &SALE_PUT, keys, &args, words).await;
    }
}

#[tokio::test]
async fn the_limit_of_orders_is_20_and_may_change_at_any_time() {
    let mut world = World::new().await;
    let limit = async |world: &World, id: &SaleId| {
        let read = world.store.sale_snapshot(id).await.expect("read");
        let sale = read.expect("exists").sale;
        sale.units().and_then(|units| units.orders_max)
    };
    let tea = world.sale("tea", StockKind::List, 9).await;
    let loan = world.sale("loan", StockKind::Target, 9).await;
    assert_eq!(limit(&world, &loan).await, None);
    assert_eq!(limit(&world, &tea).await, Some(20));
    world.granted(&tea, "x", 1).await;
    for orders in [Some(1), None, Some(1_000_000)] {
        world.put(&tea, &at_most(orders)).await;
        assert_eq!(limit(&world, &tea).await, orders);
    }
    let key = world.store.keys().sale(&tea);
    world.put(&tea, &at_most(None)).await;
    let fields = ["orders_max", "gone", "gone_since"];
    let stored: Vec<Option<u64>> = world.run(&[&["HMGET", &key], &fields[..]].concat()).await;
    assert_eq!(stored[..2], [Some(0); 2], "no limit, and nothing has died");
    assert!(stored[2] > Some(1_700_000_000_000), "{stored:?}");
    let key = world.store.keys().sale(&loan);
    let stored: Vec<Option<u64>> = world.run(&[&["HMGET", &key], &fields[..]].concat()).await;
    assert_eq!(stored, [None; 3], "a target counts none");
}

fn bid_min(cents: u64) -> SaleEdit {
    SaleEdit {
        bid_min: Some(term_number(cents)),
        ..edit()
    }
}

fn bonus_bp(points: u64) -> SaleEdit {
    SaleEdit {
        bonus_bp: Some(term_number(points)),
        ..edit()
    }
}

#[tokio::test]
async fn a_target_has_its_own_terms() {
    let world = World::new().await;
    let list = world.sale("list", StockKind::List, 1).await;
    let loan = world.sale("loan", StockKind::Target, 100).await;
    let put = async |id: &SaleId, edit: &SaleEdit| {
        world.store.sale_put(id, edit).await.expect("answered")
    };
    let never = EditOutcome::Refused(EditRefusal::NotOfThisKind);
    for wrong in [bid_min(1), bonus_bp(0)] {
        assert_eq!(put(&list, &wrong).await, never, "{wrong:?}");
        let created = SaleEdit {
            kind: Some(StockKind::Counter),
            ..wrong
        };
        assert_eq!(put(&sale_id("new"), &created).await, never);
    }
    let purchase_max = SaleEdit {
        purchase_max: Some(term_number(1)),
        ..edit()
    };
    let hold = SaleEdit {
        hold: Some(term_number(5_000)),
        ..edit()
    };
    for wrong in [purchase_max, hold, at_most(Some(20))] {
        assert_eq!(put(&loan, &wrong).await, never, "{wrong:?}");
    }
    let no_hold = SaleEdit {
        hold: Some(None),
        ..edit()
    };
    let terms = [bid_min(20), bonus_bp(5), bid_min(10), bonus_bp(50)];
    for right in [at_most(None), no_hold, no_keyword()].iter().chain(&terms) {
        assert_eq!(put(&loan, right).await, EditOutcome::Updated, "{right:?}");
    }
    world.assert_holds(&loan).await;
}

#[tokio::test]
async fn the_terms_of_a_target_stay_once_there_are_bids() {
    let mut world = World::new().await;
    let loan = world.sale("loan", StockKind::Target, 100).await;
    world.put(&loan, &bid_min(10)).await;
    world.put(&loan, &bonus_bp(50)).await;
    let bid = world.accepted("x", "r", &loan, 50).await;
    let (line, accepted) = bid.bid().expect("a bid");
    assert_eq!((line.purchase, accepted.bonus), (50, 0));
    let key = world.store.keys().sale(&loan);
    let fields: Vec<String> = world.run(&["HMGET", &key, "bid_min", "bonus_bp"]).await;
    assert_eq!(fields, ["10", "50"]);

    let put = async |edit: &SaleEdit| world.store.sale_put(&loan, edit).await.expect("answered");
    let fixed = EditOutcome::Refused(EditRefusal::TermsAreFixed);
    for wrong in [bid_min(9), bid_min(11), bonus_bp(49), bonus_bp(0)] {
        assert_eq!(put(&wrong).await, fixed, "{wrong:?}");
    }
    for same in [bid_min(10), bonus_bp(50)] {
        assert_eq!(put(&same).await, EditOutcome::Updated, "{same:?}");
    }
    let later = SaleEdit {
        opens_at: Some(Some(99_999_999_999_999)),
        ..edit()
    };
    let open = EditOutcome::Refused(EditRefusal::AlreadyOpen);
    assert_eq!(put(&later).await, open);
    world.assert_holds(&loan).await;
}

fn keyword(word: &str) -> SaleEdit {
    SaleEdit {
        keyword: Some(term_text(word)),
        ..edit()
    }
}

async fn stored(world: &World, id: &SaleId) -> Sale {
    let snapshot = world.store.sale_snapshot(id).await.expect("read");
    snapshot.expect("the sale exists").sale
}

fn no_keyword() -> SaleEdit {
    SaleEdit {
        keyword: Some(None),
        ..edit()
    }
}

/// Who is off show keeps what it said: the keyword alone brings it back.
#[tokio::test]
async fn a_keyword_makes_an_activity_and_none_takes_it_off_show() {
    let world = World::new().await;
    let put = async |id: &SaleId, edit: &SaleEdit| {
        world.store.sale_put(id, edit).await.expect("answered")
    };
    let activity = async |id: &SaleId| stored(&world, id).await.activity().cloned();
    for kind in [StockKind::List, StockKind::Counter] {
        let id = world.sale(kind.as_str(), kind, 5).await;
        assert_eq!(activity(&id).await, None);
        assert_eq!(put(&id, &keyword("k")).await, EditOutcome::Updated);
        let mut said = Activity {
            keyword: Keyword::parse("k").ok(),
            place: String::new(),
            starts_at: None,
            ends_at: None,
            picture: String::new(),
            description: String::new(),
        };
        assert_eq!(activity(&id).await, Some(said.clone()));
        let change = SaleEdit {
            place: Some(term_text("大礼堂")),
            starts_at: Some(Some(5)),
            ends_at: Some(Some(5)),
            picture: Some(term_text("http://a/b.png")),
            description: Some(term_text("two\nlines")),
            ..keyword("马兰花开")
        };
        let closing = SaleEdit {
            closes_at: Some(Some(5)),
            ..change
        };
        assert_eq!(put(&id, &closing).await, EditOutcome::Updated);
        said = Activity {
            keyword: Keyword::parse("马兰花开").ok(),
            place: "大礼堂".to_owned(),
            starts_at: Some(5),
            ends_at: Some(5),
            picture: "http://a/b.png".to_owned(),
            description: "two\nlines".to_owned(),
        };
        assert_eq!(activity(&id).await, Some(said.clone()));
        assert_eq!(put(&id, &no_keyword()).await, EditOutcome::Updated);
        said.keyword = None;
        assert_eq!(activity(&id).await, Some(said.clone()));
        assert_eq!(put(&id, &keyword("k")).await, EditOutcome::Updated);
        said.keyword = Keyword::parse("k").ok();
        assert_eq!(activity(&id).await, Some(said.clone()));
        world.assert_holds(&id).await;
    }
}

#[tokio::test]
async fn what_an_activity_says_may_change_when_there_are_tickets() {
    let mut world = World::new().await;
    for kind in [StockKind::List, StockKind::Counter] {
        let id = world.sale(kind.as_str(), kind, 5).await;
        let full = SaleEdit {
            place: Some(term_text("大礼堂")),
            starts_at: Some(Some(5)),
            closes_at: Some(Some(99_999_999_999_999)),
            ends_at: Some(Some(99_999_999_999_999)),
            picture: Some(term_text("http://a/b.png")),
            description: Some(term_text("two\nlines")),
            ..keyword("k")
        };
        world.put(&id, &full).await;
        world.granted(&id, "x", 1).await;
        let emptied = SaleEdit {
            place: Some(None),
            starts_at: Some(None),
            ends_at: Some(None),
            picture: Some(None),
            description: Some(None),
            ..SaleEdit::default()
        };
        world.put(&id, &emptied).await;
        let key = world.store.keys().sale(&id);
        let fields: Vec<String> = world.run(&["HKEYS", &key]).await;
        assert!(fields.contains(&"keyword".to_owned()), "{fields:?}");
        for gone in ["place", "starts_at", "ends_at", "picture", "description"] {
            assert!(!fields.iter().any(|field| field == gone), "{fields:?}");
        }
        world.assert_holds(&id).await;
    }
}

#[tokio::test]
async fn what_no_activity_may_be_is_refused_and_writes_nothing() {
    let mut world = World::new().await;
    let plain = world.sale("plain", StockKind::List, 5).await;
    let held = world.held_sale("held", StockKind::List, 5).await;
    let loan = world.sale("loan", StockKind::Target, 5).await;
    let shown = world.sale("shown", StockKind::Counter, 5).await;
    let times = |starts_at, ends_at| SaleEdit {
        starts_at,
        ends_at,
        ..SaleEdit::default()
    };
    world.put(&shown, &keyword("k")).await;
    let closing = |closes_at| SaleEdit {
        closes_at: Some(closes_at),
        ..edit()
    };
    world.put(&shown, &closing(Some(9))).await;
    world
        .put(&shown, &times(Some(Some(10)), Some(Some(20))))
        .await;
    let hold = SaleEdit {
        hold: Some(term_number(5_000)),
        ..edit()
    };
    let both = SaleEdit {
        keyword: Some(term_text("k")),
        ..hold.clone()
    };
    let created = SaleEdit {
        kind: Some(StockKind::List),
        ..both.clone()
    };
    let of_target = SaleEdit {
        kind: Some(StockKind::Target),
        ..keyword("k")
    };
    let place = SaleEdit {
        place: Some(term_text("x")),
        ..SaleEdit::default()
    };
    let unsaid = SaleEdit {
        keyword: Some(None),
        description: Some(term_text("x")),
        ..SaleEdit::default()
    };
    let hidden = SaleEdit {
        keyword: Some(None),
        ..hold.clone()
    };
    let new = sale_id("new");
    let before = world.dump().await;
    for (id, edit, refusal) in [
        (&held, keyword("k"), EditRefusal::HoldAndKeyword),
        (&shown, hold, EditRefusal::HoldAndKeyword),
        (&plain, both, EditRefusal::HoldAndKeyword),
        (&new, created, EditRefusal::HoldAndKeyword),
        (&loan, keyword("k"), EditRefusal::NotOfThisKind),
        (&loan, place.clone(), EditRefusal::NotOfThisKind),
        (&new, of_target, EditRefusal::NotOfThisKind),
        (&plain, place, EditRefusal::NotAnActivity),
        (
            &plain,
            times(Some(Some(1)), None),
            EditRefusal::NotAnActivity,
        ),
        (&plain, times(None, Some(None)), EditRefusal::NotAnActivity),
        (&plain, unsaid, EditRefusal::NotAnActivity),
        (&shown, hidden, EditRefusal::HoldAndKeyword),
        (
            &shown,
            times(Some(Some(21)), None),
            EditRefusal::EndsBeforeStart,
        ),
        (
            &shown,
            times(None, Some(Some(9))),
            EditRefusal::EndsBeforeStart,
        ),
        (
            &shown,
            times(Some(Some(8)), Some(Some(7))),
            EditRefusal::EndsBeforeStart,
        ),
        (
            &shown,
            times(Some(None), Some(Some(8))),
            EditRefusal::EndsBeforeClosing,
        ),
        (&shown, closing(Some(21)), EditRefusal::EndsBeforeClosing),
        (&shown, closing(None), EditRefusal::EndsBeforeClosing),
    ] {
        let outcome = world.store.sale_put(id, &edit).await.expect("answered");
        assert_eq!(outcome, EditOutcome::Refused(refusal), "{id} {edit:?}");
        assert_eq!(world.dump().await, before, "{id} {edit:?} wrote something");
    }
    let unheld = SaleEdit {
        hold: Some(None),
        ..keyword("k")
    };
    for (id, edit) in [
        (&held, unheld),
        (&shown, times(Some(Some(20)), None)),
        (&shown, times(Some(None), Some(Some(9)))),
        (&shown, times(None, Some(None))),
        (&shown, closing(None)),
    ] {
        let outcome = world.store.sale_put(id, &edit).await.expect("answered");
        assert_eq!(outcome, EditOutcome::Updated, "{id} {edit:?}");
    }
}

#[tokio::test]
async fn an_activity_gives_one_ticket_to_each_number() {
    let world = World::new().await;
    let limit = |purchase_max| SaleEdit {
        purchase_max: Some(term_number(purchase_max)),
        ..edit()
    };
    let shown = |purchase_max| SaleEdit {
        purchase_max,
        ..keyword("k")
    };
    let many = EditOutcome::Refused(EditRefusal::OneTicketEach);
    let put = async |id: &SaleId, edit: &SaleEdit| {
        let outcome = world.store.sale_put(id, edit).await;
        outcome.expect("answered")
    };
    let plain = world.sale("plain", StockKind::List, 5).await;
    assert_eq!(put(&plain, &shown(Some(term_number(2)))).await, many);
    assert_eq!(stored(&world, &plain).await.purchase_max(), 2);
    assert_eq!(put(&plain, &shown(None)).await, EditOutcome::Updated);
    assert_eq!(stored(&world, &plain).await.purchase_max(), 1);
    assert_eq!(put(&plain, &limit(2)).await, many);
    assert_eq!(put(&plain, &limit(1)).await, EditOutcome::Updated);
    let new = sale_id("new");
    let created = |purchase_max| SaleEdit {
        kind: Some(StockKind::Counter),
        ..shown(purchase_max)
    };
    assert_eq!(put(&new, &created(Some(term_number(3)))).await, many);
    assert_eq!(
        put(&new, &created(Some(term_number(1)))).await,
        EditOutcome::Created
    );
    // Also while it is off show.
    let hidden = SaleEdit {
        purchase_max: Some(term_number(2)),
        ..no_keyword()
    };
    assert_eq!(put(&plain, &hidden).await, many);
    assert_eq!(put(&plain, &no_keyword()).await, EditOutcome::Updated);
    assert_eq!(put(&plain, &limit(2)).await, many);
    // A limit that was set is not changed silently.
    let two = world.sale("two", StockKind::List, 5).await;
    world.put(&two, &limit(2)).await;
    assert_eq!(put(&two, &shown(None)).await, many);
    assert_eq!(
        put(&two, &shown(Some(term_number(1)))).await,
        EditOutcome::Updated
    );
}

#[tokio::test]
async fn the_door_of_a_sale_with_orders_is_fixed() {
    for kind in [StockKind::List, StockKind::Counter] {
        let mut world = World::new().await;
        let plain = world.sale("plain", kind, 2).await;
        let shown = world.sale("shown", kind, 2).await;
        world.put(&shown, &keyword("k")).await;
        let ticket = world.granted(&shown, "x", 1).await;
        world.granted(&plain, "x", 1).await;
        // Whether the tickets are dead by now, people look for them.
        let cancelled = world.store.order_cancel(&ticket, &Caller::Operator).await;
        cancelled.expect("answered");
        let before = world.dump().await;
        for (id, edit, refusal) in [
            (&plain, keyword("k"), EditRefusal::SoldElsewhere),
            (&shown, no_keyword(), EditRefusal::TicketsAreOut),
        ] {
            let outcome = world.store.sale_put(id, &edit).await;
            assert_eq!(outcome.expect("answered"), EditOutcome::Refused(refusal));
            assert_eq!(world.dump().await, before, "{id}: something was written");
        }
        for (id, edit) in [(&plain, no_keyword()), (&shown, keyword("other"))] {
            let outcome = world.store.sale_put(id, &edit).await;
            assert_eq!(outcome.expect("answered"), EditOutcome::Updated, "{id}");
        }
        assert_eq!(stored(&world, &plain).await.door(), kind.door());
        assert_eq!(stored(&world, &shown).await.door(), Door::Office);
    }
}

/// Otherwise hiding an activity would let any endpoint sell its tickets.
#[tokio::test]
async fn an_activity_off_show_is_sold_nowhere() {
    for kind in [StockKind::List, StockKind::Counter] {
        let world = World::new().await;
        let shown = world.sale("shown", kind, 2).await;
        world.put(&shown, &keyword("k")).await;
        world.put(&shown, &no_keyword()).await;
        let sale = stored(&world, &shown).await;
        assert_eq!((sale.door(), sale.purchase_max()), (Door::Office, 1));
        let activity = sale.activity().expect("an activity");
        assert_eq!(activity.keyword, None);
        // Nor in the office, where no user would find the ticket.
        for door in [kind.door(), Door::Office] {
            let batch = world.grab_all(&shown, door, &[("x", 1)]).await;
            assert_eq!(batch.outcomes, [Outcome::Refused(Refusal::WrongDoor)]);
        }
        world.put(&shown, &keyword("k")).await;
        let batch = world.grab_all(&shown, Door::Office, &[("x", 1)]).await;
        assert!(batch.outcomes[0].is_grabbed());
    }
}

#[tokio::test]
async fn who_never_had_a_keyword_is_no_activity() {
    let world = World::new().await;
    let id = sale_id("plain");
    let created = SaleEdit {
        kind: Some(StockKind::List),
        purchase_max: Some(term_number(2)),
        ..no_keyword()
    };
    for outcome in [EditOutcome::Created, EditOutcome::Updated] {
        let put = world.store.sale_put(&id, &created).await;
        assert_eq!(put.expect("answered"), outcome);
        assert_eq!(stored(&world, &id).await.door(), Door::Seckill);
    }
}

/// A broken field of the activity does not prevent a change of other fields.
#[tokio::test]
async fn a_sale_with_a_broken_activity_can_be_paused_and_mended() {
    let mut world = World::new().await;
    let id = world.sale("a", StockKind::List, 5).await;
    let key = world.store.keys().sale(&id);
    let broken = [
        "HSET",
        &key,
        "keyword",
        "a b",
        "hold",
        "x",
        "starts_at",
        "y",
    ];
    let _: u64 = world.run(&broken).await;
    let error = world.store.sale_snapshot(&id).await;
    let error = error.expect_err("unreadable").to_string();
    assert!(error.contains("sale a"), "{error}");
    let pause = SaleEdit {
        paused: Some(true),
        ..edit()
    };
    let mended = SaleEdit {
        hold: Some(None),
        starts_at: Some(None),
        ..keyword("k")
    };
    for edit in [pause, mended] {
        let outcome = world.store.sale_put(&id, &edit).await.expect("answered");
        assert_eq!(outcome, EditOutcome::Updated, "{edit:?}");
    }
    let snapshot = world.store.sale_snapshot(&id).await.expect("read");
    assert!(snapshot.expect("exists").sale.activity().is_some());
}

/// A value that every term of this form accepts.
fn sample(form: Form) -> TermValue {
    match form {
        Form::Choice => TermValue::Text("list".to_owned()),
        Form::Text | Form::Keyword => TermValue::Text("x".to_owned()),
        Form::Address => TermValue::Text("http://x".to_owned()),
        Form::Time | Form::Duration => TermValue::Number(5_000),
        Form::Whole => TermValue::Number(7),
        Form::Switch => TermValue::Switch(false),
    }
}

#[tokio::test]
async fn every_term_that_is_put_is_read_back_and_cleared() {
    let world = World::new().await;
    let plain = world.sale("plain", StockKind::List, 5).await;
    let loan = world.sale("loan", StockKind::Target, 5).await;
    let shown = world.sale("shown", StockKind::Counter, 5).await;
    let show = SaleEdit {
        closes_at: Some(Some(5_000)),
        ..keyword("k")
    };
    world.put(&shown, &show).await;
    for term in put_terms() {
        let sale = match term.of {
            Of::Every | Of::Units | Of::Pause => &plain,
            Of::Target => &loan,
            Of::Activity => &shown,
        };
        let mut change = edit();
        let value = sample(term.form);
        assert_eq!(term.decide(&mut change, value.clone()), Ok(()));
        world.put(sale, &change).await;
        let read = term.of_sale(&stored(&world, sale).await);
        assert_eq!(read, Some(value.clone()), "{}", term.name);
        if term.clears {
            assert_eq!(term.decide(&mut change, TermValue::Nothing), Ok(()));
            world.put(sale, &change).await;
            let cleared = term.of_sale(&stored(&world, sale).await);
            let empty = [TermValue::Nothing, TermValue::Text(String::new())];
            assert!(
                cleared.is_some_and(|value| empty.contains(&value)),
                "{}",
                term.name
            );
        }
    }
}
