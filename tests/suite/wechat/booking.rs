//! 抢票, by keyword and from the menu.

use std::time::{Duration, Instant};

use seckill::domain::caller::Caller;
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::OrderState;
use seckill::domain::sale::{EditOutcome, EditRefusal, SaleEdit, StockKind};

use crate::support::PATIENCE;
use crate::support::buyer::Reply;
use crate::support::orders::paused;
use crate::support::redis::{PrivateRedis, World};
use crate::support::stalls::Stalls;
use crate::support::terms::term_text;
use crate::support::wechat::{FAR, Follower, Heard, SITE, booking, office, on_show};

const BOOKED: &str = "恭喜您，抢票成功！";
const BEFORE: &str = "您已经抢到票了，请不要重复抢票！";
const NOT_FOUND: &str = "活动不存在";
const SOLD_OUT: &str = "对不起，票已经被抢光啦";

fn said(heard: &Heard) -> (&str, &str) {
    (&heard.kind, &heard.text)
}

fn order_id(id: &str) -> OrderId {
    OrderId::parse(id).expect("an order id")
}

/// Says it until it is answered so: what is on show is read a few times a second. How long it took
/// while the machine did not stand still.
async fn hears(follower: &Follower, words: &str, text: &str) -> Duration {
    let stalls = Stalls::watch_from(Duration::ZERO);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let heard = follower.says(words).await;
        if heard.text == text {
            return stalls.without().await;
        }
        assert!(Instant::now() < deadline, "{words}: {heard:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn orders(world: &World, sale: &SaleId) -> u64 {
    let snapshot = world.store.sale_snapshot(sale).await.expect("read");
    snapshot.expect("the sale exists").grants.count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_booked_once_by_menu_or_by_keyword() {
    for kind in [StockKind::Counter, StockKind::List] {
        let world = World::new().await;
        let mut edit = on_show("key");
        edit.kind = Some(kind);
        edit.title = Some(term_text("马兰花开"));
        edit.place = Some(term_text("大礼堂"));
        let sale = world.activity("drama.sat-12", 50, &edit).await;
        let app = office(&world).await;
        let follower = world.bound(&app, "o-1", "2019010001").await;
        let booked = follower.clicks("BOOKING_ACTIVITY_drama.sat-12").await;
        assert_eq!(said(&booked), ("news", BOOKED));
        let unit = match kind {
            StockKind::List => "\n座位或编号：sn-1",
            StockKind::Counter | StockKind::Target => "",
        };
        let description = format!("<![CDATA[马兰花开{unit}\n地点：大礼堂]]>");
        assert!(booked.body.contains(&description), "{booked:?}");
        let ticket = booked.ticket();
        assert_eq!(
            booked.urls,
            [format!("{SITE}/wechat/ticket?openid=o-1&ticket={ticket}")]
        );
        assert_eq!(world.left(&sale).await, 49);
        let order = world.order(&order_id(&ticket)).await;
        assert_eq!(
            (order.state, order.username.as_str()),
            (OrderState::Confirmed, "2019010001")
        );
        assert_eq!(order.lines[0].purchase, 1);
        // A ticket never looks like a number to a scanner.
        assert!(ticket.parse::<f64>().is_err());
        for again in [
            follower.says("抢票 key").await,
            follower.says(" 抢票\u{3000}key ").await,
            follower.clicks("BOOKING_ACTIVITY_drama.sat-12").await,
        ] {
            assert_eq!(said(&again), ("news", BEFORE));
            assert_eq!(again.ticket(), ticket);
        }
        assert_eq!(
            (world.left(&sale).await, orders(&world, &sale).await),
            (49, 1)
        );
        world.assert_holds(&sale).await;
        app.stop().await;
    }
}

/// The other doors believe anybody who names a student number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_door_sells_tickets_or_shows_them() {
    let number = "2019010001";
    for (kind, door) in [(StockKind::Counter, "/incr"), (StockKind::List, "/seckill")] {
        let world = World::new().await;
        let mut edit = on_show("key");
        edit.kind = Some(kind);
        let sale = world.activity("show", 1, &edit).await;
        let app = office(&world).await;
        let follower = world.bound(&app, "o-1", number).await;
        let wrong = |reply: Reply| {
            assert_eq!(reply.told(), (409, "wrong_door"));
            assert!(!reply.body.contains("show-"), "{reply:?}");
        };
        let others = async || {
            for username in [number, "2019010002"] {
                let fields = [("username", username), ("purchase", "1"), ("goods", "show")];
                wrong(app.buyer.form(door, &fields).await);
            }
            wrong(app.buyer.place(number, "r", &[("show", 1)]).await);
        };
        others().await;
        let ticket = follower.says("抢票 key").await.ticket();
        others().await;
        assert_eq!(world.left(&sale).await, 0);
        assert_eq!(follower.says("抢票 key").await.ticket(), ticket);
        world.assert_holds(&sale).await;
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_there_is_no_ticket_is_told() {
    let world = World::new().await;
    let saved = SaleEdit {
        kind: Some(StockKind::Counter),
        ..SaleEdit::default()
    };
    let mut over = on_show("over");
    over.opens_at = Some(Some(1_539_100_800_000));
    over.closes_at = Some(Some(1_546_185_600_000));
    let mut early = on_show("early");
    early.opens_at = Some(Some(FAR));
    let mut paused = on_show("paused");
    paused.paused = Some(true);
    let mut sales = Vec::new();
    for (id, stock, edit) in [
        ("saved", 5, &saved),
        ("over", 5, &over),
        ("early", 5, &early),
        ("paused", 5, &paused),
        ("empty", 0, &on_show("empty")),
    ] {
        sales.push(world.activity(id, stock, edit).await);
    }
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    // What the message says about time is 2018, when `over` was open.
    for (word, text) in [
        ("saved", NOT_FOUND),
        ("nothing", NOT_FOUND),
        ("-1", NOT_FOUND),
        ("OVER", NOT_FOUND),
        ("over", "抢票已经结束"),
        ("early", "抢票尚未开始"),
        ("paused", "抢票暂停中，请稍后再试"),
        ("empty", SOLD_OUT),
    ] {
        let typed = follower.says(&format!("抢票 {word}")).await;
        assert_eq!(said(&typed), ("text", text), "{word}");
        let clicked = follower.clicks(&format!("BOOKING_ACTIVITY_{word}")).await;
        assert_eq!(said(&clicked), ("text", text), "{word}");
    }
    assert_eq!(follower.clicks("BOOKING_ACTIVITY_").await.text, NOT_FOUND);
    for words in ["抢票", "抢票 ", "抢票 key key"] {
        let heard = follower.says(words).await;
        assert_eq!(said(&heard), ("text", "请按格式输入：抢票 活动代称"));
    }
    for sale in &sales {
        assert_eq!(orders(&world, sale).await, 0);
        world.assert_holds(sale).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_a_ticket_sees_it_in_every_state_of_the_sale() {
    let (world, sale, app, follower) = booking(1).await;
    let stranger = world.bound(&app, "o-2", "2019010002").await;
    let ticket = follower.says("抢票 key").await.ticket();
    let mut over = on_show("key");
    over.closes_at = Some(Some(1_546_185_600_000));
    hears(&stranger, "抢票 key", SOLD_OUT).await;
    let paused = paused(true);
    for (edit, told) in [(over, "抢票已经结束"), (paused, "抢票暂停中，请稍后再试")]
    {
        world.put(&sale, &edit).await;
        hears(&stranger, "抢票 key", told).await;
        let heard = follower.says("抢票 key").await;
        assert_eq!(
            (said(&heard), heard.ticket()),
            (("news", BEFORE), ticket.clone())
        );
    }
    // Also when it was used.
    world
        .store
        .order_use(&order_id(&ticket))
        .await
        .expect("used");
    assert_eq!(follower.says("抢票 key").await.ticket(), ticket);
    world.assert_holds(&sale).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_common_keyword_is_left_to_the_menu() {
    let world = World::new().await;
    let sales = [
        world.activity("a", 5, &on_show("key")).await,
        world.activity("b", 5, &on_show("key")).await,
    ];
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    let heard = follower.says("抢票 key").await;
    assert_eq!(said(&heard), ("text", "存在重名活动，请利用菜单抢票"));
    let first = follower.clicks("BOOKING_ACTIVITY_a").await.ticket();
    let second = follower.clicks("BOOKING_ACTIVITY_b").await.ticket();
    assert!(first.starts_with("a-") && second.starts_with("b-"));
    let heard = follower.says("取票 key").await;
    assert_eq!(heard.kind, "text");
    for ticket in [&first, &second] {
        let link = format!(
            "<a href=\"{SITE}/wechat/ticket?openid=o-1&ticket={ticket}\">活动 key（代称 key）</a>"
        );
        assert!(heard.text.contains(&link), "{heard:?}");
    }
    let both = "您持有多个重名活动的票，无法确定要退哪一张，请联系主办方。";
    assert_eq!(follower.says("退票 key").await.text, both);
    // With a ticket of one of them it is clear which one is meant.
    world
        .store
        .order_cancel(&order_id(&first), &Caller::Operator)
        .await
        .expect("cancelled");
    assert_eq!(follower.says("取票 key").await.ticket(), second);
    assert_eq!(follower.says("退票 key").await.text, "退票成功！");
    for sale in &sales {
        assert_eq!(world.left(sale).await, 5);
        world.assert_holds(sale).await;
    }
    app.stop().await;
}

/// A keyword may come again every year: a booking means the activity that can be booked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyword_means_what_can_be_booked() {
    let world = World::new().await;
    let mut edit = on_show("key");
    let old = world.activity("a-25", 5, &edit).await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    let last_year = follower.says("抢票 key").await.ticket();
    edit.closes_at = Some(Some(1_000));
    edit.ends_at = Some(Some(1_000));
    world.put(&old, &edit).await;
    // If it is the only one, it is meant: here is the ticket again, and for another user the
    // reason.
    assert_eq!(follower.says("抢票 key").await.ticket(), last_year);
    let other = world.bound(&app, "o-2", "2019010002").await;
    hears(&other, "抢票 key", "抢票已经结束").await;
    let new = world.activity("a-26", 5, &on_show("key")).await;
    let deadline = Instant::now() + PATIENCE;
    let this_year = loop {
        let ticket = follower.says("抢票 key").await.ticket();
        if ticket != last_year {
            break ticket;
        }
        assert!(Instant::now() < deadline, "the new one is not found");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(this_year.starts_with("a-26-"), "{this_year}");
    // Of the tickets, both are there.
    assert_eq!(
        follower.says("取票 key").await.text.matches("<a ").count(),
        2
    );
    assert_eq!(follower.says("退票 key").await.text, "退票成功！");
    for (sale, left) in [(&old, 4), (&new, 5)] {
        assert_eq!(world.left(sale).await, left);
        world.assert_holds(sale).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activity_is_found_by_the_keyword_that_it_has_just_got() {
    // A Redis in which no other test keeps sales.
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    assert_eq!(follower.says("抢票 key").await.text, NOT_FOUND);
    let sale = world.activity("a", 0, &on_show("key")).await;
    let mut waits = vec![hears(&follower, "抢票 key", SOLD_OUT).await];
    let off = SaleEdit {
        keyword: Some(None),
        ..SaleEdit::default()
    };
    world.put(&sale, &off).await;
    waits.push(hears(&follower, "抢票 key", NOT_FOUND).await);
    assert_eq!(follower.says("查票").await.text, "您没有未使用的票！");
    world.activity("a", 5, &on_show("key2")).await;
    waits.push(hears(&follower, "抢票 key2", BOOKED).await);
    // A user who has a ticket finds it by the new word, and nobody can hide it any more.
    world.put(&sale, &on_show("key3")).await;
    waits.push(hears(&follower, "抢票 key3", BEFORE).await);
    // A reading lives 250 ms, or nine times as long as it took: one may have met a standstill of
    // the machine.
    waits.sort_unstable();
    assert!(waits[2] < Duration::from_secs(3), "{waits:?}");
    assert_eq!(follower.says("抢票 key2").await.text, NOT_FOUND);
    let hidden = world.store.sale_put(&sale, &off).await;
    let fixed = EditOutcome::Refused(EditRefusal::TicketsAreOut);
    assert_eq!(hidden.expect("answered"), fixed);
    assert_eq!(follower.says("查票").await.tickets().len(), 1);
    assert_eq!(world.left(&sale).await, 4);
    world.assert_holds(&sale).await;
    app.stop().await;
}
