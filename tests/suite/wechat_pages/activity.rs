//! The page of an activity.

use std::time::{Duration, Instant};

use seckill::domain::sale::{SaleEdit, StockKind};

use super::{FUTURE, Office, PAST, assert_harmless, assert_page};
use crate::support::PATIENCE;
use crate::support::orders::paused;
use crate::support::terms::term_text;
use crate::support::wechat::Follower;

/// How to get a ticket of the activity whose keyword is `gala`.
const HOW: &str = "回复“<strong>抢票 gala</strong>”即可抢票";

#[tokio::test]
async fn an_activity_shows_what_people_must_know() {
    let office = Office::open().await;
    let sale = office.activity("gala", "马兰花开", 7).await;
    let activity = SaleEdit {
        keyword: Some(term_text("mlhk")),
        starts_at: Some(Some(FUTURE - 7_200_000)),
        description: Some(term_text("第一行\n第二行")),
        picture: Some(term_text("https://pictures.example/a.png?x=1&y=2")),
        ..SaleEdit::default()
    };
    office.put(&sale, activity).await;
    let page = office.shows("/wechat/activity?id=gala", "mlhk").await;
    for text in [
        "<h1>马兰花开</h1>",
        "正在抢票",
        "2096-10-02 13:06 至 15:06",
        "大礼堂",
        "2096-10-02 15:06 止",
        "<dt>退票</dt><dd>至 2096-10-02 15:06</dd>",
        "7 张",
        "抢票 mlhk",
        "第一行\n第二行",
        "src=\"https://pictures.example/a.png?x=1&#38;y=2\"",
    ] {
        assert_page(&page, 200, text);
    }
    let final_sale = SaleEdit {
        cancel_until: Some(None),
        ..SaleEdit::default()
    };
    office.put(&sale, final_sale).await;
    let path = "/wechat/activity?id=gala";
    office.shows(path, "<dt>退票</dt><dd>不能退票</dd>").await;
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn an_activity_says_where_its_booking_stands() {
    let office = Office::open().await;
    let sale = office.activity("gala", "", 1).await;
    let path = "/wechat/activity?id=gala";
    let window = |opens_at, closes_at| SaleEdit {
        opens_at: Some(opens_at),
        closes_at: Some(closes_at),
        ..SaleEdit::default()
    };
    office.put(&sale, window(Some(FUTURE), Some(FUTURE))).await;
    let page = office.shows(path, "抢票尚未开始").await;
    assert_page(&page, 200, "<h1>gala</h1>"); // without a title, its keyword
    assert_page(&page, 200, &format!(">开始后{HOW}<"));
    office.put(&sale, window(None, Some(FUTURE))).await;
    let page = office.shows(path, "正在抢票").await;
    assert_page(&page, 200, &format!(">{HOW}<"));
    office.book(&sale, "2016013265").await;
    let sold_out = office.shows(path, "票已抢光").await;
    office.put(&sale, window(None, Some(PAST))).await;
    let ended = office.shows(path, "抢票已经结束").await;
    let paused = paused(true);
    office.put(&sale, paused).await;
    let paused = office.shows(path, "抢票暂停").await;
    // No page advises to ask for something that does not exist.
    for page in [sold_out, ended, paused] {
        assert!(!page.body.contains("class=\"how\""), "{page:?}");
    }
    office.close(&[&sale]).await;
}

/// Evenings are put off and halls change when tickets are out: then the tickets say so.
#[tokio::test]
async fn what_an_activity_is_may_change_while_it_runs() {
    let office = Office::open().await;
    let sale = office.activity("gala", "马兰花开", 7).await;
    let put = async |body: &str| {
        let path = "/admin/sales/gala";
        let reply = office.operator.json("PUT", path, body).await;
        (reply.status, reply.result)
    };
    let refused = |code: &str| (409, code.to_owned());
    let updated = (200, "updated".to_owned());
    // Open, but no user has a ticket yet.
    assert_eq!(put(r#"{"opens_at":1}"#).await, updated);
    office.bind("oA", "2016013265").await;
    let follower = Follower::new(&office.app, "oA");
    let ticket = follower.says("抢票 gala").await.ticket();
    let tells = async |words: &str, text: &str| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let heard = follower.says(words).await;
            if heard.body.contains(text) {
                assert_eq!(heard.ticket(), ticket);
                break;
            }
            assert!(Instant::now() < deadline, "{words}: {heard:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tells("查票", "大礼堂").await;
    // Its booking open; closed; the activity begun; over.
    for (number, times) in [
        r#""closes_at":3000000000,"starts_at":3500000000,"ends_at":3600000000"#,
        r#""closes_at":1000,"starts_at":3500000000,"ends_at":3600000000"#,
        r#""closes_at":1000,"starts_at":1000,"ends_at":3600000000"#,
        r#""closes_at":1000,"starts_at":1000,"ends_at":2000"#,
    ]
    .into_iter()
    .enumerate()
    {
        let names = format!(
            r#""title":"名{number}","place":"厅{number}","description":"文{number}","keyword":"k{number}""#
        );
        let others = r#""picture":"http://x.example/p","cancel_until":3000000000"#;
        assert_eq!(put(&format!("{{{times},{names},{others}}}")).await, updated);
        tells("查票", &format!("名{number}")).await;
        tells("查票", &format!("地点：厅{number}\n文{number}")).await;
        tells(&format!("取票 k{number}"), "http://x.example/p").await;
        // What was so when people booked, or would leave them without their tickets.
        for opens_at in ["null", "2", "4000000000"] {
            let body = format!(r#"{{"opens_at":{opens_at}}}"#);
            assert_eq!(put(&body).await, refused("already_open"));
        }
        assert_eq!(put(r#"{"keyword":""}"#).await, refused("tickets_are_out"));
        let path = "/admin/sales/gala/stock";
        for (body, code) in [(r#"{"count":2}"#, "added"), (r#"{"remove":1}"#, "removed")] {
            let reply = office.operator.json("POST", path, body).await;
            assert_eq!(reply.told(), (200, code));
        }
        let reply = office.operator.json("POST", path, r#"{"remove":99}"#).await;
        assert_eq!(reply.result, "insufficient_stock");
    }
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn a_keyword_of_two_activities_is_not_asked_for() {
    let office = Office::open().await;
    let one = office.activity("gala", "马兰花开", 1).await;
    let other = office.activity("ball", "舞会", 1).await;
    let path = "/wechat/activity?id=gala";
    let page = office.shows(path, "正在抢票").await;
    assert_page(&page, 200, &format!(">{HOW}<"));
    let same = SaleEdit {
        keyword: Some(term_text("gala")),
        ..SaleEdit::default()
    };
    office.put(&other, same).await;
    let page = office.shows(path, ">请利用菜单抢票<").await;
    assert!(!page.body.contains(HOW), "{page:?}");
    // The one of last year is not meant.
    office.end(&other, PAST).await;
    office.shows(path, &format!(">{HOW}<")).await;
    office.close(&[&one, &other]).await;
}

#[tokio::test]
async fn what_is_not_on_show_is_not_there() {
    let office = Office::open().await;
    let sale = office.activity("gala", "马兰花开", 1).await;
    office.world.sale("plain", StockKind::List, 1).await;
    office.shows("/wechat/activity?id=gala", "马兰花开").await;
    for id in [
        "plain",
        "nothing",
        "4000",
        "-1",
        "None",
        "zjl",
        "",
        "%3Cscript%3E",
        "gala.",
    ] {
        let reply = office.get(&format!("/wechat/activity?id={id}")).await;
        assert_page(&reply, 404, "活动不存在");
        assert_harmless(&reply);
    }
    for query in ["", "?id=gala&id=gala", "?id=%", "?name=gala"] {
        let reply = office.get(&format!("/wechat/activity{query}")).await;
        assert_page(&reply, 400, "链接不正确");
    }
    let hidden = SaleEdit {
        keyword: Some(None),
        ..SaleEdit::default()
    };
    office.put(&sale, hidden).await;
    let gone = office.shows("/wechat/activity?id=gala", "活动不存在").await;
    assert_eq!(gone.status, 404);
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn no_text_of_an_activity_becomes_markup() {
    let office = Office::open().await;
    let danger = "\"><script>alert(1)</script><img src=x onerror=\"alert(1)\">";
    let sale = office.activity("gala", danger, 1).await;
    let activity = SaleEdit {
        keyword: Some(term_text("\"><script>alert(1)</script>")),
        place: Some(term_text(danger)),
        description: Some(term_text(danger)),
        ..SaleEdit::default()
    };
    office.put(&sale, activity).await;
    let picture = "https://x/\"><script>";
    office.world.write_term(&sale, "picture", picture).await;
    let page = office.shows("/wechat/activity?id=gala", "抢票 &#34;").await;
    assert_page(&page, 200, "&#60;script&#62;alert(1)&#60;/script&#62;");
    assert_harmless(&page);
    office.bind("oA", "2016013265").await;
    let ticket = office.book(&sale, "2016013265").await;
    let page = office
        .get(&format!("/wechat/ticket?openid=oA&ticket={ticket}"))
        .await;
    assert_page(&page, 200, "&#60;script&#62;alert(1)&#60;/script&#62;");
    assert_harmless(&page);
    office.close(&[&sale]).await;
}
