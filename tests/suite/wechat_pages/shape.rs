//! What all pages have in common: they do not exist until the office is set up, and browsers may
//! only show them.

use seckill::http::routes;

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
    for path in ["/wechat/bind", "/wechat/bind/"] {
        let reply = app.buyer.form(path, &bind).await;
        assert_eq!((reply.status, &*reply.result), (404, "not_found"));
    }
    for path in ["/wechat/", "/wechat/help/"] {
        let reply = app.buyer.get(path).await;
        assert_eq!((reply.status, &*reply.result), (404, "not_found"), "{path}");
    }
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

/// A page is at its address without the slash: its links are relative.
#[tokio::test]
async fn a_slash_at_the_end_changes_nothing() {
    let office = Office::open().await;
    let sale = office.activity("gala", "马兰花开", 5).await;
    office.shows("/wechat/activity?id=gala", "马兰花开").await;
    let asked = async |method: &str, path: &str| {
        let body = Vec::new();
        office.app.buyer.send(method, path, &[], body).await
    };
    let wechat = routes::all().into_iter();
    let wechat: Vec<_> = wechat
        .filter(|(_, path)| path.starts_with("/wechat"))
        .collect();
    assert!(wechat.len() > 9, "{wechat:?}");
    for (method, path) in wechat {
        for query in ["", "?openid=oA&ticket=%E7%A5%A8", "?id=gala", "?票%"] {
            let with = asked(&method, &format!("{path}/{query}")).await;
            let without = asked(&method, &format!("{path}{query}")).await;
            assert_eq!(with, without, "{method} {path}/{query}");
        }
        if method != "POST" && path != "/wechat" {
            let slashed = format!("{path}/");
            let begun = office.app.buyer.begin(&method, &slashed, &[], Vec::new());
            assert_eq!(begun.await.url().path(), path);
        }
        for other in ["PUT", "DELETE"] {
            let refused = asked(other, &format!("{path}/")).await;
            assert_eq!(refused.status, 405, "{other} {path}/");
        }
        let two = asked(&method, &format!("{path}//")).await;
        assert_eq!((two.status, &*two.result), (404, "not_found"), "{path}//");
    }
    let nothing = asked("GET", "/wechat/nothing/").await;
    assert_eq!((nothing.status, &*nothing.result), (404, "not_found"));
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
