//! The check-in endpoint: every answer, and that each ticket lets in one person.

use seckill::domain::ids::SaleId;
use seckill::domain::sale::StockKind;

use super::{FUTURE, Office, PAST, assert_harmless, assert_page};
use crate::support::buyer::Reply;

const NUMBER: &str = "2016013265";
const OTHER: &str = "2016013266";
const NOBODY: &str = "gala-abcdfabcdfabcdfabcdf";

async fn with_tickets() -> (Office, SaleId) {
    let office = Office::open().await;
    let sale = office.activity("gala", "马兰花开", 50).await;
    (office, sale)
}

fn code(reply: &Reply) -> (u16, &str) {
    (reply.status, &reply.result)
}

#[tokio::test]
async fn a_good_ticket_lets_in_once() {
    let (office, sale) = with_tickets().await;
    let ticket = office.book(&sale, NUMBER).await;
    let reply = office.check("gala", "ticket", &ticket).await;
    let expected = format!(
        r#"{{"code":"checked_in","message":"检票成功。","sale":"gala","ticket":"{ticket}","number":"{NUMBER}","units":["sn-1"]}}"#
    );
    assert_eq!(
        (code(&reply), reply.body.as_str()),
        ((200, "checked_in"), &*expected)
    );
    let typed = ticket.to_uppercase();
    for (kind, shown) in [
        ("ticket", ticket.as_str()),
        ("ticket", &typed),
        ("number", NUMBER),
    ] {
        let reply = office.check("gala", kind, shown).await;
        assert_eq!(code(&reply), (409, "used"), "{kind}");
        assert_eq!(reply.content_type, "application/problem+json");
        let detail = reply.json()["detail"].as_str().expect("a text").to_owned();
        assert!(detail.starts_with("票已使用过：20"), "{detail}");
    }
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn a_number_stands_for_its_ticket() {
    let (office, sale) = with_tickets().await;
    let first = office.book(&sale, NUMBER).await;
    office.cancel(&first).await;
    let second = office.book(&sale, NUMBER).await;
    assert_eq!(
        code(&office.check("gala", "ticket", &first).await),
        (409, "cancelled")
    );
    let reply = office.check("gala", "number", NUMBER).await;
    assert_eq!(code(&reply), (200, "checked_in"));
    assert_eq!(reply.json()["ticket"], second.as_str());
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn what_is_no_ticket_of_this_activity_is_refused() {
    let (office, sale) = with_tickets().await;
    let other = office.activity("ball", "舞会", 5).await;
    let plain = office.world.sale("plain", StockKind::List, 5).await;
    let cancelled = office.book(&sale, NUMBER).await;
    office.cancel(&cancelled).await;
    let foreign = office.book(&other, OTHER).await;
    let order = office.book(&plain, NUMBER).await;
    for (sale, kind, shown, expected) in [
        ("gala", "ticket", NOBODY, (404, "no_such_ticket")),
        ("gala", "ticket", "12345", (404, "no_such_ticket")),
        ("gala", "ticket", "", (404, "no_such_ticket")),
        ("gala", "ticket", "<script>", (404, "no_such_ticket")),
        ("gala", "ticket", &cancelled, (409, "cancelled")),
        ("gala", "ticket", &foreign, (409, "other_activity")),
        ("gala", "ticket", &order, (409, "other_activity")),
        ("gala", "number", "2016013299", (404, "no_such_ticket")),
        ("gala", "number", NUMBER, (404, "no_such_ticket")),
        ("gala", "number", OTHER, (404, "no_such_ticket")),
        ("gala", "number", "学号", (404, "no_such_ticket")),
        ("plain", "ticket", &order, (404, "no_such_activity")),
        ("nothing", "ticket", &foreign, (404, "no_such_activity")),
        ("<script>", "ticket", &foreign, (404, "no_such_activity")),
    ] {
        let reply = office.check(sale, kind, shown).await;
        assert_eq!(code(&reply), expected, "{sale} {kind} {shown}");
    }
    let state = office.operator.get(&format!("/orders/{foreign}")).await;
    assert_eq!(state.json()["state"], "confirmed", "a refusal uses nothing");
    office.close(&[&sale, &other, &plain]).await;
}

#[tokio::test]
async fn after_the_activity_nobody_comes_in() {
    let (office, sale) = with_tickets().await;
    let ticket = office.book(&sale, NUMBER).await;
    office.end(&sale, PAST).await;
    for (kind, shown) in [("ticket", ticket.as_str()), ("number", NUMBER)] {
        assert_eq!(
            code(&office.check("gala", kind, shown).await),
            (409, "ended")
        );
    }
    office.end(&sale, FUTURE).await;
    assert_eq!(
        code(&office.check("gala", "number", NUMBER).await),
        (200, "checked_in")
    );
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn nobody_is_let_in_without_the_token() {
    let (office, sale) = with_tickets().await;
    let ticket = office.book(&sale, NUMBER).await;
    let fields = [("sale", "gala"), ("ticket", ticket.as_str())];
    let reply = office.app.buyer.form("/wechat/checkin", &fields).await;
    assert_eq!(code(&reply), (401, "unauthorized"));
    // The page asks so whether a token is right.
    let json = [("content-type", "application/json")];
    let buyer = &office.app.buyer;
    let reply = buyer.send("POST", "/wechat/checkin", &json, b"{}".to_vec());
    assert_eq!(code(&reply.await), (401, "unauthorized"));
    let reply = office.operator.json("POST", "/wechat/checkin", "{}").await;
    assert_eq!(code(&reply), (400, "invalid_request"));
    assert_eq!(
        code(&office.check("gala", "ticket", &ticket).await),
        (200, "checked_in")
    );
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn a_wrong_request_is_told() {
    let (office, sale) = with_tickets().await;
    let ticket = office.book(&sale, NUMBER).await;
    for body in [
        "",
        "[]",
        "{}",
        r#"{"sale":"gala"}"#,
        r#"{"ticket":"TICKET"}"#,
        r#"{"sale":"gala","ticket":null}"#,
        r#"{"sale":"gala","ticket":7}"#,
        r#"{"sale":"gala","number":2016013265}"#,
        r#"{"sale":7,"ticket":"TICKET"}"#,
        r#"{"sale":"gala","ticket":"TICKET","number":"2016013265"}"#,
        r#"{"sale":"gala","sale":"gala","ticket":"TICKET"}"#,
    ] {
        let body = body.replace("TICKET", &ticket);
        let reply = office.operator.json("POST", "/wechat/checkin", &body).await;
        assert_eq!(code(&reply), (400, "invalid_request"), "{body}");
    }
    let reply = office.operator.lines("/wechat/checkin", "x").await;
    assert_eq!(code(&reply), (415, "invalid_request"));
    let form = format!("sale=gala&ticket={ticket}&number=");
    let form_type = "application/x-www-form-urlencoded";
    let send = |form: String| async move {
        let operator = office.operator.clone();
        (
            operator
                .send("POST", "/wechat/checkin", form_type, form.as_bytes())
                .await,
            office,
        )
    };
    let (reply, office) = send(form).await;
    assert_eq!(code(&reply), (400, "invalid_request"));
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn of_all_who_show_one_ticket_at_once_one_comes_in() {
    let (office, sale) = with_tickets().await;
    for round in 0..10 {
        let number = format!("20160132{round:02}");
        let ticket = office.book(&sale, &number).await;
        let asked: Vec<_> = (0..8)
            .map(|door| {
                let shown = match door % 2 {
                    0 => serde_json::json!({ "sale": "gala", "ticket": ticket }),
                    _ => serde_json::json!({ "sale": "gala", "number": number }),
                };
                let operator = office.operator.clone();
                let body = shown.to_string();
                tokio::spawn(
                    async move { operator.json("POST", "/wechat/checkin", &body).await.result },
                )
            })
            .collect();
        let mut results = Vec::new();
        for result in asked {
            results.push(result.await.expect("a result"));
        }
        results.sort();
        let mut expected = vec!["used"; 7];
        expected.insert(0, "checked_in");
        assert_eq!(results, expected);
    }
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn the_page_of_the_staff_knows_its_activity() {
    let office = Office::open().await;
    let page = office.get("/wechat/checkin").await;
    assert_page(&page, 200, "<input id=\"sale\" value=\"\"");
    assert_harmless(&page);
    let page = office.get("/wechat/checkin?sale=spring.tea").await;
    assert_page(&page, 200, "<input id=\"sale\" value=\"spring.tea\"");
    // The staff can type it.
    for query in ["sale=", "sale=%22%3E%3Cscript%3E"] {
        let page = office.get(&format!("/wechat/checkin?{query}")).await;
        assert_page(&page, 200, "<input id=\"sale\" value=\"\"");
        assert_harmless(&page);
    }
    for query in ["sale=a&sale=a", "sale=%"] {
        let page = office.get(&format!("/wechat/checkin?{query}")).await;
        assert_page(&page, 400, "链接不正确");
        assert_harmless(&page);
    }
    office.close(&[]).await;
}
