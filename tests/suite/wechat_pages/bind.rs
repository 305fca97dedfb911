//! The page where a number is bound.

use seckill::domain::ids::Number;

use super::{Office, assert_harmless, assert_page};
use crate::support::bindings::{number, openid};

const NUMBER: &str = "2016013265";
const OTHER: &str = "2016013266";

impl Office {
    async fn number_of(&self, openid: &str) -> Option<Number> {
        let bound = self.world.store.number_of(&self::openid(openid)).await;
        bound.expect("read")
    }
}

#[tokio::test]
async fn a_number_is_bound_once_and_shown_from_then_on() {
    let office = Office::open().await;
    let path = "/wechat/bind?openid=oA";
    let form = office.get(path).await;
    assert_page(&form, 200, "<form method=\"post\" action=\"bind\">");
    assert!(
        form.body.contains("name=\"openid\" value=\"oA\""),
        "{form:?}"
    );
    let bound = format!("您已经绑定了学号{NUMBER}，若要解绑请回复“解绑”");
    assert_page(
        &office.bind("oA", &format!(" {NUMBER} ")).await,
        200,
        &bound,
    );
    assert_page(&office.get(path).await, 200, &bound);
    assert_page(&office.bind("oA", NUMBER).await, 200, &bound);
    let refused = office.bind("oA", OTHER).await;
    assert_page(&refused, 409, &format!("您已经绑定了学号{NUMBER}"));
    let taken = office.bind("oB", NUMBER).await;
    assert_page(&taken, 409, "该学号已被占用！");
    assert!(
        taken.body.contains(&format!("value=\"{NUMBER}\"")),
        "{taken:?}"
    );
    assert_eq!(office.number_of("oB").await, None);
    assert_eq!(office.number_of("oA").await, Some(number(NUMBER)));
    office.close(&[]).await;
}

#[tokio::test]
async fn a_wrong_number_gets_the_form_again() {
    let office = Office::open().await;
    for typed in [
        "",
        " ",
        "12345",
        "20160132651",
        "201601326a",
        "２０１６０１３２６５",
        "2016 013265",
        "2016013265\n2016013266",
        "\"><script>alert(1)</script>",
        "<img src=x onerror=\"alert(1)\">",
    ] {
        let reply = office.bind("oA", typed).await;
        assert_page(&reply, 400, "学号格式不正确");
        assert_page(&reply, 400, "<form method=\"post\" action=\"bind\">");
        assert_harmless(&reply);
    }
    let typed = office.bind("oA", "12<3").await;
    assert!(typed.body.contains("value=\"12&#60;3\""), "{typed:?}");
    assert_eq!(office.number_of("oA").await, None);
    office.close(&[]).await;
}

#[tokio::test]
async fn a_wrong_link_or_form_is_told() {
    let office = Office::open().await;
    for query in [
        "",
        "?open_id=oA",
        "?openid=",
        "?openid=oA&openid=oB",
        "?openid=o%20A",
        "?openid=%3Cscript%3Ealert(1)%3C/script%3E",
        "?openid=%22%3E%3Cscript%3E",
        "?openid=%zz",
        "?openid=%ff",
        "?openid=%E5%BC%A0",
        &format!("?openid={}", "o".repeat(65)),
    ] {
        let reply = office.get(&format!("/wechat/bind{query}")).await;
        assert_page(&reply, 400, "链接不正确");
        assert_harmless(&reply);
    }
    for body in [
        "",
        "openid=oA",
        "number=2016013265",
        "openid=oA&openid=oA&number=2016013265",
        "openid=<script>&number=2016013265",
        "openid=%&number=2016013265",
    ] {
        let reply = office
            .app
            .buyer
            .raw_form("/wechat/bind", body.as_bytes())
            .await;
        assert_page(&reply, 400, "链接不正确");
        assert_harmless(&reply);
    }
    let large = vec![b'x'; 5000];
    let reply = office.app.buyer.raw_form("/wechat/bind", &large).await;
    assert_page(&reply, 413, "链接不正确");
    let text = [("content-type", "text/plain")];
    let reply = office
        .app
        .buyer
        .send("POST", "/wechat/bind", &text, b"x".to_vec())
        .await;
    assert_page(&reply, 415, "链接不正确");
    office.close(&[]).await;
}

#[tokio::test]
async fn of_many_who_want_one_number_one_gets_it() {
    let office = Office::open().await;
    let asked = (0..50).map(|person| {
        let buyer = office.app.buyer.clone();
        tokio::spawn(async move {
            let openid = format!("o{person}");
            let fields = [("openid", openid.as_str()), ("number", NUMBER)];
            buyer.form("/wechat/bind", &fields).await.status
        })
    });
    let asked: Vec<_> = asked.collect();
    let mut statuses = Vec::new();
    for status in asked {
        statuses.push(status.await.expect("a status"));
    }
    let bound = statuses.iter().filter(|status| **status == 200).count();
    let taken = statuses.iter().filter(|status| **status == 409).count();
    assert_eq!((bound, taken), (1, 49));
    office.close(&[]).await;
}
