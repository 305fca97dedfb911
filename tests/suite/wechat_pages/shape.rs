//! What all pages have in common: they are off until they are set up, and their answers let a
//! browser do nothing but show them.

use super::Office;
use crate::support::app::TestApp;
use crate::support::redis::World;

/// Every page, with what a browser may load for it.
const PAGES: [(&str, &str); 6] = [
    ("/wechat/bind?openid=oA", "img-src data:"),
    ("/wechat/bind?FORM", "img-src data:"),
    ("/wechat/activity?id=gala", "img-src data: https: http:"),
    ("/wechat/ticket?openid=oA&ticket=TICKET", "img-src data:"),
    ("/wechat/help", "img-src data:"),
    (
        "/wechat/checkin",
        "img-src data:; script-src 'self'; connect-src 'self'",
    ),
];

#[tokio::test]
async fn without_a_token_of_the_platform_there_are_no_pages() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let files = [("/wechat/style.css", ""), ("/wechat/checkin.js", "")];
    for (path, _) in PAGES.iter().chain(&files) {
        let reply = app.buyer.get(path).await;
        assert_eq!((reply.status, &*reply.result), (404, "not_found"), "{path}");
    }
    let bind = [("openid", "oA"), ("number", "2016013265")];
    let reply = app.buyer.form("/wechat/bind", &bind).await;
    assert_eq!((reply.status, &*reply.result), (404, "not_found"));
    let body = r#"{"sale":"gala","number":"2016013265"}"#;
    let reply = app.operator().json("POST", "/wechat/checkin", body).await;
    assert_eq!((reply.status, &*reply.result), (404, "not_found"));
    app.stop().await;
}

#[tokio::test]
async fn a_browser_may_do_nothing_but_show_a_page() {
    let office = Office::open().await;
    let sale = office.activity("gala", "马兰花开", 5).await;
    let ticket = office.book(&sale, "2016013265").await;
    let form = office.visitor("oA").await.path;
    for (path, loads) in PAGES {
        // As long as oA is not bound, the ticket is a notice, and so is what has no seal: they have
        // the same headers.
        let path = path
            .replace("TICKET", &ticket)
            .replace("/wechat/bind?FORM", &form);
        let response = office.app.buyer.begin("GET", &path, &[], Vec::new()).await;
        let header = |name: &str| {
            let value = response
                .headers()
                .get(name)
                .unwrap_or_else(|| panic!("{path}: {name}"));
            value.to_str().expect("ASCII").to_owned()
        };
        let policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'; ";
        assert_eq!(
            header("content-security-policy"),
            format!("{policy}{loads}"),
            "{path}"
        );
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-store");
        let body = response.text().await.expect("a body");
        let head = "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">";
        assert!(body.starts_with("<!DOCTYPE html>"), "{path}: {body}");
        assert!(
            body.contains(head) && body.contains("<html lang=\"zh-CN\">"),
            "{path}: {body}"
        );
        assert!(!body.contains("style=\""), "{path}: {body}");
    }
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn the_files_of_the_pages_are_what_they_are() {
    let office = Office::open().await;
    for (path, media_type) in [
        ("/wechat/style.css", "text/css; charset=utf-8"),
        ("/wechat/checkin.js", "text/javascript; charset=utf-8"),
    ] {
        let reply = office.get(path).await;
        assert_eq!((reply.status, &*reply.content_type), (200, media_type));
    }
    office.close(&[]).await;
}

#[tokio::test]
async fn the_help_names_every_command() {
    let office = Office::open().await;
    let page = office.get("/wechat/help").await;
    for command in [
        "绑定",
        "解绑",
        "抢啥",
        "抢票 活动代称",
        "查票",
        "取票 活动代称",
        "退票 活动代称",
    ] {
        assert!(
            page.body.contains(&format!("<dt>{command}</dt>")),
            "{command}"
        );
    }
    office.close(&[]).await;
}
