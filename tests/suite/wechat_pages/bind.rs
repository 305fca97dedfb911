//! The page where a number is bound.

use seckill::domain::ids::Number;
use serde_json::{Value, json};

use super::{Office, assert_harmless, assert_page};
use crate::support::bindings::{number, openid};
use crate::support::wechat::Follower;

const NUMBER: &str = "2016013265";
const OTHER: &str = "2016013266";
/// What everybody hears who has no good link.
const RENEW: &str = "请回到公众号，回复“绑定”，从新的消息里打开。";
/// The seals of oA and oB with the token of these tests, by another program: `printf 'bind\0oA' |
/// openssl dgst -sha256 -hmac AAAAA`, the first 32 digits.
const SEAL_A: &str = "30ccebbc2fce342fb040f900256cb09f";
const SEAL_B: &str = "8dfe90de7d5ab393124ec44bf637641a";

impl Office {
    async fn number_of(&self, openid: &str) -> Option<Number> {
        let bound = self.world.store.number_of(&self::openid(openid)).await;
        bound.expect("read")
    }
}

#[tokio::test]
async fn a_number_is_bound_once_and_shown_from_then_on() {
    let office = Office::open().await;
    let one = office.visitor("oA").await;
    assert_eq!(one.path, format!("/wechat/bind?openid=oA&seal={SEAL_A}"));
    let form = one.looks().await;
    assert_page(&form, 200, "<form method=\"post\" action=\"bind\">");
    for (name, value) in [("openid", "oA"), ("seal", SEAL_A)] {
        let field = format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
        assert_page(&form, 200, &field);
    }
    let bound = format!("您已经绑定了学号{NUMBER}，若要解绑请回复“解绑”");
    assert_page(&one.binds(&format!(" {NUMBER} ")).await, 200, &bound);
    assert_page(&one.looks().await, 200, &bound);
    assert_page(&one.binds(NUMBER).await, 200, &bound);
    let refused = one.binds(OTHER).await;
    assert_page(&refused, 409, &format!("您已经绑定了学号{NUMBER}"));
    let taken = office.visitor("oB").await.binds(NUMBER).await;
    assert_page(&taken, 409, "该学号已被占用！");
    for value in [NUMBER, SEAL_B] {
        assert_page(&taken, 409, &format!("value=\"{value}\""));
    }
    assert_eq!(office.number_of("oB").await, None);
    assert_eq!(office.number_of("oA").await, Some(number(NUMBER)));
    // The link stays good: a user who gives a number up binds the next one with it.
    Follower::new(&office.app, "oA").says("解绑").await;
    assert_page(&one.binds(OTHER).await, 200, &format!("学号{OTHER}"));
    office.close(&[]).await;
}

#[tokio::test]
async fn programs_send_the_form_as_json() {
    let office = Office::open().await;
    let send = async |body: Value| {
        let buyer = &office.app.buyer;
        buyer.json("/wechat/bind", &body.to_string()).await
    };
    let form = json!({ "openid": "oA", "seal": SEAL_A, "number": NUMBER });
    for (wrong, status, text) in [
        (json!({ "openid": "oA", "number": NUMBER }), 400, RENEW),
        (
            json!({ "openid": "oA", "seal": SEAL_B, "number": NUMBER }),
            403,
            RENEW,
        ),
        (
            json!({ "openid": "oA", "seal": SEAL_A, "number": "1" }),
            400,
            "学号格式不正确",
        ),
    ] {
        assert_page(&send(wrong).await, status, text);
        assert_eq!(office.number_of("oA").await, None);
    }
    let bound = format!("您已经绑定了学号{NUMBER}，若要解绑请回复“解绑”");
    assert_page(&send(form).await, 200, &bound);
    assert_eq!(office.number_of("oA").await, Some(number(NUMBER)));
    office.close(&[]).await;
}

/// Somebody who invents openids gets no number, and who has the openid of another does not learn
/// that number.
#[tokio::test]
async fn without_the_seal_of_the_chat_nothing_is_bound_or_shown() {
    let mut office = Office::open().await;
    office.bind("oA", NUMBER).await;
    let kept = office.world.dump().await;
    let upper = SEAL_A.to_uppercase();
    let wrong = [
        ("oX", SEAL_A, 403, "an invented openid"),
        ("oA", SEAL_B, 403, "the seal of another openid"),
        ("oa", SEAL_A, 403, "an openid in another case"),
        ("oA", &upper, 403, "upper case"),
        ("oA", &SEAL_A[..31], 403, "too short"),
        ("oA", &format!("{SEAL_A}4"), 403, "too long"),
        ("oA", "", 403, "an empty seal"),
        ("oA", "%E5%BC%A0", 403, "no ASCII"),
        ("oA", "%22%3E%3Cscript%3Ealert(1)", 403, "another text"),
        ("oA", &format!("{SEAL_A}&seal={SEAL_A}"), 400, "two seals"),
    ];
    let with = wrong
        .map(|(openid, seal, status, what)| (format!("openid={openid}&seal={seal}"), status, what));
    let mut wrong = Vec::from(with);
    wrong.push(("openid=oA".to_owned(), 400, "no seal"));
    wrong.push(("openid=oX".to_owned(), 400, "no seal and no binding"));
    let buyer = office.app.buyer.clone();
    let refused = async || {
        let mut replies = Vec::new();
        for (link, status, what) in &wrong {
            let form = format!("{link}&number={OTHER}");
            for reply in [
                buyer.get(&format!("/wechat/bind?{link}")).await,
                buyer.raw_form("/wechat/bind", form.as_bytes()).await,
            ] {
                assert_eq!(reply.status, *status, "{what}: {reply:?}");
                assert_page(&reply, *status, RENEW);
                assert_harmless(&reply);
                assert!(!reply.body.contains(NUMBER), "{what}: {reply:?}");
                assert!(!reply.body.contains(SEAL_A), "{what}: {reply:?}");
                replies.push(reply);
            }
        }
        replies
    };
    let heard = refused().await;
    assert_eq!(office.world.dump().await, kept);
    // Redis is not even asked: with bindings that cannot be read, they all hear the same.
    let good = office.visitor("oB").await;
    for key in office.world.store.keys().of_bindings() {
        let _: String = office.world.run(&["SET", &key, "x"]).await;
    }
    assert_eq!(refused().await, heard);
    assert_page(&good.looks().await, 500, "数据无法读取");
    office.close(&[]).await;
}

#[tokio::test]
async fn a_wrong_number_gets_the_form_again() {
    let office = Office::open().await;
    let visitor = office.visitor("oA").await;
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
        let reply = visitor.binds(typed).await;
        assert_page(&reply, 400, "学号格式不正确");
        assert_page(&reply, 400, "<form method=\"post\" action=\"bind\">");
        assert_page(&reply, 400, &format!("name=\"seal\" value=\"{SEAL_A}\""));
        assert_harmless(&reply);
    }
    let typed = visitor.binds("12<3").await;
    assert!(typed.body.contains("value=\"12&#60;3\""), "{typed:?}");
    assert_eq!(office.number_of("oA").await, None);
    office.close(&[]).await;
}

#[tokio::test]
async fn a_wrong_link_or_form_is_told() {
    let office = Office::open().await;
    for query in [
        "",
        "open_id=oA",
        "openid=",
        "openid=oA&openid=oB",
        "openid=o%20A",
        "openid=%3Cscript%3Ealert(1)%3C/script%3E",
        "openid=%22%3E%3Cscript%3E",
        "openid=%zz",
        "openid=%ff",
        "openid=%E5%BC%A0",
        &format!("openid={}", "o".repeat(65)),
    ] {
        for seal in ["", &format!("seal={SEAL_A}&")] {
            let reply = office.get(&format!("/wechat/bind?{seal}{query}")).await;
            assert_page(&reply, 400, "链接不正确");
            assert_harmless(&reply);
        }
    }
    for body in [
        "",
        "openid=oA",
        "number=2016013265",
        "openid=oA&openid=oA&number=2016013265",
        "openid=<script>&number=2016013265",
        "openid=%&number=2016013265",
    ] {
        for seal in ["", &format!("&seal={SEAL_A}")] {
            let body = format!("{body}{seal}");
            let buyer = &office.app.buyer;
            let reply = buyer.raw_form("/wechat/bind", body.as_bytes()).await;
            assert_page(&reply, 400, "链接不正确");
            assert_harmless(&reply);
        }
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
    let mut visitors = Vec::new();
    for person in 0..50 {
        visitors.push(office.visitor(&format!("o{person}")).await);
    }
    let asked = visitors
        .into_iter()
        .map(|visitor| tokio::spawn(async move { visitor.binds(NUMBER).await.status }));
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
