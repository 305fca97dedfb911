//! `PUT /admin/sales/…`: sales and activities, every wrong one, and that they sell.

use seckill::domain::sale::StockKind;
use serde_json::{Value, json};

use super::PUT_A;
use crate::support::app::TestApp;
use crate::support::redis::{World, sale_id};
use crate::support::table::rows;

#[tokio::test]
async fn a_sale_is_created_changed_and_shown() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let created = operator.json("PUT", PUT_A, r#"{"kind":"list"}"#).await;
    assert_eq!(created.told(), (201, "created"));
    assert_eq!(created.content_type, "application/json; charset=utf-8");
    let now = created.json()["server_time"].clone();
    let bytes = format!(
        r#"{{"added":0,"buyers":0,"cancel_until":null,"closes_at":null,"confirmed":0,"feed":true,"held":0,"hold":null,"kind":"list","left":0,"opens_at":null,"orders_max":20,"phase":"open","purchase_max":2,"removed":0,"sale":"a","server_time":{now},"title":"","used":0}}"#
    );
    assert_eq!(created.body, bytes);

    for (body, fields) in [
        (r#"{"title":"春茶 \"1\""}"#, json!({"title": "春茶 \"1\""})),
        (
            r#"{"opens_at":"2026-11-11T00:00:00+08:00","closes_at":1794326400}"#,
            json!({"opens_at": 1_794_326_400_000_u64, "closes_at": 1_794_326_400_000_u64}),
        ),
        (
            r#"{"opens_at":null,"closes_at":"1794326401"}"#,
            json!({"opens_at": null, "closes_at": 1_794_326_401_000_u64}),
        ),
        (r#"{"closes_at":"none"}"#, json!({"closes_at": null})),
        (
            r#"{"hold":"15m","purchase_max":100,"feed":false}"#,
            json!({"hold": 900_000, "purchase_max": 100, "feed": false}),
        ),
        (
            r#"{"hold":null,"feed":true,"cancel_until":4102444800}"#,
            json!({"hold": null, "feed": true, "cancel_until": 4_102_444_800_000_u64}),
        ),
        (
            r#"{"kind":"list","cancel_until":null}"#,
            json!({"cancel_until": null, "purchase_max": 100, "title": "春茶 \"1\""}),
        ),
    ] {
        let reply = operator.json("PUT", PUT_A, body).await;
        assert_eq!(reply.told(), (200, "updated"), "{body}: {}", reply.body);
        for (name, value) in fields.as_object().expect("fields") {
            assert_eq!(&reply.json()[name], value, "{body}: {name}");
        }
    }
    for (change, code, phase) in [
        ("pause", "paused", "paused"),
        ("pause", "paused", "paused"),
        ("resume", "resumed", "open"),
    ] {
        let reply = operator.post(&format!("{PUT_A}/{change}")).await;
        assert_eq!(reply.told(), (200, code));
        assert_eq!(reply.json()["phase"], phase);
    }
    app.stop().await;
}

/// Sale, body, answer, words of its sentence. Sale a is a list with a buyer; there is no sale b.
const WRONG_SALES: &str = r#"
    a      {"kind":"counter"}                     409 kind_is_fixed     another kind
    a      {"opens_at":4102444800}                409 already_open      has opened
    a      {"purchase_max":1}                     409 purchase_max_lowered  retries
    a      {"closes_at":1,"opens_at":null,"purchase_max":1}  409 purchase_max_lowered  sale a
    a      {"feed":false}                         409 feed_is_fixed     feed
    a?x=1  {"title":"x"}                          400 invalid_request   there is no parameter
    b      {"kind":"list","opens_at":2,"closes_at":1}  409 window_is_empty   before it opens
    b      {"title":"x"}                          404 no_such_sale      kind
    B      {"kind":"list"}                        400 invalid_request   "id: "
    %ff    {"kind":"list"}                        400 invalid_request   "id: "
    a      {}                                     400 invalid_request   nothing to put
    a      ""                                     400 invalid_request   the body
    a      ["list"]                               400 invalid_request   the body
    a      {                                      400 invalid_request   the body
    a      {"title":"x"}}                         400 invalid_request   the body
    a      {"titel":"x"}                          400 invalid_request   `titel`
    a      {"paused":true}                        400 invalid_request   `paused`
    a      {"title":"x","title":"y"}              400 invalid_request   `title`
    a      {"title":null}                         400 invalid_request   "title: "
    a      {"title":7}                            400 invalid_request   "title: "
    a      {"title":"\u001b[2J"}                  400 invalid_request   "title: "
    a      {"kind":"heap"}                        400 invalid_request   "kind: "
    a      {"kind":null}                          400 invalid_request   "kind: "
    a      {"opens_at":"tomorrow"}                400 invalid_request   opens_at: write it like
    a      {"opens_at":-1}                        400 invalid_request   "opens_at: "
    a      {"opens_at":1.5}                       400 invalid_request   "opens_at: "
    # Milliseconds are no seconds: what answers show must not be taken for what they mean.
    a      {"closes_at":1794326400000}            400 invalid_request   "closes_at: "
    a      {"closes_at":[]}                       400 invalid_request   "closes_at: "
    a      {"cancel_until":true}                  400 invalid_request   "cancel_until: "
    a      {"purchase_max":0}                     400 invalid_request   purchase_max: 0
    a      {"purchase_max":101}                   400 invalid_request   1..=100
    a      {"purchase_max":"2"}                   400 invalid_request   "purchase_max: "
    a      {"purchase_max":2.0}                   400 invalid_request   "purchase_max: "
    a      {"hold":"15"}                          400 invalid_request   hold: write it like 15m
    a      {"hold":"1ms"}                         400 invalid_request   hold: it must be from 1s
    a      {"hold":900}                           400 invalid_request   "hold: "
    a      {"feed":"on"}                          400 invalid_request   "feed: "
    a      {"keyword":"a b"}                      400 invalid_request  \
        keyword: the keyword must be 1 to 64 bytes
    a      {"keyword":7}                          400 invalid_request   keyword: it must be a text
    a      {"keyword":"k","picture":"ftp://a"}    400 invalid_request   "picture: "
    a      {"keyword":"k","place":"a\nb"}         400 invalid_request   "place: "
    a      {"keyword":"k","description":"\u0000"}  400 invalid_request   "description: "
    a      {"keyword":"k","starts_at":"soon"}     400 invalid_request   "starts_at: "
    a      {"keyword":"k"}                        409 sold_elsewhere    has granted orders
    b      {"kind":"list","keyword":"k","purchase_max":2}  409 one_ticket_each   one ticket
    b      {"kind":"list","keyword":"k","hold":"15m"}  409 hold_and_keyword  an activity with a hold
    a      {"place":"x"}                          409 not_an_activity   is not an activity
    b      {"kind":"list","keyword":"k","starts_at":2,"ends_at":1}  409 ends_before_start  \
        would end before it starts
    b      {"kind":"list","keyword":"k","closes_at":2,"ends_at":1}  409 ends_before_closing  \
        let booking close (closes_at)
"#;

#[tokio::test]
async fn every_wrong_sale_is_named_and_changes_nothing() {
    let mut world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    world.sale("a", StockKind::List, 5).await;
    assert_eq!(app.buyer.code("/seckill", "a", "x", "2").await, "grabbed");
    let before = world.dump().await;
    for row in rows(WRONG_SALES) {
        let [sale, body, told, words] = row.cells();
        let path = format!("/admin/sales/{sale}");
        let reply = operator.json("PUT", &path, body).await;
        reply.assert_problem(told, words);
    }
    for change in ["pause", "resume"] {
        let reply = operator.post(&format!("/admin/sales/b/{change}")).await;
        reply.assert_problem("404 no_such_sale", "there is no sale b");
        let path = format!("/admin/sales/a/{change}?x=1");
        let reply = operator.post(&path).await;
        reply.assert_problem("400 invalid_request", "there is no parameter");
    }
    let form = "application/x-www-form-urlencoded";
    let reply = operator.send("PUT", PUT_A, form, b"kind=list").await;
    reply.assert_problem("415 invalid_request", "application/json");
    let large = format!(r#"{{"title":"{}"}}"#, "x".repeat(1 << 20));
    let reply = operator.json("PUT", PUT_A, &large).await;
    reply.assert_problem("413 invalid_request", "1048576");
    assert_eq!(world.dump().await, before, "something was changed");
    world.assert_holds(&sale_id("a")).await;
    app.stop().await;
}

#[tokio::test]
async fn an_activity_is_put_on_show_and_taken_off() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let body = r#"{"kind":"counter","keyword":"gala","place":"大礼堂","starts_at":5,"ends_at":"1970-01-01T00:00:06Z","closes_at":6,"picture":"https://a.example/b.png","description":"one\ntwo"}"#;
    let created = operator.json("PUT", PUT_A, body).await;
    assert_eq!(created.told(), (201, "created"), "{}", created.body);
    let expected = json!({
        "keyword": "gala", "place": "大礼堂", "starts_at": 5_000, "ends_at": 6_000,
        "picture": "https://a.example/b.png", "description": "one\ntwo",
    });
    let fields = expected.as_object().expect("fields");
    for (name, value) in fields {
        assert_eq!(&created.json()[name], value, "{name}");
    }
    let emptied = operator
        .json(
            "PUT",
            PUT_A,
            r#"{"picture":null,"place":"","starts_at":null}"#,
        )
        .await;
    assert_eq!(emptied.told(), (200, "updated"), "{}", emptied.body);
    let sale = emptied.json();
    let left = [&sale["picture"], &sale["place"], &sale["starts_at"]];
    assert_eq!(left, [&json!(""), &json!(""), &Value::Null]);
    for hide in [r#"{"keyword":null}"#, r#"{"keyword":""}"#] {
        let hidden = operator.json("PUT", PUT_A, hide).await;
        assert_eq!(hidden.told(), (200, "updated"), "{}", hidden.body);
        assert_eq!(hidden.json()["keyword"], Value::Null);
        assert_eq!(hidden.json()["description"], "one\ntwo");
    }
    // Operators see what is prepared, and nobody else does.
    let seen = app.buyer.get("/sales/a").await.json();
    assert_eq!(seen["goods"], "a");
    for name in fields.keys() {
        assert_eq!(seen.get(name), None, "{name}");
    }
    app.stop().await;
}

#[tokio::test]
async fn sales_of_the_door_sell() {
    let world = World::new().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let put = operator.json(
        "PUT",
        "/admin/sales/spring.tea",
        r#"{"kind":"list","hold":"15m"}"#,
    );
    assert_eq!(put.await.status, 201);
    let units = operator
        .lines("/admin/sales/spring.tea/stock", "u1\nu2\n")
        .await;
    assert_eq!(units.status, 200);
    let fields = [
        ("username", "x"),
        ("purchase", "2"),
        ("goods", "spring.tea"),
    ];
    let grabbed = app.buyer.form("/seckill", &fields).await;
    assert_eq!(grabbed.json()["units"], json!(["u1", "u2"]));
    let order = grabbed.order().expect("an order");
    let confirmed = operator.post(&format!("/orders/{order}/confirm")).await;
    assert_eq!(confirmed.result, "confirmed");
    let listed: Value = operator.get("/admin/sales/spring.tea/orders").await.json();
    assert_eq!(
        (&listed["order"], &listed["state"]),
        (&order.into(), &"confirmed".into())
    );
    world.assert_holds(&sale_id("spring.tea")).await;
    app.stop().await;
}
