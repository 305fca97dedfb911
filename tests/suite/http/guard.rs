//! The operators' token: every path that needs it refuses requests without it, and tells them
//! nothing.

use std::collections::BTreeSet;

use seckill::domain::sale::StockKind;
use seckill::http::routes;

use crate::support::app::TestApp;
use crate::support::operator::TOKEN;
use crate::support::redis::World;
use crate::support::wechat::office;

/// Every route that answers without the operators' token. A new one is a decision, not an
/// accident: write it down here.
const OPEN: [(&str, &str); 21] = [
    ("POST", "/seckill"),
    ("POST", "/incr"),
    ("POST", "/bids"),
    ("GET", "/sales"),
    ("GET", "/sales/{id}"),
    ("POST", "/orders"),
    ("GET", "/orders/{id}"),
    ("POST", "/orders/{id}/cancel"),
    // The platform signs; the pages show what belongs to an openid that only its owner knows.
    ("GET", "/wechat"),
    ("POST", "/wechat"),
    ("GET", "/wechat/bind"),
    ("POST", "/wechat/bind"),
    ("GET", "/wechat/activity"),
    ("GET", "/wechat/ticket"),
    ("GET", "/wechat/help"),
    ("GET", "/wechat/checkin"),
    ("GET", "/wechat/checkin.js"),
    ("GET", "/wechat/style.css"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
];

/// Routes that need the token, with ids that exist.
fn guarded(order: &str) -> Vec<(String, String)> {
    let routes = routes::all().into_iter();
    // Where GET goes, HEAD goes.
    let is_open = |method: &str, path: &str| OPEN.contains(&(&method.replace("HEAD", "GET"), path));
    let guarded = routes.filter(|(method, path)| !is_open(method, path));
    guarded
        .map(|(method, path)| {
            let id = if path.starts_with("/orders") {
                order
            } else {
                "a"
            };
            let path = path.replace("{id}", id).replace("{event}", "a");
            (method, path.replace("{user}", "x"))
        })
        .collect()
}

#[tokio::test]
async fn nothing_is_done_or_told_without_the_token() {
    let mut world = World::new().await;
    let sale = world.sale("a", StockKind::List, 5).await;
    let app = office(&world).await;
    let fields = [("username", "x"), ("purchase", "1")];
    let order = app.buyer.form("/seckill", &fields).await.order();
    let mut guarded = guarded(&order.expect("an order"));
    assert!(guarded.len() >= 8, "{guarded:?}");
    guarded.extend(
        [
            "/admin",
            "/admin/",
            "/admin/sales",
            "/admin/sales/a/nothing",
        ]
        .map(|path| ("GET".to_owned(), path.to_owned())),
    );
    guarded.push(("DELETE".to_owned(), "/admin/sales/a".to_owned()));
    let before = world.dump().await;
    let wrong = [
        None,
        Some("Bearer wrong".to_owned()),
        Some("Bearer".to_owned()),
        Some(format!("Bearer {TOKEN}x")),
        Some(format!("Bearer {}", &TOKEN[1..])),
        Some(format!("Bearer {}", TOKEN.to_uppercase())),
        Some(format!("Basic {TOKEN}")),
        Some(TOKEN.to_owned()),
    ];
    let body = br#"{"kind":"list","count":1}"#;
    for (method, path) in &guarded {
        for header in &wrong {
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(header.iter().map(|value| ("authorization", value.as_str())));
            let response = app.buyer.begin(method, path, &headers, body.to_vec()).await;
            let named = |name: &str| {
                let value = response.headers().get(name);
                value
                    .and_then(|value| value.to_str().ok())
                    .map(str::to_owned)
            };
            assert_eq!(response.status(), 401, "{method} {path} {header:?}");
            assert_eq!(named("www-authenticate").as_deref(), Some("Bearer"));
            assert_eq!(named("x-seckill-result").as_deref(), Some("unauthorized"));
            assert_eq!(
                named("content-type").as_deref(),
                Some("application/problem+json")
            );
            let body = response.text().await.expect("a body");
            assert_eq!(body.is_empty(), method == "HEAD", "{method} {path}");
            assert!(!body.contains(TOKEN), "{body}");
        }
    }
    assert_eq!(world.dump().await, before, "something was changed");
    world.assert_holds(&sale).await;
    app.stop().await;
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_body() {
    let world = World::new().await;
    world.sale("a", StockKind::List, 5).await;
    let app = office(&world).await;
    let fields = [("username", "x"), ("purchase", "1")];
    let order = app.buyer.form("/seckill", &fields).await.order();
    let order = order.expect("an order");
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let routes = routes::all().into_iter();
    let export = "/admin/sales/{id}/orders";
    let looks = routes.filter(|(method, path)| method == "GET" && path != export);
    let looks: Vec<_> = looks.collect();
    assert!(looks.len() > 10, "{looks:?}");
    for (_, path) in looks {
        let id = if path.starts_with("/orders") {
            &order
        } else {
            "a"
        };
        let path = path.replace("{id}", id);
        let [get, head] = ["GET", "HEAD"].map(|method| {
            let begun = app.buyer.begin(method, &path, &headers, Vec::new());
            async {
                let response = begun.await;
                let (status, headers) = (response.status(), response.headers().clone());
                let named = |name: &str| headers.get(name).cloned();
                let kind = named("content-type");
                let result = named("x-seckill-result");
                let body = response.text().await.expect("a body");
                ((status, kind, result), body)
            }
        });
        let ((get, body), (head, nothing)) = (get.await, head.await);
        assert_eq!(head, get, "{path}");
        assert!(!body.is_empty() && nothing.is_empty(), "{path}: {nothing}");
    }
    // The connection is in order after all of them.
    assert_eq!(app.buyer.get("/healthz").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn the_sender_of_a_large_body_sees_the_refusal() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let reply = app.buyer.send(
        "POST",
        "/admin/sales/a/stock",
        &[("content-type", "text/plain")],
        vec![b'x'; 3 << 20],
    );
    assert_eq!(reply.await.result, "unauthorized");
    app.stop().await;
}

#[tokio::test]
async fn with_the_token_a_wrong_path_or_method_is_told() {
    let world = World::new().await;
    let app = office(&world).await;
    let operator = app.operator();
    for path in ["/admin", "/admin/sales", "/admin/sales/a/nothing"] {
        assert_eq!(operator.get(path).await.result, "not_found", "{path}");
    }
    let routes = routes::all();
    let paths: BTreeSet<&String> = routes.iter().map(|(_, path)| path).collect();
    for path in paths {
        let own = routes.iter().filter(|(_, other)| other == path);
        let own: Vec<&str> = own.map(|(method, _)| method.as_str()).collect();
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("authorization", bearer.as_str())];
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            if own.contains(&method) {
                continue;
            }
            let path = path.replace("{id}", "a");
            let response = app.buyer.begin(method, &path, &headers, Vec::new()).await;
            assert_eq!(response.status(), 405, "{method} {path}");
            let allow = response.headers().get("allow").expect("the header");
            assert_eq!(allow.to_str().expect("ASCII"), own.join(", "), "{path}");
        }
    }
    app.stop().await;
}

/// Answers name orders and people, and browsers guess what a text may be.
#[tokio::test]
async fn no_cache_keeps_an_answer_and_no_browser_guesses_what_it_is() {
    let world = World::new().await;
    world.sale("a", StockKind::List, 1).await;
    let app = office(&world).await;
    let bearer = format!("Bearer {TOKEN}");
    let operator = ("authorization", bearer.as_str());
    let form = ("content-type", "application/x-www-form-urlencoded");
    let plain = ("accept", "text/plain");
    let assert_guarded = async |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let body = body.as_bytes().to_vec();
        let response = app.buyer.begin(method, path, headers, body).await;
        let named = |name: &str| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().expect("ASCII").to_owned())
        };
        let what = format!("{method} {path}: {}", response.status());
        assert_eq!(
            named("x-content-type-options").as_deref(),
            Some("nosniff"),
            "{what}"
        );
        let files = ["/wechat/style.css", "/wechat/checkin.js"];
        let caching = if files.contains(&path) {
            "public, max-age=600"
        } else {
            "no-store"
        };
        assert_eq!(named("cache-control").as_deref(), Some(caching), "{what}");
        named("x-seckill-result")
    };
    for (user, result) in [
        ("x", "grabbed"),
        ("x", "already_grabbed"),
        ("y", "sold_out"),
    ] {
        for headers in [&[form][..], &[form, plain]] {
            let body = format!("username={user}&purchase=1");
            let said = assert_guarded("POST", "/seckill", headers, &body).await;
            let expected = [result, "already_grabbed"];
            assert!(said.is_some_and(|said| expected.contains(&said.as_str())));
        }
    }
    let order = app
        .buyer
        .form("/seckill", &[("username", "x"), ("purchase", "1")])
        .await;
    let order = order.order().expect("an order");
    for (method, path) in routes::all() {
        let id = if path.starts_with("/orders") {
            &order
        } else {
            "a"
        };
        let path = path
            .replace("{id}", id)
            .replace("{event}", "a")
            .replace("{user}", "x");
        for headers in [&[][..], &[operator]] {
            assert_guarded(&method, &path, headers, "").await;
        }
    }
    for (method, path) in [
        ("GET", "/nothing"),
        ("DELETE", "/seckill"),
        ("GET", "/wechat/help/"),
    ] {
        assert_guarded(method, path, &[], "").await;
    }
    app.stop().await;
}
