//! `seckill wechat show` and `unbind`, as the operator of the office runs them.

use std::process::Output;

use seckill::domain::sale::StockKind;
use serde_json::{Value, json};

use super::{Office, assert_page};
use crate::support::process::seckill;
use crate::support::wechat::Follower;

const NUMBER: &str = "2016013265";
const OTHER: &str = "2016013266";

impl Office {
    /// Runs a command on a number.
    fn wechat(&self, command: &str, number: &str, more: &[&str]) -> Output {
        let mut words = self.world.arguments(&[]);
        words.extend(["wechat", command, number].map(str::to_owned));
        words.extend(more.iter().map(|&word| word.to_owned()));
        seckill(&words)
    }

    /// The same, which must succeed, as it is printed for people.
    fn printed(&self, command: &str, number: &str) -> String {
        let output = self.wechat(command, number, &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn json(&self, command: &str, number: &str) -> Value {
        let output = self.wechat(command, number, &["--json"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The same, which must fail and print nothing; gives back what it says.
    fn fails(&self, command: &str, number: &str, code: i32) -> String {
        let output = self.wechat(command, number, &[]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    }
}

#[tokio::test]
async fn a_number_is_shown_with_its_tickets() {
    let office = Office::open().await;
    let nobody = json!({"number": NUMBER, "openid": null, "tickets": []});
    assert_eq!(office.json("show", NUMBER), nobody);
    assert_eq!(
        office.printed("show", NUMBER),
        format!("number  {NUMBER}\nopenid  -\n")
    );

    let gala = office.activity("gala", "马兰花开", 5).await;
    let ball = office.activity("ball", "舞会", 5).await;
    let plain = office.world.sale("plain", StockKind::List, 5).await;
    office.bind("oA", NUMBER).await;
    let used = office.book(&gala, NUMBER).await;
    office.check("gala", "ticket", &used).await;
    let returned = office.book(&ball, NUMBER).await;
    office.cancel(&returned).await;
    let unused = office.book(&ball, NUMBER).await;
    // Somebody else's, and what is no ticket.
    office.book(&ball, OTHER).await;
    office.book(&plain, NUMBER).await;
    let tickets = json!([
        {"sale": "ball", "order": unused, "state": "confirmed", "units": ["sn-1"]},
        {"sale": "gala", "order": used, "state": "used", "units": ["sn-1"]},
    ]);
    let whole = json!({"number": NUMBER, "openid": "oA", "tickets": tickets});
    assert_eq!(office.json("show", NUMBER), whole);
    let lines = format!(
        "number  {NUMBER}\nopenid  oA\nticket  {unused} of ball, confirmed: sn-1\n\
         ticket  {used} of gala, used: sn-1\n"
    );
    assert_eq!(office.printed("show", NUMBER), lines);
    office.close(&[&gala, &ball, &plain]).await;
}

#[tokio::test]
async fn a_number_is_freed_and_keeps_its_tickets() {
    let office = Office::open().await;
    let sale = office.activity("gala", "马兰花开", 5).await;
    office.bind("oA", NUMBER).await;
    let ticket = office.book(&sale, NUMBER).await;
    let said = office.printed("unbind", NUMBER);
    assert!(
        said.contains(NUMBER) && said.contains("oA") && said.contains("tickets stay its own"),
        "{said}"
    );
    let tickets = json!([
        {"sale": "gala", "order": ticket, "state": "confirmed", "units": ["sn-1"]},
    ]);
    let free = json!({"number": NUMBER, "openid": null, "tickets": tickets});
    assert_eq!(office.json("show", NUMBER), free);
    let refused = office.fails("unbind", NUMBER, 1);
    assert_eq!(
        refused,
        format!("seckill: number {NUMBER} is bound to nobody\n")
    );

    // Who had it can bind another one; who binds it has its tickets.
    office.bind("oA", OTHER).await;
    office.bind("oB", NUMBER).await;
    let page = format!("/wechat/ticket?openid=oB&ticket={ticket}");
    assert_page(&office.shows(&page, "有效").await, 200, NUMBER);
    let freed = json!({"result": "unbound", "number": NUMBER, "openid": "oB"});
    assert_eq!(office.json("unbind", NUMBER), freed);
    assert_eq!(office.json("show", OTHER)["openid"], "oA");
    let heard = Follower::new(&office.app, "oB").says("查票").await;
    assert!(heard.text.contains("必须绑定学号"), "{heard:?}");
    office.close(&[&sale]).await;
}

#[tokio::test]
async fn what_cannot_be_read_hides_nothing_else() {
    let mut office = Office::open().await;
    let gala = office.activity("gala", "马兰花开", 5).await;
    let ball = office.activity("ball", "舞会", 5).await;
    office.bind("oA", NUMBER).await;
    let ticket = office.book(&gala, NUMBER).await;
    let lost = office.book(&ball, NUMBER).await;
    let key = format!("{}{{ball}}:orders", office.world.prefix);
    let record: String = office.world.run(&["HGET", &key, &lost]).await;
    let _: u64 = office.world.run(&["HSET", &key, &lost, "lost"]).await;
    let output = office.wechat("show", NUMBER, &["--json"]);
    let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let tickets = json!([
        {"sale": "gala", "order": ticket, "state": "confirmed", "units": ["sn-1"]},
    ]);
    assert_eq!(
        (&printed["tickets"], &printed["openid"]),
        (&tickets, &json!("oA"))
    );
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("ticket of ball is left out") && said.contains(&lost),
        "{said}"
    );
    let _: u64 = office.world.run(&["HSET", &key, &lost, &record]).await;

    let sale = format!("{}{{ball}}:sale:ball", office.world.prefix);
    let added: String = office.world.run(&["HGET", &sale, "added"]).await;
    let _: u64 = office.world.run(&["HSET", &sale, "added", "many"]).await;
    let output = office.wechat("show", NUMBER, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("sale ball is left out"), "{said}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains(&ticket),
        "{output:?}"
    );
    let _: u64 = office.world.run(&["HSET", &sale, "added", &added]).await;
    office.close(&[&gala, &ball]).await;
}

#[tokio::test]
async fn what_is_no_number_is_not_even_asked_about() {
    let office = Office::open().await;
    for command in ["show", "unbind"] {
        for wrong in ["", "a b", "学号", &"1".repeat(33)] {
            let said = office.fails(command, wrong, 2);
            assert!(said.contains("the number"), "{said}");
        }
    }
    office.close(&[]).await;
}
