//! Every change that is possible over HTTP and with a command, each once.

use seckill::domain::ids::OrderId;
use seckill::domain::sale::StockKind;

use super::bids::{event, terms};
use super::bindings::{number, openid};
use super::redis::World;

/// A request that changes something.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub body: &'static str,
}

/// A shop where each change of [`Shop::requests`] and [`Shop::commands`] would succeed.
pub struct Shop {
    held: Vec<OrderId>,
    confirmed: Vec<OrderId>,
}

impl Shop {
    /// Stocks the world.
    pub async fn stock(world: &World) -> Self {
        for goods in ["e.list", "e.gone", "e.stale", "f.all"] {
            world.sale(goods, StockKind::List, 50).await;
        }
        let cup = world.sale("e.cup", StockKind::Counter, 50).await;
        world.target("e.loan", 1_000, &terms(1, 0)).await;
        world.set_accounts("e", &[("al", 500)]).await;
        let kept = world.held_sale("e.held", StockKind::Counter, 50).await;
        let (mut held, mut confirmed) = (Vec::new(), Vec::new());
        for n in 0..6 {
            held.push(world.granted(&kept, &format!("held-{n}"), 1).await);
            confirmed.push(world.granted(&cup, &format!("sold-{n}"), 1).await);
        }
        let (openid, number) = (openid("o-1"), number("2019010001"));
        let bound = world.store.number_bind(&openid, &number);
        bound.await.expect("bound");
        assert!(world.store.keeps_accounts(&event("e")).await.expect("read"));
        Self { held, confirmed }
    }

    /// Every change over HTTP, but those of the ticket office.
    pub fn requests(&self) -> Vec<Request> {
        let [to_confirm, to_cancel, ..] = self.held.as_slice() else {
            unreachable!("six");
        };
        let to_use = &self.confirmed[0];
        let change = |method, path: String, body| Request { method, path, body };
        let post = |path: &str, body| change("POST", path.to_owned(), body);
        vec![
            post(
                "/seckill",
                r#"{"username":"al","purchase":1,"goods":"e.list"}"#,
            ),
            post("/incr", r#"{"username":"al","purchase":1,"goods":"e.cup"}"#),
            post(
                "/orders",
                r#"{"username":"bo","request_id":"r","lines":[{"goods":"e.list","purchase":1}]}"#,
            ),
            post(
                "/bids",
                r#"{"username":"al","request_id":"r","goods":"e.loan","amount":1}"#,
            ),
            post(&format!("/orders/{to_confirm}/confirm"), ""),
            post(&format!("/orders/{to_cancel}/cancel"), ""),
            post(&format!("/orders/{to_use}/use"), ""),
            change("PUT", "/admin/sales/e.new".to_owned(), r#"{"kind":"list"}"#),
            post("/admin/sales/e.list/pause", ""),
            post("/admin/sales/e.list/resume", ""),
            post("/admin/sales/e.list/stock", r#"{"count":1}"#),
            post("/admin/sales/e.list/stock", r#"{"units":["one"]}"#),
            post("/admin/sales/e.list/stock", r#"{"remove":1}"#),
            post(
                "/admin/accounts/e/al/deposit",
                r#"{"amount":5,"request_id":"in"}"#,
            ),
            post(
                "/admin/accounts/e/al/withdraw",
                r#"{"amount":5,"request_id":"out"}"#,
            ),
            change(
                "PUT",
                "/admin/accounts/e/al".to_owned(),
                r#"{"balance":400}"#,
            ),
        ]
    }

    /// Every command that changes something.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let [.., to_confirm, to_cancel] = self.held.as_slice() else {
            unreachable!("six");
        };
        let to_use = &self.confirmed[5];
        [
            "sale put e.newer --kind counter".to_owned(),
            "sale pause e.list".to_owned(),
            "sale resume e.list".to_owned(),
            "sale resume e.list --after-loss".to_owned(),
            "sale reset e.stale".to_owned(),
            "sale delete e.gone".to_owned(),
            "event delete f".to_owned(),
            "stock add e.list --count 1".to_owned(),
            "stock add e.cup --count 1".to_owned(),
            "stock remove e.list --count 1".to_owned(),
            format!("order confirm {to_confirm}"),
            format!("order cancel {to_cancel}"),
            format!("order use {to_use}"),
            "account set e al 300".to_owned(),
            "account deposit e al 5".to_owned(),
            "account withdraw e al 5".to_owned(),
            "wechat unbind 2019010001".to_owned(),
        ]
        .map(|command| command.split(' ').map(str::to_owned).collect())
        .to_vec()
    }
}
