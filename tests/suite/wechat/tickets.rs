//! 查票, 取票 and 退票.

use std::time::{Duration, Instant};

use seckill::domain::ids::OrderId;
use seckill::domain::order::OrderState;
use seckill::domain::sale::{SaleEdit, StockKind};

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::Reply;
use crate::support::operator::{self, Operator};
use crate::support::process::{Record, ServerProcess, free_address};
use crate::support::redis::World;
use crate::support::terms::term_text;
use crate::support::wechat::{
    FAR, Follower, Heard, SITE, TOKEN, booking, deliver, event, office, on_show, text,
};
use seckill::wechat::wording::UNREADABLE;

const BOOKED: &str = "恭喜您，抢票成功！";
const BEFORE: &str = "您已经抢到票了，请不要重复抢票！";
const SOLD_OUT: &str = "对不起，票已经被抢光啦";
const NO_TICKET: &str = "您没有该活动未使用的票！";
const NO_TICKETS: &str = "您没有未使用的票！";
const NOT_FOUND: &str = "活动不存在";
const RETURNED: &str = "退票成功！";

fn said(heard: &Heard) -> (&str, &str) {
    (&heard.kind, &heard.text)
}

/// How many pages a text leads to.
fn links(heard: &Heard) -> usize {
    heard.text.matches("<a href").count()
}

fn order_id(id: &str) -> OrderId {
    OrderId::parse(id).expect("an order id")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tickets_are_listed_and_shown() {
    let world = World::new().await;
    let mut edit = on_show("key");
    edit.title = Some(term_text("马兰花开"));
    edit.place = Some(term_text("大礼堂"));
    edit.picture = Some(term_text("http://x.example/p"));
    let one = world.activity("a", 5, &edit).await;
    let two = world.activity("b", 5, &on_show("key2")).await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    for heard in [
        follower.says("查票").await,
        follower.clicks("SERVICE_GET_TICKET").await,
    ] {
        assert_eq!(said(&heard), ("text", NO_TICKETS));
    }
    assert_eq!(said(&follower.says("取票 key").await), ("text", NO_TICKET));
    assert_eq!(
        said(&follower.says("取票 nothing").await),
        ("text", NOT_FOUND)
    );
    let ticket = follower.says("抢票 key").await.ticket();
    let item = format!(
        "<ArticleCount>1</ArticleCount><Articles><item><Title><![CDATA[马兰花开]]></Title>\
         <Description><![CDATA[地点：大礼堂]]></Description>\
         <PicUrl><![CDATA[http://x.example/p]]></PicUrl>\
         <Url><![CDATA[{SITE}/wechat/ticket?openid=o-1&ticket={ticket}]]></Url>\
         </item></Articles></xml>"
    );
    for heard in [
        follower.says("查票").await,
        follower.clicks("SERVICE_GET_TICKET").await,
        follower.says("取票 key").await,
    ] {
        assert!(heard.body.ends_with(&item), "{}", heard.body);
    }
    assert_eq!(said(&follower.says("取票 key2").await), ("text", NO_TICKET));
    let second = follower.says("抢票 key2").await.ticket();
    let both = follower.clicks("SERVICE_GET_TICKET").await;
    assert_eq!(said(&both), ("news", "马兰花开\n活动 key2"));
    assert_eq!(both.tickets(), [ticket.clone(), second.clone()]);
    let typed = follower.says("查票").await;
    let link = |ticket, name| {
        format!("\n<a href=\"{SITE}/wechat/ticket?openid=o-1&ticket={ticket}\">{name}</a>")
    };
    let links = link(&ticket, "马兰花开（代称 key）") + &link(&second, "活动 key2（代称 key2）");
    assert_eq!(said(&typed), ("text", &*format!("您的票：{links}")));
    // Another user has none of them.
    let stranger = world.bound(&app, "o-2", "2019010002").await;
    assert_eq!(stranger.says("查票").await.text, NO_TICKETS);
    // A used ticket is not shown any more.
    world
        .store
        .order_use(&order_id(&ticket))
        .await
        .expect("used");
    assert_eq!(follower.says("查票").await.ticket(), second);
    assert_eq!(follower.says("取票 key").await.text, NO_TICKET);
    for sale in [&one, &two] {
        world.assert_holds(sale).await;
    }
    app.stop().await;
}

/// Clicks through the menu until each of these activities is booked.
async fn book_all(follower: &Follower, ids: &[String]) {
    for id in ids {
        let key = format!("BOOKING_ACTIVITY_{id}");
        assert_eq!(follower.clicks(&key).await.text, BOOKED, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tickets_come_in_the_order_in_which_they_are_needed() {
    let world = World::new().await;
    let mut sales = Vec::new();
    for (id, starts_at, ends_at) in [
        ("a", Some(FAR + 2), Some(FAR + 9)),
        ("b", Some(1_000), Some(2_000)),
        ("c", None, None),
        ("d", Some(FAR + 1), None),
        // It goes on.
        ("e", Some(1_000), Some(FAR)),
        ("f", Some(2_000), Some(3_000)),
        ("g", None, Some(2_500)),
    ] {
        let mut edit = on_show(id);
        edit.starts_at = Some(starts_at);
        let sale = world.activity(id, 5, &edit).await;
        // No user books what is over: an activity ends while there are tickets.
        edit.closes_at = Some(ends_at);
        edit.ends_at = Some(ends_at);
        sales.push((sale, edit));
    }
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    let ids: Vec<String> = sales.iter().map(|(sale, _)| sale.to_string()).collect();
    book_all(&follower, &ids).await;
    for (sale, edit) in &sales {
        world.put(sale, edit).await;
    }
    let names = ["e", "d", "a", "c", "f", "g", "b"].map(|id| format!("活动 {id}"));
    // Changes are seen with the next reading of all sales.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let clicked = follower.clicks("SERVICE_GET_TICKET").await;
        if said(&clicked) == ("news", &*names.join("\n")) {
            break;
        }
        assert!(Instant::now() < deadline, "{clicked:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let typed = follower.says("查票").await;
    let lines: Vec<_> = typed.text.lines().skip(1).collect();
    assert_eq!(lines.len(), names.len(), "{typed:?}");
    for (line, name) in lines.iter().zip(&names) {
        assert!(line.contains(&format!(">{name}（代称 ")), "{line}");
    }
    for (sale, _) in &sales {
        world.assert_holds(sale).await;
    }
    app.stop().await;
}

/// The platform shows eight cards. A ninth ticket is still shown, and a thirtieth, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_tickets_than_cards_are_links_and_the_rest_is_told() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for number in 0..30u64 {
        let mut edit = on_show(&format!("k{number}"));
        edit.starts_at = Some(Some(FAR + number));
        let sale = world.activity(&format!("a{number}"), 1, &edit).await;
        ids.push(sale.to_string());
    }
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    book_all(&follower, &ids[..8]).await;
    let eight = follower.clicks("SERVICE_GET_TICKET").await;
    assert_eq!((eight.kind.as_str(), eight.urls.len()), ("news", 8));
    book_all(&follower, &ids[8..9]).await;
    let nine = follower.clicks("SERVICE_GET_TICKET").await;
    assert_eq!((nine.kind.as_str(), links(&nine)), ("text", 9));
    assert!(nine.text.ends_with(">活动 k8（代称 k8）</a>"), "{nine:?}");
    book_all(&follower, &ids[9..]).await;
    let all = follower.clicks("SERVICE_GET_TICKET").await;
    // There is no room for that many links.
    let told = "\n活动 k29（代称 k29）\n请回复“取票 活动代称”查看。";
    assert!(links(&all) == 0 && all.text.ends_with(told), "{all:?}");
    let last = follower.says("取票 k29").await;
    assert_eq!(said(&last), ("news", "活动 k29"));
    app.stop().await;
}

/// The walk of two users through one ticket and many, as it is told elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tickets_go_back_and_are_sold_again() {
    let world = World::new().await;
    let one = world.activity("a", 1, &on_show("key")).await;
    let many = world.activity("b", 1_000, &on_show("key2")).await;
    let app = office(&world).await;
    let a = world.bound(&app, "o-a", "2019010001").await;
    let b = world.bound(&app, "o-b", "2019010002").await;
    let walk = [
        (&a, "退票 key", NO_TICKET),
        (&a, "取票 key", NO_TICKET),
        (&a, "抢票 key", BOOKED),
        (&b, "抢票 key", SOLD_OUT),
        (&a, "抢票 key2", BOOKED),
        (&b, "抢票 key2", BOOKED),
        (&a, "抢票 key2", BEFORE),
        (&a, "退票 key", RETURNED),
        (&a, "退票 key", NO_TICKET),
        (&a, "取票 key", NO_TICKET),
        (&a, "抢票 key", BOOKED),
        (&b, "抢票 key", SOLD_OUT),
        (&a, "退票 key", RETURNED),
        (&b, "抢票 key", BOOKED),
        (&a, "抢票 key", SOLD_OUT),
        (&b, "退票 nothing", NOT_FOUND),
        (&b, "退票", "请按格式输入：退票 活动代称"),
    ];
    let mut tickets = Vec::new();
    for (step, (follower, words, text)) in walk.into_iter().enumerate() {
        let heard = follower.says(words).await;
        assert_eq!(heard.text, text, "step {step}: {words}");
        if text == BOOKED {
            tickets.push(heard.ticket());
        }
    }
    // A new booking is a new ticket; the old ones stay dead.
    let [first, _, _, second, third] = tickets.as_slice() else {
        panic!("{tickets:?}");
    };
    for (ticket, state) in [
        (first, OrderState::Cancelled),
        (second, OrderState::Cancelled),
        (third, OrderState::Confirmed),
    ] {
        assert_eq!(world.order(&order_id(ticket)).await.state, state);
    }
    assert_eq!(b.says("取票 key").await.ticket(), *third);
    assert_eq!((world.left(&one).await, world.left(&many).await), (0, 998));
    for sale in [&one, &many] {
        world.assert_holds(sale).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_go_back_is_told() {
    let world = World::new().await;
    let kept = SaleEdit {
        cancel_until: None,
        ..on_show("kept")
    };
    let late = SaleEdit {
        cancel_until: Some(Some(1_000)),
        ..on_show("late")
    };
    let sales = [
        world.activity("kept", 5, &kept).await,
        world.activity("late", 5, &late).await,
        world.activity("used", 5, &on_show("used")).await,
    ];
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    for (word, text) in [
        ("kept", "该活动不能退票。"),
        ("late", "退票时间已过，不能退票。"),
        ("used", "您的票已经使用，不能退票。"),
    ] {
        let ticket = order_id(&follower.says(&format!("抢票 {word}")).await.ticket());
        if word == "used" {
            world.store.order_use(&ticket).await.expect("used");
        }
        let state = world.order(&ticket).await.state;
        assert_eq!(follower.says(&format!("退票 {word}")).await.text, text);
        assert_eq!(world.order(&ticket).await.state, state);
    }
    for sale in &sales {
        assert_eq!(world.left(sale).await, 4);
        world.assert_holds(sale).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gives_back_the_ticket_of_another() {
    let (world, sale, app, owner) = booking(5).await;
    let stranger = world.bound(&app, "o-2", "2019010002").await;
    let ticket = owner.says("抢票 key").await.ticket();
    assert_eq!(stranger.says("退票 key").await.text, NO_TICKET);
    assert_eq!(owner.says("取票 key").await.ticket(), ticket);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// A server in a process of its own, which logs.
async fn logging_office(world: &World) -> (ServerProcess, Record) {
    let token = format!("wechat.token={TOKEN}");
    let operators = format!("admin.token={}", operator::TOKEN);
    let arguments = world.arguments(&[&token, &operators]);
    ServerProcess::recorded(free_address(), &arguments).await
}

/// Its record was deleted by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_ticket_hides_no_other() {
    let mut world = World::new().await;
    let good = world.activity("good", 5, &on_show("good")).await;
    let poor = world.activity("poor", 5, &on_show("poor")).await;
    let (server, log) = logging_office(&world).await;
    let says = async |words: &str| Heard::of(&deliver(&server.buyer, &text("o-1", words)).await);
    says("绑定 2019010001").await;
    let ticket = says("抢票 good").await.ticket();
    let lost = says("抢票 poor").await.ticket();
    let orders = world.store.keys().orders("poor");
    let record: String = world.run(&["HGET", &orders, &lost]).await;
    let _: u64 = world.run(&["HDEL", &orders, &lost]).await;

    let click = event("o-1", "CLICK", "SERVICE_GET_TICKET");
    for heard in [
        says("查票").await,
        says("取票 good").await,
        Heard::of(&deliver(&server.buyer, &click).await),
    ] {
        assert_eq!(heard.ticket(), ticket);
    }
    let logged = log.logged();
    let named = |line: &str| {
        let of_it = line.contains("sale=poor") && line.contains(&lost);
        of_it && line.contains("ERROR")
    };
    assert!(logged.lines().any(named), "{logged}");
    // Nothing is known of the broken one, not even whether it is the last one.
    for words in ["取票 poor", "退票 poor", "抢票 poor"] {
        assert_eq!(said(&says(words).await), ("text", UNREADABLE), "{words}");
    }
    let check_in = async |sale: &str| {
        let body = format!(r#"{{"sale":"{sale}","number":"2019010001"}}"#);
        let staff = Operator::new(&server.buyer, operator::TOKEN);
        let reply = staff.json("POST", "/wechat/checkin", &body).await;
        reply.result
    };
    assert_eq!(check_in("poor").await, "unreadable");
    assert_eq!(check_in("good").await, "checked_in");
    assert_eq!(said(&says("查票").await), ("text", UNREADABLE));
    let metrics = server.buyer.get("/metrics").await.body;
    for (command, times) in [("tickets", 2), ("return", 1)] {
        let labels = format!(r#"command="{command}",outcome="unreadable""#);
        let counted = format!("seckill_wechat_messages_total{{{labels}}} {times}\n");
        assert!(metrics.contains(&counted), "{metrics}");
    }

    let _: u64 = world.run(&["HSET", &orders, &lost, &record]).await;
    assert_eq!(says("查票").await.ticket(), lost);
    for sale in [&good, &poor] {
        world.assert_holds(sale).await;
    }
}

/// What a client sees and cancels that knows this order and this name.
async fn at_orders(app: &TestApp, order: &str, username: &str) -> [Reply; 2] {
    let path = format!("/orders/{order}");
    let seen = app.buyer.get(&format!("{path}?username={username}")).await;
    let cancel = path + "/cancel";
    let cancelled = app.buyer.form(&cancel, &[("username", username)]).await;
    [seen, cancelled]
}

/// A photo of a user's phone has the ticket, and the number next to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_photo_of_a_ticket_is_worth_nothing_at_orders() {
    let number = "2019010001";
    let mut world = World::new().await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let plain = world.sale("plain", StockKind::Counter, 5).await;
    let key = world.store.keys().sale(&sale);
    let app = office(&world).await;
    let owner = world.bound(&app, "o-1", number).await;
    let foreign = world.granted(&plain, "alice", 1).await.to_string();
    let foreign = at_orders(&app, &foreign, number).await;
    for reply in &foreign {
        assert_eq!(reply.told(), (404, "no_such_order"));
    }
    let ticket = owner.says("抢票 key").await.ticket();
    // Also while it is off show, which leaves the keyword empty.
    for keyword in ["", "key"] {
        let _: u64 = world.run(&["HSET", &key, "keyword", keyword]).await;
        let before = world.dump().await;
        assert_eq!(at_orders(&app, &ticket, number).await, foreign);
        assert_eq!(world.dump().await, before, "{keyword:?}");
    }
    assert_eq!(owner.says("取票 key").await.ticket(), ticket);

    // Operators see it and the owner gives it back; it is as dead to all others as it was alive.
    let operator = app.operator();
    let seen = operator.get(&format!("/orders/{ticket}")).await;
    assert_eq!(seen.json()["state"], "confirmed", "{seen:?}");
    assert_eq!(owner.says("退票 key").await.text, RETURNED);
    assert_eq!(at_orders(&app, &ticket, number).await, foreign);
    let second = owner.says("抢票 key").await.ticket();
    let cancelled = operator.post(&format!("/orders/{second}/cancel")).await;
    assert_eq!(cancelled.result, "cancelled", "{cancelled:?}");
    assert_eq!(owner.says("查票").await.text, NO_TICKETS);
    for sale in [&sale, &plain] {
        world.assert_holds(sale).await;
    }
    app.stop().await;
}

/// What a student number buys at a shop is no ticket; nor is an order whose sale is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_orders_are_their_buyers_as_ever() {
    let number = "2019010001";
    let mut world = World::new().await;
    world.activity("a", 5, &on_show("key")).await;
    let plain = world.held_sale("plain", StockKind::Counter, 5).await;
    let app = office(&world).await;
    let order = world.granted(&plain, number, 1).await.to_string();
    let [seen, cancelled] = at_orders(&app, &order, number).await;
    assert_eq!(seen.json()["state"], "held", "{seen:?}");
    assert_eq!(cancelled.result, "cancelled");
    world.assert_holds(&plain).await;
    let key = world.store.keys().sale(&plain);
    let _: u64 = world.run(&["DEL", &key]).await;
    let [seen, cancelled] = at_orders(&app, &order, number).await;
    assert_eq!(seen.json()["state"], "cancelled", "{seen:?}");
    assert_eq!(cancelled.result, "already_cancelled");
    app.stop().await;
}
