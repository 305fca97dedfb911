//! The page of a ticket: who sees it, and what it says in each state.

use seckill::domain::ids::SaleId;
use seckill::domain::sale::StockKind;

use super::{Office, PAST, assert_harmless, assert_page};
use crate::support::bindings::openid;

const NUMBER: &str = "2016013265";
const OTHER: &str = "2016013266";
const QR: &str = "<svg";

/// An office, an activity, and a ticket of oA.
async fn with_ticket() -> (Office, SaleId, String) {
    let office = Office::open().await;
    let sale = office.activity("gala", "马兰花开", 5).await;
    office.bind("oA", NUMBER).await;
    let ticket = office.book(&sale, NUMBER).await;
    (office, sale, ticket)
}

fn path(openid: &str, ticket: &str) -> String {
    format!("/wechat/ticket?openid={openid}&ticket={ticket}")
}

#[tokio::test]
async fn a_good_ticket_has_a_code_and_a_used_one_has_none() {
    let (office, sale, ticket) = with_ticket().await;
    let own = path("oA", &ticket);
    let page = office.shows(&own, "有效").await;
    let until = "id=\"returnable\">至 2096-10-02 15:06<";
    let unit = "id=\"units\">sn-1<";
    for text in [
        QR,
        "<h1>马兰花开</h1>",
        "大礼堂",
        until,
        unit,
        NUMBER,
        &ticket,
    ] {
        assert_page(&page, 200, text);
    }
    assert!(!page.body.contains("<?xml"), "{page:?}");
    office.check("gala", "ticket", &ticket).await;
    let page = office.get(&own).await;
    assert_page(&page, 200, "已使用");
    for gone in [QR, "returnable"] {
        assert!(!page.body.contains(gone), "{page:?}");
    }
    office.close(&[&sale]).await;
}

/// Where the dark rectangles of a drawing are: `Mx yhWvHH..V..` each, in points.
fn rectangles(svg: &str) -> Vec<[usize; 4]> {
    let (_, dark) = svg.split_once("fill=\"#000\"").expect("dark on white");
    let (_, path) = dark.split_once("d=\"M").expect("a path");
    let (path, _) = path.split_once('"').expect("an end");
    let rectangle = |drawn: &str| {
        let numbers = drawn.split([' ', 'h', 'v', 'H', 'V']);
        let numbers: Vec<usize> = numbers.map(|n| n.parse().expect("points")).collect();
        let [x, y, width, height, ..] = numbers.as_slice() else {
            panic!("no rectangle: {drawn}");
        };
        [*x, *y, *width, *height]
    };
    path.split('M').map(rectangle).collect()
}

/// What a scanner reads from a drawing, which is a square.
fn scanned(svg: &str) -> String {
    let (_, side) = svg.split_once("viewBox=\"0 0 ").expect("a size");
    let side: usize = side
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("points");
    let mut points = vec![u8::MAX; side * side];
    for [x, y, width, height] in rectangles(svg) {
        for row in y..y + height {
            points[row * side + x..][..width].fill(0);
        }
    }
    let point = |x: usize, y: usize| points[y * side + x];
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, point);
    let codes = image.detect_grids();
    assert_eq!(codes.len(), 1, "one code in {svg}");
    codes[0].decode().expect("a readable code").1
}

#[tokio::test]
async fn the_code_is_the_ticket() {
    let (office, sale, ticket) = with_ticket().await;
    let page = office.shows(&path("oA", &ticket), QR).await;
    let start = page.body.find(QR).expect("a drawing");
    let (svg, _) = page.body[start..].split_once("</svg>").expect("its end");
    let scanned = scanned(svg);
    assert_eq!(scanned, ticket);
    let used = office.check("gala", "ticket", &scanned).await;
    assert_eq!(used.result, "checked_in");
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn a_returned_ticket_stays_dead() {
    let (office, sale, ticket) = with_ticket().await;
    office.shows(&path("oA", &ticket), "有效").await;
    office.cancel(&ticket).await;
    let again = office.book(&sale, NUMBER).await;
    assert_ne!(again, ticket);
    let page = office.get(&path("oA", &ticket)).await;
    assert_page(&page, 200, "已退票");
    assert!(!page.body.contains(QR), "{page:?}");
    assert_page(&office.get(&path("oA", &again)).await, 200, QR);
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn after_the_activity_a_ticket_has_no_code() {
    let (office, sale, ticket) = with_ticket().await;
    office.end(&sale, PAST).await;
    let page = office.shows(&path("oA", &ticket), "活动已结束").await;
    assert!(!page.body.contains(QR), "{page:?}");
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn a_ticket_is_shown_to_its_number_alone() {
    let (office, sale, ticket) = with_ticket().await;
    office.shows(&path("oA", &ticket), "有效").await;
    office.bind("oB", OTHER).await;
    let foreign = office.get(&path("oB", &ticket)).await;
    let absent = office.get(&path("oB", "gala-abcdfabcdfabcdfabcdf")).await;
    assert_page(&foreign, 404, "没有这张票");
    assert_eq!(foreign, absent, "nobody learns which tickets there are");
    assert_page(&office.get(&path("oC", &ticket)).await, 404, "尚未绑定学号");

    // The ticket belongs to the number, not to the openid that is bound to it.
    let unbound = office.world.store.number_unbind(&openid("oA")).await;
    unbound.expect("unbound");
    assert_page(&office.get(&path("oA", &ticket)).await, 404, "尚未绑定学号");
    office.bind("oC", NUMBER).await;
    assert_page(&office.get(&path("oC", &ticket)).await, 200, QR);
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn an_order_of_something_else_is_no_ticket() {
    let (office, sale, _) = with_ticket().await;
    let plain = office.world.sale("plain", StockKind::List, 1).await;
    let order = office.book(&plain, NUMBER).await;
    let reply = office.get(&path("oA", &order)).await;
    assert_page(&reply, 404, "没有这张票");
    office.close(&[&sale, &plain]).await;
}

#[tokio::test]
async fn a_wrong_link_is_told() {
    let (office, sale, ticket) = with_ticket().await;
    office.shows(&path("oA", &ticket), "有效").await;
    for (openid, ticket, status) in [
        ("oA", "fake", 404),
        ("oA", "", 404),
        ("oA", "%3Cscript%3Ealert(1)%3C/script%3E", 404),
        ("oA", &format!("{ticket}x"), 404),
        ("", &ticket, 400),
        ("%3Cscript%3E", &ticket, 400),
        ("oA&openid=oA", &ticket, 400),
        ("oA", &format!("{ticket}&ticket={ticket}"), 400),
        ("oA%", &ticket, 400),
    ] {
        let reply = office.get(&path(openid, ticket)).await;
        assert_page(&reply, status, "<h1>");
        assert_harmless(&reply);
    }
    for query in [
        "",
        "?openid=oA",
        &format!("?ticket={ticket}"),
        "?openid=oA&tickets=x",
    ] {
        let reply = office.get(&format!("/wechat/ticket{query}")).await;
        assert_page(&reply, 400, "链接不正确");
    }
    office.close(&[&sale]).await;
}
