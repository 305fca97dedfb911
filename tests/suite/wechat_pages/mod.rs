//! The pages of the ticket office and the check-in endpoint, over HTTP.

mod activity;
mod bind;
mod bindings;
mod checkin;
mod menu;
mod shape;
mod ticket;

use seckill::domain::ids::SaleId;
use seckill::domain::sale::{EditOutcome, SaleEdit, StockKind};
use seckill::domain::time::EpochMs;

use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::buyer::{Buyer, Reply};
use crate::support::operator::Operator;
use crate::support::redis::{World, sale_id};
use crate::support::terms::term_text;
use crate::support::wechat::{Follower, office};

/// Long before and long after every test.
pub const PAST: EpochMs = 1_000;
pub const FUTURE: EpochMs = 4_000_000_000_000;

/// An office with a page for everything, on one Redis.
pub struct Office {
    pub world: World,
    pub app: TestApp,
    pub operator: Operator,
}

impl Office {
    pub async fn open() -> Self {
        let world = World::new().await;
        let app = office(&world).await;
        let operator = app.operator();
        Self {
            world,
            app,
            operator,
        }
    }

    /// An activity on show, with tickets that can be cancelled. The server shows it: a reading that
    /// began earlier is over.
    pub async fn activity(&self, id: &str, title: &str, tickets: u64) -> SaleId {
        let sale = sale_id(id);
        let edit = SaleEdit {
            kind: Some(StockKind::List),
            title: Some(term_text(title)),
            closes_at: Some(Some(FUTURE)),
            cancel_until: Some(Some(FUTURE)),
            keyword: Some(term_text(id)),
            place: Some(term_text("大礼堂")),
            ends_at: Some(Some(FUTURE)),
            ..SaleEdit::default()
        };
        self.put(&sale, edit).await;
        let added = self.world.store.stock_add_count(&sale, tickets).await;
        added.expect("added");
        let stocked = format!("\"remaining\":{tickets},");
        self.shows(&format!("/sales/{id}"), &stocked).await;
        sale
    }

    pub async fn put(&self, sale: &SaleId, edit: SaleEdit) {
        let put = self.world.store.sale_put(sale, &edit).await;
        let put = put.expect("answered");
        assert!(!matches!(put, EditOutcome::Refused(_)), "{put:?}");
    }

    /// Lets an activity end, and its booking with it.
    pub async fn end(&self, sale: &SaleId, ends_at: EpochMs) {
        let edit = SaleEdit {
            closes_at: Some(Some(ends_at)),
            ends_at: Some(Some(ends_at)),
            ..SaleEdit::default()
        };
        self.put(sale, edit).await;
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.app.buyer.get(path).await
    }

    /// A user who asks in the chat where to bind a number.
    pub async fn visitor(&self, openid: &str) -> Visitor {
        let path = Follower::new(&self.app, openid).binding_path().await;
        Visitor {
            buyer: self.app.buyer.clone(),
            path,
        }
    }

    /// Binds a number to an openid that has none.
    pub async fn bind(&self, openid: &str, number: &str) {
        let bound = self.visitor(openid).await.binds(number).await;
        assert_page(&bound, 200, &format!("您已经绑定了学号{number}"));
    }

    /// Books a ticket for a number, and gives it back.
    pub async fn book(&self, sale: &SaleId, number: &str) -> String {
        self.world.granted(sale, number, 1).await.to_string()
    }

    pub async fn cancel(&self, ticket: &str) {
        let path = format!("/orders/{ticket}/cancel");
        let reply = self.operator.post(&path).await;
        assert_eq!(reply.result, "cancelled", "{reply:?}");
    }

    pub async fn check(&self, sale: &str, kind: &str, shown: &str) -> Reply {
        let body = serde_json::json!({ "sale": sale, kind: shown }).to_string();
        self.operator.json("POST", "/wechat/checkin", &body).await
    }

    /// Waits until the pages, which show the last reading of all sales, show something.
    pub async fn shows(&self, path: &str, text: &str) -> Reply {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let reply = self.get(path).await;
            if reply.body.contains(text) {
                return reply;
            }
            assert!(std::time::Instant::now() < deadline, "{path}: {reply:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub async fn close(self, sales: &[&SaleId]) {
        for sale in sales {
            self.world.assert_holds(sale).await;
        }
        self.app.stop().await;
    }
}

/// A user who follows the link of the chat, and fills in the form there.
#[derive(Clone)]
pub struct Visitor {
    buyer: Buyer,
    /// Where the link leads.
    pub path: String,
}

impl Visitor {
    pub async fn looks(&self) -> Reply {
        self.buyer.get(&self.path).await
    }

    /// Sends the form as a browser does: with what the link says.
    pub async fn binds(&self, number: &str) -> Reply {
        let fields = self.path.split(['?', '&']).skip(1);
        let fields = fields.map(|field| field.split_once('=').expect("a field"));
        let fields: Vec<_> = fields.chain([("number", number)]).collect();
        self.buyer.form("/wechat/bind", &fields).await
    }
}

/// A page: HTML with this status.
pub fn assert_page(reply: &Reply, status: u16, text: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.content_type, "text/html; charset=utf-8", "{reply:?}");
    assert!(reply.body.contains(text), "no {text:?} in {reply:?}");
}

/// What a text of a user must never become.
pub fn assert_harmless(reply: &Reply) {
    let body = reply.body.replace("<script src=\"checkin.js\" defer>", "");
    for danger in ["<script", "<img src=x", "onerror=\""] {
        assert!(!body.contains(danger), "{danger} in {body}");
    }
}
