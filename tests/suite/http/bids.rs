//! `POST /bids`: the whole table of answers, and every wrong request.

use std::time::Duration;

use seckill::domain::caller::Caller;
use seckill::domain::durability::Durability;
use seckill::domain::sale::{SaleEdit, StockKind};

use crate::fault::failover::Pair;
use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::buyer::{Reply, settled};
use crate::support::orders::{closing, opening, paused};
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{World, sale_id};
use crate::support::table::rows;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn answer(status: u16, code: &str, body: &str) -> Reply {
    Reply {
        status,
        result: code.to_owned(),
        retry_after: None,
        content_type: "application/json; charset=utf-8".to_owned(),
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn the_bytes_of_a_bid_are_a_contract() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let loan = world.target("p2p.loan", 2000, &terms(1, 0)).await;
    let bonus = world.target("p2p.bonus", 2000, &terms(1, 100)).await;
    let first = app.buyer.bid("秒", "r 1", "p2p.loan", 1800).await;
    let order = first.order().expect("an order");
    let rest = format!(r#""goods":"p2p.loan","order":"{order}","requested":1800,"accepted":1800"#);
    let accepted = format!(r#"{{"code":"bid_accepted","message":"投标成功。",{rest}}}"#);
    assert_eq!(first, answer(200, "bid_accepted", &accepted));
    let request = r#"{"request_id":"r 1","amount":1800,"goods":"p2p.loan","username":"秒"}"#;
    let again = app.buyer.json("/bids", request).await;
    let message = "该请求已投标成功，请勿重复请求。";
    let already = format!(r#"{{"code":"already_bid","message":"{message}",{rest}}}"#);
    assert_eq!(again, answer(200, "already_bid", &already));

    // At 1800 of 2000, 300 are cut to 200, which fill the target.
    let last = app.buyer.bid("y", "r", "p2p.loan", 300).await;
    let order = last.order().expect("an order");
    let filled = format!(
        r#"{{"code":"bid_accepted","message":"投标成功，已按剩余额度接受部分金额。","goods":"p2p.loan","order":"{order}","requested":300,"accepted":200,"filled":true}}"#
    );
    assert_eq!(last, answer(200, "bid_accepted", &filled));
    let again = app.buyer.bid("y", "r", "p2p.loan", 300).await;
    let same = format!(r#""order":"{order}","requested":300,"accepted":200,"filled":true}}"#);
    assert!(again.body.ends_with(&same), "{}", again.body);
    let late = app.buyer.bid("z", "r", "p2p.loan", 1).await;
    let full = r#"{"code":"target_reached","message":"现在已满标","goods":"p2p.loan"}"#;
    assert_eq!(late, answer(200, "target_reached", full));

    let reward = app.buyer.bid("x", "r", "p2p.bonus", 2500).await;
    let tail = r#""requested":2500,"accepted":2000,"bonus":20,"filled":true}"#;
    assert!(reward.body.ends_with(tail), "{}", reward.body);
    world.assert_holds(&loan).await;
    world.assert_holds(&bonus).await;
    app.stop().await;
}

#[tokio::test]
async fn a_cancelled_bid_is_repeated_as_what_it_is() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let loan = world.target("loan", 100, &terms(1, 0)).await;
    let bid = world.accepted("x", "r", &loan, 60).await;
    let cancelled = world.store.order_cancel(&bid.id, &Caller::Operator).await;
    cancelled.expect("decided");
    let again = app.buyer.bid("x", "r", "loan", 60).await;
    let expected = format!(
        r#"{{"code":"already_bid","message":"该请求的投标已取消。","goods":"loan","order":"{}","requested":60,"accepted":60,"state":"cancelled"}}"#,
        bid.id
    );
    assert_eq!(again, answer(200, "already_bid", &expected));
    app.stop().await;
}

/// Somebody who goes by `refund_due` must not pay for a bid what its account has back already.
#[tokio::test]
async fn a_bid_is_never_confirmed_and_owes_no_refund() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let loan = world.target("p.loan", 100, &terms(1, 0)).await;
    world.set_accounts("p", &[("x", 50)]).await;
    let bid = world.accepted("x", "r", &loan, 50).await;
    // Somebody who hands out is told that the bid is dead, if it is, as of any order.
    for used in ["not_usable", "cancelled"] {
        let reply = operator.post(&format!("/orders/{}/confirm", bid.id)).await;
        let expected = r#"{"status":409,"code":"not_confirmable","title":"Conflict","detail":"投标无需确认。"}"#;
        assert_eq!((reply.status, reply.body.as_str()), (409, expected));
        let reply = operator.post(&format!("/orders/{}/use", bid.id)).await;
        assert_eq!(reply.told(), (409, used));
        let cancel = operator.post(&format!("/orders/{}/cancel", bid.id)).await;
        assert_eq!(cancel.status, 200, "{}", cancel.body);
        assert_eq!(world.balance("p", "x").await, Some(50));
    }
    world.assert_holds(&loan).await;
    app.stop().await;
}

/// The bid cannot go back because its target is full, or because of the time: what is said is true
/// of both.
#[tokio::test]
async fn who_cannot_cancel_a_bid_is_told_of_its_target() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let never = SaleEdit {
        cancel_until: Some(None),
        ..terms(1, 0)
    };
    world.target("full", 50, &terms(1, 0)).await;
    world.target("final", 60, &never).await;
    for goods in ["full", "final"] {
        let order = app.buyer.bid("x", "r", goods, 50).await.order();
        let path = format!("/orders/{}/cancel", order.expect("an order"));
        let reply = app.buyer.form(&path, &[("username", "x")]).await;
        let expected = r#"{"status":409,"code":"not_cancellable","title":"Conflict","detail":"投标不能取消：标的已满标，或不接受取消，或已过取消期限。"}"#;
        assert_eq!((reply.status, reply.body.as_str()), (409, expected));
        let wishes = [FORM, ("accept-language", "en")];
        let body = b"username=x".to_vec();
        let english = app.buyer.send("POST", &path, &wishes, body).await;
        let words = "The bid cannot be cancelled: its target is full, or takes no bids back, or not any more.";
        assert_eq!(english.json()["detail"], words);
    }
    app.stop().await;
}

/// Targets of the event `p` with accounts, one for each refusal.
async fn a_world_of_refusals() -> World {
    let world = World::new().await;
    world.target("p.open", 100, &terms(20, 0)).await;
    world.target("p.full", 0, &terms(1, 0)).await;
    world.sale("p.list", StockKind::List, 5).await;
    for (id, change) in [
        ("p.paused", paused(true)),
        ("p.early", opening(Some(99_999_999_999_999))),
        ("p.over", closing(Some(1))),
    ] {
        world.target(id, 100, &change).await;
    }
    world.set_accounts("p", &[("x", 1000), ("poor", 29)]).await;
    world
}

/// The media type of an answer with this status, and the field that has its words.
fn form_of(status: u16) -> (&'static str, &'static str) {
    if status == 200 {
        ("application/json; charset=utf-8", "message")
    } else {
        ("application/problem+json", "detail")
    }
}

#[tokio::test]
async fn every_refusal_has_its_status_and_its_sentence() {
    let world = a_world_of_refusals().await;
    let strict = TestApp::with(&world, |config| config.http.strict_status = true).await;
    let app = TestApp::start(&world).await;
    app.buyer.bid("x", "known", "p.open", 20).await;
    for (user, request, goods, amount, code, status, strict_status) in [
        ("x", "r", "p.none", 30, "no_such_sale", 404, 404),
        ("x", "r", "p.list", 30, "wrong_door", 409, 409),
        ("x", "known", "p.open", 21, "request_id_reused", 422, 422),
        ("x", "r", "p.paused", 30, "paused", 200, 425),
        ("x", "r", "p.early", 30, "not_started", 200, 425),
        ("x", "r", "p.over", 30, "ended", 200, 410),
        ("x", "r", "p.full", 30, "target_reached", 200, 410),
        ("x", "r", "p.open", 19, "invalid_amount", 400, 400),
        ("nobody", "r", "p.open", 30, "no_such_account", 404, 404),
        ("poor", "r", "p.open", 30, "insufficient_balance", 200, 409),
        ("x", "known", "p.open", 20, "already_bid", 200, 200),
    ] {
        let reply = app.buyer.bid(user, request, goods, amount).await;
        assert_eq!(reply.told(), (status, code));
        let (media_type, words) = form_of(status);
        assert_eq!(reply.content_type, media_type, "{code}");
        let body = reply.json();
        assert_eq!(
            (&body["code"], &body["goods"]),
            (&code.into(), &goods.into())
        );
        let bid_min = (code == "invalid_amount").then_some(20);
        assert_eq!(body["bid_min"].as_u64(), bid_min, "{}", reply.body);
        let opens_at = (code == "not_started").then_some(99_999_999_999_999);
        assert_eq!(body["opens_at"].as_u64(), opens_at, "{}", reply.body);
        let message = body[words].as_str().expect("a message");
        assert!(!message.is_ascii(), "{message}");
        let reply = strict.buyer.bid(user, request, goods, amount).await;
        assert_eq!(reply.told(), (strict_status, code));
        let request = format!("username={user}&request_id={request}&goods={goods}&amount={amount}");
        let wishes = [FORM, ("accept-language", "en"), ("accept", "text/plain")];
        let request = request.into_bytes();
        let english = app.buyer.send("POST", "/bids", &wishes, request).await;
        let plain = status == 200;
        assert!(english.body.is_ascii(), "{}", english.body);
        assert_eq!(english.content_type == "text/plain; charset=utf-8", plain);
        assert_eq!(!english.body.starts_with('{'), plain);
    }
    world.assert_holds(&sale_id("p.open")).await;
    app.stop().await;
    strict.stop().await;
}

#[tokio::test]
async fn a_target_is_sold_at_no_other_door() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let loan = world.target("p.loan", 100, &terms(1, 0)).await;
    let tea = world.sale("p.tea", StockKind::Counter, 5).await;
    for _ in 0..20 {
        for path in ["/seckill", "/incr"] {
            assert_eq!(app.buyer.code(path, "p.loan", "x", "1").await, "wrong_door");
        }
    }
    let placed = app
        .buyer
        .place("x", "r", &[("p.tea", 1), ("p.loan", 1)])
        .await;
    assert_eq!(placed.told(), (409, "wrong_door"));
    assert_eq!(placed.json()["goods"], "p.loan");
    let nowhere = app
        .buyer
        .place("x", "r", &[("p.loan", 1), ("p.none", 1)])
        .await;
    assert_eq!(nowhere.result, "no_such_sale");
    assert_eq!((world.left(&loan).await, world.left(&tea).await), (100, 5));
    world.assert_holds(&loan).await;
    app.stop().await;
}

/// Form, answer, words of its sentence.
const WRONG_BIDS: &str = r#"
    ""                                                      400 invalid_request  goods
    username=x&amount=1&request_id=r                        400 invalid_request  goods
    username=x&goods=P&amount=1&request_id=r                400 invalid_request  goods
    &goods=p&amount=1&request_id=r                          400 invalid_request  username
    username=x&goods=p&request_id=r                         400 invalid_request  amount
    username=x&goods=p&amount=1                             400 invalid_request  request_id
    username=x&goods=p&amount=1&request_id=                 400 invalid_request  request_id
    username=x&goods=p&amount=1&request_id=%0A              400 invalid_request  request_id
    username=%&goods=p&amount=1&request_id=r                400 invalid_request  百分号
    username=x&goods=p&amount=0&request_id=r                400 invalid_amount   分
    username=x&goods=p&amount=-1&request_id=r               400 invalid_amount   分
    username=x&goods=p&amount=01&request_id=r               400 invalid_amount   分
    username=x&goods=p&amount=1.00&request_id=r             400 invalid_amount   分
    username=x&goods=p&amount=%EF%BC%91&request_id=r        400 invalid_amount   分
    username=x&goods=p&amount=100000000000001&request_id=r  400 invalid_amount   分
    username=x&goods=p&amount=1&amount=1&request_id=r       400 invalid_request  amount
"#;

#[tokio::test]
async fn every_wrong_request_is_named() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let loan = world.target("p", 100, &terms(1, 0)).await;
    let good = "username=x&goods=p&amount=1&request_id=r";
    for row in rows(WRONG_BIDS) {
        let [form, told, words] = row.cells();
        let reply = app.buyer.raw_form("/bids", form.as_bytes()).await;
        reply.assert_problem(told, words);
    }
    let plain = [("content-type", "text/plain")];
    let reply = app
        .buyer
        .send("POST", "/bids", &plain, good.as_bytes().to_vec())
        .await;
    assert_eq!(reply.told(), (415, "invalid_request"));
    let large = good.replace("=r", &format!("={}", "r".repeat(5000)));
    let reply = app.buyer.raw_form("/bids", large.as_bytes()).await;
    assert_eq!(reply.told(), (413, "invalid_request"));
    assert_eq!(app.buyer.get("/bids").await.status, 405);
    assert_eq!(world.left(&loan).await, 100);
    let reply = app.buyer.raw_form("/bids", good.as_bytes()).await;
    assert_eq!(reply.result, "bid_accepted", "the door is still open");
    let metrics = app.buyer.get("/metrics").await.body;
    let counted = "seckill_bids_total{outcome=\"bid_accepted\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    app.stop().await;
}

#[tokio::test]
async fn busy_and_unknown_are_told_apart_and_the_same_request_settles_it() {
    let world = World::new().await;
    let loan = world.target("p", 1000, &terms(1, 100)).await;
    let users = ["warm", "CutBefore", "CutAfter", "SwallowReply"];
    world
        .set_accounts("p", &users.map(|user| (user, 100)))
        .await;
    let proxy = Proxy::to_shared_redis().await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(proxy.url());
        config.redis.timeout = Duration::from_secs(3);
        config.http.workers = 1;
    });
    let app = app.await;
    let unavailable = |reply: Reply, code: &str| {
        assert_eq!(reply.told(), (503, code));
        assert_eq!(reply.retry_after.as_deref(), Some("1"), "{code}");
        assert_eq!(reply.json()["goods"], "p");
    };
    assert_eq!(app.buyer.bid("warm", "r", "p", 100).await.status, 200);
    for fault in [Fault::CutBefore, Fault::CutAfter, Fault::SwallowReply] {
        let user = format!("{fault:?}");
        proxy.set(fault);
        unavailable(app.buyer.bid(&user, "r", "p", 100).await, "unknown");
        proxy.set(Fault::None);
        proxy.close_all().await; // what is silent stays so
        let settled = settled(async || app.buyer.bid(&user, "r", "p", 100).await).await;
        let executed = matches!(fault, Fault::CutAfter | Fault::SwallowReply);
        let code = if executed {
            "already_bid"
        } else {
            "bid_accepted"
        };
        assert_eq!(settled.result, code, "{fault:?}: {settled:?}");
        assert_eq!(world.balance("p", &user).await, Some(1), "one bonus");
    }
    assert_eq!(world.left(&loan).await, 600);
    world.assert_holds(&loan).await;
    app.stop().await;

    let nowhere = TestApp::without_redis(&world).await;
    unavailable(nowhere.buyer.bid("x", "r", "p", 1).await, "busy");
    nowhere.stop().await;
}

/// While no replica hears of it, what shows a bid is unknown, and so is whether the target is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bid_that_too_few_replicas_have_is_unknown() {
    let pair = Pair::start().await;
    let world = World::at(pair.master.url()).await;
    let loan = world.target("p.loan", 100, &terms(1, 1_000)).await;
    world.set_accounts("p", &[("x", 100), ("y", 100)]).await;
    let app = TestApp::with(&world, |config| {
        config.durability = Some(Durability::Replicated(1));
        config.redis.timeout = Duration::from_secs(4);
    });
    let app = app.await;
    pair.link.set(Fault::Stall);
    for (user, request, cents, status, code) in [
        ("x", "r", 100, 503, "unknown"),
        ("x", "r", 100, 503, "unknown"),
        ("x", "r", 99, 503, "busy"),
        ("y", "r", 1, 503, "busy"),
    ] {
        let reply = app.buyer.bid(user, request, "p.loan", cents).await;
        let told = reply.told();
        assert_eq!(told, (status, code), "{user} {request} {cents}: {reply:?}");
    }
    pair.link.set(Fault::None);
    pair.link.close_all().await;
    let told = settled(async || app.buyer.bid("x", "r", "p.loan", 100).await).await;
    assert_eq!(told.result, "already_bid");
    assert_eq!(told.json()["accepted"], 100);
    assert_eq!(world.left(&loan).await, 0);
    assert_eq!(world.balance("p", "x").await, Some(10), "it paid once");
    world.assert_holds(&loan).await;
    app.stop().await;
}
