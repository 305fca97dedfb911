//! The pages in a real Chromium with the screen of a phone. It must be installed, so these tests
//! run only with `make test-browser`.

use seckill::domain::sale::SaleEdit;

use crate::support::browser::Phone;
use crate::support::operator::TOKEN;
use crate::support::terms::term_text;
use crate::wechat_pages::Office;

const NUMBER: &str = "2016013265";

#[tokio::test]
#[ignore = "needs Chromium: make test-browser"]
async fn from_a_number_to_the_door() {
    let office = Office::open().await;
    let sale = office
        .activity("gala", "马兰花开·清华大学百廿校庆专场演出", 5)
        .await;
    // 2026-12-12T19:00:00+08:00
    let start = 1_797_073_200_000;
    let activity = SaleEdit {
        starts_at: Some(Some(start)),
        description: Some(term_text(
            "话剧《马兰花开》再度上演。\n凭电子票入场，开演后不再入场。",
        )),
        ..SaleEdit::default()
    };
    office.put(&sale, activity).await;
    office.shows("/wechat/activity?id=gala", "再度上演").await;
    let phone = Phone::start(office.app.buyer.address()).await;

    phone.open("help").await;
    phone.picture("help").await;
    phone.open("activity?id=gala").await;
    phone.picture("activity").await;

    phone.open("bind?openid=oA").await;
    phone.shows("main", "回复“绑定”").await;
    let path = office.visitor("oA").await.path;
    phone.open(path.trim_start_matches("/wechat/")).await;
    phone.picture("bind").await;
    phone.type_into("#number", "12345").await;
    phone.click("button").await;
    phone.shows("#fault", "学号格式不正确").await;
    phone.picture("bind-again").await;
    assert_eq!(
        phone
            .ask("return document.querySelector('#number').value")
            .await,
        "12345"
    );
    phone
        .ask("document.querySelector('#number').value = ''")
        .await;
    phone.type_into("#number", NUMBER).await;
    phone.click("button").await;
    phone
        .shows("main", &format!("您已经绑定了学号{NUMBER}"))
        .await;
    phone.picture("bound").await;

    let ticket = office.book(&sale, NUMBER).await;
    let page = format!("ticket?openid=oA&ticket={ticket}");
    phone.open(&page).await;
    phone.shows("#standing", "有效").await;
    phone.picture("ticket").await;
    assert_eq!(phone.scan("#code").await, ticket);

    check_at_the_door(&phone, &ticket).await;

    phone.open(&page).await;
    phone.shows("#standing", "已使用").await;
    phone.picture("ticket-used").await;
    assert!(!phone.has("svg").await);
    phone
        .open("ticket?openid=oB&ticket=gala-abcdfabcdfabcdfabcdf")
        .await;
    phone.picture("notice").await;

    phone.close().await;
    office.close(&[&sale]).await;
}

/// A server that never answers: after ten seconds, which go by at once here, the staff is told to
/// check again, and does.
async fn wait_for_no_answer(phone: &Phone, ticket: &str) {
    let script = "
        const { fetch } = window, timeout = AbortSignal.timeout.bind(AbortSignal);
        AbortSignal.timeout = (ms) => { window.waited = ms; return timeout(20); };
        window.fetch = (_, { signal }) => new Promise((_, refuse) => {
          window.fetch = fetch;
          signal.addEventListener('abort', () => refuse(signal.reason));
        });";
    phone.ask(script).await;
    phone
        .type_into("#shown:focus", &format!("{ticket}\n"))
        .await;
    phone.shows("#result.doubt #verdict", "请再检一次").await;
    phone.shows("#detail", "没有收到答复").await;
    assert_eq!(phone.ask("return window.waited").await, 10_000);
    // Older browsers have no such clock.
    phone.ask("delete AbortSignal.timeout").await;
    phone
        .type_into("#shown:focus", &format!("{ticket}\n"))
        .await;
    phone.shows("#detail", "已使用").await;
}

/// A wrong token is refused before anything is scanned, and the page asks for another one.
async fn log_in(phone: &Phone) {
    let says = async |token: &str, fault: &str| {
        phone.type_into("#token:focus", &format!("{token}\n")).await;
        phone.shows("#login-fault", fault).await;
    };
    says("wrong", "口令不正确").await;
    let script = "
        const { fetch } = window;
        window.fetch = async () => { window.fetch = fetch; throw new TypeError(); };";
    phone.ask(script).await;
    says(TOKEN, "没有收到答复").await;
    assert!(!phone.has("#check:not([hidden])").await);
    // It is still there, to be tried again.
    phone.type_into("#token:focus", "\n").await;
    phone.element("#shown:focus").await;
    assert!(!phone.has("#login:not([hidden])").await);
    assert_eq!(
        phone
            .ask("return document.querySelector('#token').value")
            .await,
        ""
    );
}

/// A ticket goes green once and red ever after.
async fn check_at_the_door(phone: &Phone, ticket: &str) {
    phone.open("checkin?sale=gala").await;
    phone.picture("checkin-login").await;
    log_in(phone).await;
    // Whatever is focused gets what is scanned.
    let scanned = format!("{ticket}\n");
    phone.type_into("#shown:focus", &scanned).await;
    phone.element("#result.good:not([hidden])").await;
    phone.shows("#verdict", "可以入场").await;
    phone.shows("#detail", NUMBER).await;
    phone.picture("checkin-good").await;
    // A scanner with caps lock types the same.
    for shown in [ticket, &ticket.to_uppercase(), NUMBER] {
        phone.type_into("#shown:focus", &format!("{shown}\n")).await;
        phone.shows("#result.bad #verdict", "不能入场").await;
        phone.shows("#detail", "已使用").await;
    }
    phone.picture("checkin-bad").await;
    phone.type_into("#shown:focus", "2016019999\n").await;
    phone.shows("#detail", "没有有效的票").await;
    // The token is this tab's own, and stays while it is open.
    phone.open("checkin?sale=gala").await;
    wait_for_no_answer(phone, ticket).await;
    phone.element("#shown:focus").await;
    phone.click("#logout").await;
    phone.element("#token:focus").await;
}
